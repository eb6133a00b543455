/* foreign.c - somebody else writes in the store */
/* SPDX-License-Identifier: MIT */
/*
 * Somebody writes past the object, with write(2) on the file that it shows:
 *
 *   begin    his pages are listed; writes under way there are waited for, and
 *            what is being written whole
 *              -> no write-back of theirs is under way, or will be
 *   he writes
 *   refresh  what is in memory follows (refresh.c)
 *   end      the pages leave the list; whoever waited to write goes on
 *
 * One that stands remains in the list, and is of the pages that its word says.
 */
#include "object/object_private.h"

/* The client's word: whatever it says, no sum of these is too large. */
static void decode(uint64_t word, uint64_t *index, uint64_t *count)
{
	bool idle = word == FOREIGN_IDLE;

	*index = word >> 16;
	*count = idle ? 0 : word & 0xffff;
}

bool object_foreign_covers(const struct foreign_write *write, uint64_t index,
			   uint64_t count, uint64_t *first)
{
	uint64_t own = write->count;

	*first = write->index;
	if (write->word)
		decode(atomic_load(write->word), first, &own);
	return own > 0 && index < *first + own && *first < index + count;
}

uint64_t object_before_foreign(struct object *object, uint64_t index,
			       uint64_t count)
{
	struct list *link;

	/* Pairs with begin: counted there before it looks at the pages. */
	if (atomic_load(&object->foreign_count) == 0)
		return count;
	lock_take(&object->foreign_lock);
	list_for_each(link, &object->foreign) {
		uint64_t first;

		if (object_foreign_covers(
			    container_of(link, struct foreign_write, link),
			    index, count, &first))
			count = first > index ? first - index : 0;
	}
	lock_drop(&object->foreign_lock);
	return count;
}

/* foreign_lock is held. */
static bool listed(const struct object *object, uint64_t index)
{
	const struct list *link;
	uint64_t first;

	list_for_each(link, &object->foreign)
		if (object_foreign_covers(
			    container_of(link, struct foreign_write, link),
			    index, 1, &first))
			return true;
	return false;
}

void object_await_foreign(struct object *object, uint64_t index)
{
	if (atomic_load(&object->foreign_count) == 0) /* as above */
		return;
	hook_point(HOOK_PARK, &object->table, index);
	lock_take(&object->foreign_lock);
	while (listed(object, index))
		condition_wait(&object->foreign_ended, &object->foreign_lock);
	lock_drop(&object->foreign_lock);
}

/* For what is in this state to leave it. */
static void wait_for(struct object *object, const struct foreign_write *write,
		     enum page_state state)
{
	struct wait_table *waits = &object->host->cache->waits;
	uint64_t index = write->index, end = index + write->count;

	while ((index = page_table_next(&object->table, index)) < end) {
		page_word *word = object_word(object, index);

		while (word_state(atomic_load(word)) == state)
			wait_for_change(waits, &object->table, index, word,
					state);
		index++;
	}
}

static void set_pages(const struct object *object, struct foreign_write *write,
		      uint64_t index, uint64_t count)
{
	uint64_t pages = object->table.pages;

	write->index = index < pages ? index : pages;
	write->count = count < pages - write->index ? count
						    : pages - write->index;
}

void object_foreign_list(struct object *object, struct foreign_write *write,
			 uint64_t index, uint64_t count)
{
	write->word = NULL;
	set_pages(object, write, index, count);
	write->remembers = false;
	write->remembered_count = 0;
	list_init(&write->remembered);
	lock_take(&object->foreign_lock);
	list_add_tail(&object->foreign, &write->link);
	/* Rule 11: seen by who has swapped a page to WRITING. */
	atomic_fetch_add(&object->foreign_count, 1);
	lock_drop(&object->foreign_lock);
}

void object_foreign_await(struct object *object,
			  const struct foreign_write *write)
{
	wait_for(object, write, PAGE_WRITING);
	/* Who writes whole pages counts first, and then looks at the list: what
	 * he has of ours is in the set after that. */
	if (atomic_load(&object->putting) > 0)
		wait_for(object, write, PAGE_READING);
}

void object_foreign_begin(struct object *object, struct foreign_write *write,
			  uint64_t index, uint64_t count)
{
	object_foreign_list(object, write, index, count);
	object_foreign_await(object, write);
}

void object_foreign_end(struct object *object, struct foreign_write *write)
{
	struct object_host *host = object->host;
	struct cache *cache = host->cache;

	lock_take(&object->foreign_lock);
	list_remove(&write->link);
	atomic_fetch_sub(&object->foreign_count, 1);
	condition_wake_all(&object->foreign_ended);
	lock_drop(&object->foreign_lock);
	object_foreign_forget(write);
	if (object_dirty_pages(object) == 0)
		return;
	/* The flusher has passed them over: it is asked once more, as after
	 * a store, or by whoever found no room. */
	host->dirtied(host->context);
	if (atomic_load(&cache->hungry) && cache->pressure)
		cache->pressure(cache->pressure_context);
}

/* ---- one that stands ---- */

bool object_foreign_stand(struct object *object, struct foreign_write *write,
			  _Atomic uint64_t *word)
{
	bool clean;

	lock_take(&object->foreign_lock);
	lock_take(&object->dirty_lock);
	clean = object_dirty_count(object) == 0;
	if (clean) {
		/* Who is about to dirty a page looks at the list once more. */
		atomic_fetch_add(&object->foreign_changes, 1);
		atomic_store(word, FOREIGN_IDLE); /* its client's */
		write->word = word;
	}
	lock_drop(&object->dirty_lock);
	if (clean)
		object_foreign_forget(write);
	condition_wake_all(&object->foreign_ended);
	lock_drop(&object->foreign_lock);
	return clean;
}

void object_foreign_stop(struct object *object, struct foreign_write *write)
{
	uint64_t index, count;

	lock_take(&object->foreign_lock);
	/* The client begins nothing any more. */
	decode(atomic_exchange(write->word, FOREIGN_NONE), &index, &count);
	write->word = NULL;
	set_pages(object, write, index, count);
	lock_drop(&object->foreign_lock);
}

bool object_foreign_retire(struct object *object, struct foreign_write *write)
{
	bool over;

	lock_take(&object->foreign_lock);
	object_foreign_revoke(write);
	over = atomic_load(write->word) == FOREIGN_NONE; /* the client's */
	lock_drop(&object->foreign_lock);
	return over;
}

/* foreign_lock is held. */
void object_foreign_revoke(const struct foreign_write *write)
{
	uint64_t idle = FOREIGN_IDLE;

	if (write->word) /* the client takes it from there, too */
		atomic_compare_exchange_strong(write->word, &idle,
					       FOREIGN_NONE);
}
