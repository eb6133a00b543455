/* keeper.c - another process holds what must not be lost with this one */
/* SPDX-License-Identifier: MIT */
#include "server/server_private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void complain(struct server *server, int error)
{
	server->keeper_lost = error != EAGAIN;
	log_line(&server->quire->log, LOG_ERROR,
		 "the keeper of the clients' userfaultfds does not take one: "
		 "%s",
		 strerror(error));
}

union control {
	char bytes[CMSG_SPACE(sizeof(int) * KEEPER_DESCRIPTORS)];
	struct cmsghdr align;
};

static void put_descriptors(struct msghdr *header, union control *control,
			    const int *fds, unsigned count)
{
	struct cmsghdr *cmsg;

	if (count == 0)
		return;
	memset(control, 0, sizeof(*control));
	header->msg_control = control->bytes;
	header->msg_controllen = CMSG_SPACE(sizeof(int) * count);
	cmsg = CMSG_FIRSTHDR(header);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int) * count);
	memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * count);
}

/* Without the keeper the server goes on, and without what it was for. */
static void send_message(struct server *server, struct keeper_message *message,
			 const int *fds, unsigned count)
{
	union control control;
	struct iovec iov = { message, sizeof(*message) };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (server->options.keeper <= 0)
		return;
	message->version = KEEPER_VERSION;
	put_descriptors(&header, &control, fds, count);
	lock_take(&server->keeper_lock);
	message->sequence = ++server->keeper_sequence;
	while (!server->keeper_lost && sendmsg(server->options.keeper, &header,
					       MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		if (errno != EINTR) {
			complain(server, errno);
			break;
		}
	lock_drop(&server->keeper_lock);
}

/* ---- what it is told ---- */

void keeper_keep(struct server *server, struct layout *layout, pid_t pid,
		 int pidfd)
{
	int fds[] = { mmu_remote_descriptor(layout->space.mmu), pidfd,
		      layout->client->words_fd };
	struct keeper_message message = {
		.type = KEEPER_KEEP,
		.pid = pid,
		.flags = layout->follows_forks ? KEEPER_FOLLOWS_FORKS : 0,
	};
	unsigned count = pidfd < 0 ? 1 : layout->client->words ? 3 : 2;

	if (!layout->number)
		layout->number = atomic_fetch_add(&server->next_number, 1) + 1;
	message.number = layout->number;
	send_message(server, &message, fds, count);
}

uint64_t keeper_keep_child(struct layout *parent, int descriptor)
{
	struct server *server = parent->client->server;
	struct keeper_message message = {
		.type = KEEPER_KEEP,
		.number = atomic_fetch_add(&server->next_number, 1) + 1,
		.parent = parent->number,
		.fork = atomic_load(&parent->client->forking),
		.flags = KEEPER_FOLLOWS_FORKS,
	};

	send_message(server, &message, &descriptor, 1);
	return message.number;
}

void keeper_let_go(struct server *server, uint64_t number)
{
	struct keeper_message message = {
		.type = KEEPER_LET_GO,
		.number = number,
	};

	if (number)
		send_message(server, &message, NULL, 0);
}

static void lose(struct server *server)
{
	struct keeper_message message = { .type = KEEPER_LOST };

	send_message(server, &message, NULL, 0);
}

void keeper_keep_file(struct server *server, struct server_file *file)
{
	struct object_kept kept;
	struct keeper_message message = {
		.type = KEEPER_FILE,
		.id = file->id,
	};
	int fds[KEEPER_DESCRIPTORS];
	unsigned count = 3;

	object_kept(file_object(file), &kept);
	fds[0] = kept.memory;
	fds[1] = kept.record;
	fds[2] = file->own_fd;
	if (file->binding) {
		message.binding =
			(uint64_t)(file->binding - server->options.bindings);
		message.flags |= KEEPER_BOUND;
	}
	if (file_has_writer(file))
		message.flags |= KEEPER_WRITER;
	if (file->kept_fd >= 0)
		fds[count++] = file->kept_fd;
	if (file->kept_fd < 0 && message.flags) {
		lose(server);
		return;
	}
	if (!file->number)
		file->number = atomic_fetch_add(&server->next_number, 1) + 1;
	message.number = file->number;
	send_message(server, &message, fds, count);
}

void keeper_let_go_of_file(struct server *server, struct server_file *file)
{
	keeper_let_go(server, file->number);
	file->number = 0;
}

void keeper_keep_tables(struct server *server)
{
	struct keeper_message message = { .type = KEEPER_TABLES };
	int fds[] = { server->taken_memory, server->ledger_memory };

	message.number = atomic_fetch_add(&server->next_number, 1) + 1;
	send_message(server, &message, fds, 2);
}
