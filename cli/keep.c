/* keep.c - holds what must not be lost with the server */
/* SPDX-License-Identifier: MIT */
#include "keep.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of a client: its userfaultfd, its pidfd. */
#define PROCESS 1

static void close_all(int *fds)
{
	for (size_t i = 0; i < KEEPER_DESCRIPTORS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
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

static struct kept *find(const struct keep *keep, uint64_t number)
{
	for (size_t i = 0; i < keep->count; i++)
		if (keep->kept[i].message.number == number)
			return &keep->kept[i];
	return NULL;
}

/* Without memory the descriptors stay open all the same: that is what counts,
 * and `quire run` has its program's processes killed besides. */
static void take_one(struct keep *keep, const struct kept *new)
{
	struct kept *kept = find(keep, new->message.number);

	if (kept) { /* told once more */
		close_all(kept->fds);
	} else if (new->fds[0] < 0 || !make_room(keep)) {
		keep->incomplete = true;
		return;
	} else {
		kept = &keep->kept[keep->count++];
	}
	*kept = *new;
	if (kept->message.type == KEEPER_KEEP && kept->fds[PROCESS] < 0 &&
	    kept->message.pid > 0)
		kept->fds[PROCESS] = (int)syscall(SYS_pidfd_open,
						  (pid_t)kept->message.pid, 0);
}

static void let_go(struct keep *keep, struct kept *kept)
{
	close_all(kept->fds);
	*kept = keep->kept[--keep->count];
}

static void let_go_of(struct keep *keep, uint64_t number)
{
	struct kept *kept = find(keep, number);

	if (kept)
		let_go(keep, kept);
}

/* ---- messages ---- */

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(KEEPER_DESCRIPTORS * sizeof(int))];
};

/* false: nothing waits. */
static bool receive(struct keep *keep, struct kept *new)
{
	union control control;
	struct iovec part = { &new->message, sizeof(new->message) };
	struct msghdr header = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *first;
	ssize_t length;

	for (size_t i = 0; i < KEEPER_DESCRIPTORS; i++)
		new->fds[i] = -1;
	do
		length = recvmsg(keep->socket, &header,
				 MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (length < 0 && errno == EINTR);
	keep->ended = length == 0 || (length < 0 && errno != EAGAIN);
	if (length != sizeof(new->message))
		return false;
	if (header.msg_flags & (MSG_CTRUNC | MSG_TRUNC))
		keep->incomplete = true; /* no descriptors are left */
	first = CMSG_FIRSTHDR(&header);
	if (first && first->cmsg_type == SCM_RIGHTS)
		memcpy(new->fds, CMSG_DATA(first),
		       first->cmsg_len - CMSG_LEN(0));
	return true;
}

void keep_take(struct keep *keep)
{
	struct kept new;

	while (receive(keep, &new)) {
		if (new.message.sequence != ++keep->sequence ||
		    new.message.version != KEEPER_VERSION)
			keep->incomplete = true;
		keep->sequence = new.message.sequence;
		switch (new.message.type) {
		case KEEPER_KEEP:
		case KEEPER_FILE:
		case KEEPER_TABLES:
			take_one(keep, &new);
			continue;
		case KEEPER_LET_GO:
			let_go_of(keep, new.message.number);
			break;
		default: /* LOST, and what we do not know */
			keep->incomplete = true;
		}
		close_all(new.fds);
	}
}

size_t keep_clients(const struct keep *keep)
{
	size_t count = 0;

	for (size_t i = 0; i < keep->count; i++)
		count += keep->kept[i].message.type == KEEPER_KEEP;
	return count;
}

/* ---- another server ---- */

static bool send_one(int socket, struct kept *kept)
{
	union control control = { .bytes = { 0 } };
	struct iovec part = { &kept->message, sizeof(kept->message) };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	size_t count = 0, bytes;
	struct cmsghdr *first;

	while (count < KEEPER_DESCRIPTORS && kept->fds[count] >= 0)
		count++;
	bytes = count * sizeof(int);
	if (count) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(bytes);
		first = CMSG_FIRSTHDR(&header);
		first->cmsg_level = SOL_SOCKET;
		first->cmsg_type = SCM_RIGHTS;
		first->cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(first), kept->fds, bytes);
	}
	/* Descriptors on their way are counted: until it has taken some. */
	while (sendmsg(socket, &header, MSG_NOSIGNAL) < 0) {
		if (errno != EINTR && errno != ETOOMANYREFS)
			return false;
		sched_yield();
	}
	return true;
}

static bool send_all(struct keep *keep, int socket, enum keeper_type type)
{
	for (size_t i = 0; i < keep->count; i++)
		if (keep->kept[i].message.type == type &&
		    !send_one(socket, &keep->kept[i]))
			return false;
	return true;
}

bool keep_hand_over(struct keep *keep, int socket)
{
	struct kept end = { .message = { .version = KEEPER_VERSION,
					 .type = KEEPER_END } };

	for (size_t i = 0; i < KEEPER_DESCRIPTORS; i++)
		end.fds[i] = -1;
	end.message.number = ++keep->servers;
	keep->socket = socket;
	keep->ended = false;
	keep->sequence = 0;
	return send_all(keep, socket, KEEPER_TABLES) &&
	       send_all(keep, socket, KEEPER_FILE) &&
	       send_all(keep, socket, KEEPER_KEEP) && send_one(socket, &end);
}

/* ---- the end ---- */

/* The pidfd is readable when the whole process is gone. */
static void await_end(int process)
{
	struct pollfd polled = { .fd = process, .events = POLLIN };

	while (poll(&polled, 1, -1) < 0 && errno == EINTR)
		;
}

static int process_of(const struct kept *kept)
{
	return kept->message.type == KEEPER_KEEP ? kept->fds[PROCESS] : -1;
}

size_t keep_kill(struct keep *keep)
{
	size_t count;

	keep_take(keep);
	count = keep_clients(keep);
	for (size_t i = 0; i < keep->count; i++)
		if (process_of(&keep->kept[i]) >= 0)
			syscall(SYS_pidfd_send_signal,
				process_of(&keep->kept[i]), SIGKILL, NULL, 0);
	/* One of another user's may not be killed: then until it ends. */
	for (size_t i = 0; i < keep->count; i++)
		if (process_of(&keep->kept[i]) >= 0)
			await_end(process_of(&keep->kept[i]));
	keep_finish(keep);
	return count;
}

void keep_finish(struct keep *keep)
{
	while (keep->count)
		let_go(keep, &keep->kept[0]);
	free(keep->kept);
	keep->kept = NULL;
	keep->room = 0;
}
