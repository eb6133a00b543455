/* gap.c - where a new mapping goes */
/* SPDX-License-Identifier: MIT */
#include "space/space_private.h"

#include <errno.h>

/* The hole between two neighbours; high ends it. */
static bool fits(uint64_t low, uint64_t high, uint64_t length,
		 uint64_t *address)
{
	if (high < low || high - low < length)
		return false;
	*address = high - length;
	return true;
}

/* The highest hole inside the subtree, which has one that is large enough. */
static uint64_t gap_inside(const struct vma *vma, uint64_t length)
{
	uint64_t address;

	for (;;) {
		const struct vma *left = vma_of(vma->node.left);
		const struct vma *right = vma_of(vma->node.right);

		if (right && right->subtree_gap >= length) {
			vma = right;
			continue;
		}
		if (right && fits(vma->mapping.end, right->subtree_start,
				  length, &address))
			return address;
		check(left, "space 3: a summary says what is below it");
		if (fits(left->subtree_end, vma->mapping.start, length,
			 &address))
			return address;
		vma = left;
	}
}

/* The highest hole between two VMAs that ends at vma's start or below. */
static bool gap_below(const struct vma *vma, uint64_t length, uint64_t *address)
{
	for (;;) {
		const struct vma *left = vma_of(vma->node.left);
		uint64_t start = vma->subtree_start;

		if (left) {
			if (fits(left->subtree_end, vma->mapping.start, length,
				 address))
				return true;
			if (left->subtree_gap >= length) {
				*address = gap_inside(left, length);
				return true;
			}
		}
		/* Up to the first node that is left of all this. */
		while (vma->node.parent && vma->node.parent->left == &vma->node)
			vma = vma_of(vma->node.parent);
		vma = vma_of(vma->node.parent);
		if (!vma)
			return false;
		if (fits(vma->mapping.end, start, length, address))
			return true;
	}
}

/*
 * Only the hole that high cuts can be shorter than it looks from the tree; so
 * it is tried first, by itself.  The holes below it are whole, and the first
 * that is large enough but reaches below low is the answer "none", as all
 * others are further down.
 *
 *   low                                      high
 *    |   [-----]     [---]            [-----]  |   [---]
 *      4 .......  3  .....     2      .......  1
 */
bool gap_find(const struct space *space, uint64_t length, uint64_t low,
	      uint64_t high, uint64_t *address)
{
	const struct vma *vma = vma_find_below(space, high);

	if (!vma)
		return fits(low, high, length, address);
	if (vma->mapping.end <= high &&
	    fits(low < vma->mapping.end ? vma->mapping.end : low, high, length,
		 address))
		return true;
	if (!gap_below(vma, length, address)) {
		vma = vma_of(tree_first(&space->tree));
		return fits(low, vma->mapping.start, length, address);
	}
	return *address >= low;
}

void area_search_init(struct area_search *search, const struct space *space,
		      uint64_t hint, uint64_t length, bool fixed)
{
	search->hint = hint;
	search->length = length;
	search->fixed = fixed;
	search->high = space->mmu->arena_end;
	search->stride = PAGE_SIZE;
	if (fixed)
		return;
	search->hint = page_round_down(hint);
	if (search->hint && search->hint < space->mmu->lowest)
		search->hint = space->mmu->lowest;
}

static int check_fixed(const struct space *space,
		       const struct area_search *search)
{
	if (search->hint > space->mmu->highest - search->length)
		return error_say(-ENOMEM,
				 "0x%llx with 0x%llx bytes ends above 0x%llx",
				 (unsigned long long)search->hint,
				 (unsigned long long)search->length,
				 (unsigned long long)space->mmu->highest);
	if (search->hint & PAGE_MASK)
		return error_say(-EINVAL, "address 0x%llx is inside a page",
				 (unsigned long long)search->hint);
	if (search->hint < space->mmu->lowest)
		return error_say(-EPERM, "address 0x%llx is below 0x%llx",
				 (unsigned long long)search->hint,
				 (unsigned long long)space->mmu->lowest);
	return 0;
}

static bool hint_is_free(const struct space *space,
			 const struct area_search *search)
{
	return search->hint <= space->mmu->highest - search->length &&
	       !space_find_intersection(space, search->hint,
					search->hint + search->length);
}

int get_unmapped_area(const struct space *space, struct area_search *search,
		      uint64_t *address)
{
	if (search->length > space->mmu->highest)
		return error_say(-ENOMEM, "0x%llx bytes exceed the space",
				 (unsigned long long)search->length);
	*address = search->hint;
	if (search->fixed)
		return check_fixed(space, search);
	if (search->hint && hint_is_free(space, search))
		return 0;
	search->hint = 0;
	if (!gap_find(space, search->length, space->mmu->arena, search->high,
		      address))
		return error_say(-ENOMEM, "no hole of 0x%llx bytes is left",
				 (unsigned long long)search->length);
	return 0;
}

/*
 * Where in the range the stranger is, nobody says.  So the next place ends a
 * stride below, and the stride doubles: near what was looked for at first,
 * and through any arena within some fifty steps.
 */
void area_search_refuse(struct area_search *search, uint64_t address)
{
	uint64_t end = address + search->length;

	if (search->hint) {
		search->hint = 0;
		return;
	}
	search->high = end > search->stride ? end - search->stride : 0;
	if (search->stride <= UINT64_MAX / 2)
		search->stride *= 2;
}
