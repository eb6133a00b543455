/* whole.c - pages that are written whole come without a read */
/* SPDX-License-Identifier: MIT */
/*
 *   charge -> ABSENT/FAILED to READING -> look again: at the size, at what is
 *   discarded, at who writes past the object
 *     ok:     bytes into the memory -> DIRTY, and in the set -> wake
 *     failed: hole -> ABSENT -> uncharge -> wake
 *
 * Never CLEAN in between: there it could leave, and the bytes be lost.  While a
 * page is READING others wait for it, so nothing is waited for: the bytes come
 * out of a buffer of ours, and not from the caller's, which may trap.
 */
#include "object/object_private.h"

#include "os/memory.h"

#include <errno.h>

/* Behind the end of a last page the store may have what is not known yet: then
 * it is not whole. */
uint64_t object_whole(const struct object *object, uint64_t index,
		      uint64_t length)
{
	uint64_t end = (index << PAGE_SHIFT) + length;
	uint64_t extent = atomic_load(&object->extent);
	uint64_t size = object_size(object);
	uint64_t pages = (end < size ? end : size) >> PAGE_SHIFT;

	if (end == size && end == extent)
		pages = pages_of(end);
	return index < pages ? pages - index : 0;
}

static bool is_absent(const struct object *object, uint64_t index)
{
	enum page_state state =
		word_state(atomic_load(object_word(object, index)));

	return state == PAGE_ABSENT || state == PAGE_FAILED;
}

uint64_t object_absent(const struct object *object, uint64_t index,
		       uint64_t count)
{
	uint64_t n = 0;

	while (n < count && is_absent(object, index + n))
		n++;
	return n;
}

/* How many are READING now, and may be written. */
static uint64_t begin(struct object *object, uint64_t index, uint64_t count,
		      uint64_t length)
{
	uint64_t won = object_begin_run(object, index, count), inside, whole;

	/* Rule 11: who changes the size, or writes past us, says so and then
	 * looks at the pages.  What he writes must not be gone over. */
	inside = object_before_foreign(object, index, won);
	whole = object_whole(object, index, length);
	if (inside > whole)
		inside = whole;
	if (inside < won)
		object_end_run(object, index + inside, won - inside,
			       PAGE_ABSENT);
	return inside;
}

/* Why the first page was not to be had: it is whole no more, others are about to
 * change it; or they have it. */
static int refusal(struct object *object, uint64_t index, uint64_t length)
{
	bool may = object_before_discard(object, index, 1) &&
		   object_before_foreign(object, index, 1) &&
		   object_whole(object, index, length);

	return may ? 0 : -EBUSY;
}

/* Of pages that are charged. */
static int64_t put(struct object *object, uint64_t index, uint64_t count,
		   uint64_t length, const void *bytes)
{
	int error;

	count = begin(object, index, count, length);
	if (count == 0)
		return refusal(object, index, length);
	error = memory_file_write(object->memory, bytes, count << PAGE_SHIFT,
				  index << PAGE_SHIFT);
	hook_point(HOOK_READ_FILLED, &object->table, index);
	if (error) {
		/* Rule 6. */
		check(object_punch(object, index, count) == 0, "rule 6");
		object_end_run(object, index, count, PAGE_ABSENT);
		return error;
	}
	object_come_dirty(object, index, count);
	count_add(object->host->counters, COUNT_MISSES, count);
	object_count(&object->counts.misses, count);
	return (int64_t)(count << PAGE_SHIFT < length ? count << PAGE_SHIFT
						      : length);
}

int64_t object_put(struct object *object, uint64_t index, uint64_t length,
		   const void *bytes)
{
	struct object_host *host = object->host;
	struct budget_wait wait = { .deadline_ns = 0 };
	int64_t moved;
	uint64_t count;
	int error = 0;

	if (!object->parameters.discard)
		error = host->throttle(host->context, object);
	while (!error) {
		count = object_absent(object, index,
				      object_whole(object, index, length));
		if (count == 0)
			return 0;
		count = cache_charge(host->cache, &object->table, index, count,
				     &wait.sequence);
		if (count > 0)
			break;
		error = object_await_budget(object, 1, &wait);
	}
	if (error)
		return error;
	atomic_fetch_add(&object->putting, 1); /* object_foreign_await() */
	moved = put(object, index, count, length, bytes);
	atomic_fetch_sub(&object->putting, 1);
	return moved;
}
