/* writeback.h - when and in what order dirty pages go home */
/* SPDX-License-Identifier: MIT */
/*
 * One write of a run of pages (rules 3 and 4):
 *
 *   DIRTY -> WRITING, page by page -> write-protect in every mapping
 *     -> copy into a staging buffer -> pager
 *        ok:     CLEAN, or DIRTY if it was stored to meanwhile; wake
 *        failed: the error recorded for every holder, then DIRTY; wake
 */
#ifndef QUIRE_WRITEBACK_WRITEBACK_H
#define QUIRE_WRITEBACK_WRITEBACK_H

#include "object/object.h"

#include <pthread.h>

struct writeback {
	struct object_host *host; /* [I] */
	struct pool runs;
	struct pool flushes;
	uint64_t bound;             /* [I] pages dirty at most */
	uint64_t interval_ns;       /* [I] */
	struct list left;           /* the flusher's: flushes that it left */
	struct lock lock;           /* LOCK_RANK_WRITEBACK */
	struct condition condition; /* the flusher's */
	bool kicked;                /* [lock] */
	bool resumed;               /* [lock] one that was left may go on */
	bool urgent;                /* [lock] scratch pages must go, too */
	bool stopping;              /* [lock] */
	_Atomic bool kick_pending;  /* a kick nobody has answered yet */
	struct lock throttle_lock;  /* LOCK_RANK_THROTTLE */
	struct list throttled;      /* [throttle_lock] waiters */
	pthread_t flusher;
};

/* Starts the flusher.  0 or a negative errno. */
int writeback_init(struct writeback *writeback, struct object_host *host,
		   uint64_t bound_pages, uint64_t interval_ns);
/* Ends the flusher; writes nothing. */
void writeback_stop(struct writeback *writeback);
/* After that, when nobody waits for the dirty bound any more. */
void writeback_finish(struct writeback *writeback);

/* Has the flusher begin now; urgent: with scratch pages.  Never blocks, may be
 * called under whatever lock. */
void writeback_kick(struct writeback *writeback, bool urgent);

/*
 * Writes every page of [index, index+count) home that was dirty at the call,
 * and waits for it.  durable: until the store has made it so.  0, or the
 * first error (which has been recorded).  Blocks.
 */
int writeback_sync(struct writeback *writeback, struct object *object,
		   uint64_t index, uint64_t count, bool durable);

/*
 * What was shown for stores ahead, and was not stored to, is CLEAN afterwards: as it
 * is for whoever asks what the program has changed.  0 or an error.  Blocks.
 */
int writeback_settle(struct writeback *writeback, struct object *object,
		     uint64_t index, uint64_t count);

/* ---- the dirty bound ---- */

/* How many dirty pages count, but for those of objects that are stuck. */
uint64_t writeback_dirty(const struct writeback *writeback);
/* What moves while a store to the object may hope: where that is stuck, and was
 * so not but once, its own pages that get home, and no others'. */
uint64_t writeback_progress(const struct writeback *writeback,
			    const struct object *object);
/* True if no more page of the object should become dirty now. */
bool writeback_over_bound(const struct writeback *writeback,
			  const struct object *object);
/* How many more of the object's fill the bound. */
uint64_t writeback_room(const struct writeback *writeback,
			const struct object *object);
/* Parks until that changes; the caller kicks the flusher.  False: it has. */
bool writeback_park(struct writeback *writeback, const struct object *object,
		    struct waiter *waiter);
/* Takes a parked waiter back.  False: it is being woken. */
bool writeback_unpark(struct writeback *writeback, struct waiter *waiter);
/* Waits itself.  -EIO: nothing gets home any more.  Blocks. */
int writeback_throttle(struct writeback *writeback,
		       const struct object *object);

#endif
