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

static uint64_t first_page(const struct cluster *cluster)
{
	return (uint64_t)(cluster - cluster->table->clusters) << CLUSTER_SHIFT;
}

static bool cluster_forgiven(struct cluster *cluster, uint64_t first)
{
	bool referenced = false;

	for (uint64_t i = 0; i < CLUSTER_PAGES; i++)
		if (page_forgive(&cluster->table->words[first + i]))
			referenced = true;
	return referenced;
}

/* Begins the eviction of what may leave; where it stopped, at count victims. */
static uint64_t take_pages(struct victims *victims, struct page_table *table,
			   uint64_t index, uint64_t count)
{
	uint64_t end = index + CLUSTER_PAGES;

	if (end > table->pages)
		end = table->pages;
	for (; index < end && victims->pages < count; index++)
		if (page_begin_evict(&table->words[index]))
			add_victim(victims, table, index);
	return index;
}

/* A page of the cluster is being read. */
static bool is_coming(const struct page_table *table, uint64_t first)
{
	for (uint64_t i = first; i < first + CLUSTER_PAGES && i < table->pages;
	     i++)
		if (word_state(atomic_load(&table->words[i])) == PAGE_READING)
			return true;
	return false;
}

/* Takes what may leave of a cluster, which was taken out of its queue. */
static void take_cluster(struct cache *cache, struct victims *victims,
			 struct cluster *cluster, enum cluster_queue from,
			 uint64_t count)
{
	struct page_table *table = cluster->table;
	uint64_t first = first_page(cluster);
	uint64_t before = victims->pages;
	uint64_t stopped = take_pages(victims, table, first, count);

	if (stopped < first + CLUSTER_PAGES && stopped < table->pages)
		victims_first(cache, cluster, from); /* the rest comes next */
	else if (victims->pages > before)
		victims_chosen(cache, cluster, from);
	else
		victims_keep(cache, cluster, from, is_coming(table, first));
}

static void choose_in_round(struct cache *cache, struct victims *victims,
			    uint64_t count, bool forgive)
{
	struct victim_round round;
	struct cluster *cluster;

	victims_begin_round(cache, &round);
	while (victims->pages < count && room_for_cluster(victims) &&
	       (cluster = victims_next(cache, &round))) {
		if (cluster_forgiven(cluster, first_page(cluster)) && forgive)
			victims_forgive(cache, cluster);
		else
			take_cluster(cache, victims, cluster, round.from,
				     count);
	}
}

/*
 * Twice round all clusters at most, as whoever finds nothing goes to sleep: the
 * first time round forgives what was referenced, the second takes it.
 */
static void choose(struct cache *cache, struct victims *victims, uint64_t count)
{
	victims->runs = 0;
	victims->pages = 0;
	lock_take(&cache->lock);
	choose_in_round(cache, victims, count, true);
	choose_in_round(cache, victims, count, false);
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

/* How many to ask for at once, of so many that are still lacking. */
static uint64_t batch_for(const struct cache *cache, uint64_t lacking)
{
	uint64_t want = lacking;

	if (want < RECLAIM_BATCH / 2)
		want = RECLAIM_BATCH / 2;
	if (want > cache->budget / 4 + 1)
		want = cache->budget / 4 + 1;
	return want < RECLAIM_BATCH ? want : RECLAIM_BATCH;
}

uint64_t cache_reclaim(struct cache *cache, uint64_t count)
{
	struct victims victims;
	uint64_t evicted = 0, before;

	do {
		before = evicted;
		choose(cache, &victims, batch_for(cache, count - evicted));
		for (unsigned i = 0; i < victims.runs; i++)
			evicted += evict_run(cache, &victims.run[i]);
		/* What an owner cannot give up now would be chosen again. */
	} while (evicted < count && evicted > before);
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
	if (cluster->charged > 0)
		victims_first(cache, cluster, QUEUE_UNWANTED);
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
