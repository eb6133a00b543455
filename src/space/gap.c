/* gap.c - where a new mapping goes */
/* SPDX-License-Identifier: MIT */
/*
 * Linux's mm_get_unmapped_area() of x86-64: the hint if it is free, else the
 * highest hole of the arena; with MAP_32BIT the lowest one of its gigabyte.
 *
 * Below what grows downwards the guard gap stays free, unless the program says
 * MAP_FIXED.  The tree's summaries do not know of it: a hole that is large
 * enough only with its guard gap costs one search more, as in Linux.
 */
#include "space/space_private.h"

#include <errno.h>
#include <sys/mman.h>

/* What MAP_32BIT means; not the first gigabyte, which has programs. */
#define LOW_START UINT64_C(0x40000000)
#define LOW_END UINT64_C(0x80000000)
#define ABOVE_START (UINT64_C(1) << 32)

/* Newer than the C library's headers. */
#ifndef MAP_ABOVE4G
#define MAP_ABOVE4G 0x80
#endif

static bool is_large(uint64_t low, uint64_t high, uint64_t length)
{
	return high >= low && high - low >= length;
}

/* ---- the highest hole ---- */

/* The hole between two neighbours; high ends it. */
static bool fits(uint64_t low, uint64_t high, uint64_t length,
		 uint64_t *address)
{
	*address = high - length;
	return is_large(low, high, length);
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
	struct range_bounds hole;

	if (!vma)
		return fits(low, high, length, address);
	if (vma->mapping.end <= high &&
	    fits(low < vma->mapping.end ? vma->mapping.end : low, high, length,
		 address))
		return true;
	if (!range_tree_last_hole(&space->tree, vma->mapping.start, length,
				  &hole))
		return fits(low, vma_first(space)->mapping.start, length,
			    address);
	*address = hole.end - length;
	return *address >= low;
}

/* ---- the lowest hole: the same, mirrored ---- */

bool gap_find_low(const struct space *space, uint64_t length, uint64_t low,
		  uint64_t high, uint64_t *address)
{
	const struct vma *vma = vma_find(space, low);
	struct range_bounds hole;

	*address = low;
	if (!vma)
		return is_large(low, high, length);
	if (vma->mapping.start >= low &&
	    is_large(low, high < vma->mapping.start ? high : vma->mapping.start,
		     length))
		return true;
	if (range_tree_first_hole(&space->tree, vma->mapping.start, length,
				  &hole))
		*address = hole.start;
	else
		*address = vma_of(space->tree.last)->mapping.end;
	return is_large(*address, high, length);
}

/* ---- the search ---- */

void area_search_init(struct area_search *search, const struct space *space,
		      uint64_t hint, uint64_t length, bool fixed)
{
	search->hint = hint;
	search->length = length;
	search->align = PAGE_SIZE;
	search->fixed = fixed;
	search->upwards = false;
	search->low = space->mmu->arena;
	search->high = space->mmu->arena_end;
	search->stride = PAGE_SIZE;
	if (fixed)
		return;
	search->hint = page_round_down(hint);
	if (search->hint && search->hint < space->mmu->lowest)
		search->hint = space->mmu->lowest;
}

void area_search_align(struct area_search *search, uint64_t align)
{
	search->align = align;
	/* A hint that would wrap is above all ends as it is. */
	if (!search->fixed && search->hint <= UINT64_MAX - align)
		search->hint = (search->hint + align - 1) & ~(align - 1);
}

static uint64_t larger(uint64_t one, uint64_t other)
{
	return one > other ? one : other;
}

void area_search_flags(struct area_search *search, const struct space *space,
		       int flags)
{
	const struct mmu *mmu = space->mmu;

	if (flags & MAP_32BIT) {
		search->upwards = true;
		search->low = larger(mmu->lowest, LOW_START);
		search->high = mmu->highest < LOW_END ? mmu->highest : LOW_END;
	} else if (flags & MAP_ABOVE4G) {
		search->low = larger(search->low, ABOVE_START);
	}
}

uint64_t vma_start_gap(const struct space *space, const struct vma *vma)
{
	uint64_t start = vma->mapping.start;

	if (!(vma->flags & VM_GROWSDOWN))
		return start;
	return start > space->guard_gap ? start - space->guard_gap : 0;
}

static int check_fixed(const struct space *space,
		       const struct area_search *search)
{
	const struct mmu *mmu = space->mmu;
	uint64_t address = search->hint;

	if (search->align > PAGE_SIZE && (address & (search->align - 1)))
		return error_say(-EINVAL,
				 "address 0x%llx is inside a huge "
				 "page",
				 (unsigned long long)address);
	if (address > mmu->highest - search->length)
		return error_say(-ENOMEM,
				 "0x%llx with 0x%llx bytes ends above 0x%llx",
				 (unsigned long long)address,
				 (unsigned long long)search->length,
				 (unsigned long long)mmu->highest);
	if (address & PAGE_MASK)
		return error_say(-EINVAL, "address 0x%llx is inside a page",
				 (unsigned long long)address);
	if (address < mmu->lowest)
		return error_say(-EPERM, "address 0x%llx is below 0x%llx",
				 (unsigned long long)address,
				 (unsigned long long)mmu->lowest);
	return 0;
}

bool area_is_free(const struct space *space, uint64_t address, uint64_t length)
{
	const struct vma *vma = vma_find(space, address);

	return !vma || address + length <= vma_start_gap(space, vma);
}

static bool hint_is_free(const struct space *space,
			 const struct area_search *search)
{
	uint64_t end = search->upwards ? search->high : space->mmu->highest;

	return search->length <= end && search->hint <= end - search->length &&
	       area_is_free(space, search->hint, search->length);
}

/*
 * The hole must hold the worst case of alignment, as in Linux.
 *
 *       hole                      high
 *   |----[..............place......]       high goes down to the guard gap
 *                                 [guard|stack--|
 */
static bool search_down(const struct space *space,
			const struct area_search *search, uint64_t *address)
{
	uint64_t length = search->length + search->align - PAGE_SIZE;
	uint64_t high = search->high;

	while (gap_find(space, length, search->low, high, address)) {
		uint64_t end = *address + length;
		const struct vma *next = vma_find(space, *address);

		*address = (end - search->length) & ~(search->align - 1);
		if (!next || vma_start_gap(space, next) >= end)
			return true;
		high = vma_start_gap(space, next);
	}
	return false;
}

static bool search_up(const struct space *space,
		      const struct area_search *search, uint64_t *address)
{
	uint64_t length = search->length + search->align - PAGE_SIZE;
	uint64_t low = search->low;

	while (gap_find_low(space, length, low, search->high, address)) {
		const struct vma *next = vma_find(space, *address);

		if (!next || vma_start_gap(space, next) >= *address + length) {
			*address = (*address + search->align - 1) &
				   ~(search->align - 1);
			return true;
		}
		low = next->mapping.end;
	}
	return false;
}

int get_unmapped_area(const struct space *space, struct area_search *search,
		      uint64_t *address)
{
	bool found;

	if (search->length > space->mmu->highest)
		return error_say(-ENOMEM, "0x%llx bytes exceed the space",
				 (unsigned long long)search->length);
	*address = search->hint;
	if (search->fixed)
		return check_fixed(space, search);
	if (search->hint && hint_is_free(space, search))
		return 0;
	search->hint = 0;
	found = search->upwards ? search_up(space, search, address)
				: search_down(space, search, address);
	if (!found)
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
	if (search->upwards)
		search->low = address + search->stride;
	else
		search->high = end > search->stride ? end - search->stride : 0;
	if (search->stride <= UINT64_MAX / 4)
		search->stride *= 2;
}
