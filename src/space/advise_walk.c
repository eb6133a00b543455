/* advise_walk.c - madvise: which pages are meant, one stretch at a time */
/* SPDX-License-Identifier: MIT */
/*
 *   lock -> the VMA at walk->at: may it be advised so?
 *             -> translations are dropped, or guards put (under the write lock)
 *             -> whose pages stand there: the handle, the slots are held, and
 *                bytes that will be discarded are taken in the backing, so that
 *                nobody who maps there meanwhile has the same ones
 *        -> unlock; the caller acts; space_run_drop()
 *
 * On the software MMU private pages are slots of the pool, found by their
 * translations; on the host's a private copy is the host's own business.
 */
#include "space/advise.h"
#include "space/space_private.h"

#include "mmu/mmu_soft.h"

#include <errno.h>

#define SLOTS_MOST 512 /* in one stretch */

static int refuse(const struct vma *vma, int error, const char *why)
{
	return error_say(error, "the mapping at 0x%llx %s",
			 (unsigned long long)vma->mapping.start, why);
}

/* ---- may it be advised so? ---- */

static bool is_dontneed(int advice)
{
	return advice == MADV_DONTNEED || advice == MADV_DONTNEED_LOCKED;
}

/* As Linux: less than a huge page is not dropped. */
static int admit_huge(const struct vma *vma, int advice, struct space_run *run)
{
	uint64_t mask = (UINT64_C(1) << vma_page_shift(vma)) - 1;

	if (!is_dontneed(advice))
		return refuse(vma, -EINVAL, "has huge pages");
	if (run->start & mask)
		return refuse(vma, -EINVAL, "is not cut inside a huge page");
	run->end &= ~mask;
	return 0;
}

/* madvise_dontneed_free_valid_vma() */
static int admit_drop(const struct vma *vma, int advice, struct space_run *run)
{
	if (vma->flags & VM_HUGETLB)
		return admit_huge(vma, advice, run);
	if (vma->flags & VM_PFNMAP)
		return refuse(vma, -EINVAL, "shows chosen frames");
	if ((vma->flags & VM_LOCKED) && advice != MADV_DONTNEED_LOCKED)
		return refuse(vma, -EINVAL, "is locked");
	if (advice == MADV_FREE && !vma_is_anonymous(vma))
		return refuse(vma, -EINVAL, "is not private and anonymous");
	return 0;
}

/* madvise_remove() */
static int admit_remove(const struct vma *vma, const struct space_run *run)
{
	if (vma->flags & VM_LOCKED)
		return refuse(vma, -EINVAL, "is locked");
	if (vma_anonymous(vma))
		return refuse(vma, -EINVAL, "is no object's");
	if ((vma->flags & (VM_SHARED | VM_MAYWRITE)) !=
	    (VM_SHARED | VM_MAYWRITE))
		return refuse(vma, -EACCES, "is not shared for writing");
	if (vma->flags & VM_PFNMAP)
		return refuse(vma, -EOPNOTSUPP, "shows chosen frames");
	/* vfs_fallocate(); what mremap has added may lie there. */
	if (vma_index_at(vma, run->start) > INT64_MAX >> PAGE_SHIFT)
		return refuse(vma, -EINVAL, "is past any offset there");
	return 0;
}

/* can_madv_lru_vma(), is_valid_guard_vma() */
static int admit_flags(const struct vma *vma, uint64_t forbidden)
{
	return vma->flags & forbidden
		       ? refuse(vma, -EINVAL, "cannot be advised so")
		       : 0;
}

static int admit(const struct vma *vma, int advice, struct space_run *run)
{
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_FREE:
		return admit_drop(vma, advice, run);
	case MADV_REMOVE:
		return admit_remove(vma, run);
	case MADV_COLD:
	case MADV_PAGEOUT:
		return admit_flags(vma, VM_LOCKED | VM_PFNMAP | VM_HUGETLB);
	case MADV_GUARD_INSTALL:
		return admit_flags(vma, VM_SPECIAL | VM_HUGETLB | VM_LOCKED);
	case MADV_GUARD_REMOVE:
		return admit_flags(vma, VM_SPECIAL | VM_HUGETLB);
	default: /* MADV_WILLNEED */
		return 0;
	}
}

/* ---- what is changed under the write lock ---- */

static bool changes(int advice)
{
	return is_dontneed(advice) || advice == MADV_GUARD_INSTALL ||
	       advice == MADV_GUARD_REMOVE;
}

static int put_guard(struct space *space, struct vma *vma,
		     const struct space_run *run, bool guard)
{
	int error;

	/* As Linux: there is something now that a fork must copy. */
	if (guard && vma_is_anonymous(vma))
		vma_prepare_anon(space, vma);
	if (guard) {
		vma->flags |= VM_GUARDED | VM_SHOWN;
		vma_drop_lodged(vma, run->start, run->end);
	}
	error = mmu_guard(space->mmu, run->start, run->end - run->start, guard);
	if (!error)
		return 0;
	if (error == -EOPNOTSUPP)
		error = -EINVAL; /* as a kernel that has no such advice */
	return refuse(vma, error, "could not be guarded");
}

static int change(struct space *space, struct vma *vma, int advice,
		  const struct space_run *run)
{
	int error;

	switch (advice) {
	case MADV_GUARD_INSTALL:
	case MADV_GUARD_REMOVE:
		return put_guard(space, vma, run, advice == MADV_GUARD_INSTALL);
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
		/* A locked slot that goes is nobody's to lock any more. */
		if (vma->flags & VM_LOCKED)
			vma_unlock_slots(space, vma, run->start, run->end);
		error = mmu_forget(space->mmu, run->start,
				   run->end - run->start, vma->mapping.shared);
		return error ? refuse(vma, error, "keeps its pages") : 0;
	default:
		return 0;
	}
}

/* ---- which pages ---- */

static void set_object(const struct vma *vma, struct space_run *run)
{
	run->handle = vma->handle;
	handle_take(run->handle);
	run->object = run->handle->object;
	run->index = vma_index_at(vma, run->start);
}

/* Where the leaf of a translation ends. */
static uint64_t behind(uint64_t address, uint32_t flags)
{
	uint64_t bytes = flags & SOFT_GIANT  ? UINT64_C(1) << 30
			 : flags & SOFT_HUGE ? UINT64_C(1) << 21
					     : PAGE_SIZE;

	return (address & ~(bytes - 1)) + bytes;
}

/* The next translation of a private page; *at: its address. */
static bool next_slot(struct space *space, uint64_t *at, uint64_t end,
		      struct soft_translation *slot)
{
	while (soft_next(space->mmu, at, end, slot)) {
		if (slot->flags & SOFT_PRIVATE)
			return true;
		*at = behind(*at, slot->flags);
	}
	return false;
}

/* A slot that other translations show as well is not this one's to give. */
static bool may_take(const struct space_walk *walk,
		     const struct soft_translation *slot)
{
	return walk->advice != MADV_FREE ||
	       anon_holds(walk->anon, slot->index) == 1;
}

/* From the slot at run->start on, as long as slots follow each other. */
static void set_slots(struct space *space, const struct space_walk *walk,
		      struct space_run *run, const struct soft_translation *at)
{
	uint64_t end = run->end;
	struct soft_translation next = *at;

	run->object = at->owner;
	run->index = at->index;
	run->end = run->start;
	do {
		run->end += PAGE_SIZE;
		if (walk->advice == MADV_FREE)
			anon_hold(walk->anon, next.index);
		if (run->end >= end || space_run_pages(run) == SLOTS_MOST)
			break;
		next = soft_look(space->mmu, run->end);
	} while ((next.flags & SOFT_PRIVATE) && next.owner == run->object &&
		 next.index == run->index + space_run_pages(run) &&
		 may_take(walk, &next));
	if (walk->advice == MADV_FREE)
		run->held = walk->anon;
}

/* A private mapping on the software MMU: the object's pages, or slots. */
static void set_private(struct space *space, const struct vma *vma,
			const struct space_walk *walk, struct space_run *run)
{
	struct soft_translation slot;
	uint64_t at = run->start;
	bool found = next_slot(space, &at, run->end, &slot);

	if (!found || at > run->start) {
		if (found)
			run->end = at;
		if (vma->handle)
			set_object(vma, run);
	} else if (may_take(walk, &slot)) {
		set_slots(space, walk, run, &slot);
	} else {
		run->end = at + PAGE_SIZE;
	}
}

/* Once a granule is enough: of many that do it the count must not overflow. */
static uint64_t next_granule(uint64_t index)
{
	return ((index >> BACKING_GRANULE_SHIFT) + 1) << BACKING_GRANULE_SHIFT;
}

static void take_bytes(struct space *space, struct space_run *run)
{
	uint64_t end = run->index + space_run_pages(run);

	run->taken = &space->backing;
	for (uint64_t i = run->index; i < end; i = next_granule(i))
		backing_take(run->taken, run->handle, i, 1);
}

/* Translations that are dropped already leave anonymous bytes of the host. */
static void set_pages(struct space *space, const struct vma *vma,
		      const struct space_walk *walk, struct space_run *run)
{
	int advice = walk->advice;

	if (changes(advice)) {
		if (!vma_anonymous(vma) || !vma->handle ||
		    advice == MADV_GUARD_REMOVE)
			return;
		set_object(vma, run);
		take_bytes(space, run);
	} else if (space->mmu->soft && !(vma->flags & VM_MAYSHARE)) {
		set_private(space, vma, walk, run);
	} else if (vma->handle &&
		   !(advice == MADV_WILLNEED && vma_anonymous(vma))) {
		/* (What nobody stored to is not wanted beforehand.) */
		set_object(vma, run);
		if (advice == MADV_FREE)
			take_bytes(space, run);
	}
}

/* ---- the walk ---- */

static int advise_vma(struct space *space, struct vma *vma,
		      struct space_walk *walk, struct space_run *run)
{
	int error;

	if (vma->mapping.start > walk->at) {
		walk->hole = true;
		walk->at = vma->mapping.start;
	}
	*run = (struct space_run){ .start = walk->at, .flags = vma->flags };
	run->end = vma->mapping.end < walk->end ? vma->mapping.end : walk->end;
	walk->at = run->end;
	error = admit(vma, walk->advice, run);
	if (error || run->start == run->end)
		return error;
	trace("madvise", "0x%llx-0x%llx: advice %d on its pages",
	      (unsigned long long)run->start, (unsigned long long)run->end,
	      walk->advice);
	error = change(space, vma, walk->advice, run);
	if (error)
		return error;
	set_pages(space, vma, walk, run);
	if (!changes(walk->advice))
		walk->at = run->end; /* there may be more of it */
	return 0;
}

static int next_locked(struct space *space, struct space_walk *walk,
		       struct space_run *run)
{
	struct vma *vma = space_find_intersection(space, walk->at, walk->end);
	int error;

	if (!vma) {
		walk->hole = true;
		walk->at = walk->end;
		return 0;
	}
	error = advise_vma(space, vma, walk, run);
	return error ? error : 1;
}

int space_advise_next(struct space *space, struct space_walk *walk,
		      struct space_run *run)
{
	int result;

	if (walk->at >= walk->end)
		return 0;
	if (changes(walk->advice)) {
		rwlock_take_write(&space->lock);
		result = next_locked(space, walk, run);
		rwlock_drop_write(&space->lock);
	} else {
		rwlock_take_read(&space->lock);
		result = next_locked(space, walk, run);
		rwlock_drop_read(&space->lock);
	}
	return result;
}

bool space_run_at(struct space *space, uint64_t start, uint64_t end,
		  struct space_run *run)
{
	struct vma *vma;

	*run = (struct space_run){ .start = start };
	rwlock_take_read(&space->lock);
	vma = space_find_intersection(space, start, end);
	if (vma) {
		if (run->start < vma->mapping.start)
			run->start = vma->mapping.start;
		run->end = vma->mapping.end < end ? vma->mapping.end : end;
		run->flags = vma->flags;
		if (vma->handle)
			set_object(vma, run);
	}
	rwlock_drop_read(&space->lock);
	return vma != NULL;
}

void space_run_drop(struct space_run *run)
{
	uint64_t end = run->index + space_run_pages(run);

	if (run->taken)
		for (uint64_t i = run->index; i < end; i = next_granule(i))
			backing_give(run->taken, run->handle, i, 1);
	if (run->held)
		for (uint64_t i = run->index; i < end; i++)
			anon_drop(run->held, i);
	if (run->handle)
		handle_drop(run->handle);
}
