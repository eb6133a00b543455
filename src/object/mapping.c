/* mapping.c - where an object is mapped, for those who protect it */
/* SPDX-License-Identifier: MIT */
#include "object/object_private.h"

#include "os/memory.h"

#include <errno.h>
#include <sys/uio.h>
#include <time.h>

/* While a layout changes: a thread of that process gets to run meanwhile. */
#define CHANGING_PAUSE_NS 100000
#define FORGET_AT_ONCE 64 /* runs */

void object_attach(struct object *object, struct mapping *mapping)
{
	lock_take(&object->mappings_lock);
	list_add_tail(&object->mappings, &mapping->link);
	lock_drop(&object->mappings_lock);
}

void object_detach(struct object *object, struct mapping *mapping)
{
	lock_take(&object->mappings_lock);
	list_remove(&mapping->link);
	lock_drop(&object->mappings_lock);
}

void object_adjust(struct object *object, struct mapping *mapping,
		   uint64_t start, uint64_t end, uint64_t index)
{
	lock_take(&object->mappings_lock);
	mapping->start = start;
	mapping->end = end;
	mapping->index = index & MAPPING_INDEX_MASK;
	lock_drop(&object->mappings_lock);
}

void object_mark(struct object *object, struct mapping *mapping, bool locked,
		 bool untrapped)
{
	lock_take(&object->mappings_lock);
	mapping->locked = locked;
	mapping->untrapped = untrapped;
	lock_drop(&object->mappings_lock);
}

uint64_t object_mapped_bytes(struct object *object)
{
	const struct list *link;
	uint64_t bytes = 0;

	lock_take(&object->mappings_lock);
	list_for_each(link, &object->mappings) {
		const struct mapping *mapping =
			container_of(link, struct mapping, link);

		bytes += mapping->end - mapping->start;
	}
	lock_drop(&object->mappings_lock);
	return bytes;
}

static bool locks(const struct mapping *mapping, uint64_t index)
{
	uint64_t pages = (mapping->end - mapping->start) >> PAGE_SHIFT;

	return mapping->locked && index >= mapping->index &&
	       index - mapping->index < pages;
}

bool object_locked_elsewhere(struct object *object,
			     const struct mapping *mapping, uint64_t index)
{
	const struct list *link;
	bool found = false;

	lock_take(&object->mappings_lock);
	list_for_each(link, &object->mappings) {
		const struct mapping *other =
			container_of(link, struct mapping, link);

		if (other != mapping && locks(other, index))
			found = true;
	}
	lock_drop(&object->mappings_lock);
	return found;
}

bool mapping_clip(const struct mapping *mapping, uint64_t index, uint64_t count,
		  struct mapping *part)
{
	uint64_t pages = (mapping->end - mapping->start) >> PAGE_SHIFT;
	uint64_t first = index > mapping->index ? index : mapping->index;
	uint64_t end = index + count < mapping->index + pages
			       ? index + count
			       : mapping->index + pages;

	if (first >= end)
		return false;
	part->start = mapping->start + ((first - mapping->index) << PAGE_SHIFT);
	part->end = mapping->start + ((end - mapping->index) << PAGE_SHIFT);
	return true;
}

bool object_is_mapped(struct object *object, uint64_t index, uint64_t count)
{
	const struct list *link;
	struct mapping part;
	bool found = false;

	lock_take(&object->mappings_lock);
	list_for_each(link, &object->mappings)
		if (mapping_clip(container_of(link, struct mapping, link),
				 index, count, &part))
			found = true;
	lock_drop(&object->mappings_lock);
	return found;
}

bool object_mapped_at(struct object *object, const struct mmu *mmu,
		      uint64_t index, uint64_t *address)
{
	struct list *link;
	struct mapping part;
	bool found = false;

	lock_take(&object->mappings_lock);
	list_for_each(link, &object->mappings) {
		const struct mapping *mapping =
			container_of(link, struct mapping, link);

		found = mapping->mmu == mmu &&
			mapping_clip(mapping, index, 1, &part);
		if (found)
			break;
	}
	lock_drop(&object->mappings_lock);
	if (found)
		*address = part.start;
	return found;
}

static int protect_in(const struct mapping *mapping, uint64_t index,
		      uint64_t count)
{
	struct mapping part;

	if (!mapping->shared || mapping->lodges ||
	    !mapping_clip(mapping, index, count, &part))
		return 0;
	return mmu_write_protect(mapping->mmu, part.start,
				 part.end - part.start);
}

/*
 * One call goes over what lies between the runs as well, which costs a trap at
 * most.  But of another process's no more than was asked for: a page that it
 * has kept is never protected while it is pinned (server/robust.c).
 */
static int protect_runs_in(const struct mapping *mapping,
			   const struct page_span *runs, unsigned count)
{
	const struct page_span *last = &runs[count - 1];
	int error = 0;

	if (!mapping->mmu->remote)
		return protect_in(mapping, runs[0].index,
				  last->index + last->count - runs[0].index);
	for (unsigned i = 0; i < count && !error; i++)
		error = protect_in(mapping, runs[i].index, runs[i].count);
	return error;
}

static int hide_in(const struct mapping *mapping, const struct page_span *run,
		   unsigned count)
{
	struct mapping part;

	(void)count;
	if (!mmu_must_hide(mapping->mmu) ||
	    !mapping_clip(mapping, run->index, run->count, &part))
		return 0;
	return mmu_hide(mapping->mmu, part.start, part.end - part.start);
}

/* Calls it for each mapping, up to the first error. */
static int for_each_mapping(struct object *object, const struct page_span *runs,
			    unsigned count,
			    int (*call)(const struct mapping *,
					const struct page_span *, unsigned))
{
	struct list *link;
	int error = 0;

	lock_take(&object->mappings_lock);
	list_for_each(link, &object->mappings) {
		error = call(container_of(link, struct mapping, link), runs,
			     count);
		if (error)
			break;
	}
	lock_drop(&object->mappings_lock);
	return error;
}

/*
 * A mapping of another process may be elsewhere meanwhile, or there may be one
 * more since a fork: then all are walked anew.
 */
int object_write_protect(struct object *object, const struct page_span *runs,
			 unsigned count)
{
	const struct timespec pause = { .tv_nsec = CHANGING_PAUSE_NS };
	int error = for_each_mapping(object, runs, count, protect_runs_in);

	while (error == -EAGAIN) {
		nanosleep(&pause, NULL);
		error = for_each_mapping(object, runs, count, protect_runs_in);
	}
	return error;
}

int object_hide(struct object *object, uint64_t index, uint64_t count)
{
	const struct page_span run = { .index = index, .count = count };

	return for_each_mapping(object, &run, 1, hide_in);
}

static void forget_untrapped(const struct mapping *mapping,
			     const struct page_run *runs, unsigned count)
{
	struct iovec ranges[FORGET_AT_ONCE];
	struct mapping part;
	unsigned n = 0;

	for (unsigned i = 0; i < count && n < FORGET_AT_ONCE; i++)
		if (mapping_clip(mapping, runs[i].index, runs[i].count, &part))
			ranges[n++] = (struct iovec){
				.iov_base = (void *)(uintptr_t)part.start,
				.iov_len = part.end - part.start,
			};
	if (n > 1) /* a hole alone costs no more */
		memory_forget_many(ranges, n);
}

void object_leave_untrapped(struct object *object, const struct page_run *runs,
			    unsigned count)
{
	const struct list *link;

	lock_take(&object->mappings_lock);
	list_for_each(link, &object->mappings) {
		const struct mapping *mapping =
			container_of(link, struct mapping, link);

		if (mapping->untrapped)
			forget_untrapped(mapping, runs, count);
	}
	lock_drop(&object->mappings_lock);
}

void object_forget_behind(struct object *object, uint64_t index,
			  const struct mmu *mmu)
{
	struct list *link;

	lock_take(&object->mappings_lock);
	list_for_each(link, &object->mappings) {
		const struct mapping *mapping =
			container_of(link, struct mapping, link);
		struct mapping part;

		if (mapping->mmu == mmu &&
		    mapping_clip(mapping, index, MAPPING_INDEX_MASK - index,
				 &part))
			mmu_forget(mapping->mmu, part.start,
				   part.end - part.start, false);
	}
	lock_drop(&object->mappings_lock);
}
