/* wait.h - whoever waits for a page parks here */
/* SPDX-License-Identifier: MIT */
/*
 * A fault that must wait is parked: no thread waits for it.  A thread that
 * may block (a pin, a copy, a sync) parks a waiter of its own and sleeps.
 *
 * Park (rule 9): under the bucket's lock, WAITERS is swapped into the word if
 * the state is still the one that was seen, then the waiter is queued.  Wake:
 * after the swap that took WAITERS away, the queue is taken under its lock and
 * each waiter's wake() is called with no lock held.  wake() says only "look
 * again": nothing may be concluded from it.
 */
#ifndef QUIRE_PAGE_WAIT_H
#define QUIRE_PAGE_WAIT_H

#include "base/base.h"
#include "page/word.h"

struct page_table;

struct waiter {
	struct list link;
	const void *place; /* NULL: not parked */
	uint64_t index;
	void (*wake)(struct waiter *waiter);
};

#define WAIT_BUCKETS 256

struct wait_bucket {
	struct lock lock;
	struct list waiters; /* [lock] */
};

struct wait_table {
	struct wait_bucket bucket[WAIT_BUCKETS];
};

void wait_table_init(struct wait_table *table);
void wait_table_finish(struct wait_table *table);

/*
 * Parks on page index of place, whose word is *word.  False: the state is no
 * longer seen; look again.  Never blocks.
 */
bool wait_park(struct wait_table *table, const void *place, uint64_t index,
	       page_word *word, enum page_state seen, struct waiter *waiter);
/* Calls wake() of all that are parked there, on this thread. */
void wait_wake(struct wait_table *table, const void *place, uint64_t index);

/* Waits for the page to leave the state that was seen.  Blocks. */
void wait_for_change(struct wait_table *table, const void *place,
		     uint64_t index, page_word *word, enum page_state seen);

/* A waiter that a thread sleeps on. */
struct sleeper {
	struct waiter waiter;
	struct lock lock;
	struct condition condition;
	bool woken; /* [lock] */
};

void sleeper_init(struct sleeper *sleeper);
void sleeper_finish(struct sleeper *sleeper);
void sleeper_sleep(struct sleeper *sleeper);
/* False: deadline_ns has passed, and nobody has woken it. */
bool sleeper_sleep_until(struct sleeper *sleeper, uint64_t deadline_ns);

#endif
