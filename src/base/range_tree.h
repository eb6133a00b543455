/* range_tree.h - ranges of addresses, and the holes between them: a B+ tree */
/* SPDX-License-Identifier: MIT */
/*
 * Ranges with an item each, in the order of their starts.  Nodes have many
 * slots, so the tree is low, and they hold the borders of the ranges, so a
 * search touches no item: it costs a cache line or two for each level.  Of
 * each subtree the slot above it says where it begins and ends, and how large
 * the largest hole between two ranges of it is.
 *
 * Items are linked in order: the next one costs no search.
 *
 * Nodes come from pools.  Who inserts has reserved before, where it may fail
 * and the pools may map; then nothing that changes the tree can fail.
 *
 * No lock: searches may run at once, a change by itself.
 */
#ifndef QUIRE_BASE_RANGE_TREE_H
#define QUIRE_BASE_RANGE_TREE_H

#include "base/pool.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct range_bounds {
	uint64_t start; /* half open, and not empty */
	uint64_t end;
};

/* Part of what has the range. */
struct range_item {
	struct range_item *prev;
	struct range_item *next;
};

struct range_tree {
	struct range_node *root; /* NULL: there is no range */
	unsigned levels;         /* of nodes */
	struct range_item *first;
	struct range_item *last;
	struct pool leaves;
	struct pool inner;
	size_t count;    /* of ranges */
	size_t provided; /* so many the pools have nodes for */
	/* Where range_tree_at() found something last, see range_hit(). */
	_Atomic uint64_t hit;
	uint64_t steps; /* nodes that changes have passed: tests count them */
};

/* The nodes' pools get the rank. */
void range_tree_init(struct range_tree *tree, enum lock_rank rank,
		     void *(*map)(size_t), void (*unmap)(void *, size_t));
void range_tree_finish(struct range_tree *tree); /* the items are forgotten */

/* Nodes for so many inserts, with nothing inserted before them; a change as
 * any.  0 or -ENOMEM. */
int range_tree_reserve(struct range_tree *tree, size_t inserts);

/*
 * Changes.  For a moment ranges may overlap, and begin at the same address,
 * as long as starts do not fall: a range grows before what it covers goes.  The
 * next search comes after that.
 *
 * start is where the item's range begins in the tree so far.
 */
void range_tree_insert(struct range_tree *tree,
		       const struct range_bounds *range,
		       struct range_item *item);
void range_tree_remove(struct range_tree *tree, uint64_t start,
		       struct range_item *item);
void range_tree_move(struct range_tree *tree, uint64_t start,
		     struct range_item *item, const struct range_bounds *range);

/* ---- searches ---- */

/* The first range that ends above address, or NULL. */
struct range_item *range_tree_find(const struct range_tree *tree,
				   uint64_t address);
/* The one that address is in, or NULL.  It looks first where something was
 * found last. */
struct range_item *range_tree_at(struct range_tree *tree, uint64_t address);
/* Would that be enough?  For those who measure. */
bool range_tree_hits(const struct range_tree *tree, uint64_t address);
/* The last range that starts below address, or NULL. */
struct range_item *range_tree_below(const struct range_tree *tree,
				    uint64_t address);
/* Of the holes of length bytes or more (not 0) between two ranges: the highest
 * one whose upper range starts at address or below; the lowest one whose upper
 * range starts above. */
bool range_tree_last_hole(const struct range_tree *tree, uint64_t address,
			  uint64_t length, struct range_bounds *hole);
bool range_tree_first_hole(const struct range_tree *tree, uint64_t address,
			   uint64_t length, struct range_bounds *hole);

/* A node or a range, as it is seen on a walk. */
struct range_view {
	unsigned depth; /* the root has 0 */
	struct range_bounds range;
	uint64_t hole;           /* of a node: the largest between two ranges */
	struct range_item *item; /* NULL: it is a node */
};

/* All of them by address, each node before what it holds. */
void range_tree_walk(const struct range_tree *tree,
		     void (*see)(void *context, const struct range_view *view),
		     void *context);
/* Asserts that the tree is one, and ranges are apart.  Slow. */
void range_tree_check(const struct range_tree *tree);

#endif
