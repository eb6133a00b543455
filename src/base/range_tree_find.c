/* range_tree_find.c - ranges of addresses: searches */
/* SPDX-License-Identifier: MIT */
#include "base/range_node.h"

#include "base/check.h"

/* ---- by address ---- */

/* The ends of a node, that their lines come all at once. */
static void fetch_ends(const struct range_node *node)
{
	for (unsigned i = 0; i < RANGE_WORDS; i += RANGE_LINE)
		__builtin_prefetch(node->end + i);
}

/*
 * The leaf with the first range that ends above address, and its slot; NULL:
 * there is none.  If the root has one, each node on the way has.
 */
static inline const struct range_node *find(const struct range_tree *tree,
					    uint64_t address, unsigned *slot)
{
	const struct range_node *node = tree->root;

	if (!node)
		return NULL;
	*slot = range_count(node->end, address);
	if (*slot >= node->count)
		return NULL;
	for (unsigned level = tree->levels - 1; level > 0; level--) {
		node = node->child[*slot];
		fetch_ends(node);
		*slot = range_count(node->end, address);
	}
	return node;
}

struct range_item *range_tree_find(const struct range_tree *tree,
				   uint64_t address)
{
	unsigned slot;
	const struct range_node *leaf = find(tree, address, &slot);

	return leaf ? leaf->child[slot] : NULL;
}

struct range_item *range_tree_at(struct range_tree *tree, uint64_t address)
{
	struct range_item *item = range_hit(tree, address);
	const struct range_node *leaf;
	unsigned slot;

	if (item)
		return item;
	leaf = find(tree, address, &slot);
	if (!leaf || leaf->start[slot] > address)
		return NULL;
	/* relaxed: see range_hit() */
	atomic_store_explicit(&tree->hit, range_hit_word(leaf, slot),
			      memory_order_relaxed);
	return leaf->child[slot];
}

bool range_tree_hits(const struct range_tree *tree, uint64_t address)
{
	return range_hit(tree, address) != NULL;
}

struct range_item *range_tree_below(const struct range_tree *tree,
				    uint64_t address)
{
	const struct range_node *node = tree->root;
	unsigned count;

	if (!node || address == 0)
		return NULL;
	for (unsigned level = tree->levels - 1;; level--) {
		count = range_count(node->start, address - 1);
		if (count == 0)
			return NULL;
		if (level == 0)
			return node->child[count - 1];
		node = node->child[count - 1];
	}
}

/* ---- holes ---- */

/* The hole behind the slot, if it is so large. */
static bool hole_behind(const struct range_node *node, unsigned slot,
			uint64_t length, struct range_bounds *hole)
{
	*hole = (struct range_bounds){ node->end[slot], node->start[slot + 1] };
	return range_hole(node, slot) >= length;
}

/*
 * The highest hole inside and between the first count slots of node.  A slot
 * that says that there is one inside it leads to it.
 */
static bool last_inside(const struct range_node *node, unsigned count,
			uint64_t length, struct range_bounds *hole)
{
	while (count-- > 0) {
		if (node->level && node->hole[count] >= length) {
			node = node->child[count];
			count = node->count;
		} else if (count > 0 &&
			   hole_behind(node, count - 1, length, hole)) {
			return true;
		}
	}
	return false;
}

/* Up from the last range that counts, each time over what is left of it. */
bool range_tree_last_hole(const struct range_tree *tree, uint64_t address,
			  uint64_t length, struct range_bounds *hole)
{
	struct range_path path;

	if (!tree->root || range_seek(tree, address, &path) == 0)
		return false;
	if (last_inside(path.node[0], path.slot[0] + 1, length, hole))
		return true;
	for (unsigned level = 1; level < tree->levels; level++) {
		const struct range_node *node = path.node[level];
		unsigned slot = path.slot[level];

		if (slot > 0 && (hole_behind(node, slot - 1, length, hole) ||
				 last_inside(node, slot, length, hole)))
			return true;
	}
	return false;
}

/* The same, mirrored: the lowest inside and between the slots from first on. */
static bool first_inside(const struct range_node *node, unsigned first,
			 uint64_t length, struct range_bounds *hole)
{
	while (first < node->count) {
		if (node->level && node->hole[first] >= length) {
			node = node->child[first];
			first = 0;
			continue;
		}
		if (first + 1 < node->count &&
		    hole_behind(node, first, length, hole))
			return true;
		first++;
	}
	return false;
}

bool range_tree_first_hole(const struct range_tree *tree, uint64_t address,
			   uint64_t length, struct range_bounds *hole)
{
	struct range_path path;

	if (!tree->root)
		return false;
	range_seek(tree, address, &path);
	if (first_inside(path.node[0], path.slot[0], length, hole))
		return true;
	for (unsigned level = 1; level < tree->levels; level++) {
		const struct range_node *node = path.node[level];
		unsigned slot = path.slot[level];

		if (slot + 1 < node->count &&
		    (hole_behind(node, slot, length, hole) ||
		     first_inside(node, slot + 1, length, hole)))
			return true;
	}
	return false;
}
