/* unmap.c - munmap: what is there goes */
/* SPDX-License-Identifier: MIT */
/*
 * The order, for each run of VMAs without a hole:
 *
 *   1 mmu_unmap()        may fail: nothing has changed.  After it no store
 *                        reaches the pages, and who was trapped there wakes.
 *   2 the tree, and      cannot fail.  The writer of the object saw the
 *     object_detach()    mapping up to here, so no page was written back while
 *     or _adjust()       a store could still pass by unseen.  Between 1 and 2
 *                        he may protect addresses that are free, or by now a
 *                        stranger's: that is no error and changes nothing.
 *
 * Runs, as a hole in the range may hold memory that is not the space's.
 */
#include "space/space_private.h"

#include <errno.h>

int unmap_check_limit(const struct space *space, const struct vma *first,
		      uint64_t start, uint64_t end)
{
	if (!first || first->mapping.start >= start ||
	    first->mapping.end <= end)
		return 0;
	if (space->map_count < space->limit[SPACE_LIMIT_MAPPINGS])
		return 0;
	return error_say(
		-ENOMEM, "a cut would exceed %llu mappings",
		(unsigned long long)space->limit[SPACE_LIMIT_MAPPINGS]);
}

/* hugetlb_vm_op_split() */
static int check_huge_border(const struct vma *vma, uint64_t border)
{
	if (!vma || vma->mapping.start >= border ||
	    vma->mapping.end <= border || vma_can_cut(vma, border))
		return 0;
	return error_say(-EINVAL, "address 0x%llx is inside a huge page",
			 (unsigned long long)border);
}

int check_huge_borders(const struct space *space, const struct vma *first,
		       uint64_t start, uint64_t end)
{
	const struct vma *last = first;
	int error = check_huge_border(first, start);

	if (first && first->mapping.end < end)
		last = vma_find(space, end);
	return error ? error : check_huge_border(last, end);
}

/*
 * The part of vma inside [start, end) goes.
 *
 *      |----------|    |--------|    |--------|        |----|
 *          |--|             |------|    |--------|   |---------|
 *      |---|  |---|    |----|              (shrinks from below; gone)
 */
static void cut(struct space *space, struct vma *vma, uint64_t start,
		uint64_t end, struct vma_stock *stock)
{
	uint64_t vma_start = vma->mapping.start;
	uint64_t vma_end = vma->mapping.end;

	if (vma_anonymous(vma) && vma->handle) {
		/* What goes is a VMA by itself, so that its bytes go, too. */
		if (vma_start < start)
			vma = vma_split(space, vma, start, stock);
		if (vma_end > end)
			vma_split(space, vma, end, stock);
		vma_remove(space, vma, stock);
	} else if (vma_start < start && vma_end > end) {
		vma_split(space, vma, end, stock);
		vma_set_borders(space, vma, vma_start, start);
	} else if (vma_start < start) {
		vma_set_borders(space, vma, vma_start, start);
	} else if (vma_end > end) {
		vma_set_borders(space, vma, end, vma_end);
	} else {
		vma_remove(space, vma, stock);
	}
}

void unmap_commit(struct space *space, struct vma *first, uint64_t start,
		  uint64_t end, struct vma_stock *stock)
{
	struct vma *vma = first, *next;

	for (; vma && vma->mapping.start < end; vma = next) {
		next = space_next(vma);
		trace("vma unmap",
		      "0x%llx-0x%llx loses what is in "
		      "0x%llx-0x%llx",
		      (unsigned long long)vma->mapping.start,
		      (unsigned long long)vma->mapping.end,
		      (unsigned long long)start, (unsigned long long)end);
		vma_unlock_part(
			space, vma,
			start > vma->mapping.start ? start : vma->mapping.start,
			end < vma->mapping.end ? end : vma->mapping.end);
		cut(space, vma, start, end, stock);
	}
}

/* How far the VMAs go on without a hole, from vma on, up to end. */
static uint64_t run_end(const struct vma *vma, uint64_t end)
{
	uint64_t run = vma->mapping.end;

	while (run < end) {
		vma = space_next(vma);
		if (!vma || vma->mapping.start != run)
			return run;
		run = vma->mapping.end;
	}
	return end;
}

static int unmap_runs(struct space *space, struct vma *first, uint64_t start,
		      uint64_t end, struct vma_stock *stock)
{
	struct vma *vma = first;

	while (vma) {
		uint64_t run;
		int error = 0;

		if (start < vma->mapping.start)
			start = vma->mapping.start;
		run = run_end(vma, end);
		vma_may_be_strangers(vma, start, run);
		vma_unlock_going_slots(space, vma, start, run);
		if (vma_may_show(space, vma, start, run))
			error = mmu_unmap(space->mmu, start, run - start);
		if (error)
			return error_say(error, "the host keeps 0x%llx mapped",
					 (unsigned long long)start);
		unmap_commit(space, vma, start, run, stock);
		start = run;
		vma = start < end ? space_find_intersection(space, start, end)
				  : NULL;
	}
	return 0;
}

int unmap_locked(struct space *space, uint64_t start, uint64_t end,
		 struct vma_stock *stock)
{
	struct vma *first = space_find_intersection(space, start, end);
	int error = unmap_check_limit(space, first, start, end);

	if (!error)
		error = check_huge_borders(space, first, start, end);
	return error ? error : unmap_runs(space, first, start, end, stock);
}

static int check_range(const struct space *space, uint64_t address,
		       uint64_t length)
{
	if (address & PAGE_MASK)
		return error_say(-EINVAL, "address 0x%llx is inside a page",
				 (unsigned long long)address);
	if (address > space->mmu->highest ||
	    length > space->mmu->highest - address)
		return error_say(-EINVAL, "the range ends above 0x%llx",
				 (unsigned long long)space->mmu->highest);
	if (length == 0)
		return error_say(-EINVAL, "no bytes to unmap");
	return 0;
}

int space_unmap(struct space *space, uint64_t address, uint64_t length)
{
	struct vma_stock stock;
	uint64_t end;
	int error;

	error = check_range(space, address, length);
	if (error)
		return error;
	end = address + page_round_up(length);
	space_bring_home(space, address, end, false);
	error = vma_stock_begin(space, &stock, 2);
	if (error)
		return error;
	error = unmap_locked(space, address, end, &stock);
	vma_stock_end(space, &stock);
	return error;
}
