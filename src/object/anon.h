/* anon.h - private pages, counted: what stores to private mappings make */
/* SPDX-License-Identifier: MIT */
/*
 * One object of an engine holds the private pages of all its spaces on the
 * software MMU.  A slot is a page of it, found by its index, and held by as
 * many translations as show it: one after a store, more after a fork.  So
 * private pages lie in the budget, leave for the swap file and come back as
 * any other page.
 *
 *   anon_create --> 1 --anon_hold (fork)--> 2 ... --anon_drop--> 1 --> 0
 *                                                                    |
 *   free <-- anon_reap: the page is discarded, nothing is written <--'
 */
#ifndef QUIRE_OBJECT_ANON_H
#define QUIRE_OBJECT_ANON_H

#include "object/object.h"

struct anon_pool {
	struct object *object;   /* [I] its handle is the engine's */
	struct lock lock;        /* LOCK_RANK_ANON, below LOCK_RANK_MMU */
	_Atomic uint32_t *holds; /* by slot; memory that is there if touched */
	uint64_t slots;          /* [I] */
	struct bitmap free;      /* [lock] below top, and zeros again */
	struct bitmap dying;     /* [lock] without a hold, to be discarded */
	uint64_t next;           /* [lock] where the search goes on */
	uint64_t top;            /* [lock] from here on none was ever used */
	uint64_t count;          /* [lock] held, or not yet reaped */
	/* Of these, not yet reaped; changed under the lock. */
	_Atomic uint64_t unheld;
	void *memory; /* [I] of the above */
};

/* The object is as long as slots pages, zeros, and outlives the pool. */
int anon_pool_init(struct anon_pool *pool, struct object *object);
/* Nobody holds a slot any more. */
void anon_pool_finish(struct anon_pool *pool);

/* A page of zeros, held once.  -ENOMEM: no slot is left.  Never blocks. */
int anon_create(struct anon_pool *pool, uint64_t *slot);
/* Any thread, under any lock above LOCK_RANK_ANON; never block. */
void anon_hold(struct anon_pool *pool, uint64_t slot);
void anon_drop(struct anon_pool *pool, uint64_t slot);
uint32_t anon_holds(const struct anon_pool *pool, uint64_t slot);
/* Discards what nobody holds.  Blocks, with no lock held. */
void anon_reap(struct anon_pool *pool);

#endif
