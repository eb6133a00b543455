/* test_space_scale.c - space/: a hundred thousand mappings, counted in steps */
/* SPDX-License-Identifier: MIT */
/*
 * The tree counts the nodes that its changes pass, down to the leaf and up
 * again; those are the steps of an operation.  A search passes each level once,
 * or twice.
 */
#include "unit/space_world.h"

#include "base/range_node.h"
#include "space/space_private.h"

#define MANY 100000
/* Each node but the root has 8 slots in use at least: 8^5 leaves are full of
 * more than MANY, and there are fewer. */
#define LEVELS 6
/* Down, up, and what is split or joined; at most three changes (a VMA is cut
 * twice, or goes and another one shrinks). */
#define STEPS (3 * 3 * LEVELS)
/* Of a VMA, and its part of the tree. */
#define BYTES 160

static uint64_t steps; /* so far */

static int start(void **state)
{
	(void)state;
	world_start_at(UINT64_C(1) << 32, 16 * MANY, false);
	world.space.limit[SPACE_LIMIT_MAPPINGS] = 2 * MANY;
	return 0;
}

static void assert_few_steps(void)
{
	assert_true(world.space.tree.steps - steps <= STEPS);
	assert_int_equal(world.calls, 1);
	steps = world.space.tree.steps;
	clear_log();
}

/* Page n of every second one, in an order that jumps. */
static void map_many(void)
{
	uint64_t address;

	clear_log();
	steps = world.space.tree.steps;
	for (uint64_t i = 0; i < MANY; i++) {
		struct space_map_request request = {
			/* 7919 is prime to MANY */
			.address = at(i * 7919 % MANY * 4),
			.length = 2 * PAGE_SIZE,
			.prot = PROT_READ,
			.flags = MAP_SHARED | MAP_FIXED_NOREPLACE,
			.handle = &world.handle[i % 2],
		};

		assert_int_equal(space_map(&world.space, &request, &address),
				 0);
		assert_few_steps();
	}
	assert_int_equal(world.space.map_count, MANY);
	assert_true(world.space.tree.levels <= LEVELS);
}

static void add_node(void *context, const struct range_view *view)
{
	uint64_t *bytes = context;

	if (!view->item)
		*bytes += view->depth + 1 == world.space.tree.levels
				  ? RANGE_LEAF_BYTES
				  : sizeof(struct range_node);
	else
		*bytes += world.space.pool.item_size;
}

static void test_map_and_unmap(void **state)
{
	uint64_t bytes = 0;

	(void)state;
	map_many();
	range_tree_walk(&world.space.tree, add_node, &bytes);
	assert_true(bytes <= BYTES * MANY);
	for (uint64_t i = 0; i < MANY; i++) {
		uint64_t first = i * 104729 % MANY * 4;

		assert_non_null(space_find(&world.space, at(first)));
		assert_null(space_find(&world.space, at(first + 2)));
		/* one page of the two, then the other */
		assert_int_equal(space_unmap(&world.space, at(first + i % 2),
					     PAGE_SIZE),
				 0);
		assert_few_steps();
		assert_int_equal(space_unmap(&world.space,
					     at(first + 1 - i % 2), PAGE_SIZE),
				 0);
		assert_few_steps();
	}
	assert_int_equal(world.space.map_count, 0);
}

/* Holes of two pages everywhere, and one of three in the middle. */
static void test_places(void **state)
{
	const uint64_t middle = MANY / 2 * 4;
	uint64_t address;

	(void)state;
	map_many();
	world.mmu.arena_end = at(4 * MANY);
	assert_int_equal(space_unmap(&world.space, at(middle), PAGE_SIZE), 0);
	assert_true(gap_find(&world.space, 3 * PAGE_SIZE, at(0), at(4 * MANY),
			     &address));
	assert_int_equal(page_of(address), middle - 2);
	assert_true(gap_find_low(&world.space, 3 * PAGE_SIZE, at(0),
				 at(4 * MANY), &address));
	assert_int_equal(page_of(address), middle - 2);
	assert_false(gap_find(&world.space, 4 * PAGE_SIZE, at(0), at(4 * MANY),
			      &address));
	for (uint64_t i = 0; i < 1000; i++) {
		struct space_map_request request = {
			.length = PAGE_SIZE,
			.prot = PROT_READ,
			.flags = MAP_PRIVATE,
			.handle = &world.handle[2],
		};

		clear_log();
		steps = world.space.tree.steps;
		assert_int_equal(space_map(&world.space, &request, &address),
				 0);
		assert_few_steps();
		assert_int_equal(page_of(address),
				 4 * MANY - 1 - i / 2 * 4 - i % 2);
	}
}

static void test_protect(void **state)
{
	(void)state;
	map_many();
	for (uint64_t i = 0; i < 1000; i++) {
		assert_int_equal(space_protect(&world.space,
					       at(i * 7919 % MANY * 4),
					       PAGE_SIZE, PROT_NONE, NULL),
				 0);
		assert_few_steps();
	}
	assert_int_equal(world.space.map_count, MANY + 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, world_end)
		TEST(test_map_and_unmap),
		TEST(test_places),
		TEST(test_protect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
