/* resize.c - an object changes its size; mappings and addresses stay */
/* SPDX-License-Identifier: MIT */
/*
 * Grow: the store first, then the memory, then the tail of the old last page,
 * then the size: nobody sees a page that is not all there.  The tail becomes
 * zero, or, if others have made the store longer than the object, what they
 * have written there.
 *
 * Shrink: the size first, so that nobody new comes in (rule 11); what is under
 * way behind the new end is waited for, a pin there refuses; then the store is
 * cut.  If that fails the old size comes back and nothing is lost.  Only then
 * the pages go, and the memory with every translation.
 */
#include "object/object_private.h"

#include "os/memory.h"
#include "page/hazard.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PIN_WAIT_NS UINT64_C(1000000000) /* a copy's pin is gone long before */
/* Of an invalidation, which nobody refuses: longer pins are the program's. */
#define SHORT_PIN_NS UINT64_C(250000000)

/*
 * Bytes of the last page past the end may have been stored to; they are not
 * part of the object, and must not become so.
 */
static int zero_tail(struct object *object, uint64_t size)
{
	static const char zeros[PAGE_SIZE];
	uint64_t index = size >> PAGE_SHIFT;
	enum page_state state;
	page_word *word;
	int error;

	if ((size & PAGE_MASK) == 0)
		return 0;
	word = object_word(object, index);
	while (page_take_rpin(word, false) != PAGE_TAKEN) {
		state = word_state(atomic_load(word));
		if (state == PAGE_ABSENT || state == PAGE_FAILED)
			return 0;
		if (state == PAGE_LODGED)
			object_drop_lodged(object, index);
		else if (state == PAGE_READING || state == PAGE_EVICTING)
			wait_for_change(&object->host->cache->waits,
					&object->table, index, word, state);
		else
			sched_yield(); /* its pins are all taken */
	}
	lock_take(&object->dirty_lock); /* nobody foresees it in between */
	page_forget_foreseen(word);
	error = memory_file_write(object->memory, zeros,
				  PAGE_SIZE - (size & PAGE_MASK), size);
	lock_drop(&object->dirty_lock);
	page_drop_rpin(word);
	cache_encourage(object->host->cache);
	return error;
}

static int check_writable(const struct object *object)
{
	if (object_writable(object))
		return 0;
	return error_say(-EACCES, "%s is read-only",
			 object->parameters.identity.name);
}

static int check_capacity(const struct object *object, uint64_t size)
{
	if (size <= object->parameters.capacity)
		return 0;
	return error_say(-EFBIG,
			 "%s cannot grow beyond its capacity of %llu "
			 "bytes (set it when it is opened)",
			 object->parameters.identity.name,
			 (unsigned long long)object->parameters.capacity);
}

/* How long the store is before it is made longer; as the object, if it cannot
 * say. */
static int ask_length(const struct object *object, uint64_t *before)
{
	int error = check_writable(object);

	if (!error)
		error = pager_size(object_writer(object), before);
	if (error != -EOPNOTSUPP)
		return error;
	*before = object_size(object);
	return 0;
}

/* Takes that back, unless somebody has been there since; but for what the object
 * has, which may have gone home meanwhile. */
static int shorten(struct object *object, uint64_t size, uint64_t before)
{
	uint64_t now = size;
	int error;

	if (before < object_size(object))
		before = object_size(object);
	if (before >= size)
		return 0;
	error = pager_size(object_writer(object), &now);
	if ((error && error != -EOPNOTSUPP) || now != size)
		return error;
	return pager_resize(object_writer(object), before);
}

/* What the page has, that the old end lies in, from there on. */
static int make_tail(struct object *object, uint64_t size, uint64_t before)
{
	uint64_t old = object_size(object);

	if (before <= old)
		return zero_tail(object, old);
	/* Rule 11: a read that begins now brings those bytes, and what began
	 * before is seen. */
	atomic_store(&object->extent, size);
	return object_refresh_tail(object, old, size);
}

/* What is told is the error that came first. */
static int undo_growth(struct object *object, uint64_t size, uint64_t before,
		       int error)
{
	uint64_t old = object_size(object);
	char said[ERROR_SENTENCE];

	snprintf(said, sizeof(said), "%s", error_sentence());
	atomic_store(&object->extent, old);
	/* A read that has begun since may bring what lies behind the end. */
	zero_tail(object, old);
	memory_file_resize(object->memory, page_round_up(old));
	shorten(object, size, before);
	return error_say(error, "%s", said);
}

int object_grow(struct object *object, uint64_t size, uint64_t before)
{
	int error = memory_file_resize(object->memory, page_round_up(size));

	if (!error)
		error = make_tail(object, size, before);
	if (error)
		return undo_growth(object, size, before, error);
	atomic_store(&object->extent, size);
	atomic_store(&object->size, size); /* read by object_size() */
	object_record_size(object, size);
	return 0;
}

/* Others may have made the store longer than we know: never shorter. */
static int grow(struct object *object, uint64_t size, uint64_t before)
{
	int error = check_capacity(object, size);

	if (!error && before < size)
		error = pager_resize(object_writer(object), size);
	return error ? error : object_grow(object, size, before);
}

/* Waits until page index can be cut; false: it remains pinned. */
static bool quiet(struct object *object, uint64_t index, uint64_t deadline_ns)
{
	while (word_pinned(object_settle(object, index))) {
		if (clock_now_ns() > deadline_ns)
			return false;
		sched_yield();
	}
	return true;
}

static int say_pinned(const struct object *object, uint64_t index)
{
	return error_say(-EBUSY, "page %llu of %s is pinned",
			 (unsigned long long)index,
			 object->parameters.identity.name);
}

/* Pins that are announced; whoever announces one now sees the size. */
static int wait_for_announced(struct object *object, uint64_t index,
			      uint64_t deadline_ns)
{
	uint64_t found = index;

	if (!hazards_settle(&object->table))
		return 0;
	while (hazards_find(&object->table, &found,
			    object->table.pages - index)) {
		if (clock_now_ns() > deadline_ns)
			return say_pinned(object, found);
		sched_yield();
		found = index;
	}
	return 0;
}

static int wait_until_quiet(struct object *object, uint64_t index)
{
	uint64_t deadline_ns = clock_now_ns() + PIN_WAIT_NS;
	int error = wait_for_announced(object, index, deadline_ns);

	while (!error && (index = page_table_next(&object->table, index)) <
				 object->table.pages) {
		if (!quiet(object, index, deadline_ns))
			error = say_pinned(object, index);
		index++;
	}
	return error;
}

/*
 * A write of the page in which the new end lies may have looked at the old
 * size: it would make the store long again.
 */
static void wait_for_last_write(struct object *object, uint64_t size)
{
	uint64_t index = size >> PAGE_SHIFT;
	page_word *word;

	if ((size & PAGE_MASK) == 0)
		return;
	word = object_word(object, index);
	while (word_state(atomic_load(word)) == PAGE_WRITING)
		wait_for_change(&object->host->cache->waits, &object->table,
				index, word, PAGE_WRITING);
}

/* What others have added behind it since stays, and so does the rest then. */
static int cut_store(struct object *object, uint64_t old, uint64_t size,
		     enum store_cut cut)
{
	switch (cut) {
	case STORE_IS_CUT:
		return 0;
	case STORE_TAKE_BACK:
		return shorten(object, old, size);
	case STORE_CUT:
		break;
	}
	return pager_resize(object_writer(object), size);
}

int object_shrink(struct object *object, uint64_t size, enum store_cut cut)
{
	uint64_t old = object_size(object);
	int error;

	atomic_store(&object->unsettled, true);
	atomic_store(&object->size, size); /* rule 11: then look at pages */
	hook_point(HOOK_SIZE_STORED, &object->table, pages_of(size));
	error = wait_until_quiet(object, pages_of(size));
	if (!error)
		wait_for_last_write(object, size);
	if (!error)
		error = cut_store(object, old, size, cut);
	if (error) {
		/* Seen by object_await_cut(): the pages, the count, the flag. */
		atomic_store(&object->size, old);
		atomic_fetch_add(&object->cuts_refused, 1);
		atomic_store(&object->unsettled, false);
		return error;
	}
	atomic_store(&object->extent, size);
	atomic_store(&object->unsettled, false);
	object_record_size(object, size);
	object_drop_pages(object, pages_of(size));
	if (object->host->cut)
		object->host->cut(object->host->context, object,
				  pages_of(size));
	check(zero_tail(object, size) == 0, "a resident page can be written");
	return memory_file_resize(object->memory, page_round_up(size));
}

static int resize_locked(struct object *object, uint64_t size)
{
	uint64_t old = object_size(object), before;
	int error;

	if (size == old)
		return 0;
	if (size < old) {
		error = check_writable(object);
		return error ? error : object_shrink(object, size, STORE_CUT);
	}
	error = ask_length(object, &before);
	return error ? error : grow(object, size, before);
}

int object_resize(struct object *object, uint64_t size)
{
	int error;

	lock_take(&object->resize_lock);
	error = resize_locked(object, size);
	lock_drop(&object->resize_lock);
	return error;
}

/* before: as ask_length() had it. */
static int allocate(struct object *object, uint64_t offset, uint64_t length,
		    uint64_t before)
{
	uint64_t end = offset + length;
	int error;

	if (end < offset)
		return error_say(-EFBIG, "%s: no such range",
				 object->parameters.identity.name);
	error = check_capacity(object, end);
	/* Room first: the size tells of nothing that has none. */
	if (!error)
		error = pager_allocate(object_writer(object), offset, length);
	if (!error && end > object_size(object))
		error = object_grow(object, end, before);
	if (error == -ENOSPC)
		error_say_first(error, "no space left in the store of %s",
				object->parameters.identity.name);
	return error;
}

int object_allocate(struct object *object, uint64_t offset, uint64_t length)
{
	uint64_t before;
	int error;

	lock_take(&object->resize_lock);
	error = ask_length(object, &before);
	if (!error)
		error = allocate(object, offset, length, before);
	lock_drop(&object->resize_lock);
	return error;
}

/* All of it, or the error of what could not be copied. */
static int copy_all(struct object *object, const char *bytes, uint64_t length,
		    uint64_t offset)
{
	uint64_t done = 0;

	while (done < length) {
		int64_t moved = object_copy_in(object, bytes + done,
					       length - done, offset + done);

		if (moved <= 0)
			return moved < 0 ? (int)moved : -EIO;
		done += (uint64_t)moved;
	}
	return 0;
}

/* If that fails the object is as long as the store, as its size tells.  Its caller
 * is told why the append failed. */
static int undo_append(struct object *object, uint64_t offset, int error)
{
	char said[ERROR_SENTENCE];

	snprintf(said, sizeof(said), "%s", error_sentence());
	if (object_shrink(object, offset, STORE_TAKE_BACK))
		log_line(object->host->log, LOG_WARNING,
			 "%s: a failed append could not be undone: %s",
			 object->parameters.identity.name, error_sentence());
	return error_say(error, "%s", said);
}

int object_append(struct object *object, const void *bytes, uint64_t length,
		  uint64_t *offset)
{
	uint64_t end, before;
	int error;

	lock_take(&object->resize_lock);
	end = object_size(object);
	error = ask_length(object, &before);
	if (!error && before > end)
		end = before;
	if (!error)
		error = allocate(object, end, length, before);
	if (error == -EOPNOTSUPP) /* a store without allocation: just grow */
		error = grow(object, end + length, before);
	if (!error) {
		error = copy_all(object, bytes, length, end);
		if (error)
			error = undo_append(object, end, error);
	}
	lock_drop(&object->resize_lock);
	*offset = end;
	return error;
}

bool object_cut_undecided(const struct object *object, uint64_t end)
{
	return end < atomic_load(&object->extent);
}

uint64_t object_cuts_refused(const struct object *object)
{
	return atomic_load(&object->cuts_refused);
}

uint64_t object_await_cut(struct object *object)
{
	if (atomic_load(&object->unsettled)) { /* set by shrink(), discard() */
		lock_take(&object->resize_lock);
		lock_drop(&object->resize_lock);
	}
	return object_cuts_refused(object);
}

uint64_t object_await_size(struct object *object, uint64_t end)
{
	uint64_t size = object_size(object);

	while (size < end && object_cut_undecided(object, size)) {
		lock_take(&object->resize_lock);
		lock_drop(&object->resize_lock);
		size = object_size(object);
	}
	return size;
}

uint64_t object_drop_clean(struct object *object, uint64_t index,
			   uint64_t count)
{
	if (index >= object->table.pages)
		return 0;
	if (count > object->table.pages - index)
		count = object->table.pages - index;
	return cache_evict_range(object->host->cache, &object->table, index,
				 count);
}

/* Old bytes that were on their way, or pinned for a moment: they go, too. */
static void drop_later(struct object *object, uint64_t index,
		       uint64_t deadline_ns)
{
	const struct timespec pause = { .tv_nsec = SHORT_PIN_NS / 10000 };
	page_word *word = object_word(object, index);
	bool come = false; /* what is read after that is new */

	for (;;) {
		uint64_t now = atomic_load(word);
		enum page_state state = word_state(now);

		if (state == PAGE_EVICTING || (state == PAGE_READING && !come))
			wait_for_change(&object->host->cache->waits,
					&object->table, index, word, state);
		else if ((state != PAGE_CLEAN && state != PAGE_LODGED) ||
			 word_locked(now) ||
			 object_drop_clean(object, index, 1) ||
			 clock_now_ns() > deadline_ns)
			return;
		else
			nanosleep(&pause, NULL);
		come = come || state == PAGE_READING;
	}
}

void object_invalidate(struct object *object, uint64_t index, uint64_t count)
{
	uint64_t deadline_ns = clock_now_ns() + SHORT_PIN_NS;
	uint64_t end = object->table.pages;

	if (index >= end)
		return;
	if (count < end - index)
		end = index + count;
	object_drop_clean(object, index, count);
	while ((index = page_table_next(&object->table, index)) < end)
		drop_later(object, index++, deadline_ns);
}
