/* remap.c - mremap: a mapping shrinks, grows, or moves (remap_move.c) */
/* SPDX-License-Identifier: MIT */
/*
 * Linux's do_mremap(), station by station:
 *
 *   arguments -> too many? -> the VMA: is it there, is it one, may it grow?
 *     in place:  shrinks: the tail goes;  grows: charge -> host -> tree
 *     elsewhere: what is at the new place goes -> shrinks -> moves
 *
 * As in Linux, what was unmapped at a fixed new place, and a tail that was cut
 * off, are gone even if the move is refused then; and where several mappings
 * move at once, those before the one that is refused have moved.
 *
 * On the host's MMU private memory cannot always grow in its object: what
 * comes behind it is a VMA on another one then (remap_tail()), and the two are
 * taken for one here, as they are one in Linux.
 *
 *   |--- backing, page 7 ---|--- another object, page 0 ---|
 */
#include "space/remap.h"

#include <errno.h>

/* Mappings that Linux may cut before a move. */
#define CUT_RESERVE 2

/* ---- in place: mremap_at() ---- */

static int unmap(struct remap *remap, uint64_t start, uint64_t length)
{
	uint64_t highest = remap->space->mmu->highest;
	int error;

	if (start > highest || length > highest - start)
		return error_say(-EINVAL, "the range ends above 0x%llx",
				 (unsigned long long)highest);
	error = unmap_locked(remap->space, start, start + length, remap->stock);
	remap->vma = space_find(remap->space, remap->address);
	return error;
}

/* shrink_vma() */
static int shrink(struct remap *remap)
{
	uint64_t start = remap->address + remap->new_length;
	int error;

	trace("mremap", "0x%llx shrinks to 0x%llx bytes",
	      (unsigned long long)remap->address,
	      (unsigned long long)remap->new_length);
	error = unmap(remap, start, remap->delta);
	if (!error)
		remap->old_length = remap->new_length;
	return error;
}

/* vrm_can_expand_in_place() */
static bool has_room(const struct remap *remap)
{
	const struct space *space = remap->space;
	uint64_t end = remap_last(remap->vma)->mapping.end;

	return end - remap->address == remap->old_length &&
	       remap->delta <= space->mmu->highest - end &&
	       !space_find_intersection(space, end, end + remap->delta);
}

/* expand_vma_in_place().  -EEXIST: a stranger is there. */
static int grow_in_place(struct remap *remap)
{
	struct vma tail;
	int error = remap_charge(remap);

	if (!error && (remap->vma->flags & VM_SPECIAL))
		error = error_say(-ENOMEM, "a device's mapping cannot grow");
	if (!error)
		error = remap_tail(remap, remap_last(remap->vma), &tail);
	if (!error)
		error = remap_map_host(remap, &tail, false);
	if (error)
		return error;
	trace("mremap", "0x%llx grows in place to 0x%llx bytes",
	      (unsigned long long)remap->address,
	      (unsigned long long)remap->new_length);
	remap_insert(remap, &tail);
	return 0;
}

/* expand_vma() */
static int grow(struct remap *remap)
{
	int error = has_room(remap) ? grow_in_place(remap) : -EEXIST;

	if (error != -EEXIST)
		return error;
	if (!(remap->flags & MREMAP_MAYMOVE))
		return error_say(-ENOMEM, "no room to grow behind 0x%llx",
				 (unsigned long long)remap->address);
	return remap_move(remap);
}

static int change_in_place(struct remap *remap)
{
	if (remap_grows(remap))
		return grow(remap);
	return remap->delta ? shrink(remap) : 0;
}

/* ---- elsewhere: mremap_to() ---- */

static int change_elsewhere(struct remap *remap)
{
	uint64_t pages = remap->new_length >> PAGE_SHIFT;
	int error = 0;

	if (remap->flags & MREMAP_FIXED)
		error = unmap(remap, remap->new_address, remap->new_length);
	/* What is mapped once more was there itself. */
	if (!error && !remap->vma)
		error = error_say(-EFAULT, "0x%llx was replaced by itself",
				  (unsigned long long)remap->address);
	if (!error && remap->new_length < remap->old_length)
		error = shrink(remap);
	if (error)
		return error;
	if (remap_keeps_old(remap) &&
	    !may_expand_vm(remap->space, remap->vma->flags, pages))
		return error_say(-ENOMEM,
				 "0x%llx bytes more exceed the limit "
				 "of addresses, or of data",
				 (unsigned long long)remap->new_length);
	return remap_move(remap);
}

/* The part of vma in [start, end) moves to target. */
static int move_part(struct remap *remap, const struct vma *vma, uint64_t end,
		     uint64_t target)
{
	uint64_t vma_end = vma->mapping.end;
	int error;

	if (remap->address < vma->mapping.start)
		remap->address = vma->mapping.start;
	remap->new_length = (vma_end < end ? vma_end : end) - remap->address;
	remap->old_length = remap->new_length;
	remap->new_address = target;
	error = remap_check_vma(remap);
	return error ? error : change_elsewhere(remap);
}

/*
 * remap_move(): all that is in the range, with the holes between.
 *
 *    |--A--|   |-B-|   |----C----|          |A'|   |-B'|   |--C'-|
 *       ^ address            ^ end   ==>    ^ new_address
 */
static int move_several(struct remap *remap, uint64_t *address)
{
	const uint64_t end = remap->address + remap->old_length;
	struct vma *vma =
		space_find_intersection(remap->space, remap->address, end);
	uint64_t target = remap->new_address;
	bool first = true;

	if (!vma || vma->mapping.start > remap->address)
		return error_say(-EFAULT, "nothing is mapped at 0x%llx",
				 (unsigned long long)remap->address);
	for (; vma; first = false) {
		uint64_t vma_end = vma->mapping.end;
		int error;

		if (remap_has_own_place(vma) && (!first || vma_end < end))
			return error_say(-EFAULT, "what has a place of its "
						  "own moves alone");
		error = move_part(remap, vma, end, target);
		if (error)
			return error;
		if (first)
			*address = remap->new_address;
		target = remap->new_address + remap->new_length;
		if (vma_end >= end)
			return 0;
		vma = space_find_intersection(remap->space, vma_end, end);
		if (vma)
			target += vma->mapping.start - vma_end;
		remap->address = vma_end;
	}
	return 0;
}

/* ---- the order: do_mremap() ---- */

/* The mappings that move. */
static uint64_t source_end(const struct remap *remap)
{
	if (!remap_implies_place(remap) && !remap_grows(remap))
		return remap->address;
	return remap->address +
	       (remap_grows(remap) ? remap->old_length : remap->new_length);
}

/* How many these are; on_object: of those that stand on an object. */
static size_t count_sources(const struct remap *remap, bool on_object)
{
	uint64_t end = source_end(remap);
	const struct vma *vma =
		space_find_intersection(remap->space, remap->address, end);
	size_t count = 0;

	for (; vma && vma->mapping.start < end; vma = space_next(vma))
		count += !on_object || remap_on_object(vma);
	return count;
}

/* What cannot be asked for any more once something is unmapped. */
static bool lacks_spare(const struct remap *remap)
{
	if (remap->request->spare || !remap_implies_place(remap))
		return false;
	return (remap_keeps_old(remap) || remap_grows(remap)) &&
	       count_sources(remap, true) > 0;
}

static int remap_locked(struct remap *remap, uint64_t *address)
{
	int error = 0;

	if (remap_implies_place(remap))
		error = remap_check_count(remap,
					  REMAP_MOVE_RESERVE + CUT_RESERVE);
	if (!error && lacks_spare(remap))
		error = SPACE_NEEDS_OBJECT;
	if (error)
		return error;
	if ((remap->flags & MREMAP_FIXED) &&
	    remap->old_length == remap->new_length)
		return move_several(remap, address);
	error = remap_check_vma(remap);
	if (!error)
		error = remap_implies_place(remap) ? change_elsewhere(remap)
						   : change_in_place(remap);
	*address = remap->new_address;
	return error;
}

/* Under the lock, after all went well: what a locked mapping has more. */
static void say_wanted(const struct remap *remap)
{
	struct space_wanted *wanted = remap->request->wanted;
	const struct vma *vma;

	if (!wanted)
		return;
	wanted->length = 0;
	vma = vma_find(remap->space, remap->new_address);
	if (!remap_grows(remap) || (vma->flags & VM_LOCKED_MASK) != VM_LOCKED)
		return;
	wanted->start = remap->new_address + remap->old_length;
	wanted->length = remap->delta;
	wanted->write = (vma->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE;
}

/* Spare VMAs for each mapping that moves: itself, what stays, two cuts of it
 * and two at its new place; and for the tail, cut off or new. */
static int stock_up(struct remap *remap)
{
	size_t sources = count_sources(remap, false);

	return vma_stock_init(remap->space, remap->stock,
			      6 * (unsigned)sources + 4);
}

/* Of what may leave its place; where it only grows nothing does. */
static void bring_home(const struct remap *remap)
{
	uint64_t start = remap->address, end = start + remap->old_length;
	bool moves = remap->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP);

	if (remap->new_length <= remap->old_length && !moves)
		space_bring_home(remap->space, start + remap->new_length, end,
				 false);
	else if (remap->flags & MREMAP_MAYMOVE)
		space_bring_home(remap->space, start, end, true);
	if (remap->flags & MREMAP_FIXED)
		space_bring_home(remap->space, remap->new_address,
				 remap->new_address + remap->new_length, false);
}

int space_remap(struct space *space, const struct space_remap_request *request,
		uint64_t *address)
{
	struct vma_stock stock;
	struct remap remap = {
		.space = space,
		.request = request,
		.stock = &stock,
		.flags = request->flags,
		.address = request->old_address,
		.old_length = page_round_up(request->old_length),
		.new_length = page_round_up(request->new_length),
		.new_address = request->new_address,
	};
	int error = remap_check_arguments(&remap);

	if (error)
		return error;
	bring_home(&remap);
	rwlock_take_write(&space->lock);
	error = stock_up(&remap);
	if (!error)
		error = remap_locked(&remap, address);
	if (!error)
		say_wanted(&remap);
	vma_stock_end(space, &stock);
	return error;
}
