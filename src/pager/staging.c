/* staging.c - the buffers that pages pass through on their way */
/* SPDX-License-Identifier: MIT */
#include "pager/staging.h"

#include "os/memory.h"

#define HUGE_PAGES 512 /* pages in a huge one */

static const struct {
	uint64_t pages;
	unsigned most;   /* made at a time */
	unsigned filled; /* the same, for who fills it: he would take as much
			    memory in pages, and each would be a request */
} classes[STAGING_CLASSES] = {
	{ 1, UINT32_MAX, UINT32_MAX },
	{ 16, 64, UINT32_MAX },
	{ 256, 16, 16 }, /* 1 MiB: enough to keep eight streams going */
};

/* So many pages are mapped at once. */
static uint64_t together(const struct staging_pool *pool, unsigned class)
{
	return pool->huge && class > 0 ? HUGE_PAGES : classes[class].pages;
}

void staging_pool_init(struct staging_pool *pool, bool huge)
{
	pool->huge = huge;
	lock_init(&pool->lock, LOCK_RANK_PAGER);
	pool_init(&pool->items, sizeof(struct staging), LOCK_RANK_STORE,
		  memory_pool_map, memory_unmap);
	for (int i = 0; i < STAGING_CLASSES; i++) {
		list_init(&pool->free[i]);
		pool->made[i] = 0;
	}
}

/* All are free: of several in one mapping the first one has it. */
static void unmake_all(struct staging_pool *pool, unsigned class)
{
	uint64_t bytes = together(pool, class) << PAGE_SHIFT;
	struct list *link;

	while ((link = list_pop(&pool->free[class]))) {
		struct staging *staging =
			container_of(link, struct staging, link);

		if (staging->maps)
			memory_unmap(staging->bytes, bytes);
		pool_drop(&pool->items, staging);
		pool->made[class]--;
	}
}

void staging_pool_finish(struct staging_pool *pool)
{
	for (unsigned i = 0; i < STAGING_CLASSES; i++) {
		unmake_all(pool, i);
		check(pool->made[i] == 0, "all staging buffers came back");
	}
	pool_finish(&pool->items);
	lock_finish(&pool->lock);
}

/* One buffer at bytes, to the free ones.  The lock is held. */
static bool add(struct staging_pool *pool, unsigned class, void *bytes,
		bool maps)
{
	struct staging *staging = pool_take(&pool->items);

	if (!staging)
		return false;
	staging->class = class;
	staging->pages = classes[class].pages;
	staging->bytes = bytes;
	staging->maps = maps;
	list_add_tail(&pool->free[class], &staging->link);
	pool->made[class]++;
	return true;
}

/* Some for so many pages, to the free ones.  The lock is held. */
static void make(struct staging_pool *pool, unsigned class, uint64_t count)
{
	uint64_t pages = classes[class].pages, all = together(pool, class);
	char *bytes;

	if (pool->made[class] >=
	    (count < pages ? classes[class].most : classes[class].filled))
		return;
	bytes = memory_pool_map(all << PAGE_SHIFT);
	if (!bytes)
		return;
	if (!add(pool, class, bytes, true)) {
		memory_unmap(bytes, all << PAGE_SHIFT);
		return;
	}
	for (uint64_t i = pages; i < all; i += pages)
		if (!add(pool, class, bytes + (i << PAGE_SHIFT), false))
			return;
}

static unsigned class_for(uint64_t count)
{
	unsigned class = 0;

	while (class < STAGING_CLASSES - 1 && classes[class].pages < count)
		class ++;
	return class;
}

struct staging *staging_take(struct staging_pool *pool, uint64_t count)
{
	struct list *link;

	lock_take(&pool->lock);
	for (unsigned class = class_for(count);; class --) {
		if (list_empty(&pool->free[class]))
			make(pool, class, count);
		link = list_pop(&pool->free[class]);
		if (link || class == 0)
			break;
	}
	lock_drop(&pool->lock);
	return link ? container_of(link, struct staging, link) : NULL;
}

void staging_drop(struct staging_pool *pool, struct staging *staging)
{
	lock_take(&pool->lock);
	list_add_head(&pool->free[staging->class], &staging->link);
	lock_drop(&pool->lock);
}
