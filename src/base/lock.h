/* lock.h - mutexes, read-write locks and conditions that know their rank */
/* SPDX-License-Identifier: MIT */
/*
 * A thread takes locks in falling rank: the higher floor first, as calls run.
 * Debug builds assert it (QUIRE_DEBUG); two locks of one rank are never held
 * at once.  Managed memory is never touched under any of these locks, so a
 * trapped thread holds none of them.
 */
#ifndef QUIRE_BASE_LOCK_H
#define QUIRE_BASE_LOCK_H

#include "base/futex_rwlock.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum lock_rank {
	LOCK_RANK_RECORD = 5, /* told of what happens under any other */
	LOCK_RANK_LOG = 10,
	LOCK_RANK_WORKER,
	/* THROTTLE and FAULTS are taken by what is called upwards: low. */
	LOCK_RANK_THROTTLE, /* who waits for the dirty bound */
	LOCK_RANK_RING = 20,
	LOCK_RANK_SLEEPER = 25, /* of one sleeping thread */
	LOCK_RANK_KEEPER = 28,  /* what the server says to its keeper */
	LOCK_RANK_STORE = 30,
	LOCK_RANK_WAIT = 40, /* a bucket of parked waiters */
	LOCK_RANK_CACHE,     /* queue and budget */
	LOCK_RANK_FAULTS,    /* lists of faults that wait, or are ready */
	LOCK_RANK_PAGER = 50,
	LOCK_RANK_ANON = 55, /* slots of private pages */
	LOCK_RANK_TLB = 58,
	LOCK_RANK_MMU_CHILD, /* of a fork under way, besides its parent's */
	LOCK_RANK_MMU = 60,
	LOCK_RANK_OBJECT_DIRTY = 70,
	LOCK_RANK_OBJECT_MAPPINGS,
	LOCK_RANK_OBJECT,   /* size, readahead, errors */
	LOCK_RANK_REGISTRY, /* of objects */
	LOCK_RANK_FORESEEN, /* slots of pages that are DIRTY before a store */
	LOCK_RANK_WRITEBACK = 80,
	LOCK_RANK_BATCH,             /* writes under way for one caller */
	LOCK_RANK_OBJECT_FLUSH = 85, /* held across the store's flush */
	LOCK_RANK_SPACE = 90,
	LOCK_RANK_SPACES = 92, /* the software ones of an engine */
	LOCK_RANK_OBJECT_RESIZE =
		95,             /* held across I/O, a copy in, throttling */
	LOCK_RANK_HAZARDS = 98, /* the caches that are told of pins that go */
	LOCK_RANK_MERGE = 100,  /* of writes past an object, held across I/O */
	LOCK_RANK_ENGINE = 110,
	LOCK_RANK_SERVER = 120, /* files, claims, what workers have done */
	LOCK_RANK_SIZE = 130,   /* who sets a served file's size, across I/O */
};

struct lock {
	pthread_mutex_t mutex;
	enum lock_rank rank;
};

struct rwlock {
	struct futex_rwlock futex;
	enum lock_rank rank;
};

struct condition {
	pthread_cond_t cond; /* on CLOCK_MONOTONIC */
};

void lock_init(struct lock *lock, enum lock_rank rank);
void lock_finish(struct lock *lock);
void lock_take(struct lock *lock);
/* With another rank for this once: the second one of its own. */
void lock_take_below(struct lock *lock, enum lock_rank rank);
/* False: somebody has it. */
bool lock_try(struct lock *lock);
void lock_drop(struct lock *lock);
/* True if the calling thread holds it; always true without QUIRE_DEBUG. */
bool lock_held(const struct lock *lock);

/* Waiting writers go first, so readers cannot starve one. */
void rwlock_init(struct rwlock *lock, enum lock_rank rank);
void rwlock_finish(struct rwlock *lock);
void rwlock_take_read(struct rwlock *lock);
/* False: a writer has it, or waits for it. */
bool rwlock_try_read(struct rwlock *lock);
void rwlock_take_write(struct rwlock *lock);
void rwlock_drop_read(struct rwlock *lock);
void rwlock_drop_write(struct rwlock *lock);

void condition_init(struct condition *condition);
void condition_finish(struct condition *condition);
void condition_wait(struct condition *condition, struct lock *lock);
/* False when deadline_ns (of clock_now_ns()) has passed. */
bool condition_wait_until(struct condition *condition, struct lock *lock,
			  uint64_t deadline_ns);
void condition_wake_all(struct condition *condition);
void condition_wake_one(struct condition *condition);

/* Monotonic. */
uint64_t clock_now_ns(void);

#endif
