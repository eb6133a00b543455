/* writeback_private.h - what the files of writeback/ share */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_WRITEBACK_WRITEBACK_PRIVATE_H
#define QUIRE_WRITEBACK_WRITEBACK_PRIVATE_H

#include "writeback/writeback.h"

/* Writes under way for one caller. */
struct batch {
	struct writeback *writeback;
	struct lock lock; /* LOCK_RANK_WRITEBACK */
	struct condition condition;
	unsigned pending; /* [lock] runs */
	int error;        /* [lock] the first */
};

void batch_init(struct batch *batch, struct writeback *writeback);
/* Waits until at most count runs are under way. */
void batch_wait(struct batch *batch, unsigned count);
/* Waits for all; the first error. */
int batch_finish(struct batch *batch);

/*
 * Begins to write the run of DIRTY pages at index, up to end.  Returns how
 * many; 0: the page at index is not DIRTY, or somebody else changes its bytes
 * in the store (object_await_foreign()); or a negative errno, recorded.
 */
int64_t batch_write(struct batch *batch, struct object *object, uint64_t index,
		    uint64_t end);

void writeback_runs_init(struct writeback *writeback);
void writeback_runs_finish(struct writeback *writeback);

/* Some pages got home: throttled writers may go on. */
void writeback_relax(struct writeback *writeback);

#endif
