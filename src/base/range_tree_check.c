/* range_tree_check.c - ranges of addresses: the whole tree is looked at */
/* SPDX-License-Identifier: MIT */
#include "base/range_node.h"

#include "base/check.h"

/* ---- the walk ---- */

static void see_slot(const struct range_node *node, unsigned slot,
		     unsigned depth,
		     void (*see)(void *, const struct range_view *),
		     void *context)
{
	struct range_view view = {
		.depth = depth,
		.range = { node->start[slot], node->end[slot] },
	};

	if (node->level)
		view.hole = node->hole[slot];
	else
		view.item = node->child[slot];
	see(context, &view);
}

static void see_root(const struct range_node *root,
		     void (*see)(void *, const struct range_view *),
		     void *context)
{
	struct range_slot slot = range_summary(root);
	struct range_view view = { .range = slot.range, .hole = slot.hole };

	see(context, &view);
}

/* path->slot: what was seen last of the node. */
void range_tree_walk(const struct range_tree *tree,
		     void (*see)(void *context, const struct range_view *view),
		     void *context)
{
	struct range_path path;
	unsigned top = tree->levels - 1, level = top;

	if (!tree->root)
		return;
	see_root(tree->root, see, context);
	path.node[top] = tree->root;
	path.slot[top] = 0;
	while (level <= top) {
		const struct range_node *node = path.node[level];
		unsigned slot = path.slot[level]++;

		if (slot == node->count) {
			level++;
			continue;
		}
		see_slot(node, slot, top - level + 1, see, context);
		if (level > 0) {
			path.node[--level] = node->child[slot];
			path.slot[level] = 0;
		}
	}
}

/* ---- the check ---- */

struct checking {
	const struct range_tree *tree;
	const struct range_item *last; /* so far */
	uint64_t end;                  /* of its range */
};

static void check_item(void *context, const struct range_view *view)
{
	struct checking *checking = context;
	const struct range_item *last = checking->last;

	if (!view->item)
		return;
	check(view->depth == checking->tree->levels,
	      "all ranges are of one depth");
	check(view->range.start < view->range.end, "no range is empty");
	check(!last || checking->end <= view->range.start,
	      "ranges do not overlap");
	check(view->item->prev == last &&
		      (last ? last->next : checking->tree->first) == view->item,
	      "items are linked in order");
	checking->last = view->item;
	checking->end = view->range.end;
}

static void check_unused(const struct range_node *node)
{
	for (unsigned i = node->count; i < RANGE_WORDS; i++)
		check(node->start[i] == RANGE_NONE &&
			      node->end[i] == RANGE_NONE,
		      "an unused slot is behind all addresses");
}

static void check_child(const struct range_node *node, unsigned slot)
{
	struct range_node *child = node->child[slot];
	struct range_slot summary = range_summary(child);

	check(child->level + 1 == node->level, "a child is one level down");
	check(child->count >= RANGE_SLOTS_LEAST, "a node has slots enough");
	check(summary.range.start == node->start[slot] &&
		      summary.range.end == node->end[slot] &&
		      summary.hole == node->hole[slot],
	      "a slot says what is below it");
}

/* With the levels below, by its own stack: path->slot is the next one. */
static void check_nodes(const struct range_tree *tree)
{
	struct range_path path;
	unsigned top = tree->levels - 1, level = top;

	path.node[top] = tree->root;
	path.slot[top] = 0;
	while (level <= top) {
		struct range_node *node = path.node[level];
		unsigned slot = path.slot[level]++;

		if (slot == 0)
			check_unused(node);
		if (level == 0 || slot == node->count) {
			level++;
			continue;
		}
		check_child(node, slot);
		path.node[--level] = node->child[slot];
		path.slot[level] = 0;
	}
}

void range_tree_check(const struct range_tree *tree)
{
	struct checking checking = { .tree = tree };

	check(!tree->root == !tree->levels, "a tree without a root is empty");
	if (tree->root) {
		check(tree->root->level == tree->levels - 1 &&
			      tree->root->count >= (tree->levels > 1 ? 2 : 1),
		      "a root is not too much");
		check_nodes(tree);
	}
	range_tree_walk(tree, check_item, &checking);
	check(checking.last == tree->last, "the last item is the last one");
}
