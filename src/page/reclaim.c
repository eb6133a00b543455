/* reclaim.c - which pages leave, and how they leave in runs */
/* SPDX-License-Identifier: MIT */
#include "page/page_private.h"

#include "page/cache.h"

/* Evicting a little more than asked spreads the cost of the calls. */
#define RECLAIM_BATCH 64
#define RECLAIM_RUNS 64

struct run {
	struct page_table *table;
	uint64_t index;
	uint64_t count;
};

struct victims {
	struct run run[RECLAIM_RUNS];
	unsigned runs;
	uint64_t pages;
};

/* Adds a page that is EVICTING; false if there is no place for its run. */
static void add_victim(struct victims *victims, struct page_table *table,
		       uint64_t index)
{
	struct run *last = victims->runs ? &victims->run[victims->runs - 1]
					 : NULL;

	victims->pages++;
	if (last && last->table == table &&
	    last->index + last->count == index) {
		last->count++;
		return;
	}
	victims->run[victims->runs++] =
		(struct run){ .table = table, .index = index, .count = 1 };
}

/* A cluster may need half as many runs as it has pages. */
static bool room_for_cluster(const struct victims *victims)
{
	return victims->runs + CLUSTER_PAGES / 2 <= RECLAIM_RUNS;
}

static bool cluster_forgiven(struct cluster *cluster, uint64_t first)
{
	bool referenced = false;

	for (uint64_t i = 0; i < CLUSTER_PAGES; i++)
		if (page_forgive(&cluster->table->words[first + i]))
			referenced = true;
	return referenced;
}

/* Takes what may leave of the cluster at the head; puts it at the tail. */
static void take_cluster(struct cache *cache, struct victims *victims,
			 uint64_t count, bool forgive)
{
	struct list *link = cache->queue.next;
	struct cluster *cluster = container_of(link, struct cluster, link);
	struct page_table *table = cluster->table;
	uint64_t first = (uint64_t)(cluster - table->clusters) << CLUSTER_SHIFT;

	list_remove(link);
	list_add_tail(&cache->queue, link);
	if (cluster_forgiven(cluster, first) && forgive)
		return;
	for (uint64_t i = first;
	     i < first + CLUSTER_PAGES && victims->pages < count; i++)
		if (i < table->pages && page_begin_evict(&table->words[i]))
			add_victim(victims, table, i);
}

/*
 * Twice round the queue at most: the first time round forgives what was
 * referenced, the second takes it.
 */
static void choose(struct cache *cache, struct victims *victims, uint64_t count)
{
	uint64_t once, seen;

	victims->runs = 0;
	victims->pages = 0;
	lock_take(&cache->lock);
	once = cache->queue_length;
	for (seen = 0; seen < 2 * once && victims->pages < count &&
		       room_for_cluster(victims);
	     seen++)
		take_cluster(cache, victims, count, seen < once);
	lock_drop(&cache->lock);
}

/* EVICTING -> ABSENT (rule 5): the memory first, the word, the budget last. */
static uint64_t evict_run(struct cache *cache, const struct run *run)
{
	uint64_t flags[RECLAIM_BATCH / 64] = { 0 };
	bool waiters;
	int error;

	hook_point(HOOK_EVICT_BEGUN, run->table, run->index);
	error = run->table->owner->evict(run->table, run->index, run->count);
	hook_point(HOOK_EVICTED, run->table, run->index);
	check(run->count <= RECLAIM_BATCH, "a run is within a batch");
	for (uint64_t i = 0; i < run->count; i++) {
		waiters = page_end_evict(&run->table->words[run->index + i],
					 error ? PAGE_CLEAN : PAGE_ABSENT);
		if (waiters)
			flags[i / 64] |= UINT64_C(1) << (i % 64);
	}
	if (!error) {
		count_add(cache->counters, COUNT_EVICTIONS, run->count);
		cache_uncharge(cache, run->table, run->index, run->count,
			       false);
	}
	for (uint64_t i = 0; i < run->count; i++)
		cache_wake(cache, run->table, run->index + i,
			   flags[i / 64] >> (i % 64) & 1);
	return error ? 0 : run->count;
}

uint64_t cache_reclaim(struct cache *cache, uint64_t count)
{
	struct victims victims;
	uint64_t evicted = 0;

	do {
		uint64_t want = count - evicted;

		if (want < RECLAIM_BATCH / 2)
			want = RECLAIM_BATCH / 2;
		if (want > cache->budget / 4 + 1)
			want = cache->budget / 4 + 1;
		if (want > RECLAIM_BATCH)
			want = RECLAIM_BATCH;
		choose(cache, &victims, want);
		for (unsigned i = 0; i < victims.runs; i++)
			evicted += evict_run(cache, &victims.run[i]);
	} while (evicted < count && victims.pages > 0);
	return evicted;
}

uint64_t cache_evict_range(struct cache *cache, struct page_table *table,
			   uint64_t index, uint64_t count)
{
	uint64_t end = index + count, evicted = 0;

	while (index < end) {
		struct run run = { .table = table, .index = index };

		while (index < end && run.count < RECLAIM_BATCH &&
		       page_begin_evict(&table->words[index])) {
			run.count++;
			index++;
		}
		if (run.count)
			evicted += evict_run(cache, &run);
		else
			index = page_table_next(table, index + 1);
	}
	return evicted;
}

static void deactivate(struct cache *cache, struct page_table *table,
		       uint64_t index, uint64_t end)
{
	struct cluster *cluster = &table->clusters[index >> CLUSTER_SHIFT];

	for (; index < end; index++)
		page_forgive(&table->words[index]);
	lock_take(&cache->lock);
	if (cluster->charged > 0) {
		list_remove(&cluster->link);
		list_add_head(&cache->queue, &cluster->link);
	}
	lock_drop(&cache->lock);
}

void cache_deactivate(struct cache *cache, struct page_table *table,
		      uint64_t index, uint64_t count)
{
	uint64_t end = index + count, next;

	if (end > table->pages)
		end = table->pages;
	while ((index = page_table_next(table, index)) < end) {
		next = ((index >> CLUSTER_SHIFT) + 1) << CLUSTER_SHIFT;
		if (next > end)
			next = end;
		deactivate(cache, table, index, next);
		index = next;
	}
}
