/* background.c - pages leave ahead of need */
/* SPDX-License-Identifier: MIT */
/*
 * Giving memory up is dear, and a reader who must do it first waits for it.
 * So once somebody had to, a thread keeps between a half and all of `low` pages
 * free.  It begins when a charge leaves less than half, and charges go on by
 * themselves where it is behind.  Nothing is kept free of a budget in which
 * everything had room so far.
 */
#include "page/page_private.h"

#define LEAST_BUDGET 1024 /* pages */
#define LOW_MOST 1024
#define BATCH 256

/* How many pages are kept free. */
static uint64_t low(const struct cache *cache)
{
	uint64_t part = cache->budget / 32;

	return part < LOW_MOST ? part : LOW_MOST;
}

bool background_wanted(const struct cache *cache)
{
	return cache->reclaimers && cache->pressed &&
	       cache->charged + low(cache) / 2 > cache->budget;
}

static uint64_t find_lacking(struct cache *cache)
{
	uint64_t wanted;

	lock_take(&cache->lock);
	wanted = cache->charged + low(cache);
	lock_drop(&cache->lock);
	return wanted > cache->budget ? wanted - cache->budget : 0;
}

static void reclaim(struct work *work)
{
	struct cache *cache = container_of(work, struct cache, reclaim);
	uint64_t lacking, evicted = 1;

	while (evicted > 0 && (lacking = find_lacking(cache)) > 0)
		evicted =
			cache_reclaim(cache, lacking < BATCH ? lacking : BATCH);
	atomic_store(&cache->reclaiming, false); /* background_begin() */
}

void background_begin(struct cache *cache)
{
	if (!atomic_exchange(&cache->reclaiming, true)) /* reclaim() */
		worker_submit(cache->reclaimers, &cache->reclaim);
}

int cache_reclaim_ahead(struct cache *cache)
{
	if (cache->budget < LEAST_BUDGET)
		return 0;
	cache->reclaim.run = reclaim;
	return worker_pool_create(1, "quire-reclaim", &cache->reclaimers);
}

void cache_stop_reclaim(struct cache *cache)
{
	worker_pool_destroy(cache->reclaimers);
	cache->reclaimers = NULL;
}
