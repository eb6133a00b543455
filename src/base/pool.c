/* pool.c - things of one size, from memory that is never malloc's */
/* SPDX-License-Identifier: MIT */
#include "base/pool.h"

#include "base/check.h"
#include "base/size.h"

#include <stdint.h>
#include <string.h>

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) \
	ASAN_POISON_MEMORY_REGION(address, size)
#endif

/*
 * A chunk is as large as all before it together, so that POOL_CHUNKS are more
 * than there are addresses: what was never taken costs no memory.  From
 * HUGE_PAGE on it is whole huge pages, as memory that is looked at here and
 * there needs them.
 */
#define CHUNK_BYTES (UINT64_C(64) << 10)
#define CHUNK_ITEMS 8 /* at least */
#define HUGE_PAGE (UINT64_C(2) << 20)

/* Of the chunk to come, for so many items.  The lock is held. */
static size_t chunk_bytes(const struct pool *pool, size_t items)
{
	uint64_t least = items * (uint64_t)pool->item_size;
	uint64_t bytes = pool->bytes > CHUNK_BYTES ? pool->bytes : CHUNK_BYTES;

	if (bytes < least)
		bytes = least;
	if (bytes > HUGE_PAGE)
		return (size_t)((bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	return (size_t)page_round_up(bytes);
}

void pool_init(struct pool *pool, size_t item_size, enum lock_rank rank,
	       void *(*map)(size_t), void (*unmap)(void *, size_t))
{
	size_t align = sizeof(struct pool_link);

	check(item_size > 0, "a pool's items have a size");
	*pool = (struct pool){ .map = map, .unmap = unmap };
	pool->item_size = (item_size + align - 1) / align * align;
	lock_init(&pool->lock, rank);
}

void pool_finish(struct pool *pool)
{
	for (unsigned i = 0; i < pool->chunks; i++) {
		const struct pool_chunk *chunk = &pool->chunk[i];

		ASAN_UNPOISON_MEMORY_REGION(chunk->memory, chunk->bytes);
		pool->unmap(chunk->memory, chunk->bytes);
	}
	pool->chunks = 0;
	pool->free = NULL;
	lock_finish(&pool->lock);
}

static size_t wiped_size(const struct pool *pool)
{
	return pool->item_size - sizeof(struct pool_link);
}

static void wipe(const struct pool *pool, struct pool_link *item)
{
	ASAN_UNPOISON_MEMORY_REGION(item + 1, wiped_size(pool));
	memset(item + 1, 0, wiped_size(pool));
}

/* What was dropped is nobody's, and the address sanitizer says so. */
static void poison(const struct pool *pool, struct pool_link *item)
{
	(void)pool;
	ASAN_POISON_MEMORY_REGION(item + 1, wiped_size(pool));
}

/* Low addresses go first.  The lock is held.  NULL: there is none. */
static void *take_fresh(struct pool *pool)
{
	const struct pool_chunk *chunk = &pool->chunk[pool->fresh];
	char *item;

	if (pool->fresh == pool->chunks)
		return NULL;
	item = chunk->memory + pool->taken;
	pool->taken += pool->item_size;
	if (pool->taken + pool->item_size > chunk->bytes) {
		pool->fresh++;
		pool->taken = 0;
	}
	return item;
}

/*
 * The lock is held, but not while the chunk is mapped.  Two threads that find
 * the pool empty at once add a chunk each, which costs addresses once and no
 * correctness.  False: no memory.
 */
static bool grow(struct pool *pool, size_t items)
{
	struct pool_chunk chunk = { .bytes = chunk_bytes(pool, items) };

	lock_drop(&pool->lock);
	chunk.memory = pool->map(chunk.bytes);
	lock_take(&pool->lock);
	if (!chunk.memory)
		return false;
	/* A child of fork() has the parent's marks where the memory is not. */
	ASAN_UNPOISON_MEMORY_REGION(chunk.memory, chunk.bytes);
	check(pool->chunks < POOL_CHUNKS, "a pool doubles with each chunk");
	pool->chunk[pool->chunks++] = chunk;
	pool->bytes += chunk.bytes;
	pool->items += chunk.bytes / pool->item_size;
	return true;
}

/* The lock is held.  Puts one before the others; false: there is none. */
static bool take_one(struct pool *pool, struct pool_link **first)
{
	struct pool_link *item = pool->free;

	if (item)
		pool->free = item->next;
	else
		item = take_fresh(pool);
	if (!item)
		return false;
	item->next = *first;
	*first = item;
	return true;
}

struct pool_link *pool_take_several(struct pool *pool, size_t count)
{
	struct pool_link *first = NULL;
	bool enough = true;

	lock_take(&pool->lock);
	while (count > 0 && enough) {
		if (take_one(pool, &first))
			count--;
		else
			enough = grow(pool, count + CHUNK_ITEMS);
	}
	lock_drop(&pool->lock);
	if (!enough) {
		pool_drop_several(pool, first);
		return NULL;
	}
	for (struct pool_link *item = first; item; item = item->next)
		wipe(pool, item);
	return first;
}

void pool_drop_several(struct pool *pool, struct pool_link *first)
{
	struct pool_link *last = first;

	if (!first)
		return;
	for (poison(pool, first); last->next; poison(pool, last))
		last = last->next;
	lock_take(&pool->lock);
	last->next = pool->free;
	pool->free = first;
	lock_drop(&pool->lock);
}

void *pool_take(struct pool *pool)
{
	struct pool_link *item = pool_take_several(pool, 1);

	if (item)
		item->next = NULL;
	return item;
}

void pool_drop(struct pool *pool, void *item)
{
	struct pool_link *link = item;

	link->next = NULL;
	pool_drop_several(pool, link);
}

bool pool_provide(struct pool *pool, size_t items)
{
	bool enough = true;

	lock_take(&pool->lock);
	while (enough && pool->items < items)
		enough = grow(pool, items - pool->items);
	lock_drop(&pool->lock);
	return enough;
}
