/* tree.h - balanced tree, intrusive, with a summary kept at each node */
/* SPDX-License-Identifier: MIT */
/*
 * The caller compares (it walks root, left, right itself) and says where a
 * new node hangs; the tree rebalances and has each node whose subtree changed
 * recomputed by summarise(), children before parents.
 */
#ifndef QUIRE_BASE_TREE_H
#define QUIRE_BASE_TREE_H

#include <stddef.h>

struct tree_node {
	struct tree_node *parent;
	struct tree_node *left;
	struct tree_node *right;
	int height;
};

struct tree {
	struct tree_node *root;
	/* Recomputes node's summary from node and its children; may be NULL. */
	void (*summarise)(struct tree_node *node);
};

void tree_init(struct tree *tree, void (*summarise)(struct tree_node *));
/* *place is the null link (parent's left or right, or tree->root). */
void tree_insert(struct tree *tree, struct tree_node *parent,
		 struct tree_node **place, struct tree_node *node);
void tree_remove(struct tree *tree, struct tree_node *node);
/* After a key or a value of node changed without changing the order. */
void tree_changed(struct tree *tree, struct tree_node *node);
struct tree_node *tree_first(const struct tree *tree);
struct tree_node *tree_last(const struct tree *tree);
struct tree_node *tree_next(const struct tree_node *node);
struct tree_node *tree_prev(const struct tree_node *node);

#endif
