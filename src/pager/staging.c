/* staging.c - the buffers that pages pass through on their way */
/* SPDX-License-Identifier: MIT */
#include "pager/staging.h"

#include "os/memory.h"

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

void staging_pool_init(struct staging_pool *pool)
{
	lock_init(&pool->lock, LOCK_RANK_PAGER);
	pool_init(&pool->items, sizeof(struct staging), LOCK_RANK_STORE,
		  memory_pool_map, memory_unmap);
	for (int i = 0; i < STAGING_CLASSES; i++) {
		list_init(&pool->free[i]);
		pool->made[i] = 0;
	}
}

static void unmake(struct staging_pool *pool, struct staging *staging)
{
	memory_unmap(staging->bytes, staging->pages << PAGE_SHIFT);
	pool->made[staging->class]--;
	pool_drop(&pool->items, staging);
}

void staging_pool_finish(struct staging_pool *pool)
{
	struct list *link;

	for (int i = 0; i < STAGING_CLASSES; i++) {
		while ((link = list_pop(&pool->free[i])))
			unmake(pool, container_of(link, struct staging, link));
		check(pool->made[i] == 0, "all staging buffers came back");
	}
	pool_finish(&pool->items);
	lock_finish(&pool->lock);
}

/* For so many pages.  The lock is held. */
static struct staging *make(struct staging_pool *pool, unsigned class,
			    uint64_t count)
{
	struct staging *staging;

	if (pool->made[class] >= (count < classes[class].pages
					  ? classes[class].most
					  : classes[class].filled))
		return NULL;
	staging = pool_take(&pool->items);
	if (!staging)
		return NULL;
	staging->class = class;
	staging->pages = classes[class].pages;
	staging->bytes = memory_pool_map(staging->pages << PAGE_SHIFT);
	if (!staging->bytes) {
		pool_drop(&pool->items, staging);
		return NULL;
	}
	pool->made[class]++;
	return staging;
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
	struct staging *staging = NULL;

	lock_take(&pool->lock);
	for (unsigned class = class_for(count);; class --) {
		struct list *link = list_pop(&pool->free[class]);

		staging = link ? container_of(link, struct staging, link)
			       : make(pool, class, count);
		if (staging || class == 0)
			break;
	}
	lock_drop(&pool->lock);
	return staging;
}

void staging_drop(struct staging_pool *pool, struct staging *staging)
{
	lock_take(&pool->lock);
	list_add_head(&pool->free[staging->class], &staging->link);
	lock_drop(&pool->lock);
}
