/* lock.c - mlock: pages of a range stay in memory */
/* SPDX-License-Identifier: MIT */
/*
 * Linux's mm/mlock.c.  A mapping has VM_LOCKED, with VM_LOCKONFAULT if pages
 * are not brought in beforehand; the object is told which of its pages are
 * locked, and locks those that come later when they come.  Private pages of the
 * software MMU are slots: those that are there are locked here, and later ones
 * by the fault that makes them.
 *
 *   lock     the pages, which may fail --> the flag
 *   unlock   the pages that no other mapping locks --> the flag
 */
#include "space/advise.h"
#include "space/space_private.h"

#include "mmu/mmu_soft.h"

#include <errno.h>

/* What mlock passes over. */
#define VM_NEVER_LOCKED (VM_SPECIAL | VM_HUGETLB | VM_DROPPABLE)

/* ---- pages ---- */

static bool has_slots(const struct space *space, const struct vma *vma)
{
	return space->mmu->soft && !(vma->flags & VM_MAYSHARE);
}

/*
 * Does it lock pages of the object?  Not where each page is brought in as a
 * copy of its own: the object's would take room for nothing.
 */
static bool locks_object(const struct vma *vma, uint64_t flags)
{
	return vma->handle && (vma->mapping.shared || !(flags & VM_WRITE) ||
			       (flags & VM_LOCKONFAULT));
}

/* The private pages in [start, end), locked or unlocked. */
static int change_slots(const struct space *space, uint64_t start, uint64_t end,
			bool lock)
{
	struct soft_translation slot;
	int error = 0;

	while (!error && soft_next(space->mmu, &start, end, &slot)) {
		if ((slot.flags & SOFT_PRIVATE) && lock)
			error = object_lock_pages(slot.owner, slot.index, 1);
		else if (slot.flags & SOFT_PRIVATE)
			object_unlock_pages(slot.owner, slot.index, 1);
		start += PAGE_SIZE;
	}
	return error;
}

void vma_unlock_slots(const struct space *space, const struct vma *vma,
		      uint64_t start, uint64_t end)
{
	if (has_slots(space, vma))
		(void)change_slots(space, start, end, false);
}

void vma_unlock_going_slots(const struct space *space, const struct vma *first,
			    uint64_t start, uint64_t end)
{
	const struct vma *vma = first;

	for (; vma && vma->mapping.start < end; vma = space_next(vma)) {
		uint64_t from = vma->mapping.start, to = vma->mapping.end;

		if (vma->flags & VM_LOCKED)
			vma_unlock_slots(space, vma,
					 from > start ? from : start,
					 to < end ? to : end);
	}
}

/* The object's pages, but for those that another mapping locks. */
static void unlock_object(const struct vma *vma, uint64_t start, uint64_t end)
{
	struct object *object = vma->handle->object;
	uint64_t index = vma_index_at(vma, start);
	uint64_t last = index + ((end - start) >> PAGE_SHIFT);

	while (index < last) {
		uint64_t run = index;

		while (run < last &&
		       !object_locked_elsewhere(object, &vma->mapping, run))
			run++;
		if (run > index)
			object_unlock_pages(object, index, run - index);
		index = run + 1;
	}
}

void vma_unlock_part(const struct space *space, const struct vma *vma,
		     uint64_t start, uint64_t end)
{
	if (!(vma->flags & VM_LOCKED))
		return;
	trace("munlock", "0x%llx-0x%llx", (unsigned long long)start,
	      (unsigned long long)end);
	vma_unlock_slots(space, vma, start, end);
	if (vma->handle)
		unlock_object(vma, start, end);
}

/* The part of vma, which will have these flags. */
static int lock_part(const struct space *space, const struct vma *vma,
		     const struct vma_change *change)
{
	uint64_t start = change->start, end = change->end;
	int error = 0;

	trace("mlock", "0x%llx-0x%llx", (unsigned long long)start,
	      (unsigned long long)end);
	/* What came since space_bring_home(): who locks it brings it in anew. */
	vma_drop_lodged(vma, start, end);
	if (locks_object(vma, change->flags))
		error = object_lock_pages(vma->handle->object,
					  vma_index_at(vma, start),
					  (end - start) >> PAGE_SHIFT);
	if (error || !has_slots(space, vma))
		return error;
	error = change_slots(space, start, end, true);
	if (error) {
		(void)change_slots(space, start, end, false);
		if (vma->handle)
			unlock_object(vma, start, end);
	}
	return error;
}

int vma_prepare_lock(const struct vma *vma)
{
	if (!(vma->flags & VM_LOCKED) || !locks_object(vma, vma->flags))
		return 0;
	/* No page yet, but the memory to note them. */
	return object_lock_pages(vma->handle->object, 0, 0);
}

void vma_lock_grown(const struct vma *vma, uint64_t start, uint64_t end)
{
	if (!(vma->flags & VM_LOCKED) || !locks_object(vma, vma->flags))
		return;
	check(object_lock_pages(vma->handle->object, vma_index_at(vma, start),
				(end - start) >> PAGE_SHIFT) == 0,
	      "what was prepared can be locked");
}

void vma_lock_new(const struct vma *vma)
{
	vma_lock_grown(vma, vma->mapping.start, vma->mapping.end);
}

/* ---- flags: mlock_fixup(), apply_vma_lock_flags() ---- */

/* It was refused: nothing has changed, then. */
static void lock_again(const struct space *space, const struct vma *vma,
		       const struct vma_change *refused)
{
	struct vma_change old = *refused;

	old.flags = vma->flags;
	if (old.flags & VM_LOCKED) {
		(void)lock_part(space, vma, &old);
		return;
	}
	if (vma->handle)
		unlock_object(vma, old.start, old.end);
	vma_unlock_slots(space, vma, old.start, old.end);
}

/* *vma is what holds the range then. */
static int lock_vma(struct space *space, struct vma **vma,
		    struct vma_change *change, struct vma_stock *stock)
{
	bool was = (*vma)->flags & VM_LOCKED;
	bool will = change->flags & VM_LOCKED;
	int error = 0;

	if (change->flags == (*vma)->flags || ((*vma)->flags & VM_NEVER_LOCKED))
		return 0;
	if (will && !was)
		error = lock_part(space, *vma, change);
	else if (was && !will)
		vma_unlock_part(space, *vma, change->start, change->end);
	if (error)
		return error;
	error = vma_modify_within_limit(space, vma, change, stock);
	if (error && was != will)
		lock_again(space, *vma, change);
	return error;
}

static int apply(struct space *space, uint64_t at, uint64_t end, uint64_t flags,
		 struct vma_stock *stock)
{
	struct vma *vma = vma_find(space, at);
	int error = 0;

	while (!error && at < end) {
		struct vma_change change = { .start = at };

		if (!vma || vma->mapping.start > at)
			return say_hole(at);
		change.end = vma->mapping.end < end ? vma->mapping.end : end;
		change.flags = (vma->flags & ~VM_LOCKED_MASK) | flags;
		error = lock_vma(space, &vma, &change, stock);
		at = change.end;
		/* A neighbour may have taken it over, and more. */
		while (vma && vma->mapping.end <= at)
			vma = space_next(vma);
	}
	return error;
}

/* ---- limits ---- */

/* The part of vma in [start, end), pages. */
static uint64_t part_pages(const struct vma *vma, uint64_t start, uint64_t end)
{
	uint64_t from = vma->mapping.start > start ? vma->mapping.start : start;
	uint64_t to = vma->mapping.end < end ? vma->mapping.end : end;

	return from < to ? (to - from) >> PAGE_SHIFT : 0;
}

/* count_mm_mlocked_page_nr() */
static uint64_t locked_in(const struct space *space, uint64_t start,
			  uint64_t end)
{
	const struct vma *vma = space_find_intersection(space, start, end);
	uint64_t pages = 0;

	for (; vma && vma->mapping.start < end; vma = space_next(vma))
		if (vma->flags & VM_LOCKED)
			pages += part_pages(vma, start, end);
	return pages;
}

static int check_limit(const struct space *space, uint64_t start, uint64_t end)
{
	uint64_t limit = space->limit[SPACE_LIMIT_LOCKED] >> PAGE_SHIFT;
	uint64_t pages = ((end - start) >> PAGE_SHIFT) + space->locked_pages;

	if (pages <= limit || (space->flags & SPACE_MAY_LOCK))
		return 0;
	if (pages - locked_in(space, start, end) <= limit)
		return 0;
	return error_say(-ENOMEM, "more than %llu pages would be locked",
			 (unsigned long long)limit);
}

/*
 * Pages that are, or would be, locked and in memory at once, with [start, end)
 * locked.  If they all fitted, what others need would have no room.
 */
static int check_room(const struct space *space, uint64_t start, uint64_t end,
		      uint64_t room)
{
	const struct vma *vma;
	uint64_t pages = 0;

	if (space->locked_pages + ((end - start) >> PAGE_SHIFT) <= room)
		return 0;
	vma = space_find_intersection(space, 0, UINT64_MAX);
	for (; vma; vma = space_next(vma)) {
		if (vma->flags & VM_NEVER_LOCKED)
			continue;
		if ((vma->flags & VM_LOCKED_MASK) == VM_LOCKED)
			pages += vma_pages(vma);
		else
			pages += part_pages(vma, start, end);
	}
	if (pages <= room)
		return 0;
	return error_say(-ENOMEM,
			 "%llu pages would be locked, and the budget has room "
			 "for %llu",
			 (unsigned long long)pages, (unsigned long long)room);
}

static int check_may_lock(const struct space *space)
{
	return can_do_mlock(space) ? 0
				   : error_say(-EPERM, "nothing may be locked");
}

/* ---- mlock, munlock ---- */

static int lock_range(struct space *space, struct vma_change *change,
		      uint64_t room, struct vma_stock *stock)
{
	int error = 0;

	if (change->flags)
		error = check_may_lock(space);
	if (!error && change->flags)
		error = check_limit(space, change->start, change->end);
	if (!error && change->flags == VM_LOCKED)
		error = check_room(space, change->start, change->end, room);
	if (!error && change->end < change->start)
		error = error_say(-EINVAL, "the range exceeds any space");
	return error ? error
		     : apply(space, change->start, change->end, change->flags,
			     stock);
}

static int change_range(struct space *space, uint64_t address, uint64_t length,
			uint64_t flags, uint64_t room)
{
	/* Modulo 2^64, as Linux does it. */
	uint64_t start = page_round_down(address);
	uint64_t bytes = page_round_up(length + (address & PAGE_MASK));
	struct vma_change change = { start, start + bytes, flags };
	struct vma_stock stock;
	int error = vma_stock_begin(space, &stock, 2);

	if (error)
		return error;
	error = lock_range(space, &change, room, &stock);
	vma_stock_end(space, &stock);
	return error;
}

int space_lock(struct space *space, uint64_t address, uint64_t length,
	       uint64_t flags, uint64_t room)
{
	/* What is locked lies in the memfd, where it can stay. */
	space_bring_home(space, address, address + length, true);
	return change_range(space, address, length, flags, room);
}

int space_unlock(struct space *space, uint64_t address, uint64_t length)
{
	return change_range(space, address, length, 0, 0);
}

/* ---- mlockall, munlockall ---- */

static uint64_t lock_flags(int flags, int which)
{
	if (!(flags & which))
		return 0;
	return VM_LOCKED | (flags & MCL_ONFAULT ? VM_LOCKONFAULT : 0);
}

/* apply_mlockall_flags(): errors are ignored. */
static void apply_all(struct space *space, int flags, struct vma_stock *stock)
{
	struct vma *vma = vma_find(space, 0);

	space->default_flags &= ~VM_LOCKED_MASK;
	space->default_flags |= lock_flags(flags, MCL_FUTURE);
	if ((flags & MCL_FUTURE) && !(flags & MCL_CURRENT))
		return;
	while (vma) {
		struct vma_change change = {
			.start = vma->mapping.start,
			.end = vma->mapping.end,
			.flags = (vma->flags & ~VM_LOCKED_MASK) |
				 lock_flags(flags, MCL_CURRENT),
		};

		(void)lock_vma(space, &vma, &change, stock);
		while (vma && vma->mapping.end <= change.end)
			vma = space_next(vma);
	}
}

static int check_all(const struct space *space, int flags, uint64_t room)
{
	uint64_t limit = space->limit[SPACE_LIMIT_LOCKED] >> PAGE_SHIFT;
	int error = flags ? check_may_lock(space) : 0;

	if (error || !(flags & MCL_CURRENT))
		return error;
	if (space->total_pages > limit && !(space->flags & SPACE_MAY_LOCK))
		return error_say(-ENOMEM,
				 "more than %llu pages would be locked",
				 (unsigned long long)limit);
	return flags & MCL_ONFAULT ? 0
				   : check_room(space, space->mmu->lowest,
						space->mmu->highest, room);
}

int space_lock_all(struct space *space, int flags, uint64_t room)
{
	struct vma_stock stock;
	int error;

	space_bring_home(space, 0, space->mmu->highest, true);
	error = vma_stock_begin(space, &stock, 2);
	if (error)
		return error;
	error = check_all(space, flags, room);
	if (!error)
		apply_all(space, flags, &stock);
	vma_stock_end(space, &stock);
	return error;
}
