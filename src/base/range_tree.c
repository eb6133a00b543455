/* range_tree.c - ranges of addresses: the tree changes */
/* SPDX-License-Identifier: MIT */
/*
 * A change seeks its leaf, and goes up from there as long as a node has
 * something new to say of itself:
 *
 *     insert   a full node gives a part to a new one, which goes into a slot
 *              behind it, one level up; a full root gets a root above it
 *     remove   a node with few slots left takes some of a neighbour's, or all:
 *              then the slot of the one that is empty goes, one level up
 */
#include "base/range_node.h"

#include "base/check.h"

#include <errno.h>
#include <string.h>

void range_tree_init(struct range_tree *tree, enum lock_rank rank,
		     void *(*map)(size_t), void (*unmap)(void *, size_t))
{
	*tree = (struct range_tree){ .root = NULL };
	pool_init(&tree->leaves, RANGE_LEAF_BYTES, rank, map, unmap);
	pool_init(&tree->inner, sizeof(struct range_node), rank, map, unmap);
}

void range_tree_finish(struct range_tree *tree)
{
	pool_finish(&tree->leaves);
	pool_finish(&tree->inner);
}

/*
 * As many as a tree of so many ranges could have: all but the root have
 * RANGE_SLOTS_LEAST slots in use, so each level has at most an eighth of the
 * nodes of the one below; and 1/64 + 1/512 + ... is 1/56.
 */
static bool provide(struct range_tree *tree, size_t ranges)
{
	size_t least = RANGE_SLOTS_LEAST;
	size_t inner = ranges / (least * (least - 1)) + RANGE_LEVELS;

	return pool_provide(&tree->leaves, ranges / least + 1) &&
	       pool_provide(&tree->inner, inner);
}

int range_tree_reserve(struct range_tree *tree, size_t inserts)
{
	size_t ranges = tree->count + inserts;

	if (ranges <= tree->provided)
		return 0;
	/* Some in advance, that not each insert of many comes here. */
	ranges += ranges / 4 + RANGE_SLOTS;
	if (!provide(tree, ranges))
		return -ENOMEM;
	tree->provided = ranges;
	return 0;
}

/* relaxed: changes keep searches away, whose lock publishes this */
static void forget_hit(struct range_tree *tree)
{
	atomic_store_explicit(&tree->hit, 0, memory_order_relaxed);
}

/* ---- nodes ---- */

static struct range_node *make_node(struct range_tree *tree, unsigned level)
{
	struct range_node *node =
		pool_take(level ? &tree->inner : &tree->leaves);

	check(node && level < RANGE_LEVELS, "who inserts has reserved");
	node->level = level;
	for (unsigned i = 0; i < RANGE_WORDS; i++)
		node->start[i] = node->end[i] = RANGE_NONE;
	return node;
}

static void drop_node(struct range_tree *tree, struct range_node *node)
{
	pool_drop(node->level ? &tree->inner : &tree->leaves, node);
}

/* So many slots before and behind the path's an operation changes at most, with
 * the holes beside them. */
#define AROUND 3

/* Signed: what overlaps for a moment is no hole. */
static int64_t larger(int64_t one, uint64_t other)
{
	return one > (int64_t)other ? one : (int64_t)other;
}

/* The largest hole in the slots from first to last and between them; none is
 * larger than most. */
static int64_t largest_hole(const struct range_node *node, unsigned first,
			    unsigned last, int64_t most)
{
	int64_t hole = 0;

	for (unsigned i = first; i < last && hole < most; i++)
		hole = larger(hole, node->start[i + 1] - node->end[i]);
	for (unsigned i = first; node->level && i <= last && hole < most; i++)
		hole = larger(hole, node->hole[i]);
	return hole;
}

static struct range_slot summary(const struct range_node *node, int64_t hole)
{
	return (struct range_slot){
		.range = { node->start[0], node->end[node->count - 1] },
		.hole = (uint64_t)hole,
		.child = (void *)(uintptr_t)node,
	};
}

struct range_slot range_summary(const struct range_node *node)
{
	return summary(node, largest_hole(node, 0, node->count - 1, INT64_MAX));
}

/*
 * The same, of a node that has changed around a slot: where no hole there is as
 * large as the largest was, none is larger.
 */
static struct range_slot summary_anew(const struct range_node *node,
				      unsigned slot, uint64_t largest)
{
	unsigned end = node->count - 1;
	unsigned first = slot > AROUND ? slot - AROUND : 0;
	unsigned last = slot + AROUND < end ? slot + AROUND : end;
	int64_t hole = largest_hole(node, first, last, INT64_MAX);

	if (hole < (int64_t)largest)
		hole = largest_hole(node, 0, end, (int64_t)largest);
	return summary(node, hole);
}

static void set_slot(struct range_node *node, unsigned at,
		     const struct range_slot *slot)
{
	node->start[at] = slot->range.start;
	node->end[at] = slot->range.end;
	node->child[at] = slot->child;
	if (node->level)
		node->hole[at] = slot->hole;
}

/* Of two nodes of a level, or of one. */
static void move_slots(struct range_node *to, unsigned to_slot,
		       const struct range_node *from, unsigned from_slot,
		       unsigned count)
{
	size_t bytes = count * sizeof(uint64_t);

	memmove(to->start + to_slot, from->start + from_slot, bytes);
	memmove(to->end + to_slot, from->end + from_slot, bytes);
	memmove(to->child + to_slot, from->child + from_slot, bytes);
	if (to->level)
		memmove(to->hole + to_slot, from->hole + from_slot, bytes);
}

/* Slots from the new count up to the old one are no longer in use. */
static void set_count(struct range_node *node, unsigned count)
{
	for (unsigned i = count; i < node->count; i++)
		node->start[i] = node->end[i] = RANGE_NONE;
	node->count = count;
}

static void put_slot(struct range_node *node, unsigned at,
		     const struct range_slot *slot)
{
	move_slots(node, at + 1, node, at, node->count - at);
	set_slot(node, at, slot);
	node->count++;
}

static void take_slot(struct range_node *node, unsigned at)
{
	move_slots(node, at, node, at + 1, node->count - at - 1);
	set_count(node, node->count - 1);
}

/* What the slot above the path's node of this level says is true again. */
static void describe(struct range_path *path, unsigned level)
{
	struct range_slot slot = range_summary(path->node[level]);

	set_slot(path->node[level + 1], path->slot[level + 1], &slot);
}

/* Up from a node that has changed around the path's slot, until there is
 * nothing new to say. */
static void describe_up(struct range_tree *tree, struct range_path *path,
			unsigned level)
{
	for (; level + 1 < tree->levels; level++) {
		struct range_node *above = path->node[level + 1];
		unsigned at = path->slot[level + 1];
		struct range_slot slot = summary_anew(
			path->node[level], path->slot[level], above->hole[at]);

		tree->steps++;
		if (above->start[at] == slot.range.start &&
		    above->end[at] == slot.range.end &&
		    above->hole[at] == slot.hole)
			return;
		set_slot(above, at, &slot);
	}
}

/* To the slot of item, whose range begins at start, maybe not alone. */
static void seek_item(struct range_tree *tree, uint64_t start,
		      const struct range_item *item, struct range_path *path)
{
	unsigned level;

	check(tree->root, "an item is in the tree");
	range_seek(tree, start, path);
	tree->steps += tree->levels;
	while (path->node[0]->child[path->slot[0]] != item) {
		for (level = 0; path->slot[level] == 0; level++)
			check(level + 1 < tree->levels,
			      "an item is in the tree");
		path->slot[level]--;
		for (; level > 0; level--) {
			struct range_node *node = path->node[level];

			node = node->child[path->slot[level]];
			path->node[level - 1] = node;
			path->slot[level - 1] = node->count - 1;
		}
	}
}

/* ---- insert ---- */

static void link_item(struct range_tree *tree, struct range_item *prev,
		      struct range_item *item)
{
	item->prev = prev;
	item->next = prev ? prev->next : tree->first;
	*(prev ? &prev->next : &tree->first) = item;
	*(item->next ? &item->next->prev : &tree->last) = item;
}

static void unlink_item(struct range_tree *tree, struct range_item *item)
{
	*(item->prev ? &item->prev->next : &tree->first) = item->next;
	*(item->next ? &item->next->prev : &tree->last) = item->prev;
	item->prev = item->next = NULL;
}

/*
 * What is inserted at an end will probably be followed by more: the other part
 * gets most slots, and keeps them.
 */
static unsigned slots_that_stay(unsigned at)
{
	if (at == RANGE_SLOTS)
		return RANGE_SLOTS - RANGE_SLOTS_LEAST;
	return at == 0 ? RANGE_SLOTS_LEAST : RANGE_SLOTS / 2;
}

/* Puts slot into the full node, or into a new one behind it, which it
 * returns. */
static struct range_node *split(struct range_tree *tree,
				struct range_node *node, unsigned at,
				const struct range_slot *slot)
{
	struct range_node *upper = make_node(tree, node->level);
	unsigned stay = slots_that_stay(at);

	move_slots(upper, 0, node, stay, node->count - stay);
	upper->count = node->count - stay;
	set_count(node, stay);
	if (at > stay)
		put_slot(upper, at - stay, slot);
	else
		put_slot(node, at, slot);
	return upper;
}

/* A node above the root, which is its only child. */
static void add_level(struct range_tree *tree, struct range_path *path)
{
	unsigned level = tree->levels;
	struct range_node *root = make_node(tree, level);

	root->count = 1;
	path->node[level] = root;
	path->slot[level] = 0;
	tree->root = root;
	tree->levels++;
}

void range_tree_insert(struct range_tree *tree,
		       const struct range_bounds *range,
		       struct range_item *item)
{
	struct range_slot slot = { .range = *range, .child = item };
	struct range_path path;
	unsigned level = 0, at;

	if (!tree->root) {
		tree->root = make_node(tree, 0);
		tree->levels = 1;
	}
	forget_hit(tree);
	at = range_seek(tree, range->start, &path);
	tree->steps += tree->levels;
	/* At 0 it is the first of all: the way led to what starts before it. */
	link_item(tree, at ? path.node[0]->child[at - 1] : NULL, item);
	tree->count++;
	for (; path.node[level]->count == RANGE_SLOTS; level++) {
		struct range_node *upper =
			split(tree, path.node[level], at, &slot);

		tree->steps++;
		if (level + 1 == tree->levels)
			add_level(tree, &path);
		describe(&path, level);
		slot = range_summary(upper);
		at = path.slot[level + 1] + 1;
	}
	put_slot(path.node[level], at, &slot);
	describe_up(tree, &path, level);
}

/* ---- remove ---- */

/* Half of both slots to each. */
static void share_slots(struct range_node *lower, struct range_node *upper)
{
	unsigned both = lower->count + upper->count;
	unsigned stay = both / 2, moved;

	if (lower->count > stay) {
		moved = lower->count - stay;
		move_slots(upper, moved, upper, 0, upper->count);
		move_slots(upper, 0, lower, stay, moved);
		upper->count += moved;
		set_count(lower, stay);
	} else {
		moved = stay - lower->count;
		move_slots(lower, lower->count, upper, 0, moved);
		move_slots(upper, 0, upper, moved, upper->count - moved);
		lower->count = stay;
		set_count(upper, both - stay);
	}
}

/*
 * The path's node of this level has few slots left: they become one with a
 * neighbour's, or share.  True: the node above has a slot less.
 */
static bool mend(struct range_tree *tree, struct range_path *path,
		 unsigned level)
{
	struct range_node *above = path->node[level + 1];
	unsigned at = path->slot[level + 1] ? path->slot[level + 1] - 1 : 0;
	struct range_node *lower = above->child[at];
	struct range_node *upper = above->child[at + 1];
	struct range_slot slot;
	bool joined = lower->count + upper->count <= RANGE_SLOTS;

	if (joined) {
		move_slots(lower, lower->count, upper, 0, upper->count);
		lower->count += upper->count;
		drop_node(tree, upper);
		take_slot(above, at + 1);
	} else {
		share_slots(lower, upper);
		slot = range_summary(upper);
		set_slot(above, at + 1, &slot);
	}
	slot = range_summary(lower);
	set_slot(above, at, &slot);
	return joined;
}

/* A root of one child is none. */
static void lower_root(struct range_tree *tree)
{
	struct range_node *root = tree->root;

	if (root->count > (root->level ? 1 : 0))
		return;
	tree->root = root->level ? root->child[0] : NULL;
	tree->levels--;
	drop_node(tree, root);
}

void range_tree_remove(struct range_tree *tree, uint64_t start,
		       struct range_item *item)
{
	struct range_path path;
	unsigned level = 0;

	forget_hit(tree);
	seek_item(tree, start, item, &path);
	unlink_item(tree, item);
	tree->count--;
	take_slot(path.node[0], path.slot[0]);
	while (level + 1 < tree->levels &&
	       path.node[level]->count < RANGE_SLOTS_LEAST) {
		tree->steps++;
		if (!mend(tree, &path, level++))
			break;
	}
	describe_up(tree, &path, level);
	lower_root(tree);
}

/* ---- move ---- */

void range_tree_move(struct range_tree *tree, uint64_t start,
		     struct range_item *item, const struct range_bounds *range)
{
	struct range_path path;

	forget_hit(tree);
	seek_item(tree, start, item, &path);
	path.node[0]->start[path.slot[0]] = range->start;
	path.node[0]->end[path.slot[0]] = range->end;
	describe_up(tree, &path, 0);
}
