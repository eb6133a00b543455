/* worker.h - a pool of threads for work that blocks */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_BASE_WORKER_H
#define QUIRE_BASE_WORKER_H

#include "base/list.h"

#include <pthread.h>

struct worker_pool;

/* Belongs to the caller, who keeps it until run() has begun. */
struct work {
	struct list link;
	void (*run)(struct work *work);
};

/*
 * count threads, their names seen in ps, as thread_start() starts them.
 * 0, -EAGAIN, -ENOMEM.
 */
int worker_pool_create(unsigned count, const char *name,
		       struct worker_pool **pool);
/* Any thread; first in, first out; never blocks, never fails, never mallocs. */
void worker_submit(struct worker_pool *pool, struct work *work);
/*
 * Three quarters of a pool's threads, one at least: more of the work that is
 * submitted by one share does not run at once, so that what hangs there does
 * not take all of them.
 */
struct worker_share {
	struct worker_pool *pool; /* [I] */
	struct list waiting;      /* the pool's lock */
	unsigned taken;           /* the pool's lock */
};
void worker_share_init(struct worker_share *share, struct worker_pool *pool);
/* As worker_submit(); run() calls worker_share_done() once, when it does not
 * block any more.  The share may end after that. */
void worker_share_submit(struct worker_share *share, struct work *work);
void worker_share_done(struct worker_share *share);
/* Runs what was submitted, then ends the threads.  NULL is allowed. */
void worker_pool_destroy(struct worker_pool *pool);

/*
 * Starts one thread with a name (cut at 15 bytes), and all signals blocked but
 * for those that an access or an instruction raises: SIGSEGV, SIGBUS, SIGFPE,
 * SIGILL.  0 or a negative errno.
 */
int thread_start(pthread_t *thread, const char *name, void *(*run)(void *),
		 void *argument);

#endif
