/* client.c - the life of a client */
/* SPDX-License-Identifier: MIT */
/*
 *   accept, or a fork --> channels, a layout --> its process is gone (pidfd,
 *   or ESRCH) --> the layout ends, ids, claims and writes are let go -->
 *   no channel, no job, nobody to be forked: freed
 *
 * A process that dies leaves its channel open while a child has it: by that
 * the child says who it is.
 */
#include "server/server_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- its process ---- */

static void on_death(struct watch *watch)
{
	struct client *client = container_of(watch, struct client, alive);

	/* It stays open: jobs ask it, and the number must not be another's. */
	loop_pause(client->server, watch);
	client_end(client);
}

void client_watch_process(struct client *client, int pidfd)
{
	if (pidfd < 0)
		return;
	if (loop_watch(client->server, &client->alive, pidfd, on_death))
		close(pidfd);
}

bool client_has_ended(const struct client *client)
{
	struct pollfd ended = { .fd = client->alive.fd, .events = POLLIN };

	return poll(&ended, 1, 0) > 0;
}

static bool is_gone(const struct client *client)
{
	return client->layout && mmu_remote_is_gone(client->layout->space.mmu);
}

void client_probe(struct client *client)
{
	if (!client->gone && is_gone(client))
		client_end(client);
}

struct client *client_find(struct server *server, pid_t pid)
{
	struct list *link;

	list_for_each(link, &server->clients) {
		struct client *client = container_of(link, struct client, link);

		if (client->pid == pid && pid > 0 && !client->gone)
			return client;
	}
	return NULL;
}

void client_kill(struct client *client)
{
	if (client->gone)
		return;
	/* Nothing of it is served from here: it may go on. */
	if (!client->layout || layout_is_empty(client->layout)) {
		client_end(client);
		return;
	}
	/* Not another program of the same process. */
	if (!is_gone(client) && client->alive.fd >= 0)
		syscall(SYS_pidfd_send_signal, client->alive.fd, SIGKILL, NULL,
			0);
	client_probe(client);
}

/* ---- beginning ---- */

/* False: there are as many as may be. */
static bool count_client(struct server *server)
{
	struct server_facts *facts = &server->facts;
	bool fits;

	lock_take(&server->lock);
	fits = facts->clients < SERVER_CLIENTS;
	if (fits) {
		facts->clients++;
		facts->clients_ever++;
	}
	if (facts->clients_peak < facts->clients)
		facts->clients_peak = facts->clients;
	lock_drop(&server->lock);
	return fits;
}

struct client *client_create(struct server *server, pid_t pid, int pidfd)
{
	struct client *client = NULL;

	if (count_client(server))
		client = calloc(1, sizeof(*client));
	if (!client) {
		if (pidfd >= 0)
			close(pidfd);
		return NULL;
	}
	client->server = server;
	client->pid = pid;
	client->alive.fd = -1;
	list_init(&client->channels);
	list_init(&client->writes);
	for (int kind = 0; kind < JOB_KINDS; kind++)
		list_init(&client->queued[kind]);
	list_init(&client->snapshots);
	list_init(&client->claims);
	list_init(&client->told);
	list_add_tail(&server->clients, &client->link);
	client_watch_process(client, pidfd);
	return client;
}

static bool may_connect(const struct server *server, uid_t uid)
{
	return server->options.everybody || uid == 0 || uid == geteuid();
}

static void welcome(struct server *server, int descriptor)
{
	struct client *client;
	int pidfd = -1;
	pid_t pid;
	uid_t uid;

	if (channel_peer(descriptor, &pid, &uid, &pidfd)) {
		close(descriptor);
		return;
	}
	client = may_connect(server, uid) ? client_create(server, pid, pidfd)
					  : NULL;
	if (client) {
		client_add_channel(client, descriptor, NULL);
		return;
	}
	count_refused(server);
	if (!may_connect(server, uid) && pidfd >= 0)
		close(pidfd);
	close(descriptor);
}

void client_accept(struct watch *watch)
{
	struct server *server = container_of(watch, struct server, listening);
	int descriptor =
		accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (descriptor >= 0) {
		welcome(server, descriptor);
		return;
	}
	/* Out of descriptors: whoever waits at the door must not keep the loop
	 * busy. */
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
		loop_pause(server, watch);
		server->resting = true;
	}
}

/* ---- what it holds ---- */

static int make_room(struct client *client)
{
	uint32_t room = client->id_room ? 2 * client->id_room : 16;
	struct client_id *ids;

	if (client->id_count < client->id_room)
		return 0;
	if (client->id_room >= SERVER_IDS)
		return -EMFILE;
	ids = realloc(client->ids, room * sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	client->ids = ids;
	client->id_room = room;
	return 0;
}

struct client_id *client_find_id(struct client *client, uint64_t id)
{
	/* What was opened last is what is mapped now, mostly. */
	for (uint32_t i = client->id_count; i > 0; i--)
		if (client->ids[i - 1].file->id == id)
			return &client->ids[i - 1];
	return NULL;
}

int client_hold(struct client *client, struct server_file *file, bool writable)
{
	struct client_id *id = client_find_id(client, file->id);
	int error;

	if (id) {
		id->holds++;
		id->writable |= writable;
		file_release(client->server, file);
		return 0;
	}
	error = make_room(client);
	if (error)
		return error;
	client->ids[client->id_count++] = (struct client_id){
		.file = file, .holds = 1, .writable = writable
	};
	return 0;
}

int client_release_holds(struct client *client, uint64_t number, uint64_t count)
{
	struct client_id *id = client_find_id(client, number);

	if (!id || count > id->holds)
		return -EINVAL;
	id->holds -= count;
	if (id->holds > 0)
		return 0;
	file_release(client->server, id->file);
	*id = client->ids[--client->id_count];
	return 0;
}

void client_release_ids(struct client *client)
{
	for (uint32_t i = 0; i < client->id_count; i++)
		file_release(client->server, client->ids[i].file);
	free(client->ids);
	client->ids = NULL;
	client->id_count = client->id_room = 0;
}

/* ---- ending ---- */

/* channel NULL: all of them. */
static void abandon_writes(struct client *client, const struct channel *channel)
{
	struct list *link = client->writes.next;

	while (link != &client->writes) {
		struct server_write *write =
			container_of(link, struct server_write, link);

		link = link->next;
		if (channel && write->channel != channel)
			continue;
		write_give_up(client, write);
	}
}

void write_give_up(struct client *client, struct server_write *write)
{
	list_remove(&write->link);
	client->write_count--;
	if (write_is_standing(write))
		write_stop(write, 0);
	write_abandon(write);
}

void writes_hung_up(struct client *client, const struct channel *channel)
{
	abandon_writes(client, channel);
}

void client_end(struct client *client)
{
	if (client->gone)
		return;
	client->gone = true;
	if (client->layout)
		layout_end(client->layout);
}

/* As long as a child may come to say who it is, channels stay. */
static void end_channels(struct client *client)
{
	while (!fork_awaited(client) && !list_empty(&client->channels))
		channel_destroy(container_of(client->channels.next,
					     struct channel, link));
}

static void let_go(struct client *client)
{
	client_release_ids(client);
	claim_drop_all(client);
	told_forget_all(client);
	end_channels(client);
	if (list_empty(&client->channels))
		fork_forget(client);
}

static void destroy(struct client *client)
{
	struct server *server = client->server;
	int pidfd = client->alive.fd;

	loop_unwatch(server, &client->alive);
	if (pidfd >= 0)
		close(pidfd);
	standing_destroy(client);
	list_remove(&client->link);
	list_add_tail(&server->graves, &client->link);
	lock_take(&server->lock);
	server->facts.clients--;
	lock_drop(&server->lock);
}

void client_settle(struct client *client)
{
	/* Before its jobs have ended: one may wait for that. */
	if (client->gone || (list_empty(&client->channels) && !client->awaited))
		abandon_writes(client, NULL);
	/* Nothing of it is mapped, and nobody speaks for it. */
	if (!client->gone && !client->layout && !client->parent &&
	    !client->awaited && list_empty(&client->channels))
		client->gone = true;
	if (!client->gone)
		return;
	/* Jobs use the layout, and may yet take ids. */
	if (client->layout && layout_end(client->layout) &&
	    client->working == 0) {
		layout_destroy(client->layout);
		client->layout = NULL;
	}
	if (client->layout || client->working > 0)
		return;
	let_go(client);
	if (list_empty(&client->channels))
		destroy(client);
}
