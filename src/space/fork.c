/* fork.c - a space gets a child, on the software MMU or another process's */
/* SPDX-License-Identifier: MIT */
/*
 * Linux's dup_mmap(): VMA by VMA, then what page tables must be copied, as a
 * fault could not find it again: those of private pages.  Of another process
 * the kernel has copied them already.  Nobody else knows the child yet: it
 * needs no lock.
 */
#include "space/space_private.h"

#include "mmu/mmu_soft.h"

#include <errno.h>

static void copy_vma(struct space *child, struct vma *copy,
		     const struct vma *vma)
{
	copy->mapping = vma_image(vma).mapping;
	copy->mapping.mmu = child->mmu;
	copy->mapping.locked = 0;
	copy->handle = vma->handle;
	if (copy->handle)
		handle_take(copy->handle);
	copy->flags = vma->flags & ~(VM_LOCKED_MASK | VM_FORKED | VM_SHOWN);
	copy->anon = 0;
	if (vma->anon && !(vma->flags & VM_WIPEONFORK)) {
		copy->anon = ++child->last_anon;
		copy->flags |= VM_FORKED;
	}
	vma_insert(child, copy);
}

/* vma_needs_copy() */
static bool needs_copy(const struct space *parent, const struct vma *vma)
{
	return parent->mmu->soft && (vma->anon || (vma->flags & VM_GUARDED)) &&
	       !(vma->flags & VM_WIPEONFORK);
}

static int fork_vma(struct space *parent, struct space *child,
		    const struct vma *vma, struct vma_stock *stock)
{
	struct vma *copy;
	int error;

	if (vma->flags & VM_DONTCOPY)
		return 0;
	if (vma->flags & VM_ACCOUNT) {
		error = enough_memory(parent, vma_pages(vma));
		if (error)
			return error;
	}
	trace("dup_mmap", "0x%llx-0x%llx%s",
	      (unsigned long long)vma->mapping.start,
	      (unsigned long long)vma->mapping.end,
	      vma->flags & VM_WIPEONFORK ? ": without its pages"
	      : vma->anon                ? ": private pages are shared until "
					   "one side stores"
					 : "");
	copy = vma_stock_take(stock);
	copy_vma(child, copy, vma);
	if (!needs_copy(parent, vma))
		return 0;
	copy->flags |= VM_SHOWN;
	error = soft_copy(parent->mmu, child->mmu, vma->mapping.start,
			  vma->mapping.end);
	return error ? error_say(error, "no memory for a page table") : 0;
}

static int fork_locked(struct space *parent, struct space *child,
		       struct vma_stock *stock)
{
	struct vma *vma = vma_first(parent);
	int error = 0;

	child->last_anon = parent->last_anon;
	child->apart = true;
	child->break_end = parent->break_end;
	for (unsigned i = 0; i < SPACE_LIMITS; i++)
		child->limit[i] = parent->limit[i];
	for (; vma && !error; vma = space_next(vma))
		error = fork_vma(parent, child, vma, stock);
	return error;
}

int space_fork(struct space *parent, struct space *child)
{
	struct vma_stock stock;
	int error;

	rwlock_take_write(&parent->lock);
	error = vma_stock_init(child, &stock, (unsigned)parent->map_count);
	if (!error)
		error = fork_locked(parent, child, &stock);
	vma_stock_keep(child, &stock);
	rwlock_drop_write(&parent->lock);
	vma_stock_finish(child, &stock);
	return error;
}
