/* anon.c - private pages, counted: what stores to private mappings make */
/* SPDX-License-Identifier: MIT */
/*
 * Slots below top have been used: each is held, dying, in a reaper's hands, or
 * free.  One that is free reads as zeros, as does all from top on.  They are
 * handed out in order, the free ones first, so that pages made one after the
 * other lie side by side and low.
 */
#include "object/anon.h"

#include "os/memory.h"

#include <errno.h>

#define REAP_MOST 4096 /* slots in one discard */

static size_t holds_bytes(uint64_t slots)
{
	return page_round_up(slots * sizeof(uint32_t));
}

static size_t memory_bytes(uint64_t slots)
{
	return holds_bytes(slots) + 2 * bitmap_bytes(slots);
}

int anon_pool_init(struct anon_pool *pool, struct object *object)
{
	uint64_t slots = object_pages(object);
	char *memory;
	int error = memory_map(memory_bytes(slots), &pool->memory);

	if (error)
		return error_say(error, "no memory for %llu private pages",
				 (unsigned long long)slots);
	memory = pool->memory;
	pool->object = object;
	pool->slots = slots;
	pool->holds = (_Atomic uint32_t *)pool->memory;
	memory += holds_bytes(slots);
	bitmap_init(&pool->free, slots, memory);
	bitmap_init(&pool->dying, slots, memory + bitmap_bytes(slots));
	pool->next = 0;
	pool->top = 0;
	pool->count = 0;
	atomic_init(&pool->unheld, 0);
	lock_init(&pool->lock, LOCK_RANK_ANON);
	return 0;
}

void anon_pool_finish(struct anon_pool *pool)
{
	check(pool->count == atomic_load(&pool->unheld),
	      "no private page is held any more");
	lock_finish(&pool->lock);
	memory_unmap(pool->memory, memory_bytes(pool->slots));
}

/* The free slot after the one handed out last, or the first; or a new one.
 * The lock is held.  False: there is none. */
static bool take_slot(struct anon_pool *pool, uint64_t *slot)
{
	uint64_t free = bitmap_next(&pool->free, pool->next);

	if (free == BITMAP_NONE)
		free = bitmap_next(&pool->free, 0);
	if (free != BITMAP_NONE)
		bitmap_clear(&pool->free, free);
	else if (pool->top < pool->slots)
		free = pool->top++;
	else
		return false;
	pool->next = free + 1;
	pool->count++;
	*slot = free;
	return true;
}

int anon_create(struct anon_pool *pool, uint64_t *slot)
{
	bool taken;

	lock_take(&pool->lock);
	taken = take_slot(pool, slot);
	lock_drop(&pool->lock);
	if (!taken)
		return -ENOMEM;
	/* relaxed: nobody else knows the slot yet */
	atomic_store_explicit(&pool->holds[*slot], 1, memory_order_relaxed);
	return 0;
}

void anon_hold(struct anon_pool *pool, uint64_t slot)
{
	/* relaxed: the caller's translation holds it already */
	uint32_t holds = atomic_fetch_add_explicit(&pool->holds[slot], 1,
						   memory_order_relaxed);

	check(holds > 0 && holds < UINT32_MAX,
	      "a private page that is held gets one hold more");
}

void anon_drop(struct anon_pool *pool, uint64_t slot)
{
	uint32_t holds = atomic_fetch_sub(&pool->holds[slot], 1);

	check(holds > 0, "a private page is dropped by a holder");
	if (holds > 1)
		return;
	lock_take(&pool->lock);
	bitmap_set(&pool->dying, slot);
	/* relaxed: see anon_reap() */
	atomic_fetch_add_explicit(&pool->unheld, 1, memory_order_relaxed);
	lock_drop(&pool->lock);
}

uint32_t anon_holds(const struct anon_pool *pool, uint64_t slot)
{
	return atomic_load(&pool->holds[slot]); /* pairs with the drop */
}

/* The first run of dying slots >= *slot goes into the caller's hands; its
 * length, 0: there is none. */
static uint64_t take_dying(struct anon_pool *pool, uint64_t *slot)
{
	uint64_t count = 0;

	lock_take(&pool->lock);
	*slot = bitmap_next(&pool->dying, *slot);
	while (*slot != BITMAP_NONE && count < REAP_MOST &&
	       *slot + count < pool->top &&
	       bitmap_test(&pool->dying, *slot + count)) {
		bitmap_clear(&pool->dying, *slot + count);
		count++;
	}
	lock_drop(&pool->lock);
	return count;
}

/* good: they are zeros now; else they wait for the next reaper. */
static void put_back(struct anon_pool *pool, uint64_t slot, uint64_t count,
		     bool good)
{
	lock_take(&pool->lock);
	for (uint64_t i = slot; i < slot + count; i++)
		bitmap_set(good ? &pool->free : &pool->dying, i);
	if (good) {
		pool->count -= count;
		atomic_fetch_sub_explicit(&pool->unheld, count,
					  memory_order_relaxed);
	}
	lock_drop(&pool->lock);
}

void anon_reap(struct anon_pool *pool)
{
	uint64_t count, slot = 0;

	/* relaxed: a thread sees what it has dropped itself; others reap what
	 * they drop */
	if (atomic_load_explicit(&pool->unheld, memory_order_relaxed) == 0)
		return;
	while ((count = take_dying(pool, &slot)) > 0) {
		/* Whoever has the slot next did not lock it. */
		object_unlock_pages(pool->object, slot, count);
		put_back(pool, slot, count,
			 object_discard(pool->object, slot, count) == 0);
		slot += count;
	}
}
