/* record_distance.c - how much each budget would have had to read */
/* SPDX-License-Identifier: MIT */
#include "server/record_distance.h"

#include "base/base.h"

#define DISTANCE_NONE UINT32_MAX
#define WHOLE 18446744073709551616.0 /* 2^64 */
#define PARTS 32u                    /* buckets from one power of two on */
#define PARTS_SHIFT 5u

void distances_init(struct distances *distances)
{
	distances->threshold = UINT64_MAX;
	for (uint32_t i = 0; i < DISTANCE_HEADS; i++)
		distances->head[i] = DISTANCE_NONE;
}

double distances_share(const struct distances *distances)
{
	return (double)distances->threshold / WHOLE;
}

/* ---- buckets: exact below PARTS, then PARTS for each power of two ---- */

static uint32_t bucket_of(uint64_t distance)
{
	uint32_t power;

	if (distance < PARTS)
		return (uint32_t)distance;
	power = 63 - (uint32_t)__builtin_clzll(distance);
	return (power - PARTS_SHIFT + 1) * PARTS +
	       (uint32_t)(distance >> (power - PARTS_SHIFT)) % PARTS;
}

static double bucket_start(uint32_t bucket)
{
	uint32_t power = bucket / PARTS;

	if (power < 2)
		return bucket;
	return (double)(PARTS + bucket % PARTS) *
	       (double)(UINT64_C(1) << (power - 1));
}

/* ---- which times are in use, and how many behind one ---- */

static void times_add(struct distances *distances, uint32_t time, uint32_t one)
{
	for (; time <= DISTANCE_TIMES; time += time & -time)
		distances->tree[time] += one; /* modulo 2^32: -1 is all ones */
}

static uint32_t times_up_to(const struct distances *distances, uint32_t time)
{
	uint32_t sum = 0;

	for (; time; time &= time - 1)
		sum += distances->tree[time];
	return sum;
}

static void time_clear(struct distances *distances, uint32_t time)
{
	distances->at_time[time] = 0;
	times_add(distances, time, UINT32_MAX);
}

static void time_set(struct distances *distances, uint32_t time,
		     uint32_t number)
{
	distances->sample[number].time = time;
	distances->at_time[time] = number + 1;
	times_add(distances, time, 1);
}

/* The times in use become 1, 2, 3 ... */
static void renumber(struct distances *distances)
{
	uint32_t last = 0;

	for (uint32_t i = 1; i <= DISTANCE_TIMES; i++) {
		uint32_t owner = distances->at_time[i];

		distances->at_time[i] = 0;
		distances->tree[i] = 0;
		if (owner)
			distances->at_time[++last] = owner;
	}
	for (uint32_t i = 1; i <= last; i++)
		time_set(distances, i, distances->at_time[i] - 1);
	distances->now = last;
}

static uint32_t next_time(struct distances *distances)
{
	if (distances->now == DISTANCE_TIMES)
		renumber(distances);
	return ++distances->now;
}

/* ---- the pages that are followed ---- */

static uint32_t *head_of(struct distances *distances, uint64_t hash)
{
	return &distances->head[hash % DISTANCE_HEADS];
}

static uint32_t find(struct distances *distances, uint64_t hash)
{
	uint32_t number = *head_of(distances, hash);

	while (number != DISTANCE_NONE &&
	       distances->sample[number].hash != hash)
		number = distances->sample[number].next;
	return number;
}

static uint64_t heap_hash(const struct distances *distances, uint32_t place)
{
	return distances->sample[distances->heap[place]].hash;
}

static void heap_swap(struct distances *distances, uint32_t a, uint32_t b)
{
	uint32_t kept = distances->heap[a];

	distances->heap[a] = distances->heap[b];
	distances->heap[b] = kept;
}

static void heap_rise(struct distances *distances, uint32_t place)
{
	while (place && heap_hash(distances, place) >
				heap_hash(distances, (place - 1) / 2)) {
		heap_swap(distances, place, (place - 1) / 2);
		place = (place - 1) / 2;
	}
}

static void heap_sink(struct distances *distances, uint32_t length)
{
	uint32_t place = 0;

	for (uint32_t below = 1; below < length; below = 2 * place + 1) {
		if (below + 1 < length && heap_hash(distances, below + 1) >
						  heap_hash(distances, below))
			below++;
		if (heap_hash(distances, below) <= heap_hash(distances, place))
			return;
		heap_swap(distances, place, below);
		place = below;
	}
}

/* The page with the greatest hash is followed no longer, nor any like it. */
static void forget_greatest(struct distances *distances)
{
	uint32_t number = distances->heap[0];
	struct distance_sample *sample = &distances->sample[number];
	uint32_t *link = head_of(distances, sample->hash);

	while (*link != number)
		link = &distances->sample[*link].next;
	*link = sample->next;
	time_clear(distances, sample->time);
	distances->threshold = sample->hash;
	distances->heap[0] = distances->heap[--distances->count];
	heap_sink(distances, distances->count);
	distances->spare = number;
}

/* It may be the greatest itself, and is gone again then. */
static void follow(struct distances *distances, uint64_t hash)
{
	uint32_t number = distances->spare;
	uint32_t *head = head_of(distances, hash);

	distances->sample[number] =
		(struct distance_sample){ .hash = hash, .next = *head };
	*head = number;
	distances->heap[distances->count++] = number;
	heap_rise(distances, distances->count - 1);
	time_set(distances, next_time(distances), number);
	distances->spare = distances->count;
	if (distances->count > DISTANCE_SAMPLES)
		forget_greatest(distances);
}

void distances_refer(struct distances *distances, uint64_t hash)
{
	double scale = 1 / distances_share(distances);
	uint32_t number, behind;

	distances->references++;
	if (hash >= distances->threshold)
		return;
	number = find(distances, hash);
	if (number == DISTANCE_NONE) {
		distances->cold += scale;
		follow(distances, hash);
		return;
	}
	behind = distances->count -
		 times_up_to(distances, distances->sample[number].time);
	distances->bucket[bucket_of((uint64_t)(behind * scale))] += scale;
	time_clear(distances, distances->sample[number].time);
	time_set(distances, next_time(distances), number);
}

/* ---- what came out ---- */

/* How many of a bucket's references miss: as if they were spread evenly. */
static double part_from(uint32_t bucket, double pages)
{
	double start = bucket_start(bucket);
	double end = bucket_start(bucket + 1);

	if (pages <= start)
		return 1;
	return pages >= end ? 0 : (end - pages) / (end - start);
}

/* Beside all references, not those that were followed: whether a hot page
 * happens to be one of them matters only to hits then. */
double distances_misses(const struct distances *distances, uint64_t pages)
{
	double misses = distances->cold;

	for (uint32_t i = 0; i < DISTANCE_BUCKETS - 1; i++)
		if (distances->bucket[i] > 0)
			misses += distances->bucket[i] *
				  part_from(i, (double)pages);
	return misses < (double)distances->references
		       ? misses
		       : (double)distances->references;
}

double distances_distinct(const struct distances *distances)
{
	return distances->cold;
}
