/* server.c - a server begins, serves, and ends */
/* SPDX-License-Identifier: MIT */
#include "server/server_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define WORKERS 24 /* and as many slow ones */
#define ENDERS 4
#define END_NS UINT64_C(10000000000) /* for clients that were killed */
#define TURN_MS 20
#define LEAVE_NS UINT64_C(2000000000) /* for requests in work */
#define MS UINT64_C(1000000)
#define WRITE_MS 1000 /* less than accesses wait for a full budget */

static void on_wake(struct watch *watch)
{
	struct server *server = container_of(watch, struct server, wake);
	uint64_t wakes;
	ssize_t got = read(watch->fd, &wakes, sizeof(wakes));

	(void)got; /* nothing: it was read already */
	request_finish_done(server);
}

/* ---- beginning ---- */

static void init_lists(struct server *server)
{
	for (unsigned i = 0; i < SERVER_BUCKETS; i++) {
		list_init(&server->files[i]);
		list_init(&server->handles[i]);
		list_init(&server->memories[i]);
		list_init(&server->claims[i]);
	}
	list_init(&server->clients);
	list_init(&server->graves);
	list_init(&server->notes);
	list_init(&server->done);
	list_init(&server->idle);
	list_init(&server->closed);
}

static void init_locks(struct server *server)
{
	lock_init(&server->lock, LOCK_RANK_SERVER);
	condition_init(&server->settled);
	lock_init(&server->keeper_lock, LOCK_RANK_KEEPER);
}

/* A client costs several descriptors, a file as many. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int open_loop(struct server *server)
{
	int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int error = wake < 0 ? -errno : 0;

	if (error)
		return error;
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	error = server->epoll < 0 ? -errno : 0;
	if (!error)
		error = loop_watch(server, &server->wake, wake, on_wake);
	if (error)
		close(wake);
	if (!error)
		error = loop_watch(server, &server->listening,
				   server->options.socket, client_accept);
	return error;
}

static int open_threads(struct server *server)
{
	int error =
		worker_pool_create(WORKERS, "quire-serve", &server->workers);

	if (!error)
		error = worker_pool_create(WORKERS, "quire-slow",
					   &server->slow);
	if (!error)
		error = worker_pool_create(ENDERS, "quire-end",
					   &server->enders);
	return error;
}

static int open_engine(struct server *server)
{
	struct quire_options engine = server->options.engine;
	struct object_host *host;
	int error;

	if (engine.size == 0)
		engine.size = sizeof(engine);
	error = quire_open(&engine, &server->quire);
	if (error)
		return error;
	server->quire->stores.others_write = true; /* its clients */
	server->quire->lasting = server->options.keeper > 0;
	if (!server->options.record)
		return 0;
	error = recorder_create(&server->recorder);
	if (error)
		return error_say(error, "no memory to record in");
	host = &server->quire->host; /* no object knows it yet */
	host->record = recorder_record;
	host->stalled = recorder_stalled;
	host->record_context = server->recorder;
	return 0;
}

static int open_tables(struct server *server)
{
	int taken, ledger, error;

	restart_tables(server, &taken, &ledger);
	server->buffer = malloc(sizeof(struct request) + PROTOCOL_BYTES_MAX);
	server->bound = calloc(server->options.binding_count + 1,
			       sizeof(*server->bound));
	error = taken_create(server, taken);
	if (!error)
		error = ledger_create(server, ledger);
	server->written = malloc(SERVER_AT_ONCE + PAGE_SIZE);
	if (!server->buffer || !server->written || !server->bound)
		error = -ENOMEM;
	return error ? error : settings_create(server);
}

static int open_all(struct server *server)
{
	int error = restart_receive(server);

	if (!error)
		error = open_engine(server);
	if (!error)
		error = open_tables(server);
	if (!error)
		error = open_threads(server);
	if (!error)
		error = open_loop(server);
	if (!error)
		error = ask_begin(server);
	return error;
}

int server_create(const struct server_options *options, struct server **created)
{
	struct server *server = calloc(1, sizeof(*server));
	int error;

	if (!server)
		return error_say(-ENOMEM, "no memory for a server");
	error_clear();
	server->options = *options;
	if (server->options.least == 0)
		server->options.least = SERVER_LEAST;
	if (server->options.write_ms == 0)
		server->options.write_ms = WRITE_MS;
	server->patience_ns = server->options.write_ms * MS;
	server->epoll = server->wake.fd = server->listening.fd = -1;
	server->taken_memory = server->taken_readable = -1;
	server->ledger_memory = -1;
	init_lists(server);
	init_locks(server);
	raise_limit();
	server->device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	error = open_all(server);
	if (error) {
		server->options.socket = -1; /* remains the caller's */
		server_destroy(server);
		return error_say_first(error, "the server did not start: %s",
				       strerror(-error));
	}
	if (!options->restarts)
		keeper_keep_tables(server);
	restart_restore(server);
	*created = server;
	return 0;
}

/* ---- serving ---- */

void server_stop(struct server *server)
{
	atomic_fetch_add(&server->stops, 1); /* read by is_over() */
	loop_wake(server);
}

/* A second stop does not wait for clients. */
static bool is_over(const struct server *server, bool until_idle)
{
	unsigned stops = atomic_load(&server->stops);

	if (stops == 0)
		return false;
	return !until_idle || stops > 1 || list_empty(&server->clients);
}

void server_leave(struct server *server)
{
	atomic_store(&server->leaving, true); /* read by is_left() */
	loop_wake(server);
}

bool server_has_left(const struct server *server)
{
	return server->left;
}

static bool any_in_work(struct server *server)
{
	struct list *link;

	list_for_each(link, &server->clients)
		if (container_of(link, struct client, link)->working > 0)
			return true;
	return false;
}

/* Who waits at the door, or has asked since, is heard by the next server. */
static bool is_left(struct server *server)
{
	if (!atomic_load(&server->leaving))
		return false;
	if (!server->leave_ns) {
		server->leave_ns = clock_now_ns() + LEAVE_NS;
		loop_unwatch(server, &server->listening);
	}
	server->left = !any_in_work(server) ||
		       clock_now_ns() >= server->leave_ns;
	return server->left;
}

int server_run(struct server *server, bool until_idle)
{
	int error = 0;

	while (!error && !is_over(server, until_idle) && !is_left(server)) {
		bool ends = atomic_load(&server->stops) > 0 || server->leave_ns;

		if (ends) /* who is left is asked, and does not tell */
			server->next_probe_ns = 0;
		error = loop_turn(server, ends ? TURN_MS : -1);
	}
	return error ? error_say(error, "the server's loop: %s",
				 strerror(-error))
		     : 0;
}

/* ---- ending ---- */

static void drop_clients(struct server *server)
{
	uint64_t deadline_ns = clock_now_ns() + END_NS;
	struct list *link;

	/* Those that are known now; a dying one may have one more. */
	while (!list_empty(&server->clients) && clock_now_ns() < deadline_ns) {
		list_for_each(link, &server->clients)
			client_kill(container_of(link, struct client, link));
		server->next_probe_ns = 0;
		if (loop_turn(server, TURN_MS))
			break;
	}
	/* Nothing more can be done for them; what they stored is there. */
	list_for_each(link, &server->clients)
		client_end(container_of(link, struct client, link));
	while (!list_empty(&server->clients) && !loop_turn(server, TURN_MS))
		;
}

static void end_threads(struct server *server)
{
	/* What enders do may be followed by a slow worker, and what he does by
	 * another, never the other way. */
	worker_pool_destroy(server->enders);
	server->enders = NULL;
	worker_pool_destroy(server->slow);
	server->slow = NULL;
	worker_pool_destroy(server->workers);
	server->workers = NULL;
	request_finish_done(server);
}

int server_finish(struct server *server)
{
	if (!server->workers || !server->slow || !server->enders)
		return 0;
	loop_unwatch(server, &server->listening);
	drop_clients(server);
	ask_end(server);
	end_threads(server);
	file_close_all(server);
	return atomic_load(&server->failed);
}

static void free_notes(struct server *server)
{
	struct list *link;

	while ((link = list_pop(&server->notes)))
		free(container_of(link, struct note, link));
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void server_destroy(struct server *server)
{
	if (!server)
		return;
	if (server->epoll >= 0)
		server_finish(server);
	worker_pool_destroy(server->workers);
	worker_pool_destroy(server->slow);
	worker_pool_destroy(server->enders);
	file_forget_all(server);
	quire_close(server->quire);
	ask_destroy(server);
	recorder_destroy(server->recorder);
	taken_destroy(server);
	ledger_destroy(server);
	restart_forget(server);
	free_notes(server);
	close_if_open(server->device);
	close_if_open(server->wake.fd);
	close_if_open(server->epoll);
	close_if_open(server->options.socket);
	condition_finish(&server->settled);
	lock_finish(&server->lock);
	lock_finish(&server->keeper_lock);
	free(server->settings);
	free(server->buffer);
	free(server->written);
	free(server->bound);
	free(server);
}

/* ---- what the summary asks ---- */

void server_facts(struct server *server, struct server_facts *facts)
{
	lock_take(&server->lock);
	*facts = server->facts;
	lock_drop(&server->lock);
}

void count_refused(struct server *server)
{
	lock_take(&server->lock);
	server->facts.refused++;
	lock_drop(&server->lock);
}

struct quire *server_engine(struct server *server)
{
	return server->quire;
}

struct recorder *server_recorder(struct server *server)
{
	return server->recorder;
}
