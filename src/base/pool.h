/* pool.h - things of one size, from memory that is never malloc's */
/* SPDX-License-Identifier: MIT */
/*
 * A thread that resolves traps may not call malloc: the program may have
 * built its malloc on mapped memory.  A pool takes chunks from a function
 * that maps anonymous memory and gives nothing back before it ends.
 */
#ifndef QUIRE_BASE_POOL_H
#define QUIRE_BASE_POOL_H

#include "base/lock.h"

#include <stddef.h>

struct pool {
	struct lock lock;
	size_t item_size;
	void *(*map)(size_t bytes); /* zeroed, or NULL */
	void (*unmap)(void *chunk, size_t bytes);
	void *free;   /* [lock] linked through the first word */
	void *chunks; /* [lock] linked through the first word */
};

void pool_init(struct pool *pool, size_t item_size, enum lock_rank rank,
	       void *(*map)(size_t), void (*unmap)(void *, size_t));
void pool_finish(struct pool *pool); /* all items end with it */
void *pool_take(struct pool *pool);  /* zeroed; NULL: no memory */
void pool_drop(struct pool *pool, void *item);

#endif
