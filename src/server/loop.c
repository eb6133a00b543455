/* loop.c - one thread in epoll, which never waits for anybody */
/* SPDX-License-Identifier: MIT */
#include "server/server_private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 64
#define MS UINT64_C(1000000)
/* Who has neither pidfd nor channel, or executes another program behind a
 * channel that a child holds, is found by asking. */
#define PROBE_NS (250 * MS)
#define PROBES_OF_ALL 16
#define IDLE_NS (2000 * MS) /* files whose name may go, and nobody is there */

int loop_watch(struct server *server, struct watch *watch, int fd,
	       void (*ready)(struct watch *watch))
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = watch };

	if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event))
		return -errno;
	watch->fd = fd;
	watch->ready = ready;
	return 0;
}

void loop_unwatch(struct server *server, struct watch *watch)
{
	if (watch->fd < 0)
		return;
	epoll_ctl(server->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->fd = -1;
}

void loop_pause(struct server *server, struct watch *watch)
{
	epoll_ctl(server->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
}

int loop_resume(struct server *server, struct watch *watch)
{
	return loop_watch(server, watch, watch->fd, watch->ready);
}

void loop_wake(struct server *server)
{
	uint64_t one = 1;
	ssize_t written = write(server->wake.fd, &one, sizeof(one));

	(void)written; /* full: it is awake */
}

/* ---- what is due ---- */

static uint64_t next_due(struct server *server)
{
	uint64_t due = server->next_probe_ns;
	struct list *link;

	if (list_empty(&server->clients) && !server->resting)
		return file_any_idle(server) ? due + IDLE_NS : UINT64_MAX;
	list_for_each(link, &server->clients) {
		const struct client *client =
			container_of(link, struct client, link);

		if (client->layout && client->layout->due_ns < due)
			due = client->layout->due_ns;
	}
	return due;
}

static int pause_ms(struct server *server, int most_ms)
{
	uint64_t due = next_due(server), now, ms;

	if (due == UINT64_MAX)
		return most_ms;
	now = clock_now_ns();
	ms = due <= now ? 0 : (due - now + MS - 1) / MS;
	return most_ms >= 0 && (uint64_t)most_ms < ms ? most_ms : (int)ms;
}

static void see_to(struct server *server, uint64_t now)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &server->clients) {
		struct client *client = container_of(link, struct client, link);

		if (client->layout && client->layout->due_ns <= now)
			layout_turn(client->layout);
		client_settle(client);
	}
}

/* Asking waits for what a client's kernel does to its address space: those that
 * would tell by themselves are asked seldom. */
static bool is_silent(const struct client *client)
{
	return client->alive.fd < 0 || list_empty(&client->channels);
}

static void probe(struct server *server, uint64_t now)
{
	bool all = server->probes++ % PROBES_OF_ALL == 0;
	struct list *link;

	server->next_probe_ns = now + PROBE_NS;
	list_for_each(link, &server->clients) {
		struct client *client = container_of(link, struct client, link);

		if (all || is_silent(client))
			client_probe(client);
		writes_overtake(client, now);
	}
	if (server->resting && !loop_resume(server, &server->listening))
		server->resting = false;
	file_sweep(server);
}

/* The graves hold what the batch in hand may still point to. */
static void bury(struct server *server)
{
	struct list *link;

	while ((link = list_pop(&server->graves)))
		free(link);
}

int loop_turn(struct server *server, int most_ms)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int count = epoll_wait(server->epoll, events, EVENTS_AT_ONCE,
			       pause_ms(server, most_ms));
	uint64_t now;

	if (count < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < count; i++) {
		struct watch *watch = events[i].data.ptr;

		if (watch->fd >= 0) /* an earlier one may have ended it */
			watch->ready(watch);
	}
	now = clock_now_ns();
	if (now >= server->next_probe_ns)
		probe(server, now);
	see_to(server, now);
	bury(server);
	return 0;
}
