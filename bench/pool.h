/* pool.h - a buffer pool as one would write it: one lock, one hash table */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_BENCH_POOL_H
#define QUIRE_BENCH_POOL_H

#include <stddef.h>
#include <stdint.h>

struct pool;

/* Of a file that is open; frames pages at most.  NULL: no memory. */
struct pool *pool_create(int fd, size_t frames);
void pool_destroy(struct pool *pool);

/* Brings the page in and holds it there.  NULL: all frames are pinned, or it
 * cannot be read. */
unsigned char *pool_pin(struct pool *pool, uint64_t index);
/* One that pool_pin() gave. */
void pool_unpin(struct pool *pool, uint64_t index);

#endif
