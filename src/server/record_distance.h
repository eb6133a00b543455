/* record_distance.h - how much each budget would have had to read */
/* SPDX-License-Identifier: MIT */
/*
 * The stack distance of a reference to a page is the number of distinct other
 * pages that were referred to since the last reference to it: a cache of C
 * pages that gives up the least recently used one misses if and only if the
 * distance is C or more.  So one pass gives the misses of every size.
 *
 * Done for a sample of the pages: those whose hash is below a threshold, which
 * falls so that at most DISTANCE_SAMPLES are followed; distances and counts
 * are scaled up by the threshold's share.  This is SHARDS with a fixed number
 * of samples and its adjustment of the first bucket: Waldspurger, Park,
 * Garthwaite, Ahmad, "Efficient MRC Construction with SHARDS", FAST 2015.
 * With as many samples as here its authors found mean absolute errors of
 * the miss ratio below 0.01 on real traces; ours are held to 0.03 by
 * tests/unit/test_record_distance.c.  As long as there are no more pages than
 * samples the result is exact but for the width of the buckets, 1/32.
 */
#ifndef QUIRE_SERVER_RECORD_DISTANCE_H
#define QUIRE_SERVER_RECORD_DISTANCE_H

#include <stdbool.h>
#include <stdint.h>

#define DISTANCE_SAMPLES 8192u
#define DISTANCE_HEADS 16384u
#define DISTANCE_TIMES 32768u /* > DISTANCE_SAMPLES: renumbered when full */
#define DISTANCE_BUCKETS (64u * 32u)

struct distance_sample {
	uint64_t hash;
	uint32_t time; /* of the last reference, 1 ... DISTANCE_TIMES */
	uint32_t next; /* of the same head; DISTANCE_NONE: none */
};

/* Zeroed memory and distances_init() make one; it never needs more. */
struct distances {
	uint64_t threshold;  /* pages with a hash below it are followed */
	uint64_t references; /* all, followed or not */
	double cold;         /* of pages that were not seen before, scaled */
	double bucket[DISTANCE_BUCKETS];
	uint32_t count; /* pages that are followed */
	uint32_t now;
	uint32_t spare; /* the next place in sample[] */
	struct distance_sample sample[DISTANCE_SAMPLES + 1];
	uint32_t head[DISTANCE_HEADS];
	uint32_t heap[DISTANCE_SAMPLES + 1];  /* samples, greatest hash first */
	uint32_t tree[DISTANCE_TIMES + 1];    /* Fenwick's: times in use */
	uint32_t at_time[DISTANCE_TIMES + 1]; /* the sample, + 1; 0: none */
};

void distances_init(struct distances *distances);

/* Any bijection will do that scatters well; splitmix64's. */
static inline uint64_t distance_hash(uint64_t page)
{
	page += UINT64_C(0x9e3779b97f4a7c15);
	page = (page ^ (page >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	page = (page ^ (page >> 27)) * UINT64_C(0x94d049bb133111eb);
	return page ^ (page >> 31);
}

/* A reference to the page with this hash: distinct for distinct pages. */
void distances_refer(struct distances *distances, uint64_t hash);

/* About how many references would miss with so many pages. */
double distances_misses(const struct distances *distances, uint64_t pages);
/* About how many distinct pages there were: these miss always. */
double distances_distinct(const struct distances *distances);
/* The share of the pages that is followed now, 0 to 1. */
double distances_share(const struct distances *distances);

#endif
