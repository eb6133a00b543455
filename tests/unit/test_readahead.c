/* test_readahead.c - object/readahead.c: what to read at a touch, what next */
/* SPDX-License-Identifier: MIT */
#include "unit/object_world.h"

#define PAGES 2048

static struct object_world *world;
static struct thing thing;

static void open_with(uint64_t budget, uint64_t readahead)
{
	world = world_open(budget);
	thing = thing_create(world, (struct object_parameters){
					    .size = PAGES * PAGE_SIZE,
					    .capacity = PAGES * PAGE_SIZE,
					    .readahead = readahead,
				    });
}

static void end(void)
{
	thing_end(&thing);
	world_close(world);
}

static void assert_plan(uint64_t touch, uint64_t count, uint64_t ahead_index,
			uint64_t ahead_count, uint64_t install_end)
{
	struct read_plan plan;

	object_plan(thing.object, touch, &plan);
	assert_int_equal(plan.count, count);
	assert_int_equal(plan.ahead_count, ahead_count);
	if (ahead_count)
		assert_int_equal(plan.ahead_index, ahead_index);
	assert_int_equal(plan.install_end, install_end);
}

static uint64_t cluster_end(uint64_t index)
{
	return (index / CLUSTER_PAGES + 1) * CLUSTER_PAGES;
}

/* A touch is a trap: what was shown makes none. */
static void test_windows_double_up_to_the_maximum(void **state)
{
	(void)state;
	open_with(4096, 32);
	assert_plan(0, 4, 0, 0, 4);
	assert_plan(4, 8, 12, 16, 12);
	assert_plan(12, 16, 28, 32, 28);
	assert_plan(28, 32, 60, 32, 60);
	assert_plan(60, 32, 92, 32, 92);
	end();
}

static void test_windows_are_an_eighth_of_the_budget(void **state)
{
	(void)state;
	open_with(64, 1000);
	assert_plan(0, 4, 0, 0, 4);
	assert_plan(4, 8, 12, 8, 12);
	assert_plan(12, 8, 20, 8, 20);
	assert_plan(20, 8, 28, 8, 28);
	end();
}

static void test_a_tiny_budget(void **state)
{
	(void)state;
	open_with(7, 1000);
	assert_plan(0, 1, 0, 0, 1);
	assert_plan(1, 1, 2, 1, 2);
	assert_plan(2, 1, 3, 1, 3);
	end();
}

/* It takes two touches to know a stream that does not begin at 0. */
static void test_a_stream_in_the_middle(void **state)
{
	(void)state;
	open_with(4096, 32);
	assert_plan(100, 1, 0, 0, cluster_end(100));
	assert_plan(101, 4, 105, 8, 105);
	assert_plan(105, 8, 113, 16, 113);
	end();
}

static void test_random_touches_ask_for_one_page(void **state)
{
	uint64_t seed = first_seed(3);

	(void)state;
	open_with(4096, 32);
	for (int i = 0; i < 500; i++) {
		/* So far apart that no two look like a stream. */
		uint64_t index = 1 + (next_random(&seed) >> 20);

		assert_plan(index, 1, 0, 0, cluster_end(index));
	}
	end();
}

static void test_no_readahead(void **state)
{
	(void)state;
	for (uint64_t readahead = 0; readahead < 2; readahead++) {
		open_with(4096, readahead);
		for (uint64_t i = 0; i < 40; i++)
			assert_plan(i, 1, 0, 0, cluster_end(i));
		end();
	}
}

/* Each goes its way; one too many takes the place of the oldest. */
static void test_several_streams(void **state)
{
	const uint64_t new = (STREAMS + 1) * 200;

	(void)state;
	open_with(4096, 32);
	for (uint64_t i = 200; i < new; i += 200)
		assert_plan(i, 1, 0, 0, cluster_end(i));
	for (uint64_t i = 200; i < new; i += 200)
		assert_plan(i + 1, 4, i + 5, 8, i + 5);
	for (uint64_t i = 200; i < new; i += 200)
		assert_plan(i + 5, 8, i + 13, 16, i + 13);
	assert_plan(new, 1, 0, 0, cluster_end(new));
	assert_plan(200 + 13, 1, 0, 0, cluster_end(200 + 13));
	assert_plan(600 + 13, 16, 600 + 29, 32, 600 + 29);
	end();
}

/* A touch of what was shown, as after an eviction, changes nothing. */
static void test_a_touch_behind_the_mark(void **state)
{
	(void)state;
	open_with(4096, 32);
	assert_plan(0, 4, 0, 0, 4);
	assert_plan(4, 8, 12, 16, 12);
	assert_plan(8, 20, 0, 0, 12);
	assert_plan(12, 16, 28, 32, 28);
	end();
}

static void assert_advised(enum read_advice advice, uint64_t touch,
			   uint64_t count, uint64_t ahead_count)
{
	struct read_plan plan;

	object_plan_advised(thing.object, touch, advice, &plan);
	assert_int_equal(plan.count, count);
	assert_int_equal(plan.ahead_count, ahead_count);
}

/* MADV_RANDOM: even of who comes page after page. */
static void test_advised_random(void **state)
{
	(void)state;
	open_with(4096, 32);
	for (uint64_t i = 0; i < 20; i++)
		assert_advised(READ_RANDOM, i, 1, 0);
	assert_plan(20, 1, 0, 0, cluster_end(20)); /* and left no stream */
	end();
}

/* MADV_SEQUENTIAL: from the first touch on, and twice as far. */
static void test_advised_sequential(void **state)
{
	(void)state;
	open_with(4096, 32);
	assert_advised(READ_SEQUENTIAL, 100, 4, 0);
	assert_advised(READ_SEQUENTIAL, 104, 8, 16);
	assert_advised(READ_SEQUENTIAL, 112, 16, 32);
	assert_advised(READ_SEQUENTIAL, 128, 32, 64);
	assert_advised(READ_SEQUENTIAL, 160, 64, 64);
	end();
}

static void read_pages(uint64_t first, uint64_t count)
{
	for (uint64_t i = first; i < first + count; i++)
		assert_int_equal(object_byte(thing.object, i * PAGE_SIZE),
				 byte_at(i * PAGE_SIZE));
}

/* What lies behind a sequential reader leaves before what is older. */
static void test_advised_sequential_leaves(void **state)
{
	struct read_plan plan = { .ahead_count = 0 };
	uint64_t index = 32, behind;

	(void)state;
	open_with(64, 8);
	read_pages(1000, 1);
	read_pages(0, index);
	while (plan.ahead_count == 0)
		object_plan_advised(thing.object, index++, READ_SEQUENTIAL,
				    &plan);
	behind = index - 1 - 2 * plan.ahead_count;
	assert_true(object_page_resident(thing.object, behind));
	for (uint64_t i = 600; object_page_resident(thing.object, behind);
	     i += 20)
		read_pages(i, 1);
	assert_true(object_page_resident(thing.object, 1000));
	end();
}

/* All of it put to use: each page is read once, ever larger runs ahead. */
static void test_a_sequential_reader(void **state)
{
	(void)state;
	open_with(4096, 32);
	for (uint64_t i = 0; i < 124; i++)
		assert_int_equal(object_byte(thing.object, i * PAGE_SIZE),
				 byte_at(i * PAGE_SIZE));
	assert_calls(&thing, PAGER_READ,
		     "0+4 4+8 12+16 28+32 60+32 92+32 124+32");
	assert_int_equal(count_get(&world->counters, COUNT_PAGES_READ), 156);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows_double_up_to_the_maximum),
		cmocka_unit_test(test_windows_are_an_eighth_of_the_budget),
		cmocka_unit_test(test_a_tiny_budget),
		cmocka_unit_test(test_a_stream_in_the_middle),
		cmocka_unit_test(test_random_touches_ask_for_one_page),
		cmocka_unit_test(test_no_readahead),
		cmocka_unit_test(test_several_streams),
		cmocka_unit_test(test_a_touch_behind_the_mark),
		cmocka_unit_test(test_advised_random),
		cmocka_unit_test(test_advised_sequential),
		cmocka_unit_test(test_advised_sequential_leaves),
		cmocka_unit_test(test_a_sequential_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
