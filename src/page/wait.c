/* wait.c - whoever waits for a page parks here */
/* SPDX-License-Identifier: MIT */
#include "page/wait.h"

void wait_table_init(struct wait_table *table)
{
	for (int i = 0; i < WAIT_BUCKETS; i++) {
		lock_init(&table->bucket[i].lock, LOCK_RANK_WAIT);
		list_init(&table->bucket[i].waiters);
	}
}

void wait_table_finish(struct wait_table *table)
{
	for (int i = 0; i < WAIT_BUCKETS; i++) {
		check(list_empty(&table->bucket[i].waiters),
		      "nobody waits when the engine ends");
		lock_finish(&table->bucket[i].lock);
	}
}

static struct wait_bucket *bucket_of(struct wait_table *table,
				     const void *place, uint64_t index)
{
	uint64_t hash = ((uint64_t)(uintptr_t)place >> 6) + index;

	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return &table->bucket[hash >> 56];
}

bool wait_park(struct wait_table *table, const void *place, uint64_t index,
	       page_word *word, enum page_state seen, struct waiter *waiter)
{
	struct wait_bucket *bucket = bucket_of(table, place, index);
	bool parked;

	hook_point(HOOK_PARK, place, index);
	lock_take(&bucket->lock);
	parked = page_set_waiters(word, seen);
	if (parked) {
		waiter->place = place;
		waiter->index = index;
		list_add_tail(&bucket->waiters, &waiter->link);
	}
	lock_drop(&bucket->lock);
	return parked;
}

void wait_wake(struct wait_table *table, const void *place, uint64_t index)
{
	struct wait_bucket *bucket = bucket_of(table, place, index);
	struct list woken, *link, *after;

	hook_point(HOOK_WAKE, place, index);
	list_init(&woken);
	lock_take(&bucket->lock);
	list_for_each_safe(link, after, &bucket->waiters) {
		struct waiter *waiter = container_of(link, struct waiter, link);

		if (waiter->place != place || waiter->index != index)
			continue;
		waiter->place = NULL;
		list_remove(link);
		list_add_tail(&woken, link);
	}
	lock_drop(&bucket->lock);
	while ((link = list_pop(&woken))) {
		struct waiter *waiter = container_of(link, struct waiter, link);

		waiter->wake(waiter);
	}
}

static void sleeper_wake(struct waiter *waiter)
{
	struct sleeper *sleeper = container_of(waiter, struct sleeper, waiter);

	lock_take(&sleeper->lock);
	sleeper->woken = true;
	condition_wake_all(&sleeper->condition);
	lock_drop(&sleeper->lock);
}

void sleeper_init(struct sleeper *sleeper)
{
	sleeper->waiter.place = NULL;
	sleeper->waiter.wake = sleeper_wake;
	lock_init(&sleeper->lock, LOCK_RANK_SLEEPER);
	condition_init(&sleeper->condition);
	sleeper->woken = false;
}

void sleeper_finish(struct sleeper *sleeper)
{
	lock_finish(&sleeper->lock);
	condition_finish(&sleeper->condition);
}

void sleeper_sleep(struct sleeper *sleeper)
{
	lock_take(&sleeper->lock);
	while (!sleeper->woken)
		condition_wait(&sleeper->condition, &sleeper->lock);
	sleeper->woken = false;
	lock_drop(&sleeper->lock);
}

bool sleeper_sleep_until(struct sleeper *sleeper, uint64_t deadline_ns)
{
	bool woken;

	lock_take(&sleeper->lock);
	while (!sleeper->woken &&
	       condition_wait_until(&sleeper->condition, &sleeper->lock,
				    deadline_ns))
		;
	woken = sleeper->woken;
	sleeper->woken = false;
	lock_drop(&sleeper->lock);
	return woken;
}

void wait_for_change(struct wait_table *table, const void *place,
		     uint64_t index, page_word *word, enum page_state seen)
{
	struct sleeper sleeper;

	sleeper_init(&sleeper);
	if (wait_park(table, place, index, word, seen, &sleeper.waiter))
		sleeper_sleep(&sleeper);
	sleeper_finish(&sleeper);
}
