/* remap_move.c - mremap: a mapping goes to another place */
/* SPDX-License-Identifier: MIT */
/*
 * Linux's move_vma(): too many? -> charge -> host -> tree.  What one VMA shows
 * moves by mmu_move(): translations and private copies go along, and what is
 * shared is mapped anew.  Private memory that stands on objects moves piece by
 * piece (remap_pieces.c).
 *
 * Who sees what: nothing is shown at the new place until the lock is released.
 * The new VMA is attached before the old one goes, so that the writer of the
 * object finds each page all the time.
 */
#include "space/remap.h"

#include <errno.h>

int remap_charge(const struct remap *remap)
{
	uint64_t bytes = remap_keeps_old(remap) ? remap->new_length
						: remap->delta;

	if (!(remap->vma->flags & VM_ACCOUNT))
		return 0;
	return enough_memory(remap->space, bytes >> PAGE_SHIFT);
}

/* ---- the host, and the tree ---- */

static struct mmu_mapping host_mapping(const struct vma *image, bool replace)
{
	return (struct mmu_mapping){
		.start = image->mapping.start,
		.length = vma_bytes(image),
		.prot = vma_prot(image),
		.shared = image->mapping.shared,
		.untrapped = image->flags & VM_UNTRAPPED,
		.lodges = image->mapping.lodges,
		.memory = image->handle ? object_memory(image->handle->object)
					: -1,
		.offset = (uint64_t)image->mapping.index << PAGE_SHIFT,
		.replace = replace,
	};
}

void remap_may_be_strangers(struct space *space, uint64_t start, uint64_t end)
{
	vma_may_be_strangers(space_find_intersection(space, start, end), start,
			     end);
}

int remap_say_host(int error, uint64_t address)
{
	return error_say(error, "the host maps nothing at 0x%llx",
			 (unsigned long long)address);
}

int remap_map_host(const struct remap *remap, const struct vma *image,
		   bool replace)
{
	struct mmu_mapping mapping = host_mapping(image, replace);
	int error = vma_prepare_lock(image);

	if (error)
		return error;
	if (replace)
		remap_may_be_strangers(remap->space, mapping.start,
				       mapping.start + mapping.length);
	error = mmu_map(remap->space->mmu, &mapping);
	return error ? remap_say_host(error, mapping.start) : 0;
}

struct vma *remap_insert(struct remap *remap, const struct vma *image)
{
	struct vma *vma = vma_stock_take(remap->stock);

	vma->mapping = image->mapping;
	/* The host has just mapped it. */
	vma->mapping.untrapped = !!(image->flags & VM_UNTRAPPED);
	vma->handle = image->handle;
	vma->flags = image->flags;
	vma->anon = image->anon;
	if (vma->handle)
		handle_take(vma->handle);
	if (vma->handle && vma->handle == remap->request->spare)
		remap->spare_used += vma_pages(vma);
	vma_lock_new(vma);
	return vma_merge_new(remap->space, vma, remap->stock);
}

void remap_set_range(struct vma *image, uint64_t start, uint64_t end,
		     uint64_t index)
{
	image->mapping.start = start;
	image->mapping.end = end;
	image->mapping.index = index & MAPPING_INDEX_MASK;
}

int remap_tail(const struct remap *remap, const struct vma *vma,
	       struct vma *tail)
{
	const struct space *space = remap->space;
	const struct backing *backing = &space->backing;
	uint64_t start = vma->mapping.end;
	uint64_t index = vma_index_at(vma, start);
	uint64_t own;

	*tail = vma_image(vma);
	remap_set_range(tail, start, start + remap->delta, index);
	if (!remap_on_object(vma))
		return 0;
	if (!backing_place(backing, start, remap->delta, &own) ||
	    (vma->handle == backing->handle && own != index)) {
		tail->handle = remap->request->spare;
		own = remap->spare_used;
	} else {
		tail->handle = backing->handle;
	}
	remap_set_range(tail, start, start + remap->delta, own);
	if (!tail->handle)
		return SPACE_NEEDS_OBJECT;
	if (tail->handle == vma->handle && own == index)
		return 0;
	return remap_check_count(remap, 0);
}

struct vma remap_moved_part(const struct remap *remap, const struct vma *vma)
{
	uint64_t shift = remap->new_address - remap->address;
	uint64_t start = remap->address;
	uint64_t end = remap->address + remap->old_length;
	struct vma part = vma_image(vma);

	if (start < vma->mapping.start)
		start = vma->mapping.start;
	if (end > vma->mapping.end)
		end = vma->mapping.end;
	remap_set_range(&part, start + shift, end + shift,
			vma_index_at(vma, start));
	return part;
}

/* ---- one VMA ---- */

/* copy_vma()'s: where nothing was stored the index follows the address. */
static struct vma copied_vma(const struct remap *remap)
{
	struct vma copy = remap_moved_part(remap, remap->vma);
	uint64_t index = copy.mapping.index;

	if (!copy.anon && (vma_anonymous(&copy) || (remap->space->mmu->soft &&
						    vma_is_anonymous(&copy))))
		index = remap->new_address >> PAGE_SHIFT;
	remap_set_range(&copy, remap->new_address,
			remap->new_address + remap->new_length, index);
	return copy;
}

void remap_unlock_old(struct space *space, struct vma *vma)
{
	vma_unlock_part(space, vma, vma->mapping.start, vma->mapping.end);
	vma_set_flags(space, vma, vma->flags & ~VM_LOCKED_MASK);
	space->apart = true;
}

/* dontunmap_complete() */
static void leave_old(struct remap *remap, const struct vma *moved)
{
	struct vma *vma = vma_find(remap->space, remap->address);

	remap_unlock_old(remap->space, vma);
	if (vma != moved && vma->mapping.start == remap->address &&
	    vma_bytes(vma) == remap->old_length) {
		vma->anon = 0;
		vma->flags &= ~VM_FORKED;
	}
}

static int move_one(struct remap *remap)
{
	struct space *space = remap->space;
	struct vma copy = copied_vma(remap);
	const struct vma *moved;
	struct mmu_move move = {
		.from = remap->address,
		.length = remap->old_length,
		.keep = remap_keeps_old(remap),
		.to = host_mapping(&copy, remap->flags & MREMAP_FIXED),
	};
	int error = vma_prepare_lock(&copy);

	if (error)
		return error;
	remap_may_be_strangers(space, move.from, move.from + move.length);
	if (move.to.replace)
		remap_may_be_strangers(space, move.to.start,
				       move.to.start + move.to.length);
	error = move.length ? mmu_move(space->mmu, &move)
			    : mmu_map(space->mmu, &move.to);
	if (error)
		return remap_say_host(error, remap->new_address);
	moved = remap_insert(remap, &copy);
	if (move.keep)
		leave_old(remap, moved);
	else if (move.length)
		unmap_commit(space,
			     space_find_intersection(space, move.from,
						     move.from + move.length),
			     move.from, move.from + move.length, remap->stock);
	return 0;
}

/* ---- where to ---- */

/* From the place on.  -EEXIST: a stranger is there. */
static int move_to_place(struct remap *remap)
{
	int error = remap_check_count(remap, REMAP_MOVE_RESERVE);

	if (!error)
		error = remap_charge(remap);
	if (error)
		return error;
	error = remap_on_object(remap->vma) ? remap_move_pieces(remap)
					    : move_one(remap);
	if (error)
		return error;
	trace("mremap", "0x%llx moves to 0x%llx, 0x%llx bytes%s",
	      (unsigned long long)remap->address,
	      (unsigned long long)remap->new_address,
	      (unsigned long long)remap->new_length,
	      remap_keeps_old(remap) ? "; the old place stays, empty" : "");
	return 0;
}

/* Whose name it is in, and who knows where it goes. */
static struct quire_object *place_handle(const struct vma *vma)
{
	struct quire_object *handle = vma->handle;

	if (!handle || vma_anonymous(vma))
		return NULL;
	if (handle->shown)
		handle = handle->shown;
	return handle->hooks && handle->hooks->place ? handle : NULL;
}

/* As Linux's driver of /dev/zero has. */
bool remap_has_own_place(const struct vma *vma)
{
	return place_handle(vma) != NULL ||
	       (!vma_anonymous(vma) && vma_is_anonymous(vma));
}

/* As space_map() does: what the object says is not believed. */
static int find_own_place(struct remap *remap, struct quire_object *handle,
			  uint64_t hint)
{
	const struct space *space = remap->space;
	uint64_t index = vma_index_at(remap->vma, remap->address);
	struct handle_area area = {
		.address = hint,
		.length = remap->new_length,
		.prot = vma_prot(remap->vma),
		.flags = remap->vma->flags & VM_MAYSHARE ? MAP_SHARED
							 : MAP_PRIVATE,
		.offset = index << PAGE_SHIFT,
	};
	uint64_t address = 0;
	int error = handle->hooks->place(handle, &area, &address);

	if (error)
		return error_say(error, "the object's hook finds no place");
	if (address > space->mmu->highest - remap->new_length)
		error = -ENOMEM;
	else if (address & PAGE_MASK)
		error = -EINVAL;
	else if (address < space->mmu->lowest)
		error = -EPERM;
	else if (!area_is_free(space, address, remap->new_length))
		error = -ENOMEM;
	if (error)
		return error_say(error, "the object's hook says 0x%llx",
				 (unsigned long long)address);
	remap->new_address = address;
	return 0;
}

int remap_move(struct remap *remap)
{
	bool fixed = remap->flags & MREMAP_FIXED;
	uint64_t hint = fixed || remap_keeps_old(remap) ? remap->new_address
							: 0;
	struct quire_object *handle = place_handle(remap->vma);
	struct area_search search;
	int error;

	if (!fixed && handle) {
		error = find_own_place(remap, handle, hint);
		return error ? error : move_to_place(remap);
	}
	area_search_init(&search, remap->space, hint, remap->new_length, fixed);
	area_search_align(&search, UINT64_C(1) << vma_page_shift(remap->vma));
	do {
		error = get_unmapped_area(remap->space, &search,
					  &remap->new_address);
		if (error)
			return error;
		error = move_to_place(remap);
		if (error == -EEXIST)
			area_search_refuse(&search, remap->new_address);
	} while (error == -EEXIST && !search.fixed);
	return error;
}
