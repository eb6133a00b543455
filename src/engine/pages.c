/* pages.c - what is known of pages, and all dirty ones sent home */
/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

#include "mmu/mmu_soft.h"

#include <errno.h>
#include <string.h>

/* The public values are the words' own; but in which memory a clean page lies
 * nobody can tell. */
static enum quire_page_state state_of(const struct object *object,
				      uint64_t index)
{
	enum page_state state;

	if (index >= object_pages(object))
		return QUIRE_PAGE_PAST_END;
	state = word_state(atomic_load(object_word(object, index)));
	return state == PAGE_LODGED ? QUIRE_PAGE_CLEAN
				    : (enum quire_page_state)state;
}

int quire_object_pages(struct quire_object *handle, uint64_t offset,
		       size_t length, unsigned char *states)
{
	uint64_t index = offset >> PAGE_SHIFT;
	int error = engine_check(engine_of(handle));

	_Static_assert((int)QUIRE_PAGE_EVICTING == (int)PAGE_EVICTING,
		       "public and inner states are the same");
	if (error)
		return error;
	error_clear();
	if (offset & PAGE_MASK || length > UINT64_MAX - offset)
		return error_say(-EINVAL, "pages from byte %llu on",
				 (unsigned long long)offset);
	for (uint64_t i = 0; i < page_round_up(length) >> PAGE_SHIFT; i++)
		states[i] = (unsigned char)state_of(handle->object, index + i);
	return 0;
}

/* ---- by address ---- */

static int prot_of(uint32_t flags)
{
	return (flags & SOFT_READ ? PROT_READ : 0) |
	       (flags & SOFT_WRITE ? PROT_WRITE : 0) |
	       (flags & SOFT_EXECUTE ? PROT_EXEC : 0);
}

static enum quire_page_source source_of(const struct soft_translation *seen)
{
	if (!seen->flags)
		return QUIRE_SOURCE_NONE;
	if (seen->flags & SOFT_GUARD)
		return QUIRE_SOURCE_GUARD;
	if (seen->flags & SOFT_PRIVATE)
		return QUIRE_SOURCE_PRIVATE;
	return seen->owner ? QUIRE_SOURCE_OBJECT : QUIRE_SOURCE_ZEROS;
}

/* Under the space's lock, which keeps the owner alive. */
static void look(struct quire_space *space, uint64_t address,
		 struct quire_page *page)
{
	struct soft_translation seen = soft_look(space->mmu, address);

	*page = (struct quire_page){
		.source = source_of(&seen),
		.prot = prot_of(seen.flags),
		.index = seen.index,
		.accessed = seen.flags & SOFT_ACCESSED,
		.stored = seen.flags & SOFT_DIRTY,
	};
	if (page->source == QUIRE_SOURCE_PRIVATE)
		page->holders = anon_holds(&space->quire->anon, seen.index);
	if (page->source == QUIRE_SOURCE_PRIVATE ||
	    page->source == QUIRE_SOURCE_OBJECT)
		page->state = state_of(seen.owner, seen.index);
}

int quire_space_page(struct quire_space *space, const void *address,
		     struct quire_page *page)
{
	uint64_t at = page_round_down((uint64_t)(uintptr_t)address);
	int error = engine_check(space->quire);
	struct quire_page found;

	if (error)
		return error;
	error_clear();
	if (!space->soft)
		return error_say(-EOPNOTSUPP,
				 "the host's page table cannot be asked");
	rwlock_take_read(&space->space.lock);
	if (space_find(&space->space, at))
		look(space, at, &found);
	else
		error = -ENOMEM;
	rwlock_drop_read(&space->space.lock);
	if (error)
		return error_say(error, "nothing is mapped at 0x%llx",
				 (unsigned long long)at);
	*page = found;
	return 0;
}

/* ---- all that is dirty ---- */

int quire_flush(struct quire *quire)
{
	struct object *object = NULL;
	int result = engine_check(quire);

	if (result)
		return result;
	error_clear();
	while ((object = object_next(&quire->host, object))) {
		int error = writeback_sync(&quire->writeback, object, 0,
					   UINT64_MAX, false);

		if (error && !result)
			result = error_say_first(error, "%s: flush: %s",
						 object_identity(object)->name,
						 strerror(-error));
	}
	return result;
}
