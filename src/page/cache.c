/* cache.c - the bounded cache: budget and who waits for it */
/* SPDX-License-Identifier: MIT */
#include "page/cache.h"

#include "os/memory.h"
#include "page/hazard.h"
#include "page/page_private.h"

void cache_init(struct cache *cache, uint64_t budget_pages,
		struct counters *counters)
{
	lock_init(&cache->lock, LOCK_RANK_CACHE);
	cache->counters = counters;
	cache->pressure = NULL;
	cache->budget = budget_pages;
	cache->charged = 0;
	cache->charged_peak = 0;
	victims_init(cache);
	list_init(&cache->starving);
	cache->sequence = 0;
	atomic_store(&cache->hungry, false);
	atomic_store(&cache->dirty, 0);
	atomic_store(&cache->must_go, 0);
	atomic_store(&cache->stuck, 0);
	cache->pressed = false;
	cache->reclaimers = NULL;
	atomic_store(&cache->reclaiming, false);
	wait_table_init(&cache->waits);
	hazards_watch(cache);
}

void cache_finish(struct cache *cache)
{
	check(cache->charged == 0, "invariant 3: all that was charged is given "
				   "back");
	check(list_empty(&cache->starving), "nobody starves at the end");
	hazards_unwatch(cache);
	wait_table_finish(&cache->waits);
	victims_finish(cache);
	lock_finish(&cache->lock);
}

/* One more page of the table is charged: its cluster joins the queue. */
static void charge_page(struct cache *cache, struct page_table *table,
			uint64_t index)
{
	struct cluster *cluster = &table->clusters[index >> CLUSTER_SHIFT];

	if (cluster->charged == 0) {
		cluster->table = table;
		victims_enter(cache, cluster);
	}
	victims_charge(cache, cluster, index);
	table->chapters[index >> CHAPTER_SHIFT]++;
}

static void uncharge_page(struct cache *cache, struct page_table *table,
			  uint64_t index, bool failed)
{
	struct cluster *cluster = &table->clusters[index >> CLUSTER_SHIFT];
	uint64_t chapter = index >> CHAPTER_SHIFT;

	check(cluster->charged > 0, "invariant 3: given back once");
	victims_uncharge(cache, cluster);
	if (cluster->charged == 0)
		victims_leave(cache, cluster);
	if (--table->chapters[chapter] == 0 && !failed && !table->ending)
		page_table_release(table, chapter);
}

/* The lock is held. */
static void charge_all(struct cache *cache, struct page_table *table,
		       uint64_t index, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		charge_page(cache, table, index + i);
	table->charged += count;
	cache->charged += count;
	if (cache->charged > cache->charged_peak)
		cache->charged_peak = cache->charged;
}

/* By how much count more would be too much; the lock is held. */
static uint64_t lacking_for(const struct cache *cache, uint64_t count)
{
	uint64_t wanted = cache->charged + count;

	return wanted > cache->budget ? wanted - cache->budget : 0;
}

/* Charges what fits now; the lock is held. */
static uint64_t charge_what_fits(struct cache *cache, struct page_table *table,
				 uint64_t index, uint64_t count)
{
	uint64_t lacking = lacking_for(cache, count);

	count = lacking < count ? count - lacking : 0;
	charge_all(cache, table, index, count);
	return count;
}

static uint64_t try_charge(struct cache *cache, struct page_table *table,
			   uint64_t index, uint64_t count)
{
	lock_take(&cache->lock);
	count = charge_what_fits(cache, table, index, count);
	lock_drop(&cache->lock);
	return count;
}

/* Charges all or nothing; by how much it was too much. */
static uint64_t charge_whole(struct cache *cache, struct page_table *table,
			     uint64_t index, uint64_t count)
{
	uint64_t lacking;
	bool begin;

	lock_take(&cache->lock);
	lacking = lacking_for(cache, count);
	if (lacking)
		cache->pressed = true;
	else
		charge_all(cache, table, index, count);
	begin = background_wanted(cache);
	lock_drop(&cache->lock);
	if (begin)
		background_begin(cache);
	return lacking;
}

/*
 * The second look, with hungry set: whoever makes a victim after it sees
 * hungry and wakes us; whoever made one before it is seen by us.
 */
static uint64_t charge_hungry(struct cache *cache, struct page_table *table,
			      uint64_t index, uint64_t count,
			      uint64_t *sequence)
{
	uint64_t lacking;

	lock_take(&cache->lock);
	*sequence = cache->sequence;
	atomic_store(&cache->hungry, true); /* seen by cache_encourage() */
	lacking = lacking_for(cache, count);
	lock_drop(&cache->lock);
	hazards_await();
	cache_reclaim(cache, lacking > count ? lacking : count);
	count = try_charge(cache, table, index, count);
	if (count == 0 && cache->pressure)
		cache->pressure(cache->pressure_context);
	return count;
}

uint64_t cache_charge(struct cache *cache, struct page_table *table,
		      uint64_t index, uint64_t count, uint64_t *sequence)
{
	uint64_t lacking = charge_whole(cache, table, index, count);
	uint64_t charged;

	if (!lacking)
		return count;
	cache_reclaim(cache, lacking);
	charged = try_charge(cache, table, index, count);
	if (charged)
		return charged;
	return charge_hungry(cache, table, index, count, sequence);
}

void cache_charge_anyway(struct cache *cache, struct page_table *table,
			 uint64_t index, uint64_t count)
{
	lock_take(&cache->lock);
	charge_all(cache, table, index, count);
	lock_drop(&cache->lock);
}

/* Takes the starving out of the cache; the lock is held. */
static void take_starving(struct cache *cache, struct list *woken)
{
	struct list *link;

	cache->sequence++;
	atomic_store(&cache->hungry, false);
	list_init(woken);
	list_for_each(link, &cache->starving)
		container_of(link, struct waiter, link)->place = NULL;
	list_splice_tail(woken, &cache->starving);
}

static void wake_all(struct list *woken)
{
	struct list *link;

	while ((link = list_pop(woken))) {
		struct waiter *waiter = container_of(link, struct waiter, link);

		waiter->wake(waiter);
	}
}

void cache_uncharge(struct cache *cache, struct page_table *table,
		    uint64_t index, uint64_t count, bool failed)
{
	struct list woken;

	lock_take(&cache->lock);
	cache->charged -= count;
	table->charged -= count;
	for (uint64_t i = 0; i < count; i++)
		uncharge_page(cache, table, index + i, failed);
	take_starving(cache, &woken);
	lock_drop(&cache->lock);
	/* From here on the table may be gone. */
	wake_all(&woken);
}

bool cache_starve(struct cache *cache, uint64_t sequence, struct waiter *waiter)
{
	bool parked;

	lock_take(&cache->lock);
	parked = sequence == cache->sequence;
	if (parked) {
		waiter->place = cache;
		list_add_tail(&cache->starving, &waiter->link);
	}
	lock_drop(&cache->lock);
	return parked;
}

bool cache_unstarve(struct cache *cache, struct waiter *waiter)
{
	bool parked;

	lock_take(&cache->lock);
	parked = waiter->place == cache;
	if (parked) {
		waiter->place = NULL;
		list_remove(&waiter->link);
	}
	lock_drop(&cache->lock);
	return parked;
}

void cache_encourage(struct cache *cache)
{
	struct list woken;

	if (!atomic_load(&cache->hungry)) /* set by charge_hungry() */
		return;
	lock_take(&cache->lock);
	take_starving(cache, &woken);
	lock_drop(&cache->lock);
	wake_all(&woken);
}
