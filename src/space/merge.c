/* merge.c - neighbours that could be one VMA are one */
/* SPDX-License-Identifier: MIT */
/*
 * What holds one VMA apart from the next is what Linux compares for mappings
 * of files: the open file (here the handle), the flags, what may be done, and
 * that the bytes go on in the object as they do in memory.
 *
 * The one that stays grows before the other one goes, so that the writer of
 * the object finds each page at least once, all the time.
 */
#include "space/space_private.h"

bool vma_can_merge(const struct vma *left, const struct vma *right)
{
	return left->mapping.end == right->mapping.start &&
	       left->handle == right->handle && left->prot == right->prot &&
	       left->may_prot == right->may_prot &&
	       left->flags == right->flags && left->charged == right->charged &&
	       vma_index_at(left, left->mapping.end) == right->mapping.index;
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
void vma_merge_new(struct space *space, struct vma *vma,
		   struct vma_stock *stock)
{
	struct vma *left = vma_find_below(space, vma->mapping.start);
	struct vma *right = vma_find(space, vma->mapping.end);
	bool with_left = left && vma_can_merge(left, vma);
	bool with_right = right && vma_can_merge(vma, right);

	if (!with_left && !with_right) {
		vma_insert(space, vma);
		return;
	}
	list_add_tail(&stock->gone, &vma->mapping.link);
	if (!with_left) {
		vma_set_borders(space, right, vma->mapping.start,
				right->mapping.end);
		return;
	}
	if (!with_right) {
		vma_set_borders(space, left, left->mapping.start,
				vma->mapping.end);
		return;
	}
	vma_set_borders(space, left, left->mapping.start, right->mapping.end);
	vma_remove(space, right, stock);
}

struct vma *vma_merge_left(struct space *space, struct vma *vma,
			   struct vma_stock *stock)
{
	struct vma *left = vma_prev(vma);

	if (!left || !vma_can_merge(left, vma))
		return vma;
	vma_set_borders(space, left, left->mapping.start, vma->mapping.end);
	vma_remove(space, vma, stock);
	return left;
}
