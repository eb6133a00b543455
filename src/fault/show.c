/* show.c - pages are shown before they are touched */
/* SPDX-License-Identifier: MIT */
/*
 * Who announces pages is about to touch them: a trap would cost more than all
 * else that is left to do.  It is an install as in a round of a fault (rules 1,
 * 10 and 11), but that nobody waits: whatever stands in its way, the touch
 * traps, and a fault sees to it.
 */
#include "fault/fault_private.h"

/* The space's read lock is held.  How many pages from address on may be shown;
 * 0: it is another mapping by now, or nobody may load there. */
static uint64_t showable(const struct fault_handler *handler,
			 const struct object *object, uint64_t index,
			 uint64_t address)
{
	const struct vma *vma = space_find(handler->space, address);
	uint64_t pages = object_pages(object), left;

	if (!vma || !vma->handle || vma->handle->object != object ||
	    vma_index_at(vma, address) != index || index >= pages)
		return 0;
	/* A guard's mark would be replaced by the page. */
	if (!(vma->flags & VM_READ) || (vma->flags & VM_GUARDED))
		return 0;
	if ((vma->flags & VM_UNTRAPPED) && !vma->mapping.lodges)
		return 0;
	left = (vma->mapping.end - address) >> PAGE_SHIFT;
	return left < pages - index ? left : pages - index;
}

/* The same. */
static void show(struct fault_handler *handler, struct object *object,
		 uint64_t index, uint64_t count, uint64_t address)
{
	uint64_t most = showable(handler, object, index, address);
	const struct vma *vma = space_find(handler->space, address);

	count = fault_pin_run(object, index, count < most ? count : most);
	if (count == 0)
		return;
	hook_point(HOOK_INSTALL, object_table(object), index);
	/* Rule 11: store, then look. */
	if (index + count <= object_pages(object))
		mmu_install(handler->mmu, address, count << PAGE_SHIFT,
			    vma->mapping.shared && !vma->mapping.lodges);
	fault_drop_run(object, index, count);
}

void fault_show(struct fault_handler *handler, struct object *object,
		uint64_t index, uint64_t count)
{
	struct space *space = handler->space;
	uint64_t address;

	if (mmu_must_hide(handler->mmu) ||
	    !object_mapped_at(object, handler->mmu, index, &address))
		return;
	rwlock_take_read(&space->lock);
	show(handler, object, index, count, address);
	rwlock_drop_read(&space->lock);
}

/* What has got home meanwhile does not become dirty by this. */
static uint64_t pin_dirty(struct object *object, uint64_t index, uint64_t most)
{
	uint64_t count = 0;

	while (count < most &&
	       page_take_wpin(object_word(object, index + count), false,
			      false) == PAGE_TAKEN)
		count++;
	return count;
}

/* The same; how many: those before the first that is not dirty. */
static uint64_t grant(struct fault_handler *handler, struct object *object,
		      uint64_t index, uint64_t count, uint64_t address)
{
	uint64_t most = showable(handler, object, index, address);
	const struct vma *vma = space_find(handler->space, address);

	if (most == 0 || !(vma->flags & VM_WRITE) || !vma->mapping.shared ||
	    vma->flags & VM_UNTRAPPED)
		return 0;
	count = pin_dirty(object, index, count < most ? count : most);
	if (count == 0)
		return 0;
	hook_point(HOOK_GRANT, object_table(object), index);
	/* Rule 11: store, then look. */
	if (index + count <= object_pages(object))
		mmu_grant(handler->mmu, address, count << PAGE_SHIFT, false);
	object_let_go(object, index, count, true);
	return count;
}

void fault_show_dirty(struct fault_handler *handler, struct object *object,
		      uint64_t index, uint64_t count)
{
	struct space *space = handler->space;
	uint64_t end = index + count, shown, address;

	while (index < end && !mmu_must_hide(handler->mmu)) {
		shown = 0;
		if (object_mapped_at(object, handler->mmu, index, &address)) {
			rwlock_take_read(&space->lock);
			shown = grant(handler, object, index, end - index,
				      address);
			rwlock_drop_read(&space->lock);
		}
		index += shown ? shown : 1;
	}
}

/* The space's read lock is held. */
static uint64_t fill(struct fault_handler *handler, struct object *object,
		     uint64_t index, uint64_t count, uint64_t address,
		     struct object_fill *fill)
{
	uint64_t most = showable(handler, object, index, address);
	const struct vma *vma;

	if (count > most)
		count = most;
	if (count == 0)
		return 0;
	vma = space_find(handler->space, address);
	if (!vma->mapping.shared ||
	    (vma->mapping.lodges &&
	     !object_may_lodge(object, address, index, count)))
		return 0;
	hook_point(HOOK_FILL, object_table(object), index);
	count = mmu_fill(handler->mmu, address, fill->bytes,
			 count << PAGE_SHIFT, !vma->mapping.lodges) >>
		PAGE_SHIFT;
	/* Before the lock is dropped: whoever changes the layout sees it. */
	if (vma->mapping.lodges && count > 0)
		object_lodge(object, index, count, fill);
	return count;
}

/*
 * They are READING, so nobody takes them away meanwhile, and a cut waits for
 * them.  Whoever changes the layout may do so, too: he is not waited for.
 */
uint64_t fault_fill(struct fault_handler *handler, struct object *object,
		    uint64_t index, uint64_t count, struct object_fill *wanted)
{
	struct space *space = handler->space;
	uint64_t address = wanted->address;

	if (!mmu_fills(handler->mmu) ||
	    (!address &&
	     !object_mapped_at(object, handler->mmu, index, &address)) ||
	    !rwlock_try_read(&space->lock))
		return 0;
	count = fill(handler, object, index, count, address, wanted);
	rwlock_drop_read(&space->lock);
	return count;
}
