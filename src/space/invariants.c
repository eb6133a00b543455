/* invariants.c - asserts what README.md numbers */
/* SPDX-License-Identifier: MIT */
#include "space/space_private.h"

#include <sys/mman.h>

static void check_vma(const struct space *space, const struct vma *vma)
{
	const struct mapping *mapping = &vma->mapping;

	check(!((mapping->start | mapping->end) & PAGE_MASK) &&
		      mapping->start < mapping->end,
	      "space 1: a VMA is a page or more");
	check(mapping->start >= space->mmu->lowest &&
		      mapping->end <= space->mmu->highest,
	      "space 1: a VMA lies in its space");
	check(vma->handle && mapping->mmu == space->mmu,
	      "space 5: a VMA has a handle and its space's mmu");
	check(!(vma->prot & ~vma->may_prot), "space 4: rights are allowed");
	check(mapping->shared == !!(vma->flags & MAP_SHARED) &&
		      mapping->shared != !!(vma->flags & MAP_PRIVATE),
	      "space 4: a VMA is shared or private");
	check(vma->charged == vma_charged_with(vma, vma->prot),
	      "space 4: what is private and writable is charged");
}

static void check_summary(const struct vma *vma)
{
	const struct vma *left = vma_of(vma->node.left);
	const struct vma *right = vma_of(vma->node.right);
	uint64_t gap = 0;

	check(vma->subtree_start ==
		      (left ? left->subtree_start : vma->mapping.start),
	      "space 3: a summary begins with the first VMA");
	check(vma->subtree_end ==
		      (right ? right->subtree_end : vma->mapping.end),
	      "space 3: a summary ends with the last VMA");
	for (int side = 0; side < 2; side++) {
		const struct vma *child = side ? right : left;
		uint64_t between;

		if (!child)
			continue;
		between = side ? child->subtree_start - vma->mapping.end
			       : vma->mapping.start - child->subtree_end;
		gap = between > gap ? between : gap;
		gap = child->subtree_gap > gap ? child->subtree_gap : gap;
	}
	check(vma->subtree_gap == gap,
	      "space 3: a summary has the largest gap");
}

void space_check(struct space *space)
{
	const struct vma *vma;
	const struct vma *prev = NULL;
	size_t count = 0;
	uint64_t pages = 0;

	rwlock_take_read(&space->lock);
	vma = vma_of(tree_first(&space->tree));
	for (; vma; prev = vma, vma = space_next(vma)) {
		check_vma(space, vma);
		check_summary(vma);
		check(!prev || prev->mapping.end <= vma->mapping.start,
		      "space 1: VMAs do not overlap");
		check(!prev || !vma_can_merge(prev, vma),
		      "space 2: neighbours that could be one are one");
		count++;
		pages += vma_bytes(vma) >> PAGE_SHIFT;
	}
	check(count == space->map_count && pages == space->total_pages,
	      "space 3: the counts are those of the tree");
	/* one VMA over the limit may come by space_map(), as in Linux */
	check(count <= space->map_count_limit + 1 || count == 0,
	      "space 3: the limit holds");
	rwlock_drop_read(&space->lock);
}
