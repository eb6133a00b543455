/* channel.c - one socket of a client: a message in, a message out */
/* SPDX-License-Identifier: MIT */
/*
 * While a request of it is in work a channel is not looked at: a client has
 * as many requests at once as it has channels.  What is not a whole request
 * ends all channels of the client; its traps are resolved all the same, until
 * its process is gone.
 */
#include "server/server_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* More than is ever right, so that too many are seen and closed. */
#define RECEIVED_DESCRIPTORS 16

union control {
	char bytes[CMSG_SPACE(sizeof(int) * RECEIVED_DESCRIPTORS)];
	struct cmsghdr align;
};

struct message {
	ssize_t length;
	int flags;
	int fds[RECEIVED_DESCRIPTORS];
	unsigned fd_count;
};

int channel_peer(int descriptor, pid_t *pid, uid_t *uid, int *pidfd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length))
		return -errno;
	*pid = peer.pid;
	*uid = peer.uid;
	length = sizeof(*pidfd);
	/* The process itself, if its number is another's by now. */
	if (getsockopt(descriptor, SOL_SOCKET, SO_PEERPIDFD, pidfd, &length))
		*pidfd = (int)syscall(SYS_pidfd_open, peer.pid, 0);
	return 0;
}

/* ---- receiving ---- */

static void take_descriptors(struct msghdr *header, struct message *message)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(header);

	message->fd_count = 0;
	for (; cmsg; cmsg = CMSG_NXTHDR(header, cmsg)) {
		size_t bytes = cmsg->cmsg_len - CMSG_LEN(0);

		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(message->fds, CMSG_DATA(cmsg), bytes);
		message->fd_count = (unsigned)(bytes / sizeof(int));
	}
}

static void receive(struct channel *channel, struct message *message)
{
	struct server *server = channel->client->server;
	struct iovec iov = { server->buffer,
			     sizeof(struct request) + PROTOCOL_BYTES_MAX };
	union control control;
	struct msghdr header = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control),
	};

	message->length = recvmsg(channel->watch.fd, &header,
				  MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (message->length < 0) {
		message->length = -errno;
		message->flags = 0;
		message->fd_count = 0;
		return;
	}
	message->flags = header.msg_flags;
	take_descriptors(&header, message);
}

static void drop_descriptors(struct server *server,
			     const struct message *message)
{
	for (unsigned i = 0; i < message->fd_count; i++)
		server_close_later(server, message->fds[i]);
}

/* NULL: it is no request at all, or there is no memory. */
static struct job *make_job(struct channel *channel,
			    const struct message *message)
{
	struct server *server = channel->client->server;
	const char *bytes = server->buffer;
	struct job *job;

	if ((size_t)message->length < sizeof(struct request) ||
	    (message->flags & (MSG_TRUNC | MSG_CTRUNC)) ||
	    message->fd_count > SERVER_DESCRIPTORS)
		return NULL;
	job = calloc(1, sizeof(*job));
	if (!job)
		return NULL;
	memcpy(&job->request, bytes, sizeof(job->request));
	job->length =
		(uint32_t)((size_t)message->length - sizeof(job->request));
	job->bytes = malloc(job->length + 1);
	if (!job->bytes) {
		free(job);
		return NULL;
	}
	memcpy(job->bytes, bytes + sizeof(job->request), job->length);
	job->bytes[job->length] = '\0';
	job->client = channel->client;
	job->channel = channel;
	job->fd_count = message->fd_count;
	memcpy(job->fds, message->fds, message->fd_count * sizeof(int));
	return job;
}

void client_hang_up(struct client *client)
{
	while (!list_empty(&client->channels))
		channel_destroy(container_of(client->channels.next,
					     struct channel, link));
}

static void on_ready(struct watch *watch)
{
	struct channel *channel = container_of(watch, struct channel, watch);
	struct client *client = channel->client;
	struct message message;
	struct job *job;

	if (atomic_load(&client->server->leaving)) {
		loop_pause(client->server, watch);
		return;
	}
	/* What happened before the request comes before it. */
	if (client->layout)
		layout_follow(client->layout);
	receive(channel, &message);
	if (message.length == -EAGAIN || message.length == -EINTR)
		return;
	if (message.length <= 0) {
		drop_descriptors(client->server, &message);
		channel_destroy(channel);
		client_probe(client);
		return;
	}
	job = make_job(channel, &message);
	if (!job) {
		drop_descriptors(client->server, &message);
		count_refused(client->server);
		client_hang_up(client);
		return;
	}
	channel->job = job;
	client->working++;
	request_take(job);
}

/* ---- sending ---- */

static void put_descriptors(struct msghdr *header, union control *control,
			    const struct job *job)
{
	size_t bytes = sizeof(int) * job->reply_fd_count;
	struct cmsghdr *cmsg;

	if (bytes == 0)
		return;
	memset(control, 0, sizeof(*control));
	header->msg_control = control->bytes;
	header->msg_controllen = CMSG_SPACE(bytes);
	cmsg = CMSG_FIRSTHDR(header);
	check(cmsg, "there is room for the descriptors' header");
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(cmsg), job->reply_fds, bytes);
}

bool channel_send(struct channel *channel, struct job *job)
{
	struct iovec iov[] = { { &job->reply, sizeof(job->reply) },
			       { job->reply_bytes, job->reply_length } };
	struct msghdr header = { .msg_iov = iov,
				 .msg_iovlen = job->reply_length ? 2 : 1 };
	union control control;

	job->reply.version = PROTOCOL_VERSION;
	put_descriptors(&header, &control, job);
	return sendmsg(channel->watch.fd, &header,
		       MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
}

void channel_reply(struct channel *channel, struct job *job)
{
	struct client *client = channel->client;

	channel->job = NULL;
	/* Who does not read what it asked for is not asked again. */
	if (!channel_send(channel, job)) {
		client_hang_up(client);
		return;
	}
	if (job->last)
		client_hang_up(client);
	else if (!channel_resume(channel))
		channel_destroy(channel);
}

/* Level-triggered: one that is not looked at must not be watched. */
void channel_pause(struct channel *channel)
{
	loop_pause(channel->client->server, &channel->watch);
	channel->paused = true;
}

bool channel_resume(struct channel *channel)
{
	bool paused = channel->paused;

	channel->paused = false;
	return !paused ||
	       !loop_resume(channel->client->server, &channel->watch);
}

/* ---- life ---- */

static bool is_channel(int descriptor)
{
	int value = 0;
	socklen_t length = sizeof(value);

	if (getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &value, &length) ||
	    value != AF_UNIX)
		return false;
	length = sizeof(value);
	if (getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &value, &length) ||
	    value != SOCK_SEQPACKET)
		return false;
	length = sizeof(value);
	return !getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &value,
			   &length) &&
	       !value;
}

int client_add_channel(struct client *client, int descriptor,
		       struct channel **added)
{
	struct channel *channel = NULL;
	int error = 0;

	if (!is_channel(descriptor))
		error = -ENOTSOCK;
	else if (client->channel_count >= SERVER_CHANNELS)
		error = -EMFILE;
	if (!error) {
		channel = calloc(1, sizeof(*channel));
		error = channel ? 0 : -ENOMEM;
	}
	if (!error) {
		channel->client = client;
		error = loop_watch(client->server, &channel->watch, descriptor,
				   on_ready);
	}
	if (error) {
		server_close_later(client->server, descriptor);
		free(channel);
		return error;
	}
	list_add_tail(&client->channels, &channel->link);
	client->channel_count++;
	if (added)
		*added = channel;
	return 0;
}

void channel_move(struct channel *channel, struct client *client)
{
	list_remove(&channel->link);
	channel->client->channel_count--;
	channel->client = client;
	list_add_tail(&client->channels, &channel->link);
	client->channel_count++;
}

void channel_destroy(struct channel *channel)
{
	struct client *client = channel->client;
	int fd = channel->watch.fd;

	if (channel->job)
		channel->job->channel = NULL;
	writes_hung_up(client, channel);
	loop_unwatch(client->server, &channel->watch);
	close(fd); /* a socket's never waits */
	list_remove(&channel->link);
	client->channel_count--;
	list_add_tail(&client->server->graves, &channel->link);
}
