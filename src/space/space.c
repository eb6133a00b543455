/* space.c - a space begins and ends */
/* SPDX-License-Identifier: MIT */
#include "space/space.h"
#include "space/space_private.h"

#include <string.h>

static void check_mmu(const struct mmu *mmu)
{
	check(!((mmu->lowest | mmu->highest | mmu->arena | mmu->arena_end) &
		PAGE_MASK),
	      "the borders of an mmu are whole pages");
	check(mmu->lowest <= mmu->arena && mmu->arena <= mmu->arena_end &&
		      mmu->arena_end <= mmu->highest,
	      "the arena lies in the mmu's space");
}

static void init_limits(struct space *space,
			const struct space_options *options)
{
	for (unsigned i = 0; i < SPACE_LIMITS; i++)
		space->limit[i] = SPACE_NO_LIMIT;
	space->limit[SPACE_LIMIT_MAPPINGS] = options->map_count_limit
						     ? options->map_count_limit
						     : SPACE_MAP_COUNT_LIMIT;
	if (options->address_space_limit)
		space->limit[SPACE_LIMIT_ADDRESS_SPACE] =
			options->address_space_limit << PAGE_SHIFT;
	space->limit[SPACE_LIMIT_STACK] = SPACE_STACK_LIMIT;
}

void space_init(struct space *space, const struct space_options *options)
{
	check_mmu(options->mmu);
	rwlock_init(&space->lock, LOCK_RANK_SPACE);
	space->mmu = options->mmu;
	space->map_count = 0;
	space->total_pages = 0;
	space->data_pages = 0;
	space->locked_pages = 0;
	space->committed_pages = 0;
	space->generation = 0;
	space->default_flags = 0;
	space->last_anon = 0;
	space->apart = false;
	space->break_start = space->break_end = options->break_start;
	space->guard_gap =
		(options->guard_gap ? options->guard_gap : SPACE_GUARD_GAP)
		<< PAGE_SHIFT;
	space->flags = options->flags;
	space->overcommit = options->overcommit;
	memset(&space->backing, 0, sizeof(space->backing));
	init_limits(space, options);
	space->map = options->map;
	space->unmap = options->unmap;
	space->kept = NULL;
	space->kept_count = 0;
	pool_init(&space->pool, sizeof(struct vma), LOCK_RANK_STORE,
		  options->map, options->unmap);
	range_tree_init(&space->tree, LOCK_RANK_STORE, options->map,
			options->unmap);
}

/* One VMA at a time: at the end nobody waits for the lock. */
static int unmap_first(struct space *space)
{
	struct vma_stock stock;
	struct vma *vma;
	int error;

	vma_stock_begin(space, &stock, 0); /* takes none: cannot fail */
	vma = vma_first(space);
	vma_may_be_strangers(vma, vma->mapping.start, vma->mapping.end);
	vma_unlock_part(space, vma, vma->mapping.start, vma->mapping.end);
	error = mmu_unmap(space->mmu, vma->mapping.start, vma_bytes(vma));
	vma_remove(space, vma, &stock);
	vma_stock_end(space, &stock);
	return error;
}

int space_unmap_all(struct space *space)
{
	int first_error = 0;

	while (space->map_count > 0) {
		int error = unmap_first(space);

		if (!first_error)
			first_error = error;
	}
	return first_error;
}

int space_finish(struct space *space)
{
	int first_error = space_unmap_all(space);

	backing_finish(&space->backing);
	range_tree_finish(&space->tree);
	pool_finish(&space->pool);
	rwlock_finish(&space->lock);
	return first_error;
}
