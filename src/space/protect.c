/* protect.c - mprotect: what the program may do changes */
/* SPDX-License-Identifier: MIT */
/*
 * Linux's do_mprotect_pkey(), VMA by VMA from below: a hole, or a mapping that
 * may not have such rights, ends it, and what comes before stays changed.
 *
 *   rights -> data and commit limits -> mappings -> host -> tree
 *
 * Up to the host nothing of this VMA has changed; after it nothing can fail.
 * No mapping moves, so the writers of the objects see each page all the time.
 */
#include "space/space_private.h"

#include <errno.h>
#include <sys/mman.h>

#define PROT_SEMAPHORE 0x8 /* PROT_SEM: known, without effect */
#define PROT_ACCESS (PROT_READ | PROT_WRITE | PROT_EXEC)
#define PROT_GROWS (PROT_GROWSDOWN | PROT_GROWSUP)

struct protection {
	uint64_t start;
	uint64_t end;
	int prot;  /* PROT_READ, _WRITE, _EXEC */
	int grows; /* PROT_GROWSDOWN or _GROWSUP */
	struct space_range populate;
};

/* Rights that VMA gets: READ_IMPLIES_EXEC where it may be executed at all. */
static uint64_t new_flags(const struct space *space, const struct vma *vma,
			  int prot)
{
	if ((prot & PROT_READ) && (space->flags & SPACE_READ_IMPLIES_EXEC) &&
	    (vma->flags & VM_MAYEXEC))
		prot |= PROT_EXEC;
	return (vma->flags &
		~(VM_ACCESS_FLAGS | (prot & PROT_WRITE ? VM_UNTRAPPED : 0))) |
	       (uint64_t)prot;
}

/* What was never counted as committed is, once it can be written. */
static int charge(const struct space *space, const struct vma *vma,
		  struct vma_change *change)
{
	uint64_t pages = (change->end - change->start) >> PAGE_SHIFT;
	int error;

	if (!(change->flags & VM_WRITE)) {
		if ((vma->flags & VM_ACCOUNT) && vma_is_anonymous(vma) &&
		    !vma->anon)
			change->flags &= ~VM_ACCOUNT;
		return 0;
	}
	if (!may_expand_vm(space, change->flags, pages) &&
	    may_expand_vm(space, vma->flags, pages))
		return error_say(-ENOMEM,
				 "%llu pages more of writable data "
				 "exceed the limit",
				 (unsigned long long)pages);
	if (vma->flags &
	    (VM_ACCOUNT | VM_WRITE | VM_HUGETLB | VM_SHARED | VM_NORESERVE))
		return 0;
	error = enough_memory(space, pages);
	if (!error)
		change->flags |= VM_ACCOUNT;
	return error;
}

static int check_limit(const struct space *space, const struct vma *vma,
		       const struct vma_change *change)
{
	uint64_t limit = space->limit[SPACE_LIMIT_MAPPINGS];
	size_t cost = VMA_MODIFY_MOST;

	/* What it is exactly matters near the limit alone. */
	if (space->map_count + cost > limit)
		cost = vma_modify_cost(vma, change);
	if (cost == 0 || space->map_count + cost <= limit)
		return 0;
	return error_say(-ENOMEM, "a cut would exceed %llu mappings",
			 (unsigned long long)limit);
}

static int check_rights(const struct vma *vma, uint64_t flags)
{
	if (flags & ~(flags >> 4) & VM_ACCESS_FLAGS)
		return error_say(-EACCES,
				 "the mapping at 0x%llx may not have these "
				 "rights",
				 (unsigned long long)vma->mapping.start);
	return 0;
}

/* A host that refuses may have changed a part: it gets the old rights back. */
static int protect_host(struct space *space, const struct vma *vma,
			const struct vma_change *change)
{
	uint64_t bytes = change->end - change->start;
	int error = 0;

	/* From now on no store goes through without a trap. */
	if ((vma->flags & ~change->flags) & VM_UNTRAPPED)
		error = mmu_trap_all(space->mmu, change->start, bytes,
				     vma->mapping.lodges);
	if (!error && vma_may_show(space, vma, change->start, change->end))
		error = mmu_protect(space->mmu, change->start, bytes,
				    (int)(change->flags & VM_ACCESS_FLAGS));
	if (!error)
		return 0;
	(void)mmu_protect(space->mmu, change->start, bytes, vma_prot(vma));
	return error_say(error, "the host keeps the rights at 0x%llx",
			 (unsigned long long)change->start);
}

/* mprotect_fixup(): *vma is what holds the range then. */
static int protect_vma(struct space *space, struct vma **vma,
		       struct vma_change *change, struct vma_stock *stock)
{
	int error = check_rights(*vma, change->flags);

	if (error || change->flags == (*vma)->flags)
		return error;
	error = charge(space, *vma, change);
	if (!error)
		error = check_limit(space, *vma, change);
	if (!error)
		error = check_huge_borders(space, *vma, change->start,
					   change->end);
	if (!error)
		error = protect_host(space, *vma, change);
	if (error)
		return error;
	*vma = vma_modify(space, *vma, change, stock);
	return 0;
}

/* Where it begins: all of the mapping, if that grows. */
static int find_first(const struct space *space, struct protection *wanted,
		      struct vma **vma)
{
	*vma = vma_find(space, wanted->start);
	if (!*vma)
		return say_hole(wanted->start);
	if (wanted->grows & PROT_GROWSDOWN) {
		if ((*vma)->mapping.start >= wanted->end)
			return say_hole(wanted->start);
		wanted->start = (*vma)->mapping.start;
		if ((*vma)->flags & VM_GROWSDOWN)
			return 0;
	} else {
		if ((*vma)->mapping.start > wanted->start)
			return say_hole(wanted->start);
		if (!wanted->grows)
			return 0;
	}
	return error_say(-EINVAL, "the mapping at 0x%llx does not grow so",
			 (unsigned long long)(*vma)->mapping.start);
}

/*
 * Locked private pages that become writable get their copies: when all is
 * done, as the lock must go first.  Linux has them by now, and with them an
 * anon_vma, before it looks at the next VMA.
 */
static void note_populate(struct space *space, struct protection *wanted,
			  struct vma *vma, uint64_t old,
			  const struct vma_change *change)
{
	struct space_range *populate = &wanted->populate;

	if ((old & (VM_WRITE | VM_SHARED | VM_LOCKED)) != VM_LOCKED ||
	    !(change->flags & VM_WRITE) || (old & VM_LOCKONFAULT))
		return;
	if (populate->end == 0)
		populate->start = change->start;
	populate->end = change->end;
	if (space->mmu->soft)
		vma_prepare_anon(space, vma);
}

static int protect_locked(struct space *space, struct protection *wanted,
			  struct vma_stock *stock)
{
	struct vma *vma;
	uint64_t at, old;
	int error = find_first(space, wanted, &vma);

	at = wanted->start;
	while (!error && at < wanted->end) {
		struct vma_change change = { .start = at };

		if (!vma || vma->mapping.start > at)
			return say_hole(at);
		change.end = vma->mapping.end < wanted->end ? vma->mapping.end
							    : wanted->end;
		change.flags = new_flags(space, vma, wanted->prot);
		old = vma->flags;
		error = protect_vma(space, &vma, &change, stock);
		if (!error)
			note_populate(space, wanted, vma, old, &change);
		at = change.end;
		/* A neighbour may have taken it over, and more. */
		while (vma && vma->mapping.end <= at)
			vma = space_next(vma);
	}
	return error;
}

static int check_arguments(uint64_t address, uint64_t length, int prot)
{
	if ((prot & PROT_GROWS) == PROT_GROWS)
		return error_say(-EINVAL, "cannot grow both ways");
	if (address & PAGE_MASK)
		return error_say(-EINVAL, "address 0x%llx is inside a page",
				 (unsigned long long)address);
	if (length == 0)
		return 0;
	if (length > UINT64_MAX - PAGE_MASK ||
	    address + page_round_up(length) <= address)
		return error_say(-ENOMEM, "the range exceeds any space");
	if (prot & ~(PROT_ACCESS | PROT_SEMAPHORE | PROT_GROWS))
		return error_say(-EINVAL, "unknown rights 0x%x",
				 (unsigned)prot);
	return 0;
}

int space_protect(struct space *space, uint64_t address, uint64_t length,
		  int prot, struct space_range *populate)
{
	struct protection wanted = {
		.start = address,
		.prot = prot & PROT_ACCESS,
		.grows = prot & PROT_GROWS,
	};
	struct vma_stock stock;
	int error;

	if (populate)
		*populate = wanted.populate;
	error = check_arguments(address, length, prot);
	if (error || length == 0)
		return error;
	error = vma_stock_begin(space, &stock, 2);
	if (error)
		return error;
	wanted.end = address + page_round_up(length);
	error = protect_locked(space, &wanted, &stock);
	if (populate)
		*populate = wanted.populate;
	vma_stock_end(space, &stock);
	return error;
}
