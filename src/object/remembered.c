/* remembered.c - what pages were before they became dirty */
/* SPDX-License-Identifier: MIT */
/*
 * Somebody writes past the object, and others have seen his bytes in a page and
 * have stored to it before he says that he is done.  What of such a page is
 * newer, the store's bytes or those in memory?  If it is known what it was
 * while it was CLEAN: what differs from that was stored since.
 *
 *	remembers   counts it; then looks at the set of dirty pages
 *	refreshes   under the set's lock a page is filled, then counts it
 *	reads anew  counts it while the page is READING
 *	stands      counts it, under the set's lock, if the set is empty
 *	dirties     the count; the page is copied for all who remember, if the
 *	            count is the same, and none that stands is idle any more;
 *	            under the set's lock the count again, then DIRTY
 *
 * (rule 11): a page is in the set by then, or its copy is made, and is of the
 * bytes that it became dirty with.
 */
#include "object/object_private.h"

#include "os/memory.h"

#include <stdlib.h>
#include <string.h>

#define REMEMBERED_MOST 256u /* of one write */

struct remembered_page {
	struct list link;
	uint64_t index;
	unsigned char bytes[PAGE_SIZE];
};

/* [foreign_lock] */
static bool asks(const struct foreign_write *write, uint64_t index)
{
	uint64_t first;

	return write->remembers &&
	       object_foreign_covers(write, index, 1, &first);
}

/* [foreign_lock] */
static struct remembered_page *find(const struct foreign_write *write,
				    uint64_t index)
{
	const struct list *link;

	list_for_each(link, &write->remembered) {
		struct remembered_page *page =
			container_of(link, struct remembered_page, link);

		if (page->index == index)
			return page;
	}
	return NULL;
}

/* [foreign_lock] What it was last counts: it may have been cut since. */
static void enter(struct foreign_write *write, uint64_t index,
		  const unsigned char *bytes)
{
	struct remembered_page *page = find(write, index);

	if (!page) {
		if (write->remembered_count >= REMEMBERED_MOST)
			return;
		page = malloc(sizeof(*page));
		if (!page)
			return;
		page->index = index;
		list_add_tail(&write->remembered, &page->link);
		write->remembered_count++;
	}
	memcpy(page->bytes, bytes, PAGE_SIZE);
}

/* But if the page may have changed since: the newer ones are entered, by us or
 * by who was faster. */
static void enter_all(struct object *object, uint64_t index,
		      const unsigned char *bytes, uint64_t seen)
{
	struct list *link;

	lock_take(&object->foreign_lock);
	list_for_each(link, &object->foreign) {
		struct foreign_write *write =
			container_of(link, struct foreign_write, link);

		if (asks(write, index) &&
		    atomic_load(&object->foreign_changes) == seen)
			enter(write, index, bytes);
	}
	lock_drop(&object->foreign_lock);
}

/* Pinned it stays in memory; and is CLEAN until it has been copied whole. */
static bool copy_clean(struct object *object, uint64_t index,
		       unsigned char *bytes)
{
	page_word *word = object_word(object, index);
	bool copied;

	if (page_take_rpin(word, false) != PAGE_TAKEN)
		return false;
	copied = memory_file_read(object->memory, bytes, PAGE_SIZE,
				  index << PAGE_SHIFT) == 0 &&
		 word_state(atomic_load(word)) == PAGE_CLEAN;
	object_let_go(object, index, 1, false);
	return copied;
}

/* Does anybody want to know?  None that stands is idle then. */
static bool is_asked(struct object *object, uint64_t index)
{
	const struct list *link;
	bool asked = false;

	/* Who asks is counted before. */
	if (atomic_load(&object->foreign_count) == 0)
		return false;
	lock_take(&object->foreign_lock);
	list_for_each(link, &object->foreign) {
		const struct foreign_write *write =
			container_of(link, struct foreign_write, link);

		object_foreign_revoke(write);
		asked |= asks(write, index);
	}
	lock_drop(&object->foreign_lock);
	return asked;
}

static __attribute__((noinline)) void remember(struct object *object,
					       uint64_t index, uint64_t seen)
{
	unsigned char bytes[PAGE_SIZE];

	if (copy_clean(object, index, bytes))
		enter_all(object, index, bytes, seen);
	hook_point(HOOK_REMEMBERED, &object->table, index);
}

void object_lock_dirty(struct object *object, uint64_t index)
{
	uint64_t seen;

	for (;;) {
		seen = atomic_load(&object->foreign_changes);
		if (is_asked(object, index))
			remember(object, index, seen);
		lock_take(&object->dirty_lock);
		/* Pairs with all who count. */
		if (atomic_load(&object->foreign_changes) == seen)
			return;
		lock_drop(&object->dirty_lock);
	}
}

void object_foreign_remember(struct object *object, struct foreign_write *write)
{
	lock_take(&object->foreign_lock);
	write->remembers = true;
	atomic_fetch_add(&object->foreign_changes, 1);
	lock_drop(&object->foreign_lock);
}

bool object_foreign_remembers_any(struct object *object,
				  const struct foreign_write *write)
{
	bool any;

	lock_take(&object->foreign_lock);
	any = write->remembered_count > 0;
	lock_drop(&object->foreign_lock);
	return any;
}

bool object_foreign_recall(struct object *object,
			   const struct foreign_write *write, uint64_t index,
			   void *bytes)
{
	const struct remembered_page *page;

	lock_take(&object->foreign_lock);
	page = find(write, index);
	if (page)
		memcpy(bytes, page->bytes, PAGE_SIZE);
	lock_drop(&object->foreign_lock);
	return page != NULL;
}

void object_foreign_forget(struct foreign_write *write)
{
	struct list *link;

	while ((link = list_pop(&write->remembered)))
		free(container_of(link, struct remembered_page, link));
	write->remembered_count = 0;
}
