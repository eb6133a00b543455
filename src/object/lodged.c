/* lodged.c - pages whose bytes lie in the mapping that shows them */
/* SPDX-License-Identifier: MIT */
/*
 * Anonymous memory comes and goes at a third of what a memfd's costs: no file, no
 * page cache, no hole.  But nobody else has it.  So it is for clean pages, which
 * can be read again, of objects that are mapped once, where nobody may store:
 *
 *   READING --filled, under the space's lock--> LODGED
 *   LODGED --> EVICTING --out of the mapping--> ABSENT     (reclaim)
 *          '-> EVICTING --copied to the memfd,
 *                         out of the mapping--> CLEAN      (brought home)
 *
 * The mapping stays for as long as a page is LODGED or EVICTING from there:
 * before a layout changes what may be wanted again is brought home, under its
 * lock the rest of the range is dropped, and nothing is filled until that lock
 * is free.  So whoever has a page EVICTING may use its address without a lock,
 * and nobody else's memory can be there.
 */
#include "object/object_private.h"

#include "os/memory.h"

#include <string.h>
#include <sys/uio.h>

#define RUN_MAX 256      /* pages that are brought home at once */
#define RUNS_MAX 64      /* ranges that leave at once */
#define MAPPINGS_MOST 16 /* looked through before a page is lodged */

bool object_may_lodge(struct object *object, uint64_t address, uint64_t index,
		      uint64_t count)
{
	const struct list *link;
	struct mapping part;
	unsigned looked = 0;
	bool may = true;

	lock_take(&object->mappings_lock);
	list_for_each(link, &object->mappings) {
		const struct mapping *mapping =
			container_of(link, struct mapping, link);

		if (mapping_clip(mapping, index, count, &part) &&
		    (!mapping->lodges || mapping->locked ||
		     part.start != address ||
		     part.end - part.start != count << PAGE_SHIFT))
			may = false;
		if (!may || ++looked == MAPPINGS_MOST)
			break;
	}
	lock_drop(&object->mappings_lock);
	return may && looked < MAPPINGS_MOST;
}

void object_lodge(struct object *object, uint64_t index, uint64_t count,
		  struct object_fill *fill)
{
	object_lock_incoming(object, index, count);
	object_count_come(object, count);
	count_add(object->host->counters, COUNT_PAGES_LODGED, count);
	atomic_fetch_add(&object->lodged, count);
	for (uint64_t i = 0; i < count; i++) {
		page_word *word = object_word(object, index + i);

		if (fill->touched)
			page_set_touched(word);
		fill->waiters[i] = page_end_read(word, PAGE_LODGED);
	}
	fill->lodged = true;
}

/* ---- out of the mapping ---- */

/* The pages are EVICTING, and hollow: of as many mappings as there may be, by
 * now, it is in one. */
static void leave_mappings(struct object *object, const struct iovec *pages,
			   unsigned count)
{
	struct iovec ranges[RUNS_MAX];
	const struct list *link;

	lock_take(&object->mappings_lock);
	list_for_each(link, &object->mappings) {
		const struct mapping *mapping =
			container_of(link, struct mapping, link);
		struct mapping part;
		unsigned n = 0;

		for (unsigned i = 0; i < count && mapping->lodges; i++)
			if (mapping_clip(mapping, (uintptr_t)pages[i].iov_base,
					 pages[i].iov_len, &part))
				ranges[n++] = (struct iovec){
					.iov_base =
						(void *)(uintptr_t)part.start,
					.iov_len = part.end - part.start,
				};
		if (n > 0)
			memory_drop_many(ranges, n);
	}
	lock_drop(&object->mappings_lock);
}

static bool was_lodged(struct object *object, const struct page_run *run,
		       uint64_t i)
{
	return i < run->count && (run->leaves >> i & 1) &&
	       (atomic_load(object_word(object, run->index + i)) & WORD_HOLLOW);
}

/* The next stretch of pages that were LODGED, from *i on.  Not of gaps: for one
 * that is by itself nobody waits who changes the layout. */
static uint64_t lodged_stretch(struct object *object,
			       const struct page_run *run, uint64_t *i)
{
	uint64_t count = 0;

	while (*i < run->count && !was_lodged(object, run, *i))
		++*i;
	while (was_lodged(object, run, *i + count))
		count++;
	return count;
}

void object_leave_lodged(struct object *object, const struct page_run *runs,
			 unsigned count)
{
	struct iovec pages[RUNS_MAX];
	unsigned n = 0;

	if (atomic_load(&object->lodged) == 0)
		return; /* what is hollow are gaps */
	for (unsigned r = 0; r < count; r++) {
		uint64_t i = 0, length;

		while ((length = lodged_stretch(object, &runs[r], &i)) > 0) {
			pages[n++] = (struct iovec){
				.iov_base =
					(void *)(uintptr_t)(runs[r].index + i),
				.iov_len = length,
			};
			i += length;
			if (n == RUNS_MAX) {
				leave_mappings(object, pages, n);
				n = 0;
			}
		}
	}
	if (n > 0)
		leave_mappings(object, pages, n);
}

/* ---- home ---- */

/* A part of what is brought home, and where it is mapped. */
struct place {
	uint64_t index;
	uint64_t count;
	uint64_t address;
};

static unsigned find_places(struct object *object, uint64_t index,
			    uint64_t count, struct place *places)
{
	const struct list *link;
	unsigned found = 0;

	lock_take(&object->mappings_lock);
	list_for_each(link, &object->mappings) {
		const struct mapping *mapping =
			container_of(link, struct mapping, link);
		struct mapping part;

		if (found == MAPPINGS_MOST)
			break;
		if (!mapping->lodges ||
		    !mapping_clip(mapping, index, count, &part))
			continue;
		places[found++] = (struct place){
			.index = mapping->index +
				 ((part.start - mapping->start) >> PAGE_SHIFT),
			.count = (part.end - part.start) >> PAGE_SHIFT,
			.address = part.start,
		};
	}
	lock_drop(&object->mappings_lock);
	return found;
}

/*
 * Through a buffer: whoever writes to the memfd holds its inode's lock, and that
 * must not wait for a page of a mapping.
 */
static bool copy_stretch(struct object *object, const struct staging *staging,
			 uint64_t address, uint64_t index, uint64_t count)
{
	return memory_fetch(staging->bytes, address, count << PAGE_SHIFT) ==
		       0 &&
	       memory_file_write(object->memory, staging->bytes,
				 count << PAGE_SHIFT, index << PAGE_SHIFT) == 0;
}

/*
 * Only what is there is read: a touch of what is not would trap, and wait for
 * us.  It is there unless the program has dropped it behind our back, or the
 * kernel has put it out to swap.  What has come home from one mapping is looked
 * for in no other: there the kernel would show the memfd's.
 */
static void copy_place(struct object *object, const struct place *place,
		       const struct staging *staging, bool *home)
{
	unsigned char there[RUN_MAX];
	uint64_t first = 0, end;

	if (memory_resident(place->address, place->count << PAGE_SHIFT, there))
		return;
	while (first < place->count) {
		for (end = first; end < place->count &&
				  end - first < staging->pages &&
				  (there[end] & 1) && !home[end];)
			end++;
		if (end == first) {
			first++;
			continue;
		}
		if (copy_stretch(object, staging,
				 place->address + (first << PAGE_SHIFT),
				 place->index + first, end - first))
			memset(&home[first], true, end - first);
		first = end;
	}
}

static void copy_home(struct object *object, uint64_t index, uint64_t count,
		      bool *home)
{
	struct staging_pool *pool = &object->host->staging;
	struct place places[MAPPINGS_MOST];
	unsigned found = find_places(object, index, count, places);
	struct staging *staging = staging_take(pool, count);

	if (!staging)
		return;
	for (unsigned i = 0; i < found; i++)
		copy_place(object, &places[i], staging,
			   &home[places[i].index - index]);
	staging_drop(pool, staging);
}

/* EVICTING -> CLEAN or ABSENT. */
static void end_move(struct object *object, uint64_t index, uint64_t count,
		     bool home)
{
	struct cache *cache = object->host->cache;
	bool waiters[RUN_MAX];

	if (!home) {
		/* What was copied in part.  It needs no memory. */
		check(object_punch(object, index, count) == 0, "rule 6");
		object_count_gone(object, count);
		ahead_gone(object, index, count);
	}
	if (home)
		count_add(object->host->counters, COUNT_PAGES_BROUGHT_HOME,
			  count);
	object_count_lodged_gone(object, count);
	for (uint64_t i = 0; i < count; i++) {
		page_word *word = object_word(object, index + i);

		waiters[i] = home ? page_end_move(word)
				  : page_end_evict(word, PAGE_ABSENT);
	}
	if (!home)
		cache_uncharge(cache, &object->table, index, count, false);
	for (uint64_t i = 0; i < count; i++)
		cache_wake(cache, &object->table, index + i, waiters[i]);
	if (home)
		cache_encourage(cache);
}

/* They are EVICTING, from LODGED. */
static void move_run(struct object *object, uint64_t index, uint64_t count,
		     bool keep)
{
	const struct iovec pages = {
		.iov_base = (void *)(uintptr_t)index,
		.iov_len = count,
	};
	bool home[RUN_MAX] = { false };
	uint64_t first = 0, end;

	if (keep)
		copy_home(object, index, count, home);
	hook_point(HOOK_EVICT_BEGUN, &object->table, index);
	leave_mappings(object, &pages, 1);
	for (; first < count; first = end) {
		for (end = first + 1; end < count && home[end] == home[first];)
			end++;
		end_move(object, index + first, end - first, home[first]);
	}
}

static uint64_t begin_run(struct object *object, uint64_t index, uint64_t end)
{
	uint64_t count = 0;

	while (index + count < end && count < RUN_MAX &&
	       page_begin_move(object_word(object, index + count)))
		count++;
	return count;
}

void object_drop_lodged(struct object *object, uint64_t index)
{
	if (begin_run(object, index, index + 1))
		move_run(object, index, 1, false);
}

/* Waits for who has the page EVICTING, from LODGED; false: nobody has, and it is
 * not LODGED. */
static bool await_hollow(struct object *object, uint64_t index)
{
	page_word *word = object_word(object, index);
	uint64_t now = atomic_load(word);

	if (word_state(now) == PAGE_EVICTING && (now & WORD_HOLLOW))
		wait_for_change(&object->host->cache->waits, &object->table,
				index, word, PAGE_EVICTING);
	else if (word_state(now) != PAGE_LODGED)
		return false;
	return true;
}

void object_bring_home(struct object *object, uint64_t index, uint64_t count,
		       bool keep)
{
	uint64_t pages = object->table.pages;
	uint64_t end;

	if (index >= pages) /* a mapping may go on beyond the object */
		return;
	end = count < pages - index ? index + count : pages;
	while (atomic_load(&object->lodged) > 0 &&
	       (index = page_table_next(&object->table, index)) < end) {
		uint64_t cluster = (index | (CLUSTER_PAGES - 1)) + 1;

		while (index < end && index < cluster) {
			uint64_t moved = begin_run(object, index, end);

			if (moved)
				move_run(object, index, moved, keep);
			else if (!await_hollow(object, index))
				moved = 1;
			index += moved;
		}
	}
}
