/* channel.c - sockets to the server, one for each request at a time */
/* SPDX-License-Identifier: MIT */
#include "channel.h"

#include "raw.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

int channel_set(struct channel *channel, int fd)
{
	struct stat status;
	long error = raw(SYS_fstat, fd, &status);

	channel->fd = fd;
	channel->inode = raw_failed(error) ? 0 : status.st_ino;
	return raw_failed(error) ? (int)error : 0;
}

bool channel_is_alive(const struct channel *channel)
{
	struct stat status;

	return !raw_failed(raw(SYS_fstat, channel->fd, &status)) &&
	       S_ISSOCK(status.st_mode) && status.st_ino == channel->inode;
}

static long again_if_interrupted(long number, int fd, struct msghdr *message,
				 int flags)
{
	long result;

	do
		result = raw(number, fd, message, flags);
	while (result == -EINTR);
	return result;
}

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(CALL_DESCRIPTORS * sizeof(int))];
};

static void put_descriptors(struct msghdr *message, union control *control,
			    const struct call *call)
{
	size_t size = (size_t)call->send_count * sizeof(int);
	struct cmsghdr *header = &control->header;

	if (!call->send_count)
		return;
	message->msg_control = control->bytes;
	message->msg_controllen = CMSG_SPACE(size);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(header), call->send, size);
}

static int send_request(int fd, struct call *call)
{
	struct iovec parts[2] = {
		{ &call->request, sizeof(call->request) },
		{ (void *)(uintptr_t)call->bytes, call->byte_count },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	union control control = { .bytes = { 0 } };
	long result;

	call->request.version = PROTOCOL_VERSION;
	put_descriptors(&message, &control, call);
	result = again_if_interrupted(SYS_sendmsg, fd, &message, MSG_NOSIGNAL);
	/* the program's own: it was no descriptor, or no memory */
	if ((result == -EBADF && call->send_count) ||
	    (result == -EFAULT && call->byte_count))
		return (int)result;
	return raw_failed(result) ? -EIO : 0;
}

static void get_descriptors(struct msghdr *message, struct call *call)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);

	if (!header || header->cmsg_level != SOL_SOCKET ||
	    header->cmsg_type != SCM_RIGHTS)
		return;
	call->got_count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(call->got, CMSG_DATA(header),
	       (size_t)call->got_count * sizeof(int));
}

int channel_receive(int fd, struct call *call)
{
	struct iovec parts[2] = {
		{ &call->reply, sizeof(call->reply) },
		{ call->answer, call->answer_size },
	};
	union control control;
	struct msghdr message = {
		.msg_iov = parts,
		.msg_iovlen = 2,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	long result;

	call->got_count = 0;
	result = again_if_interrupted(SYS_recvmsg, fd, &message,
				      MSG_CMSG_CLOEXEC);

	/* it was received all the same, and is lost */
	if (result == -EFAULT && call->answer_size)
		return -EFAULT;
	if (raw_failed(result))
		return -EIO;
	get_descriptors(&message, call);
	if ((size_t)result < sizeof(call->reply) ||
	    call->reply.version != PROTOCOL_VERSION) {
		call_drop(call, 0);
		return -EIO;
	}
	call->answer_count = (size_t)result - sizeof(call->reply);
	return 0;
}

int channel_exchange(int fd, struct call *call, bool reply)
{
	int error = send_request(fd, call);

	if (error || !reply)
		return error;
	return channel_receive(fd, call);
}

int channel_pair(int *fd, int *other)
{
	int ends[2];
	long error = raw(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC,
			 0, ends);

	if (raw_failed(error))
		return (int)error;
	*fd = ends[0];
	*other = ends[1];
	return 0;
}
