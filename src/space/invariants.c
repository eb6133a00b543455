/* invariants.c - asserts what README.md numbers */
/* SPDX-License-Identifier: MIT */
#include "space/space_private.h"

static void check_vma(const struct space *space, const struct vma *vma)
{
	const struct mapping *mapping = &vma->mapping;

	check(!((mapping->start | mapping->end) & PAGE_MASK) &&
		      mapping->start < mapping->end,
	      "space 1: a VMA is a page or more");
	check(mapping->start >= space->mmu->lowest &&
		      mapping->end <= space->mmu->highest,
	      "space 1: a VMA lies in its space");
	check(vma_can_cut(vma, mapping->start) &&
		      vma_can_cut(vma, mapping->end),
	      "space 4: a huge mapping is huge pages");
	check(!(vma->flags & VM_GROWSDOWN) || vma_anonymous(vma),
	      "space 4: only anonymous memory grows");
	check((vma->handle || vma_anonymous(vma)) && mapping->mmu == space->mmu,
	      "space 5: a VMA has a handle, or needs none, and an mmu");
	check(!(vma_prot(vma) & ~vma_may_prot(vma)),
	      "space 4: rights are allowed");
	check(!(vma->flags & VM_SHARED) || (vma->flags & VM_MAYSHARE),
	      "space 4: what is shared may be");
	check(!(vma_anonymous(vma) && (vma->flags & VM_MAYSHARE)),
	      "space 4: anonymous memory here is private");
	check(mapping->shared == ((vma->flags & VM_MAYSHARE) ||
				  (vma_anonymous(vma) && vma->handle != NULL)),
	      "space 4: what is private has an object of its own or copies");
	check(!mapping->lodges ||
		      (vma->flags & (VM_MAYSHARE | VM_MAYWRITE)) == VM_MAYSHARE,
	      "space 4: where pages lodge nobody may ever store");
	check(mapping->locked == !!(vma->flags & VM_LOCKED),
	      "space 4: the object knows what is locked");
}

/* Nothing was stored to either, so they cannot be of two families. */
static bool should_be_one(const struct space *space, const struct vma *left,
			  const struct vma *right)
{
	return !space->apart && !left->anon && !right->anon &&
	       vma_can_merge(left, right) &&
	       right->mapping.start != page_round_up(space->break_start);
}

/* The tree has the borders once more. */
static void check_borders(const struct space *space, const struct vma *vma)
{
	uint64_t start = vma->mapping.start, end = vma->mapping.end;
	const struct range_tree *tree = &space->tree;

	check(range_tree_find(tree, start) == &vma->item &&
		      range_tree_find(tree, end - 1) == &vma->item &&
		      range_tree_find(tree, end) != &vma->item &&
		      range_tree_below(tree, start) == vma->item.prev,
	      "space 3: a VMA is where the tree says");
}

void space_check(struct space *space)
{
	const struct vma *vma;
	const struct vma *prev = NULL;
	size_t count = 0;
	struct space counted = { .total_pages = 0 };

	rwlock_take_read(&space->lock);
	vma = vma_first(space);
	for (; vma; prev = vma, vma = space_next(vma)) {
		check_vma(space, vma);
		check(!prev || prev->mapping.end <= vma->mapping.start,
		      "space 1: VMAs do not overlap");
		check(!prev || !should_be_one(space, prev, vma),
		      "space 2: neighbours that could be one are one");
		count++;
		account_vma(&counted, vma, 1);
	}
	range_tree_check(&space->tree);
	for (vma = vma_first(space); vma; vma = space_next(vma))
		check_borders(space, vma);
	check(count == space->map_count &&
		      counted.total_pages == space->total_pages &&
		      counted.data_pages == space->data_pages &&
		      counted.locked_pages == space->locked_pages &&
		      counted.committed_pages == space->committed_pages,
	      "space 3: the counts are those of the tree");
	rwlock_drop_read(&space->lock);
}
