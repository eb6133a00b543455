/* returned.c - a client that another server had comes back */
/* SPDX-License-Identifier: MIT */
/*
 * By HELLO_AGAIN on a connection, which is a stranger's until then.  Who it is
 * the kernel says: its process is that of a client that was restored, or the
 * child of a fork that another server was told of.
 */
#include "server/server_private.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct client *find_returned(struct server *server,
				    const struct job *job, pid_t pid)
{
	struct list *link;

	list_for_each(link, &server->clients) {
		struct client *client = container_of(link, struct client, link);

		if (client != job->client && client->pid == pid && pid > 0 &&
		    !client->gone)
			return client;
	}
	return NULL;
}

/* Its parent's fork is known, and now its process. */
static struct client *find_child(struct client *parent, uint64_t number)
{
	struct client *child = fork_find_child(parent, number);

	/* Its number was lost with the server that was told of it. */
	return child ? child : fork_find_only_child(parent);
}

/* Is it what it says?  A stranger would get hold of somebody's memory. */
static bool is_child_of(pid_t pid, pid_t parent)
{
	char path[32], line[128];
	int found = 0;
	FILE *stream;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	stream = fopen(path, "re");
	while (stream && fgets(line, sizeof(line), stream))
		if (sscanf(line, "PPid: %d", &found) == 1)
			break;
	if (stream)
		fclose(stream);
	return found > 0 && found == parent;
}

static struct client *find_forked(struct server *server, const struct job *job)
{
	struct client *stranger = job->client;
	struct client *parent =
		client_find(server, (pid_t)job->request.address);
	struct client *child = NULL;
	int pidfd;

	if (parent && job->request.id)
		child = find_child(parent, job->request.id);
	if (!child || child->pid || !child->layout ||
	    !is_child_of(stranger->pid, parent->pid))
		return NULL;
	pidfd = (int)syscall(SYS_pidfd_open, stranger->pid, 0);
	fork_identify(child, stranger->pid, pidfd);
	if (layout_rebuild(child->layout))
		client_kill(child);
	layout_wake(child->layout);
	return child;
}

void client_return(struct job *job)
{
	struct client *stranger = job->client, *client;
	struct server *server = stranger->server;

	if (stranger->greeted) /* it is somebody */
		return;
	client = find_returned(server, job, stranger->pid);
	if (client)
		client_probe(client); /* it may execute another program */
	if (client && client->gone)
		client = NULL;
	if (!client) {
		client = find_forked(server, job);
		if (client)
			job->reply.flags |= REPLY_HAS_USERFAULT;
	}
	if (!client)
		return;
	client->awaited = false;
	client->greeted = true;
	if (client->layout)
		job->reply.flags |= REPLY_RETURNED;
	if (client->layout && client->layout->follows_forks)
		job->reply.flags |= REPLY_FOLLOWS_FORKS;
	channel_move(job->channel, client);
	stranger->working--;
	client->working++;
	job->client = client;
}
