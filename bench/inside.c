/* inside.c - what only the library's inside can tell: a VMA's look-up */
/* SPDX-License-Identifier: MIT */
#include "inside.h"

#include "engine/engine.h"
#include "harness.h"

/* Each address is computed in both passes, so that the second pass, which
 * counts, need not be timed. */
void inside_find(struct quire_space *quire_space, const struct finds *finds,
		 struct found *found)
{
	struct space *space = &quire_space->space;
	uint64_t hit = 0, begun;

	*found = (struct found){ 0 };
	rwlock_take_read(&space->lock);
	begun = clock_ns();
	for (uint64_t i = 0; i < finds->count; i++)
		found->found +=
			!!space_find(space, finds->address(finds->context, i));
	found->ns = (double)(clock_ns() - begun) / (double)finds->count;
	for (uint64_t i = 0; i < finds->count; i++) {
		uint64_t address = finds->address(finds->context, i);

		hit += range_tree_hits(&space->tree, address);
		space_find(space, address);
	}
	rwlock_drop_read(&space->lock);
	found->hit_rate = (double)hit / (double)finds->count;
}
