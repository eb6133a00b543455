/* advise.c - madvise: what is kept as a flag of a mapping */
/* SPDX-License-Identifier: MIT */
/*
 * Linux's madvise_walk_vmas() and madvise_vma_behavior(), VMA by VMA from
 * below: a hole is noted and passed over, a mapping that cannot be advised so
 * ends it, and what comes before stays advised.
 */
#include "space/advise.h"
#include "space/space_private.h"

#include <errno.h>

#define HUGE_BYTES (UINT64_C(1) << 21)

bool space_advice_sets_flags(int advice)
{
	switch (advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_COLLAPSE:
		return true;
	default:
		return false;
	}
}

static bool acts_on_pages(int advice)
{
	switch (advice) {
	case MADV_WILLNEED:
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_FREE:
	case MADV_REMOVE:
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
	case MADV_GUARD_INSTALL:
	case MADV_GUARD_REMOVE:
		return true;
	default:
		return false;
	}
}

/* Frames are the host's: nobody here has the right to take one away. */
static bool is_injection(int advice)
{
	return advice == MADV_HWPOISON || advice == MADV_SOFT_OFFLINE;
}

int space_advice_check(uint64_t address, uint64_t length, int advice)
{
	if (!space_advice_sets_flags(advice) && !acts_on_pages(advice) &&
	    !is_injection(advice))
		return error_say(-EINVAL, "no advice has the number %d",
				 advice);
	if (address & PAGE_MASK)
		return error_say(-EINVAL, "address 0x%llx is inside a page",
				 (unsigned long long)address);
	if (length > UINT64_MAX - PAGE_MASK ||
	    address + page_round_up(length) < address)
		return error_say(-EINVAL, "the range exceeds any space");
	if (length == 0)
		return 0;
	if (is_injection(advice))
		return error_say(-EPERM, "memory is not failed on purpose");
	return 1;
}

static int refuse(const struct vma *vma, const char *why)
{
	return error_say(-EINVAL, "the mapping at 0x%llx %s",
			 (unsigned long long)vma->mapping.start, why);
}

/* ---- what each does to the flags ---- */

static int fork_flags(const struct vma *vma, int advice, uint64_t *flags)
{
	switch (advice) {
	case MADV_DONTFORK:
		*flags |= VM_DONTCOPY;
		return 0;
	case MADV_DOFORK:
		if (*flags & VM_IO)
			return refuse(vma, "is a device's");
		*flags &= ~VM_DONTCOPY;
		return 0;
	case MADV_WIPEONFORK:
		if (!vma_anonymous(vma))
			return refuse(vma, "is not private and anonymous");
		*flags |= VM_WIPEONFORK;
		return 0;
	default: /* MADV_KEEPONFORK */
		if (*flags & VM_DROPPABLE)
			return refuse(vma, "is droppable");
		*flags &= ~VM_WIPEONFORK;
		return 0;
	}
}

static int dump_flags(const struct vma *vma, int advice, uint64_t *flags)
{
	if (advice == MADV_DONTDUMP) {
		*flags |= VM_DONTDUMP;
		return 0;
	}
	if (!(*flags & VM_HUGETLB) && (*flags & VM_SPECIAL))
		return refuse(vma, "is a device's");
	if (*flags & VM_DROPPABLE)
		return refuse(vma, "is droppable");
	*flags &= ~VM_DONTDUMP;
	return 0;
}

/* ksm_madvise(): what cannot be merged is passed over. */
static void merge_flags(int advice, uint64_t *flags)
{
	if (advice == MADV_UNMERGEABLE)
		*flags &= ~VM_MERGEABLE;
	else if (!(*flags & (VM_SHARED | VM_MAYSHARE | VM_SPECIAL | VM_HUGETLB |
			     VM_DROPPABLE)))
		*flags |= VM_MERGEABLE;
}

static void read_flags(int advice, uint64_t *flags)
{
	*flags &= ~(VM_RAND_READ | VM_SEQ_READ);
	if (advice == MADV_RANDOM)
		*flags |= VM_RAND_READ;
	else if (advice == MADV_SEQUENTIAL)
		*flags |= VM_SEQ_READ;
}

static void huge_flags(int advice, uint64_t *flags)
{
	*flags &= ~(VM_HUGEPAGE | VM_NOHUGEPAGE);
	*flags |= advice == MADV_HUGEPAGE ? VM_HUGEPAGE : VM_NOHUGEPAGE;
}

/* madvise_collapse(): where Linux might, there is no huge page to be had. */
static int collapse(const struct vma *vma, const struct vma_change *change)
{
	uint64_t mask = HUGE_BYTES - 1;
	uint64_t first = (change->start + mask) & ~mask;
	uint64_t last = change->end & ~mask;

	if (vma->flags & (VM_NOHUGEPAGE | VM_SPECIAL | VM_HUGETLB))
		return refuse(vma, "takes no transparent huge pages");
	if (!vma_is_anonymous(vma))
		return refuse(vma, "has no huge pages, being an object's");
	if (((vma->mapping.start + mask) & ~mask) + HUGE_BYTES >
	    vma->mapping.end)
		return refuse(vma, "is too short for a huge page");
	if (first > last)
		return refuse(vma, "is not meant for a whole huge page");
	if (first == last)
		return 0;
	return error_say(-ENOMEM, "there are no huge pages to collapse into");
}

static int advised_flags(const struct vma *vma, int advice,
			 struct vma_change *change)
{
	switch (advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
		read_flags(advice, &change->flags);
		return 0;
	case MADV_DONTDUMP:
	case MADV_DODUMP:
		return dump_flags(vma, advice, &change->flags);
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
		merge_flags(advice, &change->flags);
		return 0;
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
		huge_flags(advice, &change->flags);
		return 0;
	case MADV_COLLAPSE:
		return collapse(vma, change);
	default:
		return fork_flags(vma, advice, &change->flags);
	}
}

/* ---- the walk ---- */

int vma_modify_within_limit(struct space *space, struct vma **vma,
			    const struct vma_change *change,
			    struct vma_stock *stock)
{
	uint64_t limit = space->limit[SPACE_LIMIT_MAPPINGS];
	size_t cost = vma_modify_cost(*vma, change);

	if (change->flags == (*vma)->flags)
		return 0;
	if (!vma_can_cut(*vma, change->start) ||
	    !vma_can_cut(*vma, change->end))
		return refuse(*vma, "is not cut inside a huge page");
	if (cost > 0 && space->map_count + cost > limit)
		return error_say(-ENOMEM, "a cut would exceed %llu mappings",
				 (unsigned long long)limit);
	*vma = vma_modify(space, *vma, change, stock);
	return 0;
}

/* *vma is what holds the range then. */
static int advise_vma(struct space *space, struct vma **vma, int advice,
		      struct vma_change *change, struct vma_stock *stock)
{
	int error;

	change->flags = (*vma)->flags;
	error = advised_flags(*vma, advice, change);
	if (error)
		return error;
	error = vma_modify_within_limit(space, vma, change, stock);
	return error == -ENOMEM ? -EAGAIN : error;
}

static int advise_locked(struct space *space, uint64_t at, uint64_t end,
			 int advice, struct vma_stock *stock)
{
	struct vma *vma = vma_find(space, at);
	bool hole = false;
	int error = 0;

	while (!error && at < end) {
		struct vma_change change;

		if (!vma || vma->mapping.start > at) {
			hole = true;
			at = vma ? vma->mapping.start : end;
			continue;
		}
		change.start = at;
		change.end = vma->mapping.end < end ? vma->mapping.end : end;
		error = advise_vma(space, &vma, advice, &change, stock);
		at = change.end;
		/* A neighbour may have taken it over, and more. */
		while (vma && vma->mapping.end <= at)
			vma = space_next(vma);
	}
	if (!error && hole)
		error = error_say(-ENOMEM, "nothing is mapped in a part of the "
					   "range");
	return error;
}

int space_advise(struct space *space, uint64_t address, uint64_t length,
		 int advice)
{
	uint64_t end = address + page_round_up(length);
	struct vma_stock stock;
	int error = vma_stock_begin(space, &stock, 2);

	if (error)
		return -EAGAIN;
	trace("madvise", "0x%llx-0x%llx: advice %d",
	      (unsigned long long)address, (unsigned long long)end, advice);
	error = advise_locked(space, address, end, advice, &stock);
	vma_stock_end(space, &stock);
	return error;
}
