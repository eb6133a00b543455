/* client.h - this process as a client of the server */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_CLIENT_H
#define QUIRE_PRELOAD_CLIENT_H

#include "server/protocol.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define CALL_DESCRIPTORS 4

/* One request and its reply. */
struct call {
	struct request request; /* version is filled in */
	const void *bytes;      /* behind the request */
	size_t byte_count;
	int send[CALL_DESCRIPTORS]; /* remain the caller's */
	int send_count;
	struct reply reply;
	void *answer; /* for what is behind the reply */
	size_t answer_size;
	size_t answer_count;       /* how much came */
	int got[CALL_DESCRIPTORS]; /* the caller's now, close-on-exec */
	int got_count;
	bool again; /* another server may have seen it before */
};

/*
 * 0, or a negative errno: the server's, or -EIO if there is no server any
 * more.  If there is another one it is asked again.  Blocks; with all signals blocked, so that it ends.  Any thread, signal
 * handlers, the child of a vfork().  Only after a reply of 0 are there
 * descriptors in got.
 */
int client_call(struct call *call);
/*
 * The same for requests that belong together, and end with who made them:
 * *line is -1 before the first, and closed after the last.  The child of a
 * vfork(), whose death would not be seen otherwise, gets a channel there; so
 * does who finds all of the pool in use.
 */
int client_call_on(struct call *call, int *line);
void client_line_close(int *line);
/* Closes what came, but the first so many. */
void call_drop(struct call *call, int keep);

/* The environment names a server, and it was there. */
bool client_ready(void);
/* The server's taken table; NULL: none. */
extern struct taken_table *_Atomic client_table;

/* Something is taken: then descriptors must be looked at. */
static inline bool client_has_taken(void)
{
	struct taken_table *table =
		/* relaxed: set by a constructor, never unset */
		atomic_load_explicit(&client_table, memory_order_relaxed);

	/* relaxed: who has to see that a file became taken before his system
	 * call looks again after it */
	return table &&
	       atomic_load_explicit(&table->count, memory_order_relaxed) != 0;
}

/* Whose descriptors these are: in a child that has just been forked, and in that
 * of a vfork(), its parent's number. */
int client_process(void);

/* Another one with each server that was lost: ids of an earlier one may be
 * nobody's. */
uint64_t client_generation(void);

/* Words for the summary, once per text and process. */
void client_note(const char *text);

/* ---- fork.c's: around a fork, under map_lock() ---- */

/* The number of the next fork; the channel for it is kept. */
void client_forking(void);
void client_forked_parent(void);
/* In the child: channels of its own.  If the parent's forks are events, its
 * userfaultfd, or -1; then not *follows_forks if it is lost, and it needs one of
 * its own.  False: it has to begin anew. */
bool client_forked_child(int *userfault, bool *follows_forks);
/* A child that no handler has seen. */
void client_begin_anew(void);
/* True once in a child that does not share its memory with its parent, until
 * one of the two before was called. */
bool client_is_new_process(void);

/* ---- userfault.c's ---- */

/* An open /dev/userfaultfd, or -1. */
int client_device(void);
/* The server does not know the userfaultfd that it was given; once. */
bool client_lost_userfault(void);
/* A reply's flags may say that forks are events. */
void client_see_forks(uint32_t flags);

#endif
