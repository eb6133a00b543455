/* writeback_private.h - what the files of writeback/ share */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_WRITEBACK_WRITEBACK_PRIVATE_H
#define QUIRE_WRITEBACK_WRITEBACK_PRIVATE_H

#include "writeback/writeback.h"

#define BEGUN_MOST 64 /* runs */

struct run;

/*
 * Writes of one object under way for one caller, on one thread.  Runs are
 * protected, and go to the store, many at once: those that are begun, or in the
 * plug, have not left, although their pages are WRITING.
 */
struct batch {
	struct writeback *writeback;
	unsigned at_once; /* runs under way, at most */
	/* Until when the caller waits for some of them; then he leaves. */
	uint64_t deadline_ns;
	struct ring_plug plug; /* the caller's */
	struct lock lock;      /* LOCK_RANK_BATCH */
	struct condition condition;
	unsigned pending; /* [lock] runs, those that are begun among them */
	unsigned enough;  /* [lock] the caller is woken at so many */
	bool left;        /* [lock] he has gone: the flusher is told */
	int error;        /* [lock] the first */
	unsigned full;    /* [lock] writes that found no room in the store */
	bool last;        /* its caller begins no more, and waits */
	/* Runs whose pages are WRITING, and not protected yet. */
	struct run *begun[BEGUN_MOST];
	unsigned begun_count;
};

/* at_once: where somebody waits for all of them as many as keep a disk busy
 * that is served by turns; else fewer, that others get their turn. */
#define RUNS_AWAITED 128
#define RUNS_BESIDE 32
#define FOR_EVER UINT64_MAX /* a deadline */
void batch_init(struct batch *batch, struct writeback *writeback,
		unsigned at_once);
/* What was begun reaches the store.  Before the caller waits for whatever may
 * wait for a page. */
void batch_release(struct batch *batch);
/* Waits for all.  False: its deadline has passed, it is left, and
 * writeback_resume() is called when it is worth while to go on. */
bool batch_await(struct batch *batch);
/* How many writes have found no room so far. */
unsigned batch_full(struct batch *batch);
/* Waits for all, whatever its deadline; the first error. */
int batch_finish(struct batch *batch);

/*
 * Begins to write the run of DIRTY pages at index, up to end.  Returns how
 * many; 0: the page at index is not DIRTY, or somebody else changes its bytes
 * in the store (object_await_foreign()); or a negative errno, recorded.
 * -EAGAIN: too many are under way, and the batch is left, as above.
 */
int64_t batch_write(struct batch *batch, struct object *object, uint64_t index,
		    uint64_t end);

void writeback_runs_init(struct writeback *writeback);
void writeback_runs_finish(struct writeback *writeback);

/* What was left may go on.  Under the batch's lock. */
void writeback_resume(struct writeback *writeback);

/* Some pages of the object got home: throttled writers may go on. */
void writeback_relax(struct writeback *writeback, const struct object *object);

#endif
