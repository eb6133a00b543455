/* accounting.c - what a space may have: addresses, data, locked, committed */
/* SPDX-License-Identifier: MIT */
/*
 * Linux counts for each mm: total_vm, data_vm, locked_vm; and commits for the
 * whole system, where a space here is alone.
 */
#include "space/space_private.h"

#include <errno.h>

/* Private and writable, and no stack: what RLIMIT_DATA means. */
static bool is_data_mapping(uint64_t flags)
{
	return (flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) == VM_WRITE;
}

void account_vma(struct space *space, const struct vma *vma, int sign)
{
	/* Modulo 2^64, so that -1 takes away. */
	uint64_t pages = vma_pages(vma) * (uint64_t)(int64_t)sign;

	space->total_pages += pages;
	if (is_data_mapping(vma->flags))
		space->data_pages += pages;
	if (vma->flags & VM_LOCKED)
		space->locked_pages += pages;
	if (vma->flags & VM_ACCOUNT)
		space->committed_pages += pages;
}

static uint64_t limit_pages(const struct space *space, enum space_limit limit)
{
	return space->limit[limit] >> PAGE_SHIFT;
}

bool may_expand_vm(const struct space *space, uint64_t flags, uint64_t pages)
{
	if (space->total_pages + pages >
	    limit_pages(space, SPACE_LIMIT_ADDRESS_SPACE))
		return false;
	return !is_data_mapping(flags) ||
	       space->data_pages + pages <=
		       limit_pages(space, SPACE_LIMIT_DATA);
}

bool accountable_mapping(uint64_t flags)
{
	return (flags & (VM_NORESERVE | VM_SHARED | VM_WRITE | VM_HUGETLB)) ==
	       VM_WRITE;
}

int enough_memory(const struct space *space, uint64_t pages)
{
	uint64_t limit = limit_pages(space, SPACE_LIMIT_COMMIT);
	uint64_t committed = pages;

	switch (space->overcommit) {
	case SPACE_OVERCOMMIT_ALWAYS:
		return 0;
	case SPACE_OVERCOMMIT_NEVER:
		committed += space->committed_pages;
		break;
	case SPACE_OVERCOMMIT_GUESS: /* by itself more than there is */
	default:
		break;
	}
	if (committed <= limit)
		return 0;
	return error_say(-ENOMEM, "%llu pages exceed the commit limit of %llu",
			 (unsigned long long)committed,
			 (unsigned long long)limit);
}

bool can_do_mlock(const struct space *space)
{
	return space->limit[SPACE_LIMIT_LOCKED] != 0 ||
	       (space->flags & SPACE_MAY_LOCK);
}

bool mlock_future_ok(const struct space *space, uint64_t flags, uint64_t bytes)
{
	if (!(flags & VM_LOCKED) || (space->flags & SPACE_MAY_LOCK))
		return true;
	return space->locked_pages + (bytes >> PAGE_SHIFT) <=
	       limit_pages(space, SPACE_LIMIT_LOCKED);
}

void space_set_limit(struct space *space, enum space_limit limit,
		     uint64_t value)
{
	rwlock_take_write(&space->lock);
	space->limit[limit] = value;
	rwlock_drop_write(&space->lock);
}
