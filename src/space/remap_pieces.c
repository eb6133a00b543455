/* remap_pieces.c - mremap: private memory that stands on objects moves */
/* SPDX-License-Identifier: MIT */
/*
 * On the host's MMU.  It keeps its pages of the object, so each piece is mapped
 * anew at the new place, and nothing is copied.  With MREMAP_DONTUNMAP the old
 * place gets pages of the spare object.
 *
 *     object   [ A ][ B ]          [ A ][ B ]       A and B are taken for as
 *                |    |      =>       \    \        long as they are away from
 *     space    [ A ][ B ]          .....[ A ][ B ]  where the backing has a
 *                                                   place for them (backing.h)
 */
#include "space/remap.h"

/* => *mapped: how many bytes of the new place, also if it fails */
static int map_pieces(struct remap *remap, struct vma *tail, uint64_t *mapped)
{
	bool fixed = remap->flags & MREMAP_FIXED;
	uint64_t end = remap->address + remap->old_length;
	const struct vma *vma = remap->vma;
	struct vma part;
	int error;

	for (; vma && vma->mapping.start < end; vma = space_next(vma)) {
		part = remap_moved_part(remap, vma);
		error = remap_map_host(remap, &part, fixed);
		if (error)
			return error;
		*mapped += vma_bytes(&part);
	}
	if (remap->new_length == remap->old_length)
		return 0;
	error = remap_tail(remap, &part, tail);
	if (!error)
		error = remap_map_host(remap, tail, fixed);
	if (!error)
		*mapped += vma_bytes(tail);
	return error;
}

/* The old place shows nothing any more, or what the spare object has. */
static int leave_host(const struct remap *remap, struct vma *fresh)
{
	uint64_t start = remap->address;
	int error;

	if (!remap_keeps_old(remap)) {
		remap_may_be_strangers(remap->space, start,
				       start + remap->old_length);
		error = mmu_unmap(remap->space->mmu, start, remap->old_length);
		return error ? remap_say_host(error, start) : 0;
	}
	*fresh = vma_image(remap->vma);
	fresh->handle = remap->request->spare;
	fresh->flags &= ~(VM_LOCKED_MASK | VM_FORKED);
	fresh->anon = 0;
	fresh->mapping.locked = 0;
	remap_set_range(fresh, start, start + remap->old_length,
			remap->spare_used);
	return remap_map_host(remap, fresh, true);
}

/* The backing's own place for these pages is another's for as long as they are
 * away from it. */
static void count_taken(struct space *space, uint64_t from,
			const struct vma *part)
{
	struct backing *backing = &space->backing;
	uint64_t index = part->mapping.index;
	bool was = backing_in_place(backing, part->handle, from, index);
	bool is = backing_in_place(backing, part->handle, part->mapping.start,
				   index);

	if (was && !is)
		backing_take(backing, part->handle, index, vma_pages(part));
	if (!was && is)
		backing_give(backing, part->handle, index, vma_pages(part));
}

/* [start, end) of one VMA leaves the tree; its bytes live on elsewhere. */
static void remove_moved(struct remap *remap, uint64_t start, uint64_t end)
{
	struct space *space = remap->space;
	struct vma *vma = vma_find(space, start);

	if (vma->mapping.start < start)
		vma = vma_split(space, vma, start, remap->stock);
	if (vma->mapping.end > end)
		vma_split(space, vma, end, remap->stock);
	vma_absorbed(vma);
	vma_remove(space, vma, remap->stock);
}

static void commit_pieces(struct remap *remap)
{
	struct space *space = remap->space;
	uint64_t end = remap->address + remap->old_length;
	uint64_t at = remap->address;

	while (at < end) {
		struct vma *vma = vma_find(space, at);
		struct vma part = remap_moved_part(remap, vma);

		count_taken(space, at, &part);
		remap_insert(remap, &part);
		if (remap_keeps_old(remap))
			remap_unlock_old(space, vma);
		remove_moved(remap, at, at + vma_bytes(&part));
		at += vma_bytes(&part);
	}
}

int remap_move_pieces(struct remap *remap)
{
	struct vma tail, fresh;
	uint64_t mapped = 0;
	int error = map_pieces(remap, &tail, &mapped);

	if (!error && (remap->vma->flags & VM_GUARDED))
		error = mmu_copy_guards(remap->space->mmu, remap->address,
					remap->new_address, remap->old_length);
	if (!error)
		error = leave_host(remap, &fresh);
	if (error) {
		/* Nobody has seen it; if even this fails it is a stranger's. */
		if (mapped)
			(void)mmu_unmap(remap->space->mmu, remap->new_address,
					mapped);
		return error;
	}
	commit_pieces(remap);
	if (remap->new_length > remap->old_length)
		remap_insert(remap, &tail);
	if (remap_keeps_old(remap))
		remap_insert(remap, &fresh);
	return 0;
}
