/* hazard.c - read pins that are announced, not counted */
/* SPDX-License-Identifier: MIT */
#include "page/hazard.h"

#include <sched.h>

_Alignas(LANE_LINE) struct hazard hazards[LANES * HAZARDS];
_Atomic bool hazards_awaited;

/* Of all caches of the process. */
static struct lock lock;
static struct list caches = { &caches, &caches }; /* [lock] */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void)
{
	lock_init(&lock, LOCK_RANK_HAZARDS);
}

void hazards_watch(struct cache *cache)
{
	pthread_once(&once, prepare);
	lock_take(&lock);
	list_add_tail(&caches, &cache->link);
	lock_drop(&lock);
}

void hazards_unwatch(struct cache *cache)
{
	lock_take(&lock);
	list_remove(&cache->link);
	lock_drop(&lock);
}

__attribute__((noinline)) void hazards_tell(void)
{
	struct list *link;

	lock_take(&lock);
	/* First: who is awaited again after this looks again himself. */
	atomic_store(&hazards_awaited, false);
	list_for_each(link, &caches)
		cache_encourage(container_of(link, struct cache, link));
	lock_drop(&lock);
}

void hazards_begin_fork(void)
{
	pthread_once(&once, prepare);
	lock_take(&lock);
}

void hazards_end_fork(void)
{
	lock_drop(&lock);
}

void hazards_in_child(void)
{
	list_init(&caches); /* the parent's */
	atomic_store(&hazards_awaited, false);
	for (unsigned i = 0; i < lanes_ever() * HAZARDS; i++)
		atomic_store(&hazards[i].word, 0);
}

void hazards_await(void)
{
	atomic_store(&hazards_awaited, true); /* hazard_free() */
	lane_barrier();
}

/* ---- looking at all slots ---- */

static struct hazard *next(unsigned *at)
{
	unsigned end = lanes_ever() * HAZARDS;

	while (*at < end) {
		struct hazard *hazard = &hazards[(*at)++];

		/* acquire: pairs with announcing; what was read under a pin
		 * that is gone was read before */
		if (atomic_load_explicit(&hazard->word, memory_order_acquire))
			return hazard;
	}
	return NULL;
}

const page_word *hazards_next(unsigned *at)
{
	struct hazard *hazard;
	uintptr_t word;

	while ((hazard = next(at))) {
		word = atomic_load_explicit(&hazard->word,
					    memory_order_acquire);
		if (word & ~HAZARD_BUSY)
			return (const page_word *)(word & ~HAZARD_BUSY);
	}
	return NULL;
}

bool hazards_find(const struct page_table *table, uint64_t *index,
		  uint64_t count)
{
	const page_word *word;
	unsigned at = 0;

	while ((word = hazards_next(&at))) {
		uintptr_t from = (uintptr_t)&table->words[*index];
		uintptr_t offset = (uintptr_t)word - from;

		if (offset / sizeof(page_word) < count) {
			*index += offset / sizeof(page_word);
			return true;
		}
	}
	return false;
}

void hazards_expect(struct page_table *table)
{
	atomic_store(&table->announced, true); /* hazards_settle() */
}

bool hazards_settle(const struct page_table *table)
{
	if (!atomic_load(&table->announced))
		return false;
	lane_barrier();
	return true;
}

/* ---- the end of an owner ---- */

/* What an owner that is closed still has. */
static bool is_left(struct hazard *hazard, const void *owner)
{
	return atomic_load(&hazard->owner) ==
	       ((uintptr_t)owner | HAZARD_CLOSED);
}

static void mark(const void *owner)
{
	struct hazard *hazard;
	unsigned at = 0;

	while ((hazard = next(&at))) {
		uintptr_t expected = (uintptr_t)owner;

		/* A slot that is free by now, or another's: no harm. */
		atomic_compare_exchange_strong(&hazard->owner, &expected,
					       (uintptr_t)owner |
						       HAZARD_CLOSED);
	}
}

void hazards_close(const void *owner)
{
	struct hazard *hazard;
	unsigned at = 0;

	mark(owner);
	lane_barrier();
	while ((hazard = next(&at)))
		while (is_left(hazard, owner) &&
		       atomic_load(&hazard->word) & HAZARD_BUSY)
			sched_yield(); /* hazard_drop() */
}

uint64_t hazards_count(const void *owner)
{
	struct hazard *hazard;
	uint64_t count = 0;
	unsigned at = 0;

	while ((hazard = next(&at)))
		count += is_left(hazard, owner);
	return count;
}
