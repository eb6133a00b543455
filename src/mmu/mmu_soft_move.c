/* mmu_soft_move.c - the software MMU: moving translations, and forking them */
/* SPDX-License-Identifier: MIT */
#include "mmu/mmu_soft_private.h"

#include <errno.h>

struct move {
	struct mmu_soft *soft;
	uint64_t from;
	uint64_t end;
	uint64_t to;
};

static uint64_t new_place(const struct move *move, uint64_t address)
{
	return address - move->from + move->to;
}

/* A leaf, some address of which is at, moves in one piece. */
static bool in_one_piece(const struct move *move, uint64_t at, unsigned level)
{
	const uint64_t size = soft_size(level);

	return !((at | new_place(move, at)) & (size - 1)) &&
	       size <= move->end - at;
}

/* Makes the tables that the leaf needs at its new place. */
static int make_room(const struct move *move, uint64_t at, unsigned level)
{
	const uint64_t to = new_place(move, at);
	struct soft_walk walk = soft_descend(move->soft, to, level);

	check(!walk.at[walk.level]->word, "nothing is where pages move to");
	return soft_extend(move->soft, &walk, to, level);
}

/* All that may fail.  Tables that stay empty are left to be pruned. */
static int prepare(const struct move *move)
{
	struct soft_walk walk;
	uint64_t at = move->from;

	while (soft_find(move->soft, &at, move->end, &walk)) {
		struct soft_entry *entry = walk.at[walk.level];

		if (in_one_piece(move, at, walk.level)) {
			if (make_room(move, at, walk.level))
				return -ENOMEM;
			at += soft_size(walk.level);
		} else if (!soft_split(move->soft, entry, at, walk.level)) {
			return -ENOMEM;
		}
	}
	return 0;
}

/* No table is given back on the way: one that has lost its last may be where
 * others are still to go. */
static void commit(const struct move *move)
{
	struct soft_walk from;
	uint64_t at = move->from;

	while (soft_find(move->soft, &at, move->end, &from)) {
		const unsigned level = from.level;
		const struct soft_walk to =
			soft_descend(move->soft, new_place(move, at), level);

		*to.at[level] = *from.at[level];
		to.at[level + 1]->word += SOFT_ONE;
		*from.at[level] = (struct soft_entry){ 0 };
		from.at[level + 1]->word -= SOFT_ONE;
		at += soft_size(level);
	}
}

int soft_move(struct mmu *mmu, uint64_t from, uint64_t to, uint64_t length)
{
	struct mmu_soft *soft = soft_own(mmu);
	const struct move move = { soft, from, from + length, to };
	int error;

	soft_check_range(from, from + length);
	soft_check_range(to, to + length);
	debug_check(to >= from + length || from >= to + length,
		    "a range is not moved onto itself");
	lock_take(&soft->lock);
	error = prepare(&move);
	if (error) {
		soft_prune_range(soft, to, to + length);
	} else {
		soft_tlb_shoot(soft, from, from + length);
		commit(&move);
		soft_prune_range(soft, from, from + length);
	}
	lock_drop(&soft->lock);
	return error;
}

/* ---- a fork ---- */

/* The level of the largest piece of a leaf that begins at, before end. */
static unsigned piece_level(unsigned level, uint64_t at, uint64_t end)
{
	while (level > 1 &&
	       (at & (soft_size(level) - 1) || soft_size(level) > end - at))
		level--;
	return level;
}

static int copy_piece(struct mmu_soft *child, const struct soft_walk *parent,
		      uint64_t at, unsigned level)
{
	struct soft_entry *entry = parent->at[parent->level];
	struct soft_walk walk = soft_descend(child, at, level);
	struct soft_translation translation;

	check(!walk.at[walk.level]->word, "a child has nothing there yet");
	if (soft_extend(child, &walk, at, level))
		return -ENOMEM;
	if (entry->word & SOFT_PRIVATE) {
		entry->word &= ~(uint64_t)SOFT_WRITE;
		child->options.hold(child->options.context,
				    entry->word >> SOFT_INDEX_SHIFT);
	}
	translation = soft_read(entry, at, parent->level);
	soft_put(child, walk.at[level + 1], walk.at[level],
		 soft_leaf(&translation, at, level));
	return 0;
}

/* Who writes back knows the child already, by its shared mappings. */
int soft_copy(struct mmu *parent, struct mmu *child, uint64_t start,
	      uint64_t end)
{
	struct mmu_soft *soft = soft_own(parent);
	struct soft_walk walk;
	uint64_t at = start;
	int error = 0;

	soft_check_range(start, end);
	lock_take(&soft->lock);
	lock_take_below(&soft_own(child)->lock, LOCK_RANK_MMU_CHILD);
	soft_tlb_shoot(soft, start, end);
	while (!error && soft_find(soft, &at, end, &walk)) {
		const unsigned level = piece_level(walk.level, at, end);

		error = copy_piece(soft_own(child), &walk, at, level);
		at += soft_size(level);
	}
	lock_drop(&soft_own(child)->lock);
	lock_drop(&soft->lock);
	return error;
}
