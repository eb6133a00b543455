/* pool.c - things of one size, from memory that is never malloc's */
/* SPDX-License-Identifier: MIT */
#include "base/pool.h"

#include "base/check.h"
#include "base/size.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

/* A chunk is this large, or holds CHUNK_ITEMS items if these are large. */
#define CHUNK_BYTES (UINT64_C(64) << 10)
#define CHUNK_ITEMS 8

/* Free items and chunks are linked through their first word. */
struct pool_link {
	struct pool_link *next;
};

/* What comes before the first item, so that items are aligned. */
#define CHUNK_HEAD alignof(max_align_t)

static size_t chunk_bytes(const struct pool *pool)
{
	uint64_t bytes = CHUNK_HEAD + CHUNK_ITEMS * (uint64_t)pool->item_size;

	if (bytes < CHUNK_BYTES)
		bytes = CHUNK_BYTES;
	return (size_t)page_round_up(bytes);
}

void pool_init(struct pool *pool, size_t item_size, enum lock_rank rank,
	       void *(*map)(size_t), void (*unmap)(void *, size_t))
{
	size_t align = alignof(max_align_t);

	check(item_size > 0, "a pool's items have a size");
	lock_init(&pool->lock, rank);
	pool->item_size = (item_size + align - 1) / align * align;
	pool->map = map;
	pool->unmap = unmap;
	pool->free = NULL;
	pool->chunks = NULL;
}

void pool_finish(struct pool *pool)
{
	struct pool_link *chunk = pool->chunks;

	while (chunk) {
		struct pool_link *next = chunk->next;

		pool->unmap(chunk, chunk_bytes(pool));
		chunk = next;
	}
	pool->chunks = NULL;
	pool->free = NULL;
	lock_finish(&pool->lock);
}

/* The lock is held. */
static void push(struct pool *pool, void *item)
{
	struct pool_link *link = item;

	link->next = pool->free;
	pool->free = link;
}

/* The lock is held.  NULL if there is none. */
static void *pop(struct pool *pool)
{
	struct pool_link *link = pool->free;

	if (link)
		pool->free = link->next;
	return link;
}

/* The lock is held.  Low addresses are taken first. */
static void add_chunk(struct pool *pool, void *chunk)
{
	struct pool_link *link = chunk;
	size_t count = (chunk_bytes(pool) - CHUNK_HEAD) / pool->item_size;
	char *items = (char *)chunk + CHUNK_HEAD;

	link->next = pool->chunks;
	pool->chunks = link;
	while (count > 0)
		push(pool, items + --count * pool->item_size);
}

/*
 * Maps without the lock.  Two threads that find the pool empty at once add a
 * chunk each, which costs memory once and no correctness.
 */
static void *take_from_new_chunk(struct pool *pool)
{
	void *chunk = pool->map(chunk_bytes(pool));
	void *item;

	if (!chunk)
		return NULL;
	lock_take(&pool->lock);
	add_chunk(pool, chunk);
	item = pop(pool);
	lock_drop(&pool->lock);
	return item;
}

void *pool_take(struct pool *pool)
{
	void *item;

	lock_take(&pool->lock);
	item = pop(pool);
	lock_drop(&pool->lock);
	if (!item)
		item = take_from_new_chunk(pool);
	if (item)
		memset(item, 0, pool->item_size);
	return item;
}

void pool_drop(struct pool *pool, void *item)
{
	lock_take(&pool->lock);
	push(pool, item);
	lock_drop(&pool->lock);
}
