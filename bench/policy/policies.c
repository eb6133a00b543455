/* policies.c - the policies that are compared */
/* SPDX-License-Identifier: MIT */
#include "policy.h"

enum {
	MAIN = 1,
	SMALL = 2
};

/* ---- first in, first out ---- */

static void fifo_arrived(struct simulation *simulation, uint32_t page,
			 bool first)
{
	if (first)
		queue_push(simulation, MAIN, page >> CLUSTER_SHIFT);
}

static void not_seen(struct simulation *simulation, uint32_t cluster)
{
	(void)simulation;
	(void)cluster;
}

static void fifo_evict(struct simulation *simulation)
{
	cluster_evict(simulation, queue_head(simulation, MAIN));
}

/* ---- what was seen is forgiven: to the tail, once a round (CLOCK) ---- */

static void mark(struct simulation *simulation, uint32_t cluster)
{
	simulation->cluster[cluster].count = 1;
}

static void to_tail(struct simulation *simulation, uint32_t cluster,
		    unsigned queue)
{
	queue_remove(simulation, cluster);
	queue_push(simulation, queue, cluster);
}

static void clock_evict(struct simulation *simulation)
{
	uint32_t head = queue_head(simulation, MAIN);

	while (simulation->cluster[head].count) {
		simulation->cluster[head].count = 0;
		to_tail(simulation, head, MAIN);
		head = queue_head(simulation, MAIN);
	}
	cluster_evict(simulation, head);
}

/* ---- the same, and looked at in good time: what has gone through nine tenths
 * of the queue is unmapped, so that an access is seen ---- */

enum {
	PROBATION = 3
};

/* Clusters in PROBATION are unmapped; it is fed from the head of MAIN. */
static void feed_probation(struct simulation *simulation, uint64_t percent)
{
	while (simulation->queue[PROBATION].pages * 100 <
		       simulation->resident * percent &&
	       queue_head(simulation, MAIN) != NOWHERE) {
		uint32_t head = queue_head(simulation, MAIN);

		simulation->cluster[head].count = 0;
		cluster_unmap(simulation, head);
		to_tail(simulation, head, PROBATION);
	}
}

static void watched_seen(struct simulation *simulation, uint32_t cluster)
{
	if (simulation->cluster[cluster].queue == PROBATION)
		to_tail(simulation, cluster, MAIN);
}

static void watched_evict(struct simulation *simulation)
{
	feed_probation(simulation, 10);
	if (queue_head(simulation, PROBATION) == NOWHERE)
		cluster_evict(simulation, queue_head(simulation, MAIN));
	else
		cluster_evict(simulation, queue_head(simulation, PROBATION));
}

/* ---- S3-FIFO (Yang and others 2023), by clusters: a small queue for what is
 * new, a main one for what was seen again, a memory of what has left ---- */

#define SMALL_PERCENT 10
#define COUNT_MOST 3

static bool remembered(struct simulation *simulation, uint32_t cluster)
{
	struct cluster *item = &simulation->cluster[cluster];

	/* stamp: 1 + its place in the ring */
	return item->stamp && simulation->ghost[item->stamp - 1] == cluster;
}

static void remember(struct simulation *simulation, uint32_t cluster)
{
	uint32_t place = simulation->ghost_next++ % simulation->ghosts;

	simulation->ghost[place] = cluster;
	simulation->cluster[cluster].stamp = place + 1;
}

static void forget(struct simulation *simulation, uint32_t cluster)
{
	struct cluster *item = &simulation->cluster[cluster];

	simulation->ghost[item->stamp - 1] = NOWHERE;
	item->stamp = 0;
}

static void s3_arrived(struct simulation *simulation, uint32_t page, bool first)
{
	uint32_t cluster = page >> CLUSTER_SHIFT;

	if (!first)
		return;
	simulation->cluster[cluster].count = 0;
	if (remembered(simulation, cluster)) {
		forget(simulation, cluster);
		queue_push(simulation, MAIN, cluster);
	} else {
		queue_push(simulation, SMALL, cluster);
	}
}

static void s3_seen(struct simulation *simulation, uint32_t cluster)
{
	struct cluster *item = &simulation->cluster[cluster];

	if (item->count < COUNT_MOST)
		item->count++;
}

static bool s3_evict_small(struct simulation *simulation)
{
	uint32_t head;

	while ((head = queue_head(simulation, SMALL)) != NOWHERE) {
		if (simulation->cluster[head].count == 0) {
			simulation->cluster[head].left =
				simulation->cluster[head].resident;
			cluster_evict(simulation, head);
			remember(simulation, head);
			return true;
		}
		simulation->cluster[head].count = 0;
		to_tail(simulation, head, MAIN);
	}
	return false;
}

static bool s3_evict_main(struct simulation *simulation)
{
	uint32_t head;

	while ((head = queue_head(simulation, MAIN)) != NOWHERE) {
		if (simulation->cluster[head].count == 0) {
			cluster_evict(simulation, head);
			return true;
		}
		simulation->cluster[head].count--;
		to_tail(simulation, head, MAIN);
	}
	return false;
}

static void s3_evict(struct simulation *simulation)
{
	bool small_first = simulation->queue[SMALL].pages * 100 >
			   simulation->resident * SMALL_PERCENT;

	if (small_first && s3_evict_small(simulation))
		return;
	if (!s3_evict_main(simulation))
		s3_evict_small(simulation);
}

/* ---- the same, and what stands at the head of MAIN is watched: unmapped, in
 * a queue of a tenth, from which an access brings it back ---- */

static void s3w_seen(struct simulation *simulation, uint32_t cluster)
{
	struct cluster *item = &simulation->cluster[cluster];

	if (item->queue == PROBATION)
		to_tail(simulation, cluster, MAIN);
	else
		s3_seen(simulation, cluster);
}

static void s3w_evict(struct simulation *simulation)
{
	bool small_first = simulation->queue[SMALL].pages * 100 >
			   simulation->resident * SMALL_PERCENT;

	if (small_first && s3_evict_small(simulation))
		return;
	feed_probation(simulation, 10);
	if (queue_head(simulation, PROBATION) != NOWHERE)
		cluster_evict(simulation, queue_head(simulation, PROBATION));
	else if (!s3_evict_main(simulation))
		s3_evict_small(simulation);
}

/* ---- the same, not watched, but that only a page counts as coming back that
 * was there when its cluster left ---- */

static void s3p_arrived(struct simulation *simulation, uint32_t page,
			bool first)
{
	uint32_t cluster = page >> CLUSTER_SHIFT;
	struct cluster *item = &simulation->cluster[cluster];

	if (first) {
		item->count = 0;
		queue_push(simulation, SMALL, cluster);
	}
	if (item->queue == SMALL && remembered(simulation, cluster) &&
	    (item->left >> page % (1u << CLUSTER_SHIFT) & 1)) {
		forget(simulation, cluster);
		to_tail(simulation, cluster, MAIN);
	}
}

const struct policy policies[] = {
	{ "fifo", fifo_arrived, not_seen, fifo_evict },
	{ "clock", fifo_arrived, mark, clock_evict },
	{ "clock, watched", fifo_arrived, watched_seen, watched_evict },
	{ "s3-fifo", s3_arrived, s3_seen, s3_evict },
	{ "s3-fifo, watched", s3_arrived, s3w_seen, s3w_evict },
	{ "s3-fifo, by pages", s3p_arrived, s3_seen, s3_evict },
};

const size_t policy_count = sizeof(policies) / sizeof(policies[0]);
