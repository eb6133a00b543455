/* remap_world.h - a space's fake host that moves, and remaps of pages */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_REMAP_WORLD_H
#define QUIRE_TESTS_REMAP_WORLD_H

#include "unit/space_world.h"

#define RW (PROT_READ | PROT_WRITE)

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#define MOVE MREMAP_MAYMOVE
#define TO (MREMAP_MAYMOVE | MREMAP_FIXED)
#define LEAVE (MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)

/* ---- a host that moves ---- */

/* What is there then is as if it was mapped; in one call. */
static inline int fake_move(struct mmu *mmu, const struct mmu_move *move)
{
	uint64_t from = page_of(move->from);
	uint64_t pages = move->length >> PAGE_SHIFT;
	unsigned calls = world.calls + 1;
	unsigned fail_at = world.fail_at;
	int error;

	if (!world_call("move %d+%d%s\n", (int)from, (int)pages,
			move->keep ? " keep" : ""))
		return -ENOMEM;
	world.fail_at = 0;
	error = mmu_map(mmu, &move->to);
	world.fail_at = fail_at;
	world.calls = calls;
	if (error || !world.watch)
		return error;
	for (uint64_t i = from; i < from + pages; i++) {
		assert_true(world.page[i].mapped);
		if (!move->keep)
			world.page[i].mapped = false;
		world.page[i].fresh = true;
	}
	watch();
	return 0;
}

static inline int start_moving(void **state)
{
	static struct mmu_ops ops;

	(void)state;
	ops = fake_ops;
	ops.move = fake_move;
	world.mmu.ops = &ops;
	return 0;
}

static inline int start(void **state)
{
	world_start(state);
	return start_moving(state);
}

static inline int start_soft(void **state)
{
	world_start_soft(state);
	return start_moving(state);
}

static inline int start_backed(void **state)
{
	world_start_backed(state);
	return start_moving(state);
}

/* ---- steps ---- */

static struct space_wanted wanted;

/* In pages, but for the flags.  The page where it is then, or an errno. */
static inline int remap_with(unsigned spare, uint64_t from, uint64_t old,
			     uint64_t new, int flags, uint64_t to)
{
	struct space_remap_request request = {
		.old_address = at(from),
		.old_length = old * PAGE_SIZE,
		.new_length = new *PAGE_SIZE,
		.new_address = at(to),
		.flags = flags,
		.spare = spare < WORLD_OBJECTS ? &world.handle[spare] : NULL,
		.wanted = &wanted,
	};
	uint64_t address = 0;
	int error;

	clear_log();
	error = space_remap(&world.space, &request, &address);
	world_rest();
	return error ? error : (int)page_of(address);
}

static inline int remap(uint64_t from, uint64_t old, uint64_t new, int flags,
			uint64_t to)
{
	return remap_with(WORLD_OBJECTS, from, old, new, flags, to);
}

static inline uint64_t index_of(uint64_t page)
{
	return vma_index_at(vma_of_page(page), at(page));
}

/* As a fault does when a page is stored to. */
static inline void store_to(uint64_t page)
{
	vma_prepare_anon(&world.space, vma_of_page(page));
}

/* ---- steps that are made to fail ---- */

static inline int step_grow(void)
{
	int page = remap(2, 2, 4, 0, 0);

	return page < 0 ? page : 0;
}

static inline int step_move(void)
{
	int page = remap_with(0, 2, 2, 3, TO, 20);

	return page < 0 ? page : 0;
}

static inline int step_leave(void)
{
	int page = remap_with(1, 2, 2, 2, LEAVE, 20);

	return page < 0 ? page : 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, world_end)
#define TEST_SOFT(name) \
	cmocka_unit_test_setup_teardown(name, start_soft, world_end)
#define TEST_BACKED(name) \
	cmocka_unit_test_setup_teardown(name, start_backed, world_end)

#endif
