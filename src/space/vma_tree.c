/* vma_tree.c - VMAs by address */
/* SPDX-License-Identifier: MIT */
#include "space/space_private.h"

void vma_insert(struct space *space, struct vma *vma)
{
	struct range_bounds range = vma_range(vma);

	if (vma->handle)
		object_attach(vma->handle->object, &vma->mapping);
	range_tree_insert(&space->tree, &range, &vma->item);
	space->map_count++;
	account_vma(space, vma, 1);
	space->generation++;
}

/* Its pages are taken until their bytes are discarded: forget_bytes(). */
static void note_dying(struct space *space, const struct vma *vma)
{
	if (!vma->handle || !vma_anonymous(vma))
		return;
	if (vma->handle != space->backing.handle)
		atomic_fetch_add(&vma->handle->dying, 1);
	else if (backing_in_place(&space->backing, vma->handle,
				  vma->mapping.start, vma->mapping.index))
		backing_take(&space->backing, vma->handle, vma->mapping.index,
			     vma_pages(vma));
}

void vma_remove(struct space *space, struct vma *vma, struct vma_stock *stock)
{
	range_tree_remove(&space->tree, vma->mapping.start, &vma->item);
	if (vma->handle)
		object_detach(vma->handle->object, &vma->mapping);
	note_dying(space, vma);
	list_add_tail(&stock->gone, &vma->mapping.link);
	space->map_count--;
	account_vma(space, vma, -1);
	space->generation++;
}

struct vma *vma_find(const struct space *space, uint64_t address)
{
	return vma_of(range_tree_find(&space->tree, address));
}

struct vma *vma_find_below(const struct space *space, uint64_t address)
{
	return vma_of(range_tree_below(&space->tree, address));
}

struct vma *space_next(const struct vma *vma)
{
	return vma_of(vma->item.next);
}

struct vma *space_find_intersection(const struct space *space, uint64_t start,
				    uint64_t end)
{
	struct vma *vma = vma_find(space, start);

	return vma && vma->mapping.start < end ? vma : NULL;
}

struct vma *space_find(struct space *space, uint64_t address)
{
	return vma_of(range_tree_at(&space->tree, address));
}
