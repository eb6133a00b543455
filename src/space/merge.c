/* merge.c - neighbours that could be one VMA are one */
/* SPDX-License-Identifier: MIT */
/*
 * What holds one VMA apart from the next is what Linux compares: the open file
 * (here the handle), the flags, that the bytes go on in the object as they do
 * in memory, and that their private pages could be one family (anon_vma).
 *
 * The one that stays grows before the other one goes, so that the writer of
 * the object finds each page at least once, all the time.
 */
#include "space/space_private.h"

/* is_mergeable_anon_vma(): target stays, source goes over to it. */
static bool anon_can_merge(const struct vma *target, const struct vma *source)
{
	if (!target->anon && source->anon)
		return !(source->flags & VM_FORKED);
	if (target->anon && !source->anon)
		return !(target->flags & VM_FORKED);
	return target->anon == source->anon;
}

/* are_anon_vmas_compatible(): of two that would both join a third. */
static bool anon_compatible(const struct vma *left, const struct vma *right)
{
	return !(left->anon && right->anon) || left->anon == right->anon;
}

static bool flags_can_merge(uint64_t one, uint64_t other)
{
	return !((one ^ other) & ~VM_IGNORE_MERGE) && !(one & VM_SPECIAL);
}

/* All but what the two did with private pages. */
static bool can_touch(const struct vma *left, const struct vma *right)
{
	return left->mapping.end == right->mapping.start &&
	       left->handle == right->handle &&
	       left->mapping.shared == right->mapping.shared &&
	       flags_can_merge(left->flags, right->flags) &&
	       vma_index_at(left, left->mapping.end) == right->mapping.index;
}

bool vma_can_merge(const struct vma *left, const struct vma *right)
{
	return can_touch(left, right) && anon_can_merge(left, right);
}

/* dup_anon_vma(): target takes over what source has. */
static void take_anon(struct vma *target, const struct vma *source)
{
	target->flags |= source->flags & (VM_GUARDED | VM_SHOWN);
	if (!(target->flags & VM_WRITE))
		target->flags |= source->flags & VM_UNTRAPPED;
	/* Before it grows over what may be a stranger's. */
	if (target->mapping.untrapped && !source->mapping.untrapped)
		object_mark(target->handle->object, &target->mapping,
			    target->mapping.locked, false);
	if (target->anon || !source->anon)
		return;
	target->anon = source->anon;
	target->flags |= source->flags & VM_FORKED;
}

/* Which neighbours the middle can be one with. */
struct sides {
	struct vma *left;
	struct vma *right;
};

/* middle is or becomes a VMA; what is left of it, and right. */
static struct sides find_sides(struct vma *prev, const struct vma *middle,
			       struct vma *next)
{
	struct sides sides = { NULL, NULL };

	if (prev && can_touch(prev, middle) && anon_can_merge(prev, middle))
		sides.left = prev;
	if (next && can_touch(middle, next) && anon_can_merge(next, middle) &&
	    (!sides.left || anon_compatible(prev, next)))
		sides.right = next;
	return sides;
}

static void absorb(struct space *space, struct vma *vma,
		   struct vma_stock *stock)
{
	vma_absorbed(vma); /* first: its bytes are not to be discarded */
	vma_remove(space, vma, stock);
}

/*
 *     left      vma      right
 *   |------|+++++++++|---------|
 *
 *   |--------------------------|   both sides
 *   |----------------|             left only
 *          |-------------------|   right only
 *          |---------|             neither
 */
struct vma *vma_merge_new(struct space *space, struct vma *vma,
			  struct vma_stock *stock)
{
	struct vma *below = vma_find_below(space, vma->mapping.start);
	struct sides sides = find_sides(
		below, vma, below ? space_next(below) : vma_first(space));
	struct vma *stays = sides.left ? sides.left : sides.right;

	if (!stays) {
		vma_insert(space, vma);
		return vma;
	}
	trace("vma merge", "0x%llx-0x%llx joins %s%s%s",
	      (unsigned long long)vma->mapping.start,
	      (unsigned long long)vma->mapping.end,
	      sides.left ? "the one below" : "",
	      sides.left && sides.right ? " and " : "",
	      sides.right ? "the one above" : "");
	list_add_tail(&stock->gone, &vma->mapping.link);
	take_anon(stays, vma);
	if (!sides.left) {
		vma_set_borders(space, stays, vma->mapping.start,
				stays->mapping.end);
	} else if (!sides.right) {
		vma_set_borders(space, stays, stays->mapping.start,
				vma->mapping.end);
	} else {
		take_anon(stays, sides.right);
		vma_set_borders(space, stays, stays->mapping.start,
				sides.right->mapping.end);
		absorb(space, sides.right, stock);
	}
	vma_absorbed(vma);
	return stays;
}

/* The part of vma that changes, as it would be. */
static struct vma changed_part(const struct vma *vma,
			       const struct vma_change *change)
{
	struct vma part = vma_image(vma);

	part.flags = change->flags;
	part.mapping.start = change->start;
	part.mapping.end = change->end;
	part.mapping.index = vma_index_at(vma, change->start) &
			     MAPPING_INDEX_MASK;
	return part;
}

static struct sides modify_sides(const struct vma *vma,
				 const struct vma_change *change)
{
	struct vma *prev = vma_prev(vma);
	struct vma *next = space_next(vma);
	struct vma part;

	if (prev && prev->mapping.end != change->start)
		prev = NULL;
	if (next && next->mapping.start != change->end)
		next = NULL;
	if (!prev && !next)
		return (struct sides){ NULL, NULL };
	part = changed_part(vma, change);
	return find_sides(prev, &part, next);
}

size_t vma_modify_cost(const struct vma *vma, const struct vma_change *change)
{
	struct sides sides = modify_sides(vma, change);

	if (vma->flags == change->flags || sides.left || sides.right)
		return 0;
	return (size_t)(vma->mapping.start < change->start) +
	       (size_t)(vma->mapping.end > change->end);
}

/*
 *     left        vma
 *   |------|++++++++|-------|    the part goes over to the left
 *   |---------------|-------|    neighbour, or to the right one
 */
static struct vma *modify_left(struct space *space, struct vma *vma,
			       const struct vma_change *change,
			       struct vma_stock *stock)
{
	struct vma *left = vma_prev(vma);
	uint64_t end = vma->mapping.end;

	take_anon(left, vma);
	vma_set_borders(space, left, left->mapping.start, change->end);
	if (change->end < end)
		vma_set_borders(space, vma, change->end, end);
	else
		absorb(space, vma, stock);
	return left;
}

static struct vma *modify_right(struct space *space, struct vma *vma,
				const struct vma_change *change,
				struct vma_stock *stock)
{
	struct vma *right = space_next(vma);
	uint64_t start = vma->mapping.start;

	take_anon(right, vma);
	vma_set_borders(space, right, change->start, right->mapping.end);
	if (start < change->start)
		vma_set_borders(space, vma, start, change->start);
	else
		absorb(space, vma, stock);
	return right;
}

static struct vma *modify_both(struct space *space, struct vma *vma,
			       struct vma_stock *stock)
{
	struct vma *left = vma_prev(vma);
	struct vma *right = space_next(vma);

	take_anon(left, vma);
	take_anon(left, right);
	vma_set_borders(space, left, left->mapping.start, right->mapping.end);
	absorb(space, vma, stock);
	absorb(space, right, stock);
	return left;
}

/*
 *     start        end
 *   |---|------------|-----|
 *    vma             |     |   cut where the range begins and ends,
 *   |---|++++++++++++|-----|   and the middle gets the flags
 */
static struct vma *modify_alone(struct space *space, struct vma *vma,
				const struct vma_change *change,
				struct vma_stock *stock)
{
	if (vma->mapping.start < change->start)
		vma = vma_split(space, vma, change->start, stock);
	if (vma->mapping.end > change->end)
		vma_split(space, vma, change->end, stock);
	vma_set_flags(space, vma, change->flags);
	return vma;
}

struct vma *vma_modify(struct space *space, struct vma *vma,
		       const struct vma_change *change, struct vma_stock *stock)
{
	struct sides sides = modify_sides(vma, change);

	if (vma->flags == change->flags)
		return vma;
	trace("vma modify", "0x%llx-0x%llx: %s",
	      (unsigned long long)change->start,
	      (unsigned long long)change->end,
	      sides.left || sides.right      ? "joins a neighbour"
	      : vma_modify_cost(vma, change) ? "is cut off"
					     : "changes as a whole");
	if (sides.left && sides.right)
		return modify_both(space, vma, stock);
	if (sides.left)
		return modify_left(space, vma, change, stock);
	if (sides.right)
		return modify_right(space, vma, change, stock);
	return modify_alone(space, vma, change, stock);
}
