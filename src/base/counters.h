/* counters.h - what an engine counts */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_BASE_COUNTERS_H
#define QUIRE_BASE_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

/* Named as the fields of struct quire_statistics. */
enum counter {
	COUNT_TRAPS,
	COUNT_WRITE_TRAPS,
	COUNT_STORES_FORESEEN,
	COUNT_STORES_FORESEEN_UNUSED,
	COUNT_HITS,
	COUNT_MISSES,
	COUNT_PARKED,
	COUNT_READS,
	COUNT_PAGES_READ,
	COUNT_PAGES_AHEAD,
	COUNT_PAGES_AHEAD_UNUSED,
	COUNT_READ_ERRORS,
	COUNT_WRITES,
	COUNT_PAGES_WRITTEN,
	COUNT_WRITE_ERRORS,
	COUNT_FLUSHES,
	COUNT_EVICTIONS,
	COUNT_THROTTLED,
	COUNT_STARVED,
	COUNT_REFUSED,
	COUNT_PAGES_LODGED,
	COUNT_PAGES_BROUGHT_HOME,
	COUNT_READS_IN_FLIGHT,      /* a level, not a count */
	COUNT_READS_IN_FLIGHT_PEAK, /* a level, not a count */
	COUNTERS,
};

struct counters {
	_Atomic uint64_t value[COUNTERS];
};

/* Counters order nothing: relaxed. */
static inline void count_add(struct counters *counters, enum counter which,
			     uint64_t amount)
{
	atomic_fetch_add_explicit(&counters->value[which], amount,
				  memory_order_relaxed);
}

static inline uint64_t count_get(const struct counters *counters,
				 enum counter which)
{
	return atomic_load_explicit(&counters->value[which],
				    memory_order_relaxed);
}

/* Raises or lowers a level and keeps its peak. */
static inline void count_level(struct counters *counters, enum counter level,
			       enum counter peak, int64_t change)
{
	uint64_t now = atomic_fetch_add_explicit(&counters->value[level],
						 (uint64_t)change,
						 memory_order_relaxed) +
		       (uint64_t)change;
	uint64_t most = count_get(counters, peak);

	while (change > 0 && now > most &&
	       !atomic_compare_exchange_weak_explicit(
		       &counters->value[peak], &most, now, memory_order_relaxed,
		       memory_order_relaxed))
		;
}

#endif
