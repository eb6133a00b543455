/* keep.c - holds the clients' userfaultfds, so that none of them reads zeros */
/* SPDX-License-Identifier: MIT */
#include "keep.h"
#include "server/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void keep_begin(struct keep *keep, int socket)
{
	struct rlimit limit;

	*keep = (struct keep){ .socket = socket };
	/* Each client costs some: as many as may be. */
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static bool make_room(struct keep *keep)
{
	size_t room = keep->room ? 2 * keep->room : 64;
	struct kept *kept;

	if (keep->count < keep->room)
		return true;
	kept = realloc(keep->kept, room * sizeof(*kept));
	if (!kept)
		return false;
	keep->kept = kept;
	keep->room = room;
	return true;
}

/* Without memory the descriptors stay open all the same: that is what counts,
 * and `quire run` has its program's processes killed besides. */
static void take_one(struct keep *keep, const struct keeper_message *message,
		     const int *fds)
{
	struct kept *kept;

	if (fds[0] < 0 || !make_room(keep))
		return;
	kept = &keep->kept[keep->count++];
	kept->number = message->number;
	kept->userfault = fds[0];
	kept->process = fds[1];
	if (kept->process < 0 && message->pid > 0)
		kept->process =
			(int)syscall(SYS_pidfd_open, (pid_t)message->pid, 0);
}

static void let_go(struct keep *keep, size_t i)
{
	close_if_open(keep->kept[i].userfault);
	close_if_open(keep->kept[i].process);
	keep->kept[i] = keep->kept[--keep->count];
}

static void let_go_of(struct keep *keep, uint64_t number)
{
	for (size_t i = 0; i < keep->count; i++) {
		if (keep->kept[i].number == number) {
			let_go(keep, i);
			return;
		}
	}
}

/* false: nothing waits. */
static bool receive(struct keep *keep, struct keeper_message *message, int *fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(KEEPER_DESCRIPTORS * sizeof(int))];
	} control;
	struct iovec part = { message, sizeof(*message) };
	struct msghdr header = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *first;
	ssize_t length;

	fds[0] = fds[1] = -1;
	do
		length = recvmsg(keep->socket, &header,
				 MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (length < 0 && errno == EINTR);
	keep->ended = length == 0 || (length < 0 && errno != EAGAIN);
	if (length != sizeof(*message))
		return false;
	first = CMSG_FIRSTHDR(&header);
	if (first && first->cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(first), first->cmsg_len - CMSG_LEN(0));
	return true;
}

void keep_take(struct keep *keep)
{
	struct keeper_message message;
	int fds[KEEPER_DESCRIPTORS];

	while (receive(keep, &message, fds)) {
		if (message.type == KEEPER_KEEP) {
			take_one(keep, &message, fds);
			continue;
		}
		close_if_open(fds[0]);
		close_if_open(fds[1]);
		if (message.type == KEEPER_LET_GO)
			let_go_of(keep, message.number);
	}
}

/* The pidfd is readable when the whole process is gone. */
static void await_end(int process)
{
	struct pollfd polled = { .fd = process, .events = POLLIN };

	while (poll(&polled, 1, -1) < 0 && errno == EINTR)
		;
}

static void kill_one(int process)
{
	if (process >= 0)
		syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0);
}

size_t keep_kill(struct keep *keep)
{
	size_t count;

	keep_take(keep);
	count = keep->count;
	for (size_t i = 0; i < count; i++)
		kill_one(keep->kept[i].process);
	/* One of another user's may not be killed: then until it ends. */
	for (size_t i = 0; i < count; i++)
		if (keep->kept[i].process >= 0)
			await_end(keep->kept[i].process);
	keep_finish(keep);
	return count;
}

void keep_finish(struct keep *keep)
{
	while (keep->count)
		let_go(keep, 0);
	free(keep->kept);
	keep->kept = NULL;
	keep->room = 0;
}
