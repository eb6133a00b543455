/* server.h - one engine for several processes */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_SERVER_SERVER_H
#define QUIRE_SERVER_SERVER_H

#include "quire/quire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct server;

struct server_binding {
	const char *path; /* absolute */
	const char *uri;
};

/* A zeroed one is valid but for socket. */
struct server_options {
	struct quire_options engine; /* size and what is not default */
	int socket; /* SOCK_SEQPACKET, listening; taken over, closed at the end */
	/* Who may connect: this user and root; or anybody. */
	bool everybody;
	uint64_t least;           /* bytes of a mapping; 0: 64 KiB */
	const char *const *globs; /* borrowed; which files; none: all */
	size_t glob_count;
	const struct server_binding *bindings; /* borrowed */
	size_t binding_count;
	/* How long a client's write(2) may keep others' stores from going home;
	 * 0: a second. */
	uint64_t write_ms;
	bool record;         /* for server_report() */
	const char *program; /* borrowed; the report's title; NULL: none */
	/* A SOCK_SEQPACKET socket to who keeps the clients' userfaultfds alive
	 * (keeper.h); -1: nobody. */
	int keeper;
	/* The writing end of a pipe that servers and that keeper have, and nobody
	 * else: when the last of them is gone who has mapped something is killed, by the
	 * kernel.  -1: there is none. */
	int lifeline;
	/* It speaks first, and says what a server before this one has left. */
	bool restarts;
};

/* -EINVAL and its sentence: nothing can be bound to uri.  Opens nothing. */
int server_check_uri(const char *uri);
/* 0 or a negative errno, with its sentence.  The engine is open then. */
int server_create(const struct server_options *options, struct server **server);
/*
 * Serves, on the calling thread, until server_stop() was called; with
 * until_idle: and until the last client is gone.  0 or a negative errno.
 */
int server_run(struct server *server, bool until_idle);
/* From any thread, or a signal handler. */
void server_stop(struct server *server);
/*
 * From any thread: server_run() ends when the requests in work are answered, or
 * soon, and takes no others; another server goes on with all that there is
 * (keeper.h).  server_has_left(): it has ended so, and the process shall, without
 * server_finish().
 */
void server_leave(struct server *server);
bool server_has_left(const struct server *server);
/* Drops the clients that are left, writes all home.  0, or the first error of
 * a write.  What it did can still be asked for. */
int server_finish(struct server *server);
void server_destroy(struct server *server);

/* ---- what it did; after server_finish(), or at any time from server_run()'s
 * own thread ---- */

/* A table for people: files, budget, what fell back and why. */
int server_summary(struct server *server, FILE *stream);
/* The same as JSON; docs/schema/run-statistics.json. */
int server_json(struct server *server, FILE *stream);
/* One page of HTML; -EINVAL: nothing was recorded. */
int server_report(struct server *server, FILE *stream);

#endif
