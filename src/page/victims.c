/* victims.c - in what order clusters leave */
/* SPDX-License-Identifier: MIT */
/*
 * S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: "FIFO queues are all you need for
 * cache eviction", SOSP 2023), by clusters:
 *
 *   new --------------> FRESH --- not seen again ----> leaves; is remembered
 *                         | referenced
 *   a page comes back     v
 *   (of a ghost) ------> MAIN --- not seen again ----> leaves
 *                         ^  | referenced
 *                         '--'
 *
 * FRESH is cut down as long as it has more than a tenth of all pages, so what is
 * touched once, a scan, passes through without taking the place of what is used
 * again.  An access to a page that is mapped is seen by nobody: there the ghosts
 * alone bring a cluster to MAIN: when a page comes that was there when the
 * cluster left, as others are no sign of use.  docs/design/eviction.md has the
 * figures.
 */
#include "os/memory.h"
#include "page/page_private.h"

#define FRESH_PERCENT 10
#define GHOST_WAYS 4 /* of a set; a set is what a hash finds */

/* ---- ghosts ---- */

static size_t ghost_bytes(const struct cache *cache)
{
	return page_round_up(cache->ghost_sets * GHOST_WAYS *
			     sizeof(struct ghost));
}

/* As many as there are clusters in a full cache, at least. */
static void ghosts_init(struct cache *cache)
{
	void *memory;

	cache->ghost_time = 0;
	cache->ghost_sets = 1;
	while (cache->ghost_sets * GHOST_WAYS < cache->budget / CLUSTER_PAGES)
		cache->ghost_sets *= 2;
	cache->ghosts = memory_map(ghost_bytes(cache), &memory) ? NULL : memory;
}

static uint64_t hash_of(const struct cluster *cluster)
{
	uint64_t number = (uint64_t)(cluster - cluster->table->clusters);
	uint64_t hash = (number ^ (uint64_t)(uintptr_t)cluster->table << 20) *
			UINT64_C(0x9e3779b97f4a7c15);

	return hash ^ hash >> 29;
}

static struct ghost *set_of(const struct cache *cache, uint64_t hash)
{
	return &cache->ghosts[(hash & (cache->ghost_sets - 1)) * GHOST_WAYS];
}

static uint16_t tag_of(uint64_t hash)
{
	return (uint16_t)(hash >> 48) | 1;
}

static struct ghost *find_ghost(const struct cache *cache, uint64_t hash)
{
	struct ghost *set = set_of(cache, hash);

	for (unsigned i = 0; i < GHOST_WAYS; i++)
		if (set[i].tag == tag_of(hash))
			return &set[i];
	return NULL;
}

/* How many have left since; times wrap round. */
static uint32_t age_of(const struct cache *cache, const struct ghost *ghost)
{
	return cache->ghost_time - ghost->time;
}

/* A free one, or the one that left first. */
static struct ghost *oldest_ghost(const struct cache *cache, uint64_t hash)
{
	struct ghost *set = set_of(cache, hash), *oldest = set;

	for (unsigned i = 0; i < GHOST_WAYS; i++) {
		if (set[i].tag == 0)
			return &set[i];
		if (age_of(cache, &set[i]) > age_of(cache, oldest))
			oldest = &set[i];
	}
	return oldest;
}

static void remember(struct cache *cache, const struct cluster *cluster,
		     uint32_t pages)
{
	uint64_t hash = hash_of(cluster);
	struct ghost *ghost;

	if (!cache->ghosts)
		return;
	ghost = find_ghost(cache, hash);
	/* The rest of what has just left. */
	if (ghost && age_of(cache, ghost) == 1)
		pages |= ghost->pages;
	if (!ghost)
		ghost = oldest_ghost(cache, hash);
	*ghost = (struct ghost){ .tag = tag_of(hash),
				 .pages = (uint16_t)pages,
				 .time = cache->ghost_time++ };
}

/* True: the page left with the cluster a short while ago.  That is forgotten
 * now. */
static bool remembered(struct cache *cache, const struct cluster *cluster,
		       uint64_t index)
{
	struct ghost *ghost =
		cache->ghosts ? find_ghost(cache, hash_of(cluster)) : NULL;

	if (!ghost || !(ghost->pages >> index % CLUSTER_PAGES & 1))
		return false;
	ghost->tag = 0;
	return age_of(cache, ghost) <= cache->budget / CLUSTER_PAGES + 1;
}

/* ---- queues ---- */

static void add(struct cache *cache, struct cluster *cluster,
		enum cluster_queue queue, bool first)
{
	struct queue *to = &cache->queue[queue];

	cluster->queue = queue;
	if (first)
		list_add_head(&to->clusters, &cluster->link);
	else
		list_add_tail(&to->clusters, &cluster->link);
	to->length++;
	to->pages += cluster->charged;
	cache->clusters++;
}

static void take_out(struct cache *cache, struct cluster *cluster)
{
	struct queue *from = &cache->queue[cluster->queue];

	list_remove(&cluster->link);
	from->length--;
	from->pages -= cluster->charged;
	cache->clusters--;
	cluster->queue = QUEUE_NONE;
}

void victims_init(struct cache *cache)
{
	for (unsigned i = 0; i < QUEUES; i++) {
		list_init(&cache->queue[i].clusters);
		cache->queue[i].length = 0;
		cache->queue[i].pages = 0;
	}
	cache->clusters = 0;
	ghosts_init(cache);
}

void victims_finish(struct cache *cache)
{
	if (cache->ghosts)
		memory_unmap(cache->ghosts, ghost_bytes(cache));
}

void victims_enter(struct cache *cache, struct cluster *cluster)
{
	add(cache, cluster, QUEUE_FRESH, false);
}

void victims_leave(struct cache *cache, struct cluster *cluster)
{
	take_out(cache, cluster);
}

void victims_charge(struct cache *cache, struct cluster *cluster,
		    uint64_t index)
{
	if (cluster->queue == QUEUE_FRESH &&
	    remembered(cache, cluster, index)) {
		take_out(cache, cluster);
		add(cache, cluster, QUEUE_MAIN, false);
	}
	cache->queue[cluster->queue].pages++;
	cluster->charged++;
}

void victims_uncharge(struct cache *cache, struct cluster *cluster)
{
	cache->queue[cluster->queue].pages--;
	cluster->charged--;
}

void victims_begin_round(const struct cache *cache, struct victim_round *round)
{
	for (unsigned i = 0; i < QUEUES; i++)
		round->left[i] = cache->queue[i].length;
}

static enum cluster_queue next_queue(const struct cache *cache,
				     const struct victim_round *round)
{
	const struct queue *fresh = &cache->queue[QUEUE_FRESH];

	if (round->left[QUEUE_UNWANTED])
		return QUEUE_UNWANTED;
	if (round->left[QUEUE_FRESH] &&
	    (fresh->pages * 100 > cache->charged * FRESH_PERCENT ||
	     round->left[QUEUE_MAIN] == 0))
		return QUEUE_FRESH;
	return round->left[QUEUE_MAIN] ? QUEUE_MAIN : QUEUE_NONE;
}

struct cluster *victims_next(struct cache *cache, struct victim_round *round)
{
	struct cluster *cluster;

	round->from = next_queue(cache, round);
	if (round->from == QUEUE_NONE)
		return NULL;
	round->left[round->from]--;
	cluster = container_of(cache->queue[round->from].clusters.next,
			       struct cluster, link);
	take_out(cache, cluster);
	return cluster;
}

void victims_forgive(struct cache *cache, struct cluster *cluster)
{
	add(cache, cluster, QUEUE_MAIN, false);
}

/* What is on its way in has not been judged yet; what is dirty or pinned must
 * not stop the way of the others. */
void victims_keep(struct cache *cache, struct cluster *cluster,
		  enum cluster_queue from, bool coming)
{
	add(cache, cluster,
	    coming && from == QUEUE_FRESH ? QUEUE_FRESH : QUEUE_MAIN, false);
}

void victims_chosen(struct cache *cache, struct cluster *cluster,
		    enum cluster_queue from, uint32_t pages)
{
	if (from == QUEUE_FRESH)
		remember(cache, cluster, pages);
	add(cache, cluster, QUEUE_MAIN, false);
}

void victims_first(struct cache *cache, struct cluster *cluster,
		   enum cluster_queue from, uint32_t pages)
{
	if (from == QUEUE_FRESH && pages)
		remember(cache, cluster, pages);
	add(cache, cluster, from, true);
}

void victims_unwanted(struct cache *cache, struct cluster *cluster)
{
	if (cluster->queue != QUEUE_NONE)
		take_out(cache, cluster);
	add(cache, cluster, QUEUE_UNWANTED, false);
}
