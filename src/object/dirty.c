/* dirty.c - which pages must go home */
/* SPDX-License-Identifier: MIT */
/*
 * The set holds every page that is DIRTY or WRITING.  dirty_lock joins the
 * swap CLEAN -> DIRTY with entering the set, and the end of a write with
 * leaving it: whoever finds a page DIRTY, stores to it, and then asks the set
 * (msync), finds it there.
 */
#include "object/object_private.h"

#include "os/memory.h"

/* change: so many more, or UINT64_MAX for one less. */
static void count_dirty(struct object *object, uint64_t change)
{
	struct cache *cache = object->host->cache;

	atomic_fetch_add(&cache->dirty, change);
	if (!object->parameters.discard)
		atomic_fetch_add(&cache->must_go, change);
}

/* dirty_lock is held.  change: as above. */
static void change_dirty(struct object *object, uint64_t change)
{
	uint64_t count = object_dirty_count(object) + change;

	/* relaxed: who looks without the lock wants to know about how many */
	atomic_store_explicit(&object->dirty_count, count,
			      memory_order_relaxed);
	if (atomic_load(&object->stuck))
		atomic_fetch_add(&object->host->cache->stuck, change);
	if (count == 0)
		atomic_store(&object->stuck, 0); /* read by object_stuck() */
	/* Who reads it looks at the store next: before, or after all that the
	 * count says is there. */
	if (object->shown_dirty)
		atomic_store(object->shown_dirty, count);
}

/* dirty_lock is held; the page was CLEAN just now. */
static void enter(struct object *object, uint64_t index)
{
	hook_point(HOOK_DIRTY, &object->table, index);
	check(!bitmap_test(&object->dirty, index),
	      "a CLEAN page is not in the set of dirty ones");
	bitmap_set(&object->dirty, index);
	change_dirty(object, 1);
}

static enum page_taken take_clean(struct object *object, uint64_t index,
				  bool referenced)
{
	struct object_host *host = object->host;
	enum page_taken taken;

	object_lock_dirty(object, index);
	taken = page_take_wpin(object_word(object, index), referenced, true);
	if (taken == PAGE_TAKEN_DIRTIED)
		enter(object, index);
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

void object_come_dirty(struct object *object, uint64_t index, uint64_t count)
{
	struct object_host *host = object->host;
	bool waiters[OBJECT_READ_MOST];

	object_lock_incoming(object, index, count);
	object_count_come(object, count);
	/* First: no pin keeps what is DIRTY from going home at once. */
	count_dirty(object, count);
	object_lock_dirty(object, index);
	for (uint64_t i = 0; i < count; i++) {
		check(!bitmap_test(&object->dirty, index + i),
		      "an absent page is not in the set of dirty ones");
		waiters[i] = page_end_read(object_word(object, index + i),
					   PAGE_DIRTY);
		bitmap_set(&object->dirty, index + i);
	}
	change_dirty(object, count);
	lock_drop(&object->dirty_lock);
	for (uint64_t i = 0; i < count; i++)
		cache_wake(host->cache, &object->table, index + i, waiters[i]);
	host->dirtied(host->context);
}

unsigned dirty_take_foreseen(struct object *object, uint64_t index,
			     unsigned most, unsigned slot, void *bytes)
{
	unsigned count = 0;

	object_lock_dirty(object, index);
	/* Who writes past the object asks for each what it was. */
	if (atomic_load(&object->foreign_count) > 0)
		most = 1;
	for (; count < most; count++) {
		if (!page_take_foreseen(object_word(object, index + count),
					slot + count))
			break;
		enter(object, index + count);
	}
	/* Who looks what they had takes the lock first. */
	if (count > 0 &&
	    memory_file_read(object->memory, bytes, (size_t)count << PAGE_SHIFT,
			     index << PAGE_SHIFT))
		for (unsigned i = 0; i < count; i++)
			page_forget_foreseen(object_word(object, index + i));
	lock_drop(&object->dirty_lock);
	if (count > 0)
		count_dirty(object, count);
	return count;
}

static struct page_begun kind_of(uint64_t word)
{
	return (struct page_begun){
		.pinned = word_wpinned(word),
		.foreseen = word_foreseen(word),
	};
}

static bool alike(struct page_begun a, struct page_begun b)
{
	return a.pinned == b.pinned && a.foreseen == b.foreseen;
}

/* As the first one; false: it is DIRTY, or not ours. */
static bool begin_as(struct object *object, uint64_t index,
		     struct page_begun kind)
{
	page_word *word = object_word(object, index);
	uint64_t was;
	bool same;

	if (!alike(kind_of(atomic_load(word)), kind) ||
	    !page_begin_write_from(word, &was))
		return false;
	same = alike(kind_of(was), kind);
	if (!same) /* it has changed in between: taken back */
		object_end_write(object, index, false);
	return same;
}

uint64_t object_begin_write(struct object *object, uint64_t index,
			    uint64_t most, struct page_begun *begun)
{
	uint64_t count = 0, inside, was;

	if (most > 0 &&
	    page_begin_write_from(object_word(object, index), &was)) {
		*begun = kind_of(was);
		for (count = 1; count < most; count++)
			if (!begin_as(object, index + count, *begun))
				break;
	}
	if (count > 0)
		hook_point(HOOK_WRITE_BEGUN, &object->table, index);
	/* Rule 11: who writes past us lists his pages, then looks at them. */
	inside = object_before_foreign(object, index, count);
	for (uint64_t i = inside; i < count; i++)
		object_end_write(object, index + i, false);
	return inside;
}

/* stored: the store has its bytes now, if it is good. */
static bool end_write(struct object *object, uint64_t index, bool good,
		      bool stored)
{
	struct cache *cache = object->host->cache;
	bool clean, waiters;

	lock_take(&object->dirty_lock);
	waiters = page_end_write(object_word(object, index), good, &clean);
	if (clean) {
		bitmap_clear(&object->dirty, index);
		change_dirty(object, UINT64_MAX);
		if (stored && !object->parameters.discard)
			bitmap_set(&object->written, index);
	}
	lock_drop(&object->dirty_lock);
	if (clean)
		count_dirty(object, UINT64_MAX);
	cache_wake(cache, &object->table, index, waiters);
	return clean;
}

bool object_end_write(struct object *object, uint64_t index, bool good)
{
	return end_write(object, index, good, true);
}

bool object_end_unstored(struct object *object, uint64_t index)
{
	return end_write(object, index, true, false);
}

void object_forget_dirty(struct object *object, uint64_t index)
{
	lock_take(&object->dirty_lock);
	bitmap_clear(&object->dirty, index);
	change_dirty(object, UINT64_MAX);
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

uint64_t object_dirty_run(struct object *object, uint64_t index, uint64_t most)
{
	uint64_t count = 0;

	lock_take(&object->dirty_lock);
	while (count < most && bitmap_test(&object->dirty, index + count))
		count++;
	lock_drop(&object->dirty_lock);
	return count;
}

uint64_t object_dirty_pages(struct object *object)
{
	uint64_t count;

	lock_take(&object->dirty_lock);
	count = object_dirty_count(object);
	lock_drop(&object->dirty_lock);
	return count;
}

uint64_t object_dirty_count(const struct object *object)
{
	return atomic_load_explicit(&object->dirty_count, memory_order_relaxed);
}

void object_flushed(struct object *object, bool all, uint64_t next)
{
	struct cache *cache = object->host->cache;
	unsigned before, now = 0;
	uint64_t dirty;

	object->flush_start = next;
	if (object->parameters.discard)
		return;
	lock_take(&object->dirty_lock);
	before = atomic_load(&object->stuck);
	dirty = object_dirty_count(object);
	if (!all && dirty > 0)
		now = before + 1;
	if (!before != !now)
		atomic_fetch_add(&cache->stuck, now ? dirty : -dirty);
	atomic_store(&object->stuck, now); /* read by object_stuck() */
	lock_drop(&object->dirty_lock);
}

uint64_t object_flush_start(const struct object *object)
{
	return object->flush_start;
}

unsigned object_stuck(const struct object *object)
{
	return atomic_load(&object->stuck); /* pairs with object_flushed() */
}

void object_found_dirty(struct object *object, uint64_t count)
{
	lock_take(&object->dirty_lock);
	change_dirty(object, count);
	lock_drop(&object->dirty_lock);
	count_dirty(object, count);
}

void object_show_dirty(struct object *object, _Atomic uint64_t *shown)
{
	lock_take(&object->dirty_lock);
	object->shown_dirty = shown;
	change_dirty(object, 0);
	lock_drop(&object->dirty_lock);
}

bool object_is_zeroed(const struct object *object, uint64_t index)
{
	return atomic_load(object_word(object, index)) & WORD_ZEROED;
}
