/* dirty.c - which pages must go home */
/* SPDX-License-Identifier: MIT */
/*
 * The set holds every page that is DIRTY or WRITING.  dirty_lock joins the
 * swap CLEAN -> DIRTY with entering the set, and the end of a write with
 * leaving it: whoever finds a page DIRTY, stores to it, and then asks the set
 * (msync), finds it there.
 */
#include "object/object_private.h"

/* change: 1, or UINT64_MAX for one less. */
static void count_dirty(struct object *object, uint64_t change)
{
	struct cache *cache = object->host->cache;

	atomic_fetch_add(&cache->dirty, change);
	if (!object->parameters.discard)
		atomic_fetch_add(&cache->must_go, change);
}

static enum page_taken take_clean(struct object *object, uint64_t index,
				  bool referenced)
{
	struct object_host *host = object->host;
	enum page_taken taken;

	lock_take(&object->dirty_lock);
	taken = page_take_wpin(object_word(object, index), referenced, true);
	if (taken == PAGE_TAKEN_DIRTIED) {
		hook_point(HOOK_DIRTY, &object->table, index);
		check(!bitmap_test(&object->dirty, index),
		      "a CLEAN page is not in the set of dirty ones");
		bitmap_set(&object->dirty, index);
		object->dirty_count++;
	}
	lock_drop(&object->dirty_lock);
	if (taken != PAGE_TAKEN_DIRTIED)
		return taken;
	count_dirty(object, 1);
	host->dirtied(host->context);
	return PAGE_TAKEN;
}

enum page_taken object_take_wpin(struct object *object, uint64_t index,
				 bool referenced)
{
	enum page_taken taken =
		page_take_wpin(object_word(object, index), referenced, false);

	return taken == PAGE_IS_CLEAN ? take_clean(object, index, referenced)
				      : taken;
}

bool object_end_write(struct object *object, uint64_t index, bool good)
{
	struct cache *cache = object->host->cache;
	bool clean, waiters;

	lock_take(&object->dirty_lock);
	waiters = page_end_write(object_word(object, index), good, &clean);
	if (clean) {
		bitmap_clear(&object->dirty, index);
		object->dirty_count--;
	}
	lock_drop(&object->dirty_lock);
	if (clean)
		count_dirty(object, UINT64_MAX);
	cache_wake(cache, &object->table, index, waiters);
	return clean;
}

void object_forget_dirty(struct object *object, uint64_t index)
{
	lock_take(&object->dirty_lock);
	bitmap_clear(&object->dirty, index);
	object->dirty_count--;
	lock_drop(&object->dirty_lock);
	count_dirty(object, UINT64_MAX);
}

uint64_t object_next_dirty(struct object *object, uint64_t index)
{
	uint64_t next;

	lock_take(&object->dirty_lock);
	next = bitmap_next(&object->dirty, index);
	lock_drop(&object->dirty_lock);
	return next;
}

uint64_t object_dirty_pages(struct object *object)
{
	uint64_t count;

	lock_take(&object->dirty_lock);
	count = object->dirty_count;
	lock_drop(&object->dirty_lock);
	return count;
}

bool object_is_zeroed(const struct object *object, uint64_t index)
{
	return atomic_load(object_word(object, index)) & WORD_ZEROED;
}
