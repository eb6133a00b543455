/* tree.c - balanced tree, intrusive, with a summary kept at each node */
/* SPDX-License-Identifier: MIT */
/*
 * An AVL tree: the heights of a node's children differ by one at most.  After
 * a change the path up to the root is walked once; each node on it is
 * balanced and then summarised, so children always come before parents.
 *
 *        y                x
 *       / \    right     / \
 *      x   C   ---->    A   y
 *     / \      <----       / \
 *    A   B     left       B   C
 */
#include "base/tree.h"

static int height_of(const struct tree_node *node)
{
	return node ? node->height : 0;
}

/* Positive: the left side is higher. */
static int lean_of(const struct tree_node *node)
{
	return height_of(node->left) - height_of(node->right);
}

/* Height and summary of node from its children. */
static void update(const struct tree *tree, struct tree_node *node)
{
	int left = height_of(node->left);
	int right = height_of(node->right);

	node->height = (left > right ? left : right) + 1;
	if (tree->summarise)
		tree->summarise(node);
}

/* node, which may be NULL, hangs where old hung. */
static void replace(struct tree *tree, struct tree_node *old,
		    struct tree_node *node)
{
	struct tree_node *parent = old->parent;

	if (!parent)
		tree->root = node;
	else if (parent->left == old)
		parent->left = node;
	else
		parent->right = node;
	if (node)
		node->parent = parent;
}

static struct tree_node *rotate_right(struct tree *tree, struct tree_node *y)
{
	struct tree_node *x = y->left;

	replace(tree, y, x);
	y->left = x->right;
	if (y->left)
		y->left->parent = y;
	x->right = y;
	y->parent = x;
	update(tree, y);
	update(tree, x);
	return x;
}

static struct tree_node *rotate_left(struct tree *tree, struct tree_node *x)
{
	struct tree_node *y = x->right;

	replace(tree, x, y);
	x->right = y->left;
	if (x->right)
		x->right->parent = x;
	y->left = x;
	x->parent = y;
	update(tree, x);
	update(tree, y);
	return y;
}

/* Returns the root of what was node's subtree, balanced and summarised. */
static struct tree_node *balance(struct tree *tree, struct tree_node *node)
{
	int lean = lean_of(node);

	if (lean > 1) {
		if (lean_of(node->left) < 0)
			rotate_left(tree, node->left);
		return rotate_right(tree, node);
	}
	if (lean < -1) {
		if (lean_of(node->right) > 0)
			rotate_right(tree, node->right);
		return rotate_left(tree, node);
	}
	update(tree, node);
	return node;
}

/* To the root even if heights stay: the summaries above may have changed. */
static void balance_up(struct tree *tree, struct tree_node *node)
{
	for (; node; node = node->parent)
		node = balance(tree, node);
}

void tree_init(struct tree *tree, void (*summarise)(struct tree_node *))
{
	tree->root = NULL;
	tree->summarise = summarise;
}

void tree_insert(struct tree *tree, struct tree_node *parent,
		 struct tree_node **place, struct tree_node *node)
{
	node->parent = parent;
	node->left = NULL;
	node->right = NULL;
	*place = node;
	balance_up(tree, node);
}

/* next is the first of node's right side; it takes node's place. */
static struct tree_node *replace_by_next(struct tree *tree,
					 struct tree_node *node,
					 struct tree_node *next)
{
	struct tree_node *lowest = next;

	if (next->parent != node) {
		lowest = next->parent;
		replace(tree, next, next->right);
		next->right = node->right;
		next->right->parent = next;
	}
	next->left = node->left;
	next->left->parent = next;
	replace(tree, node, next);
	return lowest;
}

void tree_remove(struct tree *tree, struct tree_node *node)
{
	struct tree_node *lowest = node->parent; /* whose subtree changed */

	if (node->left && node->right)
		lowest = replace_by_next(tree, node, tree_next(node));
	else
		replace(tree, node, node->left ? node->left : node->right);
	balance_up(tree, lowest);
	node->parent = NULL;
	node->left = NULL;
	node->right = NULL;
}

void tree_changed(struct tree *tree, struct tree_node *node)
{
	for (; node; node = node->parent)
		update(tree, node);
}

static struct tree_node *leftmost(struct tree_node *node)
{
	while (node && node->left)
		node = node->left;
	return node;
}

static struct tree_node *rightmost(struct tree_node *node)
{
	while (node && node->right)
		node = node->right;
	return node;
}

struct tree_node *tree_first(const struct tree *tree)
{
	return leftmost(tree->root);
}

struct tree_node *tree_last(const struct tree *tree)
{
	return rightmost(tree->root);
}

struct tree_node *tree_next(const struct tree_node *node)
{
	const struct tree_node *child = node;

	if (node->right)
		return leftmost(node->right);
	while (child->parent && child == child->parent->right)
		child = child->parent;
	return child->parent;
}

struct tree_node *tree_prev(const struct tree_node *node)
{
	const struct tree_node *child = node;

	if (node->left)
		return rightmost(node->left);
	while (child->parent && child == child->parent->left)
		child = child->parent;
	return child->parent;
}
