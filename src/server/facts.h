/* facts.h - what the summary is made of */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_SERVER_FACTS_H
#define QUIRE_SERVER_FACTS_H

#include "quire/quire.h"

struct recorder;
struct server;

/* Plain numbers: those of struct object_counts. */
struct file_counts {
	uint64_t hits;
	uint64_t misses;
	uint64_t reads;
	uint64_t pages_read;
	uint64_t writes;
	uint64_t pages_written;
	uint64_t evictions;
	uint64_t resident; /* pages now */
	uint64_t resident_peak;
	uint64_t stalled_ns;
};

struct file_facts {
	const char *path; /* NULL: several that were forgotten, together */
	uint64_t device;
	uint64_t inode;
	uint64_t size;        /* bytes, now or when it was closed */
	uint64_t mapped;      /* bytes now, in all clients */
	uint64_t mapped_peak; /* bytes */
	bool bound;           /* by --bind */
	struct file_counts counts;
};

/* On server_run()'s thread, or after server_finish(). */
void server_each_file(struct server *server,
		      void (*each)(void *context,
				   const struct file_facts *facts),
		      void *context);
/* What fell back and why, as clients and the server itself say it. */
void server_each_note(struct server *server,
		      void (*each)(void *context, const char *text,
				   uint64_t times),
		      void *context);

struct server_facts {
	uint64_t clients;      /* now */
	uint64_t clients_ever; /* processes that came, or were forked */
	uint64_t clients_peak;
	uint64_t files_ever; /* that were taken */
	uint64_t refused;    /* requests that were garbage */
	bool follows_forks;  /* of the last client that attached */
};

void server_facts(struct server *server, struct server_facts *facts);
void count_refused(struct server *server);
/* The engine, for quire_get_statistics(); open until server_destroy(). */
struct quire *server_engine(struct server *server);
/* NULL: nothing is recorded. */
struct recorder *server_recorder(struct server *server);

#endif
