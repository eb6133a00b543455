/* vma_tree.c - VMAs by address, and the largest hole below each node */
/* SPDX-License-Identifier: MIT */
/*
 * A node knows where its subtree begins and ends and the largest hole between
 * two VMAs of it.  Holes belong to no node, so that a border that moves
 * changes the summaries on one path to the root and no others.
 *
 *                 [40-50)  gap 15 = max(5, 50..65)
 *                /       \
 *        [20-30)          [65-70)
 *        gap 5            gap 0
 *       /
 *   [10-15)
 */
#include "space/space_private.h"

static uint64_t larger(uint64_t one, uint64_t other)
{
	return one > other ? one : other;
}

static void summarise(struct tree_node *node)
{
	struct vma *vma = vma_of(node);
	const struct vma *left = vma_of(node->left);
	const struct vma *right = vma_of(node->right);
	uint64_t start = vma->mapping.start;
	uint64_t end = vma->mapping.end;
	uint64_t gap = 0;

	vma->subtree_start = start;
	vma->subtree_end = end;
	if (left) {
		vma->subtree_start = left->subtree_start;
		gap = larger(left->subtree_gap, start - left->subtree_end);
	}
	if (right) {
		vma->subtree_end = right->subtree_end;
		gap = larger(gap, right->subtree_gap);
		gap = larger(gap, right->subtree_start - end);
	}
	vma->subtree_gap = gap;
}

void vma_tree_init(struct tree *tree)
{
	tree_init(tree, summarise);
}

void vma_insert(struct space *space, struct vma *vma)
{
	struct tree_node **place = &space->tree.root;
	struct tree_node *parent = NULL;

	if (vma->handle)
		object_attach(vma->handle->object, &vma->mapping);
	while (*place) {
		parent = *place;
		if (vma->mapping.start < vma_of(parent)->mapping.start)
			place = &parent->left;
		else
			place = &parent->right;
	}
	tree_insert(&space->tree, parent, place, &vma->node);
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
	/* relaxed: the write lock keeps the readers out, see space_find() */
	atomic_store_explicit(&space->last_hit, NULL, memory_order_relaxed);
	tree_remove(&space->tree, &vma->node);
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
	struct tree_node *node = space->tree.root;
	struct vma *found = NULL;

	while (node) {
		struct vma *vma = vma_of(node);

		if (address >= vma->mapping.end) {
			node = node->right;
			continue;
		}
		found = vma;
		if (address >= vma->mapping.start)
			break;
		node = node->left;
	}
	return found;
}

struct vma *vma_find_below(const struct space *space, uint64_t address)
{
	struct tree_node *node = space->tree.root;
	struct vma *found = NULL;

	while (node) {
		if (vma_of(node)->mapping.start < address) {
			found = vma_of(node);
			node = node->right;
		} else {
			node = node->left;
		}
	}
	return found;
}

struct vma *vma_prev(const struct vma *vma)
{
	return vma_of(tree_prev(&vma->node));
}

struct vma *space_next(const struct vma *vma)
{
	return vma_of(tree_next(&vma->node));
}

struct vma *space_find_intersection(const struct space *space, uint64_t start,
				    uint64_t end)
{
	struct vma *vma = vma_find(space, start);

	return vma && vma->mapping.start < end ? vma : NULL;
}

struct vma *space_find(struct space *space, uint64_t address)
{
	/*
	 * relaxed: what it points to was published by the lock, which the
	 * caller holds, and cannot go while he does
	 */
	struct vma *vma =
		atomic_load_explicit(&space->last_hit, memory_order_relaxed);

	if (vma && vma_contains(vma, address))
		return vma;
	vma = vma_find(space, address);
	if (!vma || !vma_contains(vma, address))
		return NULL;
	atomic_store_explicit(&space->last_hit, vma, memory_order_relaxed);
	return vma;
}
