/* restart.c - what an earlier server has left is served again */
/* SPDX-License-Identifier: MIT */
/*
 * In this order, before the loop runs and anybody is answered:
 *
 *	receive    all that the keeper has
 *	files      the memory and what is dirty of it: object_adopt(); nothing
 *	           goes home yet
 *	clients    what each has mapped, as its kernel says; events that wait
 *	           in the userfaultfd come on top of it, as ever
 *	ledger     writes that were begun exclude write-back again, but those
 *	           that stood and are idle; claims
 *	wake       who waits for a page traps once more
 *	go on      pages go home, which are protected in all layouts
 *
 * A file that cannot be had costs its clients their lives: its memory is all
 * that has what they stored, and they would read zeros otherwise.
 */
#include "server/server_private.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GENERATION_SHIFT 32 /* of ids: no server has given so many */

struct left {
	struct keeper_message message;
	int fds[KEEPER_DESCRIPTORS];
	unsigned fd_count;
};

struct inheritance {
	struct left *left;
	size_t count;
	size_t room;
	uint64_t generation;
};

/* ---- receiving ---- */

static bool make_room(struct inheritance *inheritance)
{
	size_t room = inheritance->room ? 2 * inheritance->room : 64;
	struct left *left;

	if (inheritance->count < inheritance->room)
		return true;
	left = realloc(inheritance->left, room * sizeof(*left));
	if (!left)
		return false;
	inheritance->left = left;
	inheritance->room = room;
	return true;
}

static int receive_one(int socket, struct left *left)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * KEEPER_DESCRIPTORS)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { &left->message, sizeof(left->message) };
	struct msghdr header = { .msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg;
	ssize_t length;

	do
		length = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
	while (length < 0 && errno == EINTR);
	if (length != sizeof(left->message) ||
	    (header.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) ||
	    left->message.version != KEEPER_VERSION)
		return -EPROTO;
	left->fd_count = 0;
	cmsg = CMSG_FIRSTHDR(&header);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return 0;
	left->fd_count =
		(unsigned)((cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(left->fds, CMSG_DATA(cmsg), left->fd_count * sizeof(int));
	return 0;
}

static int receive_all(struct server *server, struct inheritance *inheritance)
{
	struct left *left;
	int error;

	for (;;) {
		if (!make_room(inheritance))
			return -ENOMEM;
		left = &inheritance->left[inheritance->count];
		error = receive_one(server->options.keeper, left);
		if (error)
			return error;
		if (left->message.type == KEEPER_END)
			break;
		inheritance->count++;
		if (left->message.number > atomic_load(&server->next_number))
			atomic_store(&server->next_number,
				     left->message.number);
	}
	inheritance->generation = left->message.number;
	return 0;
}

int restart_receive(struct server *server)
{
	int error;

	if (!server->options.restarts)
		return 0;
	server->inheritance = calloc(1, sizeof(*server->inheritance));
	if (!server->inheritance)
		return -ENOMEM;
	error = receive_all(server, server->inheritance);
	server->next_file = server->next_write = server->inheritance->generation
						 << GENERATION_SHIFT;
	return error ? error_say(error,
				 "what the server before this one has "
				 "left cannot be used: %s",
				 strerror(-error))
		     : 0;
}

/* It is somebody else's now. */
static int take_fd(struct left *left, unsigned i)
{
	int fd = i < left->fd_count ? left->fds[i] : -1;

	if (i < left->fd_count)
		left->fds[i] = -1;
	return fd;
}

void restart_forget(struct server *server)
{
	struct inheritance *inheritance = server->inheritance;

	server->inheritance = NULL;
	for (size_t i = 0; inheritance && i < inheritance->count; i++)
		for (unsigned j = 0; j < inheritance->left[i].fd_count; j++)
			if (inheritance->left[i].fds[j] >= 0)
				close(inheritance->left[i].fds[j]);
	if (inheritance)
		free(inheritance->left);
	free(inheritance);
}

/* The next of that type, from *at on; NULL: none. */
static struct left *next_left(struct server *server, enum keeper_type type,
			      size_t *at)
{
	struct inheritance *inheritance = server->inheritance;

	while (*at < inheritance->count) {
		struct left *left = &inheritance->left[(*at)++];

		if (left->message.type == type)
			return left;
	}
	return NULL;
}

void restart_tables(struct server *server, int *taken, int *ledger)
{
	struct left *left = NULL;
	size_t at = 0;

	*taken = *ledger = -1;
	if (server->inheritance)
		left = next_left(server, KEEPER_TABLES, &at);
	if (!left)
		return;
	*taken = take_fd(left, 0);
	*ledger = take_fd(left, 1);
}

/* ---- files ---- */

static struct server_file *enter_file(struct server *server, struct left *left)
{
	const struct keeper_message *message = &left->message;
	bool bound = message->flags & KEEPER_BOUND;
	struct server_file *file = NULL;
	struct stat status;
	char name[4096];

	if (left->fd_count < 3 || fstat(left->fds[2], &status) ||
	    (bound && message->binding >= server->options.binding_count))
		return NULL;
	file_name(left->fds[2], name, sizeof(name));
	lock_take(&server->lock);
	file = file_create(server, status.st_dev, status.st_ino, name);
	if (file) {
		file->id = message->id;
		file->number = message->number;
		file->own_fd = take_fd(left, 2);
		file->local = !bound && file_is_local(file->own_fd);
		file->kept_fd = take_fd(left, 3);
		file->users = 1;
		file->writable = message->flags & KEEPER_WRITER;
		if (bound)
			file->binding =
				&server->options.bindings[message->binding];
		file->entry = taken_entry(server, file->device, file->inode);
	}
	lock_drop(&server->lock);
	return file;
}

/* All that may fail; the hold is begun where there is an object. */
static int open_file(struct server *server, struct server_file *file,
		     const struct object_kept *kept)
{
	struct quire_object *handle;
	int fd = file->kept_fd >= 0 ? file->kept_fd : file->own_fd;
	int error = object_over_kept(server->quire, fd, file->writable, kept,
				     &handle);

	if (error)
		return error;
	lock_take(&server->lock);
	file_add_handle(server, file, &file->reader, handle);
	lock_drop(&server->lock);
	error = object_adopt(handle->object, &file->hold);
	if (!error)
		error = file_learn_memory(server, file);
	if (error || !file->entry) {
		object_foreign_end(handle->object, &file->hold);
		return error ? error : -ENOSPC;
	}
	/* Who had cut it, or made it longer, may not have come to tell. */
	(void)file_follow_size(server, file);
	return 0;
}

static void settle_file(struct server *server, struct server_file *file)
{
	uint64_t state = TAKEN_USED | (file->binding ? TAKEN_BOUND : 0);

	object_show_dirty(file_object(file), &file->entry->dirty);
	lock_take(&server->lock);
	taken_set(server, file->entry, state);
	server->facts.files_ever++;
	file->room = object_capacity(file_object(file));
	server->room += file->room;
	if (file->binding)
		server->bound[file->binding - server->options.bindings] = file;
	file_settle(server, file, FILE_OPEN);
	lock_drop(&server->lock);
}

static void restore_file(struct server *server, struct left *left)
{
	struct object_kept kept = { left->fds[0], left->fds[1] };
	struct server_file *file = enter_file(server, left);
	int error = file ? open_file(server, file, &kept) : -EPROTO;

	if (!error) {
		settle_file(server, file);
		return;
	}
	log_line(&server->quire->log, LOG_ERROR,
		 "%s cannot be served any more, its programs are killed: %s",
		 file ? file->path : "a file", strerror(-error));
	if (file)
		file_give_up(server, file);
	else
		keeper_let_go(server, left->message.number);
}

/* ---- clients ---- */

static struct client *find_number(struct server *server, uint64_t number)
{
	struct list *link;

	list_for_each(link, &server->clients) {
		struct client *client = container_of(link, struct client, link);

		if (client->layout && client->layout->number == number)
			return client;
	}
	return NULL;
}

static void fail_client(struct client *client, int error)
{
	log_line(&client->server->quire->log, LOG_ERROR,
		 "process %d cannot be served any more and is killed: %s",
		 (int)client->pid, strerror(-error));
	if (client->alive.fd >= 0)
		syscall(SYS_pidfd_send_signal, client->alive.fd, SIGKILL, NULL,
			0);
}

static void restore_client(struct server *server, struct left *left)
{
	const struct keeper_message *message = &left->message;
	struct mmu_remote_features features = {
		.forks = message->flags & KEEPER_FOLLOWS_FORKS,
	};
	int userfault = take_fd(left, 0);
	struct client *client =
		client_create(server, message->pid, take_fd(left, 1));
	int error;

	/* Not closed: it waits rather than that it gets zeros. */
	if (!client || userfault < 0)
		return;
	client->awaited = true;
	error = layout_create(client, userfault, &features, &client->layout);
	if (error) {
		fail_client(client, error);
		return;
	}
	standing_adopt(client, take_fd(left, 2));
	client->layout->number = message->number;
	client->fork_number = message->fork;
}

/* A process that nobody knows has what its parent has, as far as we can tell;
 * as soon as it comes its own kernel is asked. */
static void guess_layout(struct server *server, const struct left *left)
{
	struct client *child = find_number(server, left->message.number);
	struct client *parent = find_number(server, left->message.parent);

	if (!child || child->pid || !parent)
		return;
	child->parent = parent;
	(void)layout_fork(parent->layout, child->layout);
	(void)claim_inherit(child, parent);
}

static void rebuild_layouts(struct server *server)
{
	struct list *link;
	int error;

	list_for_each(link, &server->clients) {
		struct client *client = container_of(link, struct client, link);

		client_probe(client);
		if (client->gone || !client->layout || client->pid == 0)
			continue;
		error = layout_rebuild(client->layout);
		/* It may have gone while we looked. */
		client_probe(client);
		if (error && !client->gone)
			fail_client(client, error);
	}
}

/* ---- the ledger ---- */

/* It may have nothing mapped. */
static struct client *need_client(struct server *server, int64_t pid)
{
	struct client *client = client_find(server, (pid_t)pid);
	int pidfd;

	if (client || pid <= 0)
		return client;
	pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	if (pidfd < 0)
		return NULL; /* it is gone */
	client = client_create(server, (pid_t)pid, pidfd);
	if (client)
		client->awaited = true;
	return client;
}

static struct server_file *find_file(struct server *server, uint64_t id)
{
	for (unsigned i = 0; i < SERVER_BUCKETS; i++) {
		struct list *link;

		list_for_each(link, &server->files[i]) {
			struct server_file *file =
				container_of(link, struct server_file, link);

			if (file->id == id && file->state == FILE_OPEN)
				return file;
		}
	}
	return NULL;
}

static void restore_write(struct server *server, struct ledger_write *place)
{
	struct server_file *file = find_file(server, place->file);
	struct client *client = file ? need_client(server, place->pid) : NULL;

	if (!client || standing_is_over(client, ledger_word(place)) ||
	    !write_restore(client, file, place))
		atomic_store(&place->id, 0);
	/* What goes on does not stand. */
	atomic_store(&place->word, 0);
}

static void restore_claim(struct server *server, struct ledger_claim *place)
{
	struct client *client = need_client(server, atomic_load(&place->pid));

	lock_take(&server->lock);
	if (!client || claim_restore(client, place))
		ledger_remove_claim(place);
	lock_drop(&server->lock);
}

static void restore_ledger(struct server *server)
{
	struct ledger *ledger = server->ledger;
	uint64_t writes = atomic_load(&ledger->writes);
	uint64_t claims = atomic_load(&ledger->claims);

	for (uint64_t i = 0; i < writes && i < LEDGER_WRITES; i++)
		if (atomic_load(&ledger->write[i].id))
			restore_write(server, &ledger->write[i]);
	for (uint64_t i = 0; i < claims && i < LEDGER_CLAIMS; i++)
		if (atomic_load(&ledger->claim[i].used))
			restore_claim(server, &ledger->claim[i]);
}

/* ---- all of it ---- */

static void wake_clients(struct server *server)
{
	struct list *link;

	list_for_each(link, &server->clients) {
		struct client *client = container_of(link, struct client, link);

		if (client->layout)
			layout_wake(client->layout);
	}
}

static void end_holds(struct server *server)
{
	for (unsigned i = 0; i < SERVER_BUCKETS; i++) {
		struct list *link, *after;

		list_for_each_safe(link, after, &server->files[i]) {
			struct server_file *file =
				container_of(link, struct server_file, link);

			if (file->state != FILE_OPEN)
				continue;
			object_foreign_end(file_object(file), &file->hold);
			file_release(server, file);
		}
	}
}

void restart_restore(struct server *server)
{
	struct left *left;
	size_t at = 0;

	if (!server->inheritance)
		return;
	while ((left = next_left(server, KEEPER_FILE, &at)))
		restore_file(server, left);
	taken_restore(server);
	at = 0;
	while ((left = next_left(server, KEEPER_KEEP, &at)))
		restore_client(server, left);
	rebuild_layouts(server);
	at = 0;
	while ((left = next_left(server, KEEPER_KEEP, &at)))
		guess_layout(server, left);
	restore_ledger(server);
	wake_clients(server);
	end_holds(server);
	restart_forget(server);
}
