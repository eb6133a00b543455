/* fork.c - a client becomes two */
/* SPDX-License-Identifier: MIT */
/*
 * Where forks are events:
 *
 *	FORKING n --> the next event's child has the number n
 *	event     --> a client without a channel, its layout as the parent's is
 *	FORKED n  --> by the child, on the parent's channel: it has its own now
 *
 * Where they are not:
 *
 *	FORKING n --> what is mapped is noted
 *	FORKED n  --> a client with a channel, and that note
 *	ATTACH    --> a layout, as the note says
 */
#include "server/server_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct snapshot {
	struct list link;
	uint64_t number;
	size_t count;
	struct layout_piece pieces[]; /* a use of each one's file */
};

/* ---- notes of what is mapped ---- */

static void destroy_snapshot(struct server *server, struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	for (size_t i = 0; i < snapshot->count; i++)
		file_release(server, snapshot->pieces[i].file);
	free(snapshot);
}

static size_t count_pieces(struct layout *layout)
{
	struct layout_piece piece;
	uint64_t at = 0;
	size_t count = 0;

	while (layout_next(layout, at, UINT64_MAX, &piece)) {
		at = piece.address + piece.length;
		count++;
	}
	return count;
}

static struct snapshot *take_snapshot(struct client *client, uint64_t number)
{
	struct layout *layout = client->layout;
	size_t count = layout ? count_pieces(layout) : 0;
	struct snapshot *snapshot = calloc(
		1, sizeof(*snapshot) + count * sizeof(snapshot->pieces[0]));
	uint64_t at = 0;

	if (!snapshot)
		return NULL;
	snapshot->number = number;
	for (size_t i = 0; i < count; i++) {
		struct layout_piece *piece = &snapshot->pieces[i];

		layout_next(layout, at, UINT64_MAX, piece);
		at = piece->address + piece->length;
		piece->locked = false; /* as fork(2) */
		file_use(client->server, piece->file);
	}
	snapshot->count = count;
	return snapshot;
}

/* The oldest goes: its fork has failed, or its child did not come. */
static void limit_snapshots(struct client *client)
{
	unsigned count = 0;
	struct list *link;

	list_for_each(link, &client->snapshots)
		count++;
	if (count >= SERVER_SNAPSHOTS)
		destroy_snapshot(client->server,
				 container_of(list_pop(&client->snapshots),
					      struct snapshot, link));
}

int fork_announced(struct client *client, uint64_t number)
{
	struct snapshot *snapshot;

	client->forking = number;
	if (client->layout && client->layout->follows_forks)
		return 0;
	limit_snapshots(client);
	snapshot = take_snapshot(client, number);
	if (!snapshot)
		return -ENOMEM;
	list_add_tail(&client->snapshots, &snapshot->link);
	return 0;
}

static struct snapshot *find_snapshot(struct client *client, uint64_t number)
{
	struct list *link;

	list_for_each(link, &client->snapshots) {
		struct snapshot *snapshot =
			container_of(link, struct snapshot, link);

		if (snapshot->number == number) {
			list_remove(link);
			return snapshot;
		}
	}
	return NULL;
}

int fork_inherit(struct client *client)
{
	struct snapshot *snapshot = client->inherited;
	int error = 0;

	client->inherited = NULL;
	for (size_t i = 0; snapshot && !error && i < snapshot->count; i++)
		error = layout_map(client->layout, &snapshot->pieces[i]);
	destroy_snapshot(client->server, snapshot);
	return error;
}

/* ---- events ---- */

/*
 * Without its last holder a userfaultfd lets accesses through, to zeros: if
 * the child cannot be served, it waits rather, for ever.
 */
static int adopt(struct client *parent, struct client *child,
		 const struct mmu_event *event)
{
	int descriptor = event->descriptor;
	struct mmu_remote_features features = { .forks = true };
	int spare = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
	int error;

	if (spare < 0)
		return -errno;
	error = layout_create(child, descriptor, &features, &child->layout);
	if (error)
		return error;
	close(spare);
	child->layout->number = event->number;
	return layout_fork(parent->layout, child->layout);
}

void fork_happened(struct client *parent, const struct mmu_event *event)
{
	struct server *server = parent->server;
	struct client *child = client_create(server, 0, -1);
	int error = child ? adopt(parent, child, event) : -EMFILE;

	if (child && claim_inherit(child, parent))
		error = -ENOMEM;
	if (error)
		log_line(&server->quire->log, LOG_ERROR,
			 "a child of process %d cannot be served: %s",
			 (int)parent->pid, strerror(-error));
	if (!child)
		return;
	child->parent = parent;
	child->fork_number = atomic_exchange(&parent->forking, 0);
}

struct client *fork_find_child(struct client *parent, uint64_t number)
{
	struct list *link;

	list_for_each(link, &parent->server->clients) {
		struct client *child = container_of(link, struct client, link);

		if (child->parent == parent && child->fork_number == number)
			return child;
	}
	return NULL;
}

struct client *fork_find_only_child(struct client *parent)
{
	struct client *found = NULL;
	struct list *link;

	list_for_each(link, &parent->server->clients) {
		struct client *child = container_of(link, struct client, link);

		if (child->parent != parent || child->pid || child->gone)
			continue;
		if (found)
			return NULL;
		found = child;
	}
	return found;
}

/* ---- who the child is ---- */

/* As to HELLO, unasked. */
static void greet(struct client *client, struct channel *channel)
{
	struct job job = { .client = client, .channel = channel, .own_fd = -1 };

	client->greeted = true;
	request_fill_hello(&job);
	if (client->layout) {
		job.reply.flags |= REPLY_HAS_USERFAULT;
		if (client->layout->follows_forks)
			job.reply.flags |= REPLY_FOLLOWS_FORKS;
		job.reply_fds[job.reply_fd_count++] =
			mmu_remote_descriptor(client->layout->space.mmu);
	}
	if (!channel_send(channel, &job))
		channel_destroy(channel);
	if (job.own_fd >= 0)
		close(job.own_fd);
}

/* Its process is known from now on. */
void fork_identify(struct client *child, pid_t pid, int pidfd)
{
	child->pid = pid;
	child->parent = NULL;
	claim_identify(child);
	if (child->layout)
		keeper_keep(child->server, child->layout, pid, pidfd);
	client_watch_process(child, pidfd);
}

static struct client *child_of(struct client *parent, uint64_t number)
{
	struct client *child = number ? fork_find_child(parent, number) : NULL;
	struct snapshot *snapshot;

	if (child)
		return child;
	snapshot = find_snapshot(parent, number);
	child = client_create(parent->server, 0, -1);
	if (child) {
		child->inherited = snapshot;
		claim_inherit(child, parent);
	} else
		destroy_snapshot(parent->server, snapshot);
	return child;
}

int fork_claimed(struct client *parent, uint64_t number, int descriptor)
{
	struct server *server = parent->server;
	struct channel *channel;
	struct client *child;
	int pidfd = -1, error;
	pid_t pid;
	uid_t uid;

	error = channel_peer(descriptor, &pid, &uid, &pidfd);
	child = error ? NULL : child_of(parent, number);
	if (!child) {
		if (pidfd >= 0)
			close(pidfd);
		server_close_later(server, descriptor);
		return error ? error : -ENOMEM;
	}
	fork_identify(child, pid, pidfd);
	error = client_add_channel(child, descriptor, &channel);
	if (!error)
		greet(child, channel);
	return error;
}

/* ---- ending ---- */

bool fork_awaited(const struct client *client)
{
	const struct list *link;

	if (!list_empty(&client->snapshots))
		return true;
	list_for_each(link, &client->server->clients) {
		const struct client *child =
			container_of(link, struct client, link);

		if (child->parent == client && child->fork_number)
			return true;
	}
	return false;
}

void fork_forget(struct client *client)
{
	struct list *link;

	while ((link = list_pop(&client->snapshots)))
		destroy_snapshot(client->server,
				 container_of(link, struct snapshot, link));
	destroy_snapshot(client->server, client->inherited);
	client->inherited = NULL;
	list_for_each(link, &client->server->clients) {
		struct client *child = container_of(link, struct client, link);

		if (child->parent == client)
			child->parent = NULL;
	}
}
