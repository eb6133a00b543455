/* simulation.c - a cache of clusters, and the two limits to compare with */
/* SPDX-License-Identifier: MIT */
#include "policy.h"

#include <stdlib.h>
#include <string.h>

/* ---- queues of clusters ---- */

static unsigned pages_in(const struct cluster *cluster)
{
	return (unsigned)__builtin_popcount(cluster->resident);
}

void queue_push(struct simulation *simulation, unsigned queue, uint32_t cluster)
{
	struct queue *to = &simulation->queue[queue];
	struct cluster *item = &simulation->cluster[cluster];

	item->queue = (uint8_t)queue;
	item->next = NOWHERE;
	item->previous = to->tail;
	if (to->tail == NOWHERE)
		to->head = cluster;
	else
		simulation->cluster[to->tail].next = cluster;
	to->tail = cluster;
	to->pages += pages_in(item);
}

void queue_remove(struct simulation *simulation, uint32_t cluster)
{
	struct cluster *item = &simulation->cluster[cluster];
	struct queue *from = &simulation->queue[item->queue];

	if (item->previous == NOWHERE)
		from->head = item->next;
	else
		simulation->cluster[item->previous].next = item->next;
	if (item->next == NOWHERE)
		from->tail = item->previous;
	else
		simulation->cluster[item->next].previous = item->previous;
	from->pages -= pages_in(item);
	item->queue = 0;
}

uint32_t queue_head(const struct simulation *simulation, unsigned queue)
{
	return simulation->queue[queue].head;
}

/* Neighbours leave by one call. */
static unsigned runs_in(unsigned bits)
{
	return (unsigned)__builtin_popcount(bits & ~(bits << 1));
}

void cluster_evict(struct simulation *simulation, uint32_t cluster)
{
	struct cluster *item = &simulation->cluster[cluster];

	queue_remove(simulation, cluster);
	simulation->resident -= pages_in(item);
	simulation->pages_evicted += pages_in(item);
	simulation->runs_evicted += runs_in(item->resident);
	item->resident = 0;
	item->mapped = false;
	item->count = 0;
}

void cluster_unmap(struct simulation *simulation, uint32_t cluster)
{
	simulation->cluster[cluster].mapped = false;
}

/* ---- a run ---- */

static void hit(const struct policy *policy, struct simulation *simulation,
		uint32_t cluster)
{
	struct cluster *item = &simulation->cluster[cluster];

	simulation->hits++;
	if (simulation->all_seen) {
		policy->seen(simulation, cluster);
		return;
	}
	if (item->mapped)
		return;
	simulation->soft_faults++;
	item->mapped = true;
	policy->seen(simulation, cluster);
}

static void miss(const struct policy *policy, struct simulation *simulation,
		 uint32_t page)
{
	uint32_t cluster = page >> CLUSTER_SHIFT;
	struct cluster *item = &simulation->cluster[cluster];
	bool first;

	simulation->misses++;
	while (simulation->resident >= simulation->capacity)
		policy->evict(simulation);
	first = item->resident == 0;
	if (!first)
		simulation->queue[item->queue].pages++;
	item->resident |= (uint16_t)(1u << (page & 15));
	item->mapped = true;
	simulation->resident++;
	policy->arrived(simulation, page, first);
}

static bool prepare(struct simulation *simulation, const struct trace *trace)
{
	uint64_t capacity = simulation->capacity;
	bool all_seen = simulation->all_seen;

	memset(simulation, 0, sizeof(*simulation));
	simulation->capacity = capacity;
	simulation->all_seen = all_seen;
	simulation->clusters = (trace->pages >> CLUSTER_SHIFT) + 1;
	simulation->cluster =
		calloc(simulation->clusters, sizeof(*simulation->cluster));
	simulation->ghosts = (uint32_t)(capacity >> CLUSTER_SHIFT) + 1;
	simulation->ghost = malloc(simulation->ghosts * sizeof(uint32_t));
	for (unsigned i = 0; i < 4; i++)
		simulation->queue[i] =
			(struct queue){ .head = NOWHERE, .tail = NOWHERE };
	if (simulation->ghost)
		memset(simulation->ghost, 0xff,
		       simulation->ghosts * sizeof(uint32_t));
	return simulation->cluster && simulation->ghost;
}

bool simulate(const struct policy *policy, const struct trace *trace,
	      struct simulation *simulation)
{
	bool good = prepare(simulation, trace);

	for (size_t i = 0; good && i < trace->length; i++) {
		uint32_t page = trace->page[i];
		uint32_t cluster = page >> CLUSTER_SHIFT;

		if (simulation->cluster[cluster].resident >> (page & 15) & 1)
			hit(policy, simulation, cluster);
		else
			miss(policy, simulation, page);
	}
	free(simulation->cluster);
	free(simulation->ghost);
	return good;
}

/* ---- the limits ---- */

/* A heap of pages, the one that is used last, or longest ago, on top. */
struct heap {
	uint64_t *key;   /* of each page */
	uint32_t *place; /* of each page; NOWHERE: not in it */
	uint32_t *page;
	uint32_t count;
};

static bool heap_init(struct heap *heap, uint32_t pages)
{
	heap->key = calloc(pages, sizeof(*heap->key));
	heap->place = malloc(pages * sizeof(*heap->place));
	heap->page = malloc(pages * sizeof(*heap->page));
	heap->count = 0;
	if (heap->place)
		memset(heap->place, 0xff, pages * sizeof(*heap->place));
	return heap->key && heap->place && heap->page;
}

static void heap_finish(struct heap *heap)
{
	free(heap->key);
	free(heap->place);
	free(heap->page);
}

static void heap_swap(struct heap *heap, uint32_t a, uint32_t b)
{
	uint32_t page = heap->page[a];

	heap->page[a] = heap->page[b];
	heap->page[b] = page;
	heap->place[heap->page[a]] = a;
	heap->place[heap->page[b]] = b;
}

static void heap_settle(struct heap *heap, uint32_t at)
{
	while (at && heap->key[heap->page[at]] >
			     heap->key[heap->page[(at - 1) / 2]]) {
		heap_swap(heap, at, (at - 1) / 2);
		at = (at - 1) / 2;
	}
	for (;;) {
		uint32_t largest = at;

		for (uint32_t i = 2 * at + 1; i <= 2 * at + 2; i++)
			if (i < heap->count &&
			    heap->key[heap->page[i]] >
				    heap->key[heap->page[largest]])
				largest = i;
		if (largest == at)
			return;
		heap_swap(heap, at, largest);
		at = largest;
	}
}

/* True: the page was in it. */
static bool heap_use(struct heap *heap, uint32_t page, uint64_t key,
		     uint64_t capacity)
{
	bool there = heap->place[page] != NOWHERE;

	heap->key[page] = key;
	if (there) {
		heap_settle(heap, heap->place[page]);
		return true;
	}
	if (heap->count >= capacity) {
		heap->place[heap->page[0]] = NOWHERE;
		heap->count--;
		if (heap->count) {
			heap->page[0] = heap->page[heap->count];
			heap->place[heap->page[0]] = 0;
			heap_settle(heap, 0);
		}
	}
	heap->page[heap->count] = page;
	heap->place[page] = heap->count;
	heap->count++;
	heap_settle(heap, heap->count - 1);
	return false;
}

/* When each access's page is accessed next; as late as can be: never. */
static uint64_t *next_uses(const struct trace *trace)
{
	uint64_t *next = malloc((trace->length + 1) * sizeof(*next));
	uint64_t *last = malloc(trace->pages * sizeof(*last));

	if (next && last) {
		for (uint32_t i = 0; i < trace->pages; i++)
			last[i] = UINT64_MAX;
		for (size_t i = trace->length; i-- > 0;) {
			next[i] = last[trace->page[i]];
			last[trace->page[i]] = i;
		}
	}
	free(last);
	return next;
}

uint64_t simulate_optimal(const struct trace *trace, uint64_t capacity)
{
	uint64_t *next = next_uses(trace);
	uint64_t hits = 0;
	struct heap heap = { 0 };

	if (next && heap_init(&heap, trace->pages))
		for (size_t i = 0; i < trace->length; i++)
			hits += heap_use(&heap, trace->page[i], next[i],
					 capacity);
	heap_finish(&heap);
	free(next);
	return hits;
}

uint64_t simulate_lru(const struct trace *trace, uint64_t capacity)
{
	uint64_t hits = 0;
	struct heap heap;

	if (heap_init(&heap, trace->pages))
		for (size_t i = 0; i < trace->length; i++)
			hits += heap_use(&heap, trace->page[i], UINT64_MAX - i,
					 capacity);
	heap_finish(&heap);
	return hits;
}
