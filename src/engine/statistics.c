/* statistics.c - what an engine counts, as the public sees it */
/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"
#include "engine/pins.h"

#include <errno.h>
#include <string.h>

static void read_levels(struct quire *quire, struct quire_statistics *out)
{
	struct cache *cache = &quire->cache;

	lock_take(&cache->lock);
	out->budget = cache->budget << PAGE_SHIFT;
	out->resident = cache->charged << PAGE_SHIFT;
	out->resident_peak = cache->charged_peak << PAGE_SHIFT;
	lock_drop(&cache->lock);
	out->dirty = atomic_load(&cache->dirty) << PAGE_SHIFT;
}

static void read_counts(const struct counters *counters,
			struct quire_statistics *out)
{
	out->reads_in_flight = count_get(counters, COUNT_READS_IN_FLIGHT);
	out->reads_in_flight_peak =
		count_get(counters, COUNT_READS_IN_FLIGHT_PEAK);
	out->traps = count_get(counters, COUNT_TRAPS);
	out->write_traps = count_get(counters, COUNT_WRITE_TRAPS);
	out->hits = count_get(counters, COUNT_HITS);
	out->misses = count_get(counters, COUNT_MISSES);
	out->parked = count_get(counters, COUNT_PARKED);
	out->reads = count_get(counters, COUNT_READS);
	out->pages_read = count_get(counters, COUNT_PAGES_READ);
	out->pages_ahead = count_get(counters, COUNT_PAGES_AHEAD);
	out->pages_ahead_unused = count_get(counters, COUNT_PAGES_AHEAD_UNUSED);
	out->read_errors = count_get(counters, COUNT_READ_ERRORS);
	out->writes = count_get(counters, COUNT_WRITES);
	out->pages_written = count_get(counters, COUNT_PAGES_WRITTEN);
	out->write_errors = count_get(counters, COUNT_WRITE_ERRORS);
	out->flushes = count_get(counters, COUNT_FLUSHES);
	out->evictions = count_get(counters, COUNT_EVICTIONS);
	out->throttled = count_get(counters, COUNT_THROTTLED);
	out->starved = count_get(counters, COUNT_STARVED);
	out->refused = count_get(counters, COUNT_REFUSED);
	out->pages_lodged = count_get(counters, COUNT_PAGES_LODGED);
	out->pages_brought_home = count_get(counters, COUNT_PAGES_BROUGHT_HOME);
	out->stores_foreseen = count_get(counters, COUNT_STORES_FORESEEN);
	out->stores_foreseen_unused =
		count_get(counters, COUNT_STORES_FORESEEN_UNUSED);
}

int quire_get_statistics(struct quire *quire,
			 struct quire_statistics *statistics)
{
	struct quire_statistics now = { .size = statistics->size };
	int error = engine_check(quire);

	if (error)
		return error;
	if (now.size < sizeof(size_t) || now.size > sizeof(now))
		return error_say(-EINVAL,
				 "quire_statistics of %zu bytes: set size to "
				 "sizeof(struct quire_statistics)",
				 now.size);
	read_levels(quire, &now);
	read_counts(&quire->counters, &now);
	now.hits = pins_hits(quire);
	memcpy(statistics, &now, now.size);
	return 0;
}
