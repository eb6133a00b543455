/* locked.c - pages that are to stay in memory, and pages that need not */
/* SPDX-License-Identifier: MIT */
/*
 * A bitmap of the object's remembers, as words are given back when nothing of
 * their chapter is in memory; LOCKED in the word says it to reclaim.  Both are
 * changed under locked_lock:
 *
 *   lock             the bit; then the word, if the page is there or coming
 *   end of a read    READING, then a look at the bit; the word; then CLEAN
 *
 * (rule 11): one of the two sees the other.
 */
#include "object/object_private.h"

#include "os/memory.h"

#include <errno.h>

#define HOLD_MOST 1024 /* pages in one hold of the lock */

static size_t bytes_of(const struct object *object)
{
	return bitmap_bytes(object->table.pages);
}

static int prepare(struct object *object)
{
	void *memory;

	if (atomic_load(&object->locks))
		return 0;
	if (memory_map(bytes_of(object), &memory))
		return error_say(-ENOMEM, "no memory to note locked pages");
	lock_take(&object->locked_lock);
	if (!object->locked_bits) {
		object->locked_bits = memory;
		bitmap_init(&object->locked, object->table.pages, memory);
		atomic_store(&object->locks, true); /* end of a read */
		memory = NULL;
	}
	lock_drop(&object->locked_lock);
	if (memory)
		memory_unmap(memory, bytes_of(object));
	return 0;
}

void object_forget_locked(struct object *object)
{
	if (object->locked_bits)
		memory_unmap(object->locked_bits, bytes_of(object));
}

static void lock_some(struct object *object, uint64_t index, uint64_t end)
{
	lock_take(&object->locked_lock);
	for (; index < end; index++) {
		if (!bitmap_test(&object->locked, index)) {
			bitmap_set(&object->locked, index);
			atomic_fetch_add(&object->locked_count, 1);
		}
		page_lock(object_word(object, index));
	}
	lock_drop(&object->locked_lock);
}

static void unlock_some(struct object *object, uint64_t index, uint64_t end)
{
	lock_take(&object->locked_lock);
	while ((index = bitmap_next(&object->locked, index)) < end) {
		bitmap_clear(&object->locked, index);
		atomic_fetch_sub(&object->locked_count, 1);
		page_unlock(object_word(object, index));
	}
	lock_drop(&object->locked_lock);
}

/* The range as far as there can be pages; its end. */
static uint64_t clip(const struct object *object, uint64_t index,
		     uint64_t count)
{
	uint64_t pages = object->table.pages;

	if (index >= pages)
		return index;
	return count < pages - index ? index + count : pages;
}

static uint64_t step_from(uint64_t index, uint64_t end)
{
	return end - index < HOLD_MOST ? end : index + HOLD_MOST;
}

int object_lock_pages(struct object *object, uint64_t index, uint64_t count)
{
	uint64_t next, end = clip(object, index, count);
	int error = prepare(object);

	for (; index < end && !error; index = next) {
		next = step_from(index, end);
		lock_some(object, index, next);
	}
	return error;
}

void object_unlock_pages(struct object *object, uint64_t index, uint64_t count)
{
	uint64_t next, end = clip(object, index, count);

	if (!atomic_load(&object->locks))
		return;
	for (; index < end; index = next) {
		next = step_from(index, end);
		unlock_some(object, index, next);
	}
	/* What was kept may leave now. */
	cache_encourage(object->host->cache);
}

void object_lock_incoming(struct object *object, uint64_t index, uint64_t count)
{
	if (!atomic_load(&object->locks)) /* set by prepare() */
		return;
	lock_take(&object->locked_lock);
	for (uint64_t i = index; i < index + count; i++)
		if (bitmap_test(&object->locked, i))
			page_lock(object_word(object, i));
	lock_drop(&object->locked_lock);
}

uint64_t object_locked_pages(const struct object *object)
{
	return atomic_load(&object->locked_count);
}

bool object_page_resident(const struct object *object, uint64_t index)
{
	return index < object_pages(object) &&
	       word_resident(atomic_load(object_word(object, index)));
}

void object_deactivate(struct object *object, uint64_t index, uint64_t count)
{
	uint64_t end = clip(object, index, count);

	if (index < end)
		cache_deactivate(object->host->cache, &object->table, index,
				 end - index);
}
