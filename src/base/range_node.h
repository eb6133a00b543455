/* range_node.h - what the files of the range tree share */
/* SPDX-License-Identifier: MIT */
/*
 * A node, in cache lines of eight words:
 *
 *       0   1   2   3    4   5   6   7    8   9   10  11   12  13  14  15
 *     | ends           | starts         | children       | holes (inner) |
 *
 * A search looks at one word of each line of ends, then at one line: it needs
 * the ends until the leaf, and one line more of each node.  Slots that are not
 * in use have the largest number as end and start, so that a search needs no
 * count; the last one never is.
 */
#ifndef QUIRE_BASE_RANGE_NODE_H
#define QUIRE_BASE_RANGE_NODE_H

#include "base/range_tree.h"

#include <stdatomic.h>
#include <stddef.h>

#define RANGE_WORDS 32
#define RANGE_LINE 8 /* words of a cache line */
#define RANGE_SLOTS 31
/* Fewer are in no node but the root. */
#define RANGE_SLOTS_LEAST 8
/* Of that many levels the lowest has 2 * 8^12 ranges at least. */
#define RANGE_LEVELS 13
#define RANGE_NONE UINT64_MAX

struct range_node {
	uint64_t end[RANGE_WORDS];
	uint64_t start[RANGE_WORDS];
	/* Nodes of the level below; of a leaf: struct range_item. */
	void *child[RANGE_SLOTS];
	unsigned count;
	unsigned level; /* 0: a leaf */
	/* Inside each child.  A leaf's memory ends before. */
	uint64_t hole[RANGE_WORDS];
};

#define RANGE_LEAF_BYTES offsetof(struct range_node, hole)

/* What a node says of a child; of a range, hole is 0. */
struct range_slot {
	struct range_bounds range;
	uint64_t hole;
	void *child;
};

/* The way from the root to a slot of a leaf, by level. */
struct range_path {
	struct range_node *node[RANGE_LEVELS];
	unsigned slot[RANGE_LEVELS];
};

/* How many of the sorted words are address at most, which none of the unused
 * ones is. */
static inline unsigned range_count(const uint64_t *words, uint64_t address)
{
	unsigned line = (unsigned)(words[RANGE_LINE - 1] <= address) +
			(unsigned)(words[2 * RANGE_LINE - 1] <= address) +
			(unsigned)(words[3 * RANGE_LINE - 1] <= address);
	unsigned count = line * RANGE_LINE;

	words += count;
	for (unsigned i = 0; i < RANGE_LINE; i++)
		count += words[i] <= address;
	return count;
}

/*
 * tree->hit is the leaf, which has no address above 2^57, and the slot; 0:
 * nowhere.  Searches store it, all that changes the tree clears it.
 */
static inline uint64_t range_hit_word(const struct range_node *leaf,
				      unsigned slot)
{
	return (uint64_t)(uintptr_t)leaf << 5 | slot;
}

/* What was found last, if address is in it; else NULL. */
static inline struct range_item *range_hit(const struct range_tree *tree,
					   uint64_t address)
{
	/* relaxed: the lock that keeps changes away has published the leaf */
	uint64_t hit = atomic_load_explicit(&tree->hit, memory_order_relaxed);
	const struct range_node *leaf = (void *)(uintptr_t)(hit >> 5);
	unsigned slot = hit % RANGE_WORDS;

	/* One comparison, as two would be guessed wrong now and again, and
	 * nothing goes on until the leaf is there. */
	if (!leaf ||
	    address - leaf->start[slot] >= leaf->end[slot] - leaf->start[slot])
		return NULL;
	return leaf->child[slot];
}

/* Between a slot and the next one; 0 while they overlap. */
static inline uint64_t range_hole(const struct range_node *node, unsigned slot)
{
	uint64_t start = node->start[slot + 1];
	uint64_t end = node->end[slot];

	return start > end ? start - end : 0;
}

/* To the last slot that starts at address or below, or else the first.
 * Returns how many slots of the leaf start there. */
static inline unsigned range_seek(const struct range_tree *tree,
				  uint64_t address, struct range_path *path)
{
	struct range_node *node = tree->root;

	for (unsigned level = tree->levels - 1;; level--) {
		unsigned count = range_count(node->start, address);

		path->node[level] = node;
		path->slot[level] = count ? count - 1 : 0;
		if (level == 0)
			return count;
		node = node->child[path->slot[level]];
	}
}

/* What the slot above node should say. */
struct range_slot range_summary(const struct range_node *node);

#endif
