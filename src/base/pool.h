/* pool.h - things of one size, from memory that is never malloc's */
/* SPDX-License-Identifier: MIT */
/*
 * A thread that resolves traps may not call malloc: the program may have
 * built its malloc on mapped memory.  A pool takes chunks from a function
 * that maps anonymous memory and gives nothing back before it ends.  Chunks
 * grow with the pool: those of a large one are whole huge pages.
 */
#ifndef QUIRE_BASE_POOL_H
#define QUIRE_BASE_POOL_H

#include "base/lock.h"

#include <stdbool.h>
#include <stddef.h>

#define POOL_CHUNKS 40

struct pool_link;

struct pool {
	struct lock lock;
	size_t item_size;
	void *(*map)(size_t bytes); /* zeroed, or NULL */
	void (*unmap)(void *chunk, size_t bytes);
	struct pool_link *free; /* [lock] dropped items */
	/* [lock] In the order of their coming; nothing of the pool's own is
	 * inside, so that what was never taken is never touched. */
	struct pool_chunk {
		char *memory;
		size_t bytes;
	} chunk[POOL_CHUNKS];
	unsigned chunks; /* [lock] */
	unsigned fresh;  /* [lock] the first that has untouched items */
	size_t taken;    /* [lock] bytes of that chunk, from its beginning */
	size_t bytes;    /* [lock] of all chunks */
	size_t items;    /* [lock] of all chunks, whoever has them */
};

/* Items are aligned as their size is, to a cache line at most. */
void pool_init(struct pool *pool, size_t item_size, enum lock_rank rank,
	       void *(*map)(size_t), void (*unmap)(void *, size_t));
void pool_finish(struct pool *pool); /* all items end with it */
void *pool_take(struct pool *pool);  /* zeroed; NULL: no memory */
void pool_drop(struct pool *pool, void *item);

/* Several at once, with the lock taken once: they are linked through their
 * first words, and zero but for these. */
struct pool_link {
	struct pool_link *next;
};

/* All of them or NULL; count is not 0. */
struct pool_link *pool_take_several(struct pool *pool, size_t count);
/* All from first on; first may be NULL. */
void pool_drop_several(struct pool *pool, struct pool_link *first);

/* Up to so many items can be taken from now on, all together, with nothing
 * mapped for them.  They are not touched.  False: no memory. */
bool pool_provide(struct pool *pool, size_t items);

#endif
