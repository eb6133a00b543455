/* foreign.c - somebody else writes in the store */
/* SPDX-License-Identifier: MIT */
/*
 * Somebody writes past the object, with write(2) on the file that it shows:
 *
 *   begin    his pages are listed; writes under way there are waited for
 *              -> no write-back of theirs is under way, or will be
 *   he writes
 *   refresh  what is in memory follows (refresh.c)
 *   end      the pages leave the list; whoever waited to write goes on
 */
#include "object/object_private.h"

static bool covers(const struct foreign_write *write, uint64_t index,
		   uint64_t count)
{
	return index < write->index + write->count &&
	       write->index < index + count;
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
		const struct foreign_write *write =
			container_of(link, struct foreign_write, link);

		if (covers(write, index, count))
			count = write->index > index ? write->index - index : 0;
	}
	lock_drop(&object->foreign_lock);
	return count;
}

/* foreign_lock is held. */
static bool listed(const struct object *object, uint64_t index)
{
	const struct list *link;

	list_for_each(link, &object->foreign)
		if (covers(container_of(link, struct foreign_write, link),
			   index, 1))
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

static void wait_for_writes(struct object *object, uint64_t index, uint64_t end)
{
	struct wait_table *waits = &object->host->cache->waits;

	while ((index = page_table_next(&object->table, index)) < end) {
		page_word *word = object_word(object, index);

		while (word_state(atomic_load(word)) == PAGE_WRITING)
			wait_for_change(waits, &object->table, index, word,
					PAGE_WRITING);
		index++;
	}
}

void object_foreign_list(struct object *object, struct foreign_write *write,
			 uint64_t index, uint64_t count)
{
	uint64_t pages = object->table.pages;

	write->index = index < pages ? index : pages;
	write->count = count < pages - write->index ? count
						    : pages - write->index;
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
	wait_for_writes(object, write->index, write->index + write->count);
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
