/* soft_copy.c - copy on write on the software MMU */
/* SPDX-License-Identifier: MIT */
/*
 *   a slot of the anonymous pool --> the source is pinned, copied to the stack,
 *   unpinned --> the slot's page is pinned, filled, unpinned --> under the
 *   space's lock: is all as it was?  Then the translation names the slot.
 *
 * No two pages are held at once, so that a budget of one page is enough
 * (rule 8).  Whatever changed meanwhile, the access is looked at anew.
 */
#include "fault/access_private.h"

#include <errno.h>
#include <signal.h>

static bool is_zeros(const struct soft_translation *seen)
{
	return !seen->owner;
}

/* Words, as somebody may be storing to a page that is shared: each of them is
 * what it was or what it becomes.  relaxed: in no order. */
static void copy_page(uint64_t *to, const uint64_t *from)
{
	for (size_t i = 0; i < PAGE_SIZE / sizeof(*to); i++)
		__atomic_store_n(&to[i],
				 __atomic_load_n(&from[i], __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
}

/* Copies between a page of an object and bytes. */
static int move_page(struct object *object, uint64_t index, char *bytes,
		     bool in)
{
	int error = object_hold(object, index, 1, in);
	char *page;

	if (error)
		return error;
	page = object_window(object, index << PAGE_SHIFT);
	copy_page((uint64_t *)(void *)(in ? page : bytes),
		  (const uint64_t *)(const void *)(in ? bytes : page));
	object_let_go(object, index, 1, in);
	return 0;
}

static int fill(const struct soft_context *context,
		const struct soft_translation *seen, uint64_t slot)
{
	_Alignas(uint64_t) char bytes[PAGE_SIZE];
	int error;

	if (is_zeros(seen))
		return 0; /* as a slot is */
	error = move_page(seen->owner, seen->index, bytes, false);
	return error ? error
		     : move_page(context->anon->object, slot, bytes, true);
}

static bool same(const struct soft_translation *one,
		 const struct soft_translation *other)
{
	uint32_t kind = SOFT_PRESENT | SOFT_PRIVATE | SOFT_GUARD;

	return one->owner == other->owner && one->index == other->index &&
	       !((one->flags ^ other->flags) & kind);
}

/*
 * Was the object cut while the page was copied?  Rule 11.  A cut that may be
 * refused is none yet: if it is agreed to, it drops the page itself.
 */
static bool cut(const struct vma *vma, uint64_t address)
{
	return !vma_is_anonymous(vma) &&
	       !object_cut_undecided(vma->handle->object,
				     vma_index_at(vma, address) << PAGE_SHIFT);
}

/* Under the space's write lock.  1: done; 0: all is different; -ENOMEM. */
static int install(const struct soft_context *context, uint64_t address,
		   const struct soft_translation *seen, uint64_t slot)
{
	struct space *space = context->space;
	struct vma *vma = space_find(space, address);
	struct soft_translation now = soft_look(space->mmu, address);
	struct soft_translation new = {
		.owner = context->anon->object,
		.index = slot,
		.flags = SOFT_PRESENT | SOFT_PRIVATE | SOFT_READ | SOFT_WRITE,
	};

	if (!vma || !(vma->flags & VM_WRITE) || (vma->flags & VM_MAYSHARE) ||
	    !same(seen, &now))
		return 0;
	if (vma->flags & VM_EXEC)
		new.flags |= SOFT_EXECUTE;
	if (vma->flags & VM_LOCKED &&
	    object_lock_pages(context->anon->object, slot, 1))
		return -ENOMEM;
	vma->flags |= VM_SHOWN; /* it may be another one by now */
	if (soft_set(space->mmu, address, &new))
		return -ENOMEM;
	/* Another space may still show it, and does not lock it by that. */
	if (vma->flags & VM_LOCKED && seen->flags & SOFT_PRIVATE)
		object_unlock_pages(seen->owner, seen->index, 1);
	vma_prepare_anon(space, vma);
	if (cut(vma, address))
		soft_drop(space->mmu, address, address + PAGE_SIZE, true);
	return 1;
}

static void release(const struct soft_context *context,
		    const struct soft_translation *seen)
{
	if (seen->flags & SOFT_PRIVATE)
		anon_drop(context->anon, seen->index);
	else if (seen->owner)
		object_release(seen->owner);
}

static bool refuse(struct access_verdict *verdict, uint64_t address, int error)
{
	return access_refuse(verdict, SIGBUS, BUS_ADRERR, address, error);
}

bool soft_copy_on_write(const struct soft_context *context, uint64_t address,
			const struct soft_translation *seen,
			struct access_verdict *verdict)
{
	struct space *space = context->space;
	uint64_t slot;
	int result = anon_create(context->anon, &slot);
	bool created = result == 0;

	if (created)
		result = fill(context, seen, slot);
	if (!result) {
		rwlock_take_write(&space->lock);
		result = install(context, address, seen, slot);
		rwlock_drop_write(&space->lock);
	}
	if (created && result != 1)
		anon_drop(context->anon, slot);
	release(context, seen);
	anon_reap(context->anon);
	/* Cut meanwhile: the next look finds it past the end. */
	return result >= 0 || result == -ENXIO
		       ? true
		       : refuse(verdict, address, result);
}
