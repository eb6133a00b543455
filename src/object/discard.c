/* discard.c - pages become zeros: in memory, in every mapping, in the store */
/* SPDX-License-Identifier: MIT */
/*
 * Under the resize lock, so that there is one at a time and the size stays:
 *
 *   the range is stored, pages are looked at (rule 11); who begins a read looks
 *   at the range after its swap to READING, and takes it back
 *     -> a chunk: what is in memory of it becomes EVICTING; what is under way
 *        ends first; what stays pinned gets a write pin
 *     -> the pager discards the chunk
 *        ok:      hole, ABSENT, uncharge, wake; what is pinned is zeroed
 *        refused: back to CLEAN or DIRTY, nothing was lost
 *     -> ... the next chunk
 *
 * A page in EVICTING has no I/O, and one that is absent gets none while it is
 * in the range: so no old bytes come after the pager's discard, in or out.
 * Of a page with a write pin old bytes may still get home, but it stays dirty.
 */
#include "object/object_private.h"

#include "os/memory.h"
#include "page/hazard.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#define CHUNK 64 /* pages taken before the pager is asked */
/* In all: a fault's or a copy's pin is gone long before, another's is not
 * worth waiting for. */
#define PIN_WAIT_NS UINT64_C(10000000)
#define LAZY_RUN 64

enum taken {
	TAKEN_CLEAN,
	TAKEN_DIRTY,
	TAKEN_PINNED,
};

struct taken_page {
	uint64_t index;
	enum taken how;
};

struct discard {
	struct object *object;
	uint64_t end;
	uint64_t deadline_ns; /* for pins */
	unsigned count;
	struct taken_page page[CHUNK];
};

uint64_t object_settle(struct object *object, uint64_t index)
{
	page_word *word = object_word(object, index);

	for (;;) {
		uint64_t now = atomic_load(word);
		enum page_state state = word_state(now);

		if (state == PAGE_LODGED) {
			object_drop_lodged(object, index);
			continue;
		}
		if (state != PAGE_READING && state != PAGE_WRITING &&
		    state != PAGE_EVICTING)
			return now;
		wait_for_change(&object->host->cache->waits, &object->table,
				index, word, state);
	}
}

uint64_t object_before_discard(const struct object *object, uint64_t index,
			       uint64_t count)
{
	/* Pairs with publish(): the end first, which is stored last. */
	uint64_t end = atomic_load(&object->discard_end);
	uint64_t start = atomic_load(&object->discard_start);

	if (index >= end || index + count <= start)
		return count;
	return index < start ? start - index : 0;
}

void object_await_discard(struct object *object)
{
	lock_take(&object->resize_lock);
	lock_drop(&object->resize_lock);
}

static void publish(struct object *object, uint64_t start, uint64_t end)
{
	atomic_store(&object->discard_start, start);
	atomic_store(&object->discard_end, end); /* object_before_discard() */
}

/* ---- taking ---- */

static bool is_pinned(struct object *object, uint64_t index, uint64_t word)
{
	return word_pinned(word) || hazards_find(&object->table, &index, 1);
}

static bool take_pinned(struct discard *discard, uint64_t index)
{
	return clock_now_ns() > discard->deadline_ns &&
	       object_take_wpin(discard->object, index, false) == PAGE_TAKEN;
}

/* -> EVICTING, unless a pin is announced; false: not now. */
static bool begin_cut(struct object *object, uint64_t index, bool *dirty)
{
	page_word *word = object_word(object, index);

	if (!page_begin_cut(word, dirty))
		return false;
	if (!hazards_settle(&object->table) ||
	    !hazards_find(&object->table, &index, 1))
		return true;
	cache_wake(object->host->cache, &object->table, index,
		   page_end_evict(word, *dirty ? PAGE_DIRTY : PAGE_CLEAN));
	return false;
}

/* If the page is in memory: EVICTING, or pinned by us as well. */
static void take_page(struct discard *discard, uint64_t index)
{
	enum taken how = TAKEN_PINNED;
	bool dirty;

	for (;;) {
		uint64_t now = object_settle(discard->object, index);

		if (!word_visible(now))
			return;
		if (begin_cut(discard->object, index, &dirty)) {
			how = dirty ? TAKEN_DIRTY : TAKEN_CLEAN;
			break;
		}
		if (is_pinned(discard->object, index, now) &&
		    take_pinned(discard, index))
			break;
		sched_yield();
	}
	discard->page[discard->count++] =
		(struct taken_page){ .index = index, .how = how };
}

/* What is in memory from index on; where the next chunk begins. */
static uint64_t take_chunk(struct discard *discard, uint64_t index)
{
	struct page_table *table = &discard->object->table;

	discard->count = 0;
	while ((index = page_table_next(table, index)) < discard->end) {
		if (discard->count == CHUNK)
			return index;
		take_page(discard, index);
		index++;
	}
	return discard->end;
}

/* ---- done ---- */

static void zero_pinned(struct object *object, uint64_t index)
{
	static const char zeros[PAGE_SIZE];

	check(memory_file_write(object->memory, zeros, PAGE_SIZE,
				index << PAGE_SHIFT) == 0,
	      "a resident page can be written");
	object_let_go(object, index, 1, true);
}

/* EVICTING -> ABSENT for pages that follow each other (rule 5). */
static void drop_run(struct object *object, const struct taken_page *page,
		     unsigned count)
{
	struct cache *cache = object->host->cache;
	uint64_t first = page[0].index;
	bool waiters[CHUNK];

	for (unsigned i = 0; i < count; i++)
		if (page[i].how == TAKEN_DIRTY)
			object_forget_dirty(object, first + i);
	/* The hole cannot fail to be punched: it needs no memory. */
	check(object_punch(object, first, count) == 0, "a page can be dropped");
	object_count_gone(object, count);
	for (unsigned i = 0; i < count; i++)
		waiters[i] = page_end_evict(object_word(object, first + i),
					    PAGE_ABSENT);
	cache_uncharge(cache, &object->table, first, count, false);
	for (unsigned i = 0; i < count; i++)
		cache_wake(cache, &object->table, first + i, waiters[i]);
}

static unsigned run_length(const struct discard *discard, unsigned from)
{
	const struct taken_page *page = discard->page;
	unsigned count = 1;

	while (from + count < discard->count &&
	       page[from + count].how != TAKEN_PINNED &&
	       page[from + count].index == page[from].index + count)
		count++;
	return count;
}

static void drop_chunk(struct discard *discard)
{
	unsigned i = 0;

	while (i < discard->count) {
		const struct taken_page *page = &discard->page[i];
		unsigned count = 1;

		if (page->how == TAKEN_PINNED) {
			zero_pinned(discard->object, page->index);
		} else {
			count = run_length(discard, i);
			drop_run(discard->object, page, count);
		}
		i += count;
	}
}

static void restore_page(struct object *object, const struct taken_page *page)
{
	enum page_state state = page->how == TAKEN_DIRTY ? PAGE_DIRTY
							 : PAGE_CLEAN;

	cache_wake(object->host->cache, &object->table, page->index,
		   page_end_evict(object_word(object, page->index), state));
}

/*
 * Refused.  What is stored nowhere else is as it was.  A pager that was asked
 * may have zeroed a part before it failed, so what was clean goes: nobody knows
 * whether it still is.
 */
static void restore_chunk(struct discard *discard, bool asked)
{
	struct object *object = discard->object;

	for (unsigned i = 0; i < discard->count; i++) {
		const struct taken_page *page = &discard->page[i];

		if (page->how == TAKEN_PINNED)
			object_let_go(object, page->index, 1, true);
		else if (page->how == TAKEN_DIRTY || !asked)
			restore_page(object, page);
		else
			drop_run(object, page, 1);
	}
	cache_encourage(object->host->cache);
}

/* ---- the whole ---- */

static int discard_chunks(struct discard *discard, uint64_t index)
{
	struct object *object = discard->object;
	int error = 0;

	while (index < discard->end && !error) {
		uint64_t next = take_chunk(discard, index);
		bool asked;

		hook_point(HOOK_EVICT_BEGUN, &object->table, index);
		error = object_hide(object, index, next - index);
		asked = !error;
		if (asked)
			error = pager_discard(object_writer(object), index,
					      next - index);
		if (error)
			restore_chunk(discard, asked);
		else
			drop_chunk(discard);
		index = next;
	}
	return error;
}

static int discard_locked(struct object *object, uint64_t index, uint64_t end)
{
	struct discard discard = {
		.object = object,
		.end = end,
		.deadline_ns = clock_now_ns() + PIN_WAIT_NS,
	};
	int error;

	atomic_store(&object->unsettled, true);
	publish(object, index, end);
	error = discard_chunks(&discard, index);
	publish(object, 0, 0);
	/* A sync that has passed over a page in EVICTING looks at it again:
	 * seen by object_await_cut() in this order. */
	if (error)
		atomic_fetch_add(&object->cuts_refused, 1);
	atomic_store(&object->unsettled, false);
	return error;
}

static uint64_t end_of(const struct object *object, uint64_t index,
		       uint64_t count)
{
	uint64_t pages = object_pages(object);

	if (index >= pages)
		return index;
	return count < pages - index ? index + count : pages;
}

int object_discard(struct object *object, uint64_t index, uint64_t count)
{
	uint64_t end;
	int error;

	if (!object_writable(object))
		return error_say(-EACCES, "%s is read-only",
				 object->parameters.identity.name);
	error = pager_discard(object_writer(object), 0, 0); /* can it? */
	if (error)
		return error;
	lock_take(&object->resize_lock);
	end = end_of(object, index, count);
	if (index < end)
		error = discard_locked(object, index, end);
	lock_drop(&object->resize_lock);
	return error;
}

/* ---- lazily ---- */

static uint64_t begin_run(struct object *object, uint64_t index, uint64_t end)
{
	uint64_t count = 0;

	while (index + count < end && count < LAZY_RUN &&
	       page_begin_write(object_word(object, index + count)))
		count++;
	return count;
}

/*
 * As a write that is over at once (rules 3 and 4): a store after the pages were
 * protected traps, and leaves its page dirty.  How many are CLEAN now.
 */
static uint64_t forget_run(struct object *object, uint64_t index,
			   uint64_t count)
{
	const struct page_span run = { .index = index, .count = count };
	int error = object_write_protect(object, &run, 1);
	uint64_t clean = 0;

	if (!error)
		error = pager_discard(object_writer(object), index, count);
	for (uint64_t i = 0; i < count; i++)
		clean += object_end_write(object, index + i, !error);
	return clean;
}

void object_free_lazily(struct object *object, uint64_t index, uint64_t count)
{
	struct object_host *host = object->host;
	struct pager *pager = object_writer(object);
	uint64_t end = end_of(object, index, count), clean = 0;

	if (!pager || !pager->forgets)
		return;
	while ((index = object_next_dirty(object, index)) < end) {
		uint64_t run = begin_run(object, index, end);

		if (run > 0)
			clean += forget_run(object, index, run);
		index += run ? run : 1;
	}
	atomic_fetch_add(&host->got_home, clean);
	if (clean)
		cache_encourage(host->cache);
}
