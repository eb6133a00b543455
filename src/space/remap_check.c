/* remap_check.c - mremap: may this be done? */
/* SPDX-License-Identifier: MIT */
/*
 * Linux's check_mremap_params() and check_prep_vma(), in their order.
 */
#include "space/remap.h"

#include <errno.h>

/* ---- what can be said without the lock: check_mremap_params() ---- */

static bool overlaps(const struct remap *remap)
{
	return remap->address + remap->old_length > remap->new_address &&
	       remap->new_address + remap->new_length > remap->address;
}

static int check_new_place(const struct remap *remap)
{
	uint64_t highest = remap->space->mmu->highest;

	if (remap->new_address > highest - remap->new_length)
		return error_say(-EINVAL, "the new range ends above 0x%llx",
				 (unsigned long long)highest);
	if (remap->new_address & PAGE_MASK)
		return error_say(-EINVAL, "address 0x%llx is inside a page",
				 (unsigned long long)remap->new_address);
	if (!(remap->flags & MREMAP_MAYMOVE))
		return error_say(-EINVAL,
				 "a new place wants MREMAP_MAYMOVE, too");
	if (remap_keeps_old(remap) && remap->old_length != remap->new_length)
		return error_say(-EINVAL,
				 "MREMAP_DONTUNMAP does not change the size");
	if (overlaps(remap))
		return error_say(-EINVAL, "the old and new ranges overlap");
	return 0;
}

int remap_check_arguments(const struct remap *remap)
{
	if (remap->flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP))
		return error_say(-EINVAL, "unknown flags 0x%x",
				 (unsigned)remap->flags);
	if (remap->address & PAGE_MASK)
		return error_say(-EINVAL, "address 0x%llx is inside a page",
				 (unsigned long long)remap->address);
	if (remap->new_length == 0 ||
	    remap->new_length > remap->space->mmu->highest)
		return error_say(-EINVAL, "no mapping has 0x%llx bytes",
				 (unsigned long long)remap->new_length);
	return remap_implies_place(remap) ? check_new_place(remap) : 0;
}

int remap_check_count(const struct remap *remap, size_t reserve)
{
	uint64_t limit = remap->space->limit[SPACE_LIMIT_MAPPINGS];

	if (remap->space->map_count + reserve < limit)
		return 0;
	return error_say(-ENOMEM, "too near to the limit of %llu mappings",
			 (unsigned long long)limit);
}

/* ---- the VMA: check_prep_vma() ---- */

struct vma *remap_last(struct vma *vma)
{
	for (;;) {
		struct vma *next = space_next(vma);

		if (!next || !remap_on_object(vma) || !remap_on_object(next) ||
		    next->handle == vma->handle ||
		    next->mapping.start != vma->mapping.end ||
		    next->flags != vma->flags)
			return vma;
		vma = next;
	}
}

/* align_hugetlb() */
static int align_huge(struct remap *remap)
{
	uint64_t mask = (UINT64_C(1) << vma_page_shift(remap->vma)) - 1;

	if (mask == PAGE_MASK)
		return 0;
	remap->old_length = (remap->old_length + mask) & ~mask;
	remap->new_length = (remap->new_length + mask) & ~mask;
	if ((remap->address | remap->new_address) & mask)
		return error_say(-EINVAL,
				 "0x%llx or 0x%llx is inside a huge "
				 "page",
				 (unsigned long long)remap->address,
				 (unsigned long long)remap->new_address);
	if (remap_grows(remap))
		return error_say(-EINVAL, "huge pages cannot grow");
	return 0;
}

static int check_growth(const struct remap *remap)
{
	const struct space *space = remap->space;
	uint64_t flags = remap->vma->flags;

	if (flags & (VM_DONTEXPAND | VM_PFNMAP))
		return error_say(-EFAULT, "the mapping at 0x%llx cannot grow",
				 (unsigned long long)remap->address);
	if (!mlock_future_ok(space, flags, remap->delta))
		return error_say(-EAGAIN, "the limit of locked memory is met");
	if (!may_expand_vm(space, flags, remap->delta >> PAGE_SHIFT))
		return error_say(-ENOMEM,
				 "0x%llx bytes more exceed the limit "
				 "of addresses, or of data",
				 (unsigned long long)remap->delta);
	return 0;
}

/* Of what is mapped anew. */
static int check_source(const struct remap *remap)
{
	uint64_t flags = remap->vma->flags;
	uint64_t end = remap_last(remap->vma)->mapping.end;
	uint64_t needed = remap->old_length;

	if (remap->old_length == 0 && !(flags & (VM_SHARED | VM_MAYSHARE)))
		return error_say(-EINVAL, "a private mapping cannot be had "
					  "twice");
	if (remap_keeps_old(remap) && (flags & (VM_DONTEXPAND | VM_PFNMAP)))
		return error_say(-EINVAL,
				 "the mapping at 0x%llx is one of a "
				 "kind",
				 (unsigned long long)remap->address);
	if (!remap_grows(remap))
		needed = remap->new_length;
	if (needed > end - remap->address)
		return error_say(-EFAULT, "the mapping ends at 0x%llx",
				 (unsigned long long)end);
	return remap_grows(remap) ? check_growth(remap) : 0;
}

int remap_check_vma(struct remap *remap)
{
	int error;

	remap->vma = space_find(remap->space, remap->address);
	if (!remap->vma)
		return error_say(-EFAULT, "nothing is mapped at 0x%llx",
				 (unsigned long long)remap->address);
	error = align_huge(remap);
	if (error)
		return error;
	remap->delta = remap_grows(remap)
			       ? remap->new_length - remap->old_length
			       : remap->old_length - remap->new_length;
	if (!remap_implies_place(remap))
		remap->new_address = remap->address;
	if (!remap_implies_place(remap) && !remap_grows(remap))
		return 0;
	return check_source(remap);
}
