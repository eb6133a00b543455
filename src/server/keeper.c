/* keeper.c - another process holds each client's userfaultfd, too */
/* SPDX-License-Identifier: MIT */
#include "server/server_private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static void complain(struct server *server, int error)
{
	server->keeper_lost = error != EAGAIN;
	log_line(&server->quire->log, LOG_ERROR,
		 "the keeper of the clients' userfaultfds does not take one: "
		 "%s",
		 strerror(error));
}

/* Without the keeper the server goes on, and without what it was for. */
static void send_message(struct server *server,
			 const struct keeper_message *message, const int *fds,
			 unsigned count)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * KEEPER_DESCRIPTORS)];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)message, sizeof(*message) };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (server->options.keeper <= 0 || server->keeper_lost)
		return;
	if (count > 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * count);
	}
	while (sendmsg(server->options.keeper, &header,
		       MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		if (errno != EINTR) {
			complain(server, errno);
			return;
		}
}

void keeper_keep(struct server *server, struct layout *layout, pid_t pid,
		 int pidfd)
{
	int fds[] = { mmu_remote_descriptor(layout->space.mmu), pidfd };
	struct keeper_message message = {
		.type = KEEPER_KEEP,
		.pid = pid,
		.number = ++server->next_number,
	};

	layout->number = message.number;
	send_message(server, &message, fds, pidfd >= 0 ? 2 : 1);
}

void keeper_let_go(struct server *server, uint64_t number)
{
	struct keeper_message message = {
		.type = KEEPER_LET_GO,
		.number = number,
	};

	send_message(server, &message, NULL, 0);
}
