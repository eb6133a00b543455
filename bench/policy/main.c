/* main.c - hit ratios of the policies over traces, at several sizes */
/* SPDX-License-Identifier: MIT */
/*
 * policy [--seen] [TRACE-FILE...]
 *
 * Without files: the traces that are made by rules.  --seen: as pins and
 * copies, where every access is seen; else as mappings, where only faults are.
 */
#include "policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The cache, in percent of the pages. */
static const unsigned sizes[] = { 5, 10, 25, 50 };

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void show_limits(const struct trace *trace, uint64_t capacity)
{
	printf("  %-18s %6.2f\n", "optimal, by pages",
	       percent(simulate_optimal(trace, capacity), trace->length));
	printf("  %-18s %6.2f\n", "lru, by pages",
	       percent(simulate_lru(trace, capacity), trace->length));
}

static bool show_policy(const struct policy *policy, const struct trace *trace,
			uint64_t capacity, bool all_seen)
{
	struct simulation simulation = { .capacity = capacity,
					 .all_seen = all_seen };
	double began = seconds();

	if (!simulate(policy, trace, &simulation))
		return false;
	printf("  %-18s %6.2f  soft faults %6.2f %%  pages a hole %5.2f  "
	       "%4.0f ns\n",
	       policy->name, percent(simulation.hits, trace->length),
	       percent(simulation.soft_faults, trace->length),
	       simulation.runs_evicted ? (double)simulation.pages_evicted /
						 (double)simulation.runs_evicted
				       : 0.0,
	       (seconds() - began) * 1e9 / (double)trace->length);
	return true;
}

static bool show(const struct trace *trace, bool all_seen)
{
	bool good = true;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t capacity = trace->pages * (uint64_t)sizes[i] / 100;

		if (capacity < 64)
			capacity = 64;
		printf("%s, %u %% of %u pages in memory: hits in %%\n",
		       trace->name, sizes[i], trace->pages);
		show_limits(trace, capacity);
		for (size_t p = 0; good && p < policy_count; p++)
			good = show_policy(&policies[p], trace, capacity,
					   all_seen);
	}
	return good;
}

static int show_made(bool all_seen)
{
	for (const char *const *name = trace_names; *name; name++) {
		struct trace trace;
		bool good = trace_make(*name, &trace) && show(&trace, all_seen);

		if (!good)
			return 1;
		trace_free(&trace);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int first = 1;
	bool all_seen = argc > 1 && !strcmp(argv[1], "--seen");

	first += all_seen;
	if (first == argc)
		return show_made(all_seen);
	for (int i = first; i < argc; i++) {
		struct trace trace;

		if (!trace_load(argv[i], &trace)) {
			fprintf(stderr, "policy: %s is no trace\n", argv[i]);
			return 1;
		}
		if (!show(&trace, all_seen))
			return 1;
		trace_free(&trace);
	}
	return 0;
}
