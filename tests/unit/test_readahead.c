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

/* As a trap would: the page, if it is absent, and what the plan says. */
static void plan_and_read(uint64_t touch, enum read_advice advice,
			  struct read_plan *plan)
{
	uint64_t sequence;

	object_plan_advised(thing.object, touch, advice, false, plan);
	if (state_of(thing.object, touch) == PAGE_ABSENT)
		assert_true(object_start_read(thing.object, touch, plan->count,
					      &sequence) > 0);
	assert_int_equal(state_of(thing.object, touch), PAGE_CLEAN);
	object_follow_plan(thing.object, plan, 0);
}

static void assert_plan(uint64_t touch, uint64_t count, uint64_t ahead_index,
			uint64_t ahead_count, uint64_t install_end)
{
	struct read_plan plan;

	plan_and_read(touch, READ_AS_IT_COMES, &plan);
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

/*
 * A touch is a trap: what was shown makes none.  Who has caught up asks for two
 * windows; the second is asked for with the first, in case that stops short.
 */
static void test_windows_double_up_to_the_maximum(void **state)
{
	(void)state;
	open_with(4096, 32);
	assert_plan(0, 4, 0, 0, 4);
	assert_plan(4, 8, 5, 15, 12);
	assert_plan(12, 1, 20, 16, 20);
	assert_plan(20, 1, 36, 32, 28);
	/* From here on one window more is on its way. */
	assert_plan(28, 1, 68, 32, 36);
	assert_plan(36, 1, 100, 32, 68);
	assert_plan(68, 1, 132, 32, 100);
	assert_plan(100, 1, 164, 32, 132);
	end();
}

static void test_windows_are_an_eighth_of_the_budget(void **state)
{
	(void)state;
	open_with(64, 1000);
	assert_plan(0, 4, 0, 0, 4);
	assert_plan(4, 8, 5, 15, 12);
	assert_plan(12, 1, 20, 8, 20);
	assert_plan(20, 1, 28, 8, 28);
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

/* In a small file neighbours may be chance: it takes four touches. */
static void test_a_stream_in_the_middle(void **state)
{
	(void)state;
	open_with(4096, 32);
	for (uint64_t i = 100; i < 103; i++)
		assert_plan(i, 1, 0, 0, cluster_end(i));
	assert_plan(103, 4, 0, 0, 107);
	assert_plan(107, 8, 108, 15, 115);
	assert_plan(115, 1, 123, 16, 123);
	end();
}

static void test_a_stream_ends_with_the_object(void **state)
{
	(void)state;
	open_with(4096, 32);
	assert_plan(PAGES - 10, 1, 0, 0, PAGES);
	assert_plan(PAGES - 9, 1, 0, 0, PAGES);
	assert_plan(PAGES - 8, 1, 0, 0, PAGES);
	assert_plan(PAGES - 7, 4, 0, 0, PAGES - 3);
	assert_plan(PAGES - 3, 3, 0, 0, PAGES);
	end();
}

/* Whoever leaves pages out is followed, past the mark too. */
static void test_pages_left_out(void **state)
{
	(void)state;
	open_with(4096, 32);
	assert_plan(0, 4, 0, 0, 4);
	assert_plan(4, 8, 5, 15, 12);
	assert_plan(15, 1, 20, 8, 20);
	assert_plan(20, 1, 28, 16, 28);
	end();
}

/* Downwards the page in hand comes alone, and those before it as one run. */
static void test_a_reversed_stream(void **state)
{
	(void)state;
	open_with(4096, 32);
	assert_plan(1001, 1, 0, 0, cluster_end(1001));
	assert_plan(1000, 1, 0, 0, cluster_end(1000));
	assert_plan(999, 1, 0, 0, cluster_end(999));
	assert_plan(998, 1, 994, 4, cluster_end(998));
	assert_plan(997, 1, 986, 8, cluster_end(997));
	for (uint64_t i = 996; i > 993; i--)
		assert_plan(i, 1, 0, 0, cluster_end(i));
	assert_plan(993, 1, 970, 16, cluster_end(993));
	end();
}

static void test_a_reversed_stream_ends_at_the_beginning(void **state)
{
	(void)state;
	open_with(4096, 32);
	assert_plan(6, 1, 0, 0, 16);
	assert_plan(5, 1, 0, 0, 16);
	assert_plan(4, 1, 0, 0, 16);
	assert_plan(3, 1, 0, 3, 16);
	for (uint64_t i = 3; i-- > 0;)
		assert_plan(i, 1, 0, 0, 16);
	end();
}

static void assert_steps(uint64_t touch, uint64_t ahead_index, int64_t step,
			 uint64_t count)
{
	struct read_plan plan;

	plan_and_read(touch, READ_AS_IT_COMES, &plan);
	assert_int_equal(plan.count, 1);
	assert_int_equal(plan.ahead_count, count);
	assert_int_equal(plan.install_end, cluster_end(touch));
	if (count == 0)
		return;
	assert_int_equal(plan.ahead_index, ahead_index);
	assert_int_equal(plan.ahead_step, step);
}

/* A row of five, as there are so many steps. */
static void follow_steps(uint64_t first, int64_t step)
{
	uint64_t at = first, pages = (uint64_t)step;

	open_with(4096, 32);
	for (int i = 0; i < 4; i++, at += pages)
		assert_steps(at, 0, 0, 0);
	assert_steps(at, at + pages, step, 4);
	assert_steps(at + pages, at + 5 * pages, step, 8);
	for (uint64_t i = 2; i < 5; i++)
		assert_steps(at + i * pages, 0, 0, 0);
	if (step > -64 && step < 64) /* else the object ends */
		assert_steps(at + 5 * pages, at + 13 * pages, step, 16);
	end();
}

static void test_steps(void **state)
{
	(void)state;
	for (int64_t step = 2; step <= 64; step += step < 8 ? 1 : 7) {
		follow_steps(3, step);
		follow_steps(PAGES - 1, -step);
	}
}

/* Wider ones are nobody's pattern. */
static void test_steps_too_wide(void **state)
{
	(void)state;
	open_with(4096, 32);
	for (uint64_t i = 1; i < PAGES; i += 65)
		assert_plan(i, 1, 0, 0, cluster_end(i));
	end();
}

/* Not what a reader leaves behind him. */
static void test_the_other_way_round(void **state)
{
	(void)state;
	open_with(4096, 1000);
	for (uint64_t i = 0; i < 3; i++)
		assert_plan(i * 100 + 700, 1, 0, 0, cluster_end(i * 100 + 700));
	assert_plan(500, 1, 0, 0, cluster_end(500));
	assert_plan(501, 1, 0, 0, cluster_end(501));
	assert_plan(499, 1, 0, 0, cluster_end(499));
	end();
}

static void test_random_touches_ask_for_one_page(void **state)
{
	uint64_t seed = first_seed(3);

	(void)state;
	open_with(PAGES / 10, 32);
	assert_plan(1, 1, 0, 0, 16);
	for (int i = 0; i < 20000; i++) {
		uint64_t index = next_random(&seed) % PAGES;

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

/* Each goes its way, the more slowly known the more there are; and one too
 * many takes the place of the oldest. */
static void test_several_streams(void **state)
{
	(void)state;
	for (uint64_t streams = 2; streams <= 8; streams *= 2) {
		uint64_t most = 0, i;

		open_with(4096, 32);
		for (i = 0; i < 9; i++)
			for (uint64_t k = 1; k <= streams; k++) {
				struct read_plan plan;

				plan_and_read(k * 200 + i, READ_AS_IT_COMES,
					      &plan);
				if (plan.count == 4 && k == streams)
					most = i;
			}
		assert_in_range(most, 2, 5);
		end();
	}
}

static void test_one_stream_too_many(void **state)
{
	struct read_plan plan;

	(void)state;
	open_with(4096, 32);
	for (uint64_t i = 1; i <= STREAMS + 1; i++)
		plan_and_read(i * 50, READ_SEQUENTIAL, &plan);
	plan_and_read(2 * 50 + 4, READ_AS_IT_COMES, &plan);
	assert_int_equal(plan.count, 8);
	plan_and_read(50 + 4, READ_AS_IT_COMES, &plan);
	assert_int_equal(plan.count, 1);
	end();
}

/* What should be there and is not had to leave before it was used: the window
 * halves as it leaves, and as it is missed. */
static void test_a_page_that_is_lost(void **state)
{
	(void)state;
	open_with(4096, 32);
	assert_plan(0, 4, 0, 0, 4);
	assert_plan(4, 8, 5, 15, 12);
	assert_int_equal(object_drop_clean(thing.object, 8, 1), 1);
	assert_plan(8, 1, 0, 0, 9);
	assert_plan(9, 4, 10, 7, 13);
	end();
}

static void assert_advised(enum read_advice advice, uint64_t touch,
			   uint64_t count, uint64_t ahead_count)
{
	struct read_plan plan;

	plan_and_read(touch, advice, &plan);
	assert_int_equal(plan.count, count);
	assert_int_equal(plan.ahead_count, ahead_count);
}

/* MADV_RANDOM: even of who comes page after page. */
static void test_advised_random(void **state)
{
	(void)state;
	open_with(4096, 32);
	for (uint64_t i = 1; i < 20; i++)
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
	assert_advised(READ_SEQUENTIAL, 104, 8, 15);
	assert_advised(READ_SEQUENTIAL, 112, 1, 16);
	assert_advised(READ_SEQUENTIAL, 120, 1, 32);
	assert_advised(READ_SEQUENTIAL, 136, 1, 64);
	assert_advised(READ_SEQUENTIAL, 152, 1, 64);
	assert_advised(READ_SEQUENTIAL, 168, 1, 64);
	assert_advised(READ_SEQUENTIAL, 232, 1, 64);
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
				    false, &plan);
	behind = index - 1 - 2 * plan.ahead_count;
	assert_true(object_page_resident(thing.object, behind));
	for (uint64_t i = 600; object_page_resident(thing.object, behind);
	     i += 20)
		read_pages(i, 1);
	assert_true(object_page_resident(thing.object, 1000));
	end();
}

/* Readers who go on side by side have windows of one size, and together no more
 * than one alone. */
static void test_many_share_the_windows(void **state)
{
	static const uint64_t readers = 8, most = 128;
	struct read_plan plan = { .count = 0 };
	uint64_t at[8], width[8], asked = 0;

	(void)state;
	open_with(1024, 1024);
	for (uint64_t i = 0; i < readers; i++)
		at[i] = i * PAGES / readers;
	for (unsigned round = 0; round < 12; round++) {
		for (uint64_t i = 0; i < readers; i++) {
			plan_and_read(at[i], READ_SEQUENTIAL, &plan);
			width[i] = plan.ahead_count;
			at[i] = plan.install_end;
		}
	}
	for (uint64_t i = 0; i < readers; i++) {
		assert_in_range(width[i], most / readers / 4, most / 4);
		asked += width[i];
	}
	assert_in_range(asked, most / 4, most);
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
		     "0+4 4+8 12+8 20+16 36+16 52+32 84+32 116+32 148+32");
	assert_int_equal(count_get(&world->counters, COUNT_PAGES_READ), 180);
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
		cmocka_unit_test(test_a_stream_ends_with_the_object),
		cmocka_unit_test(test_pages_left_out),
		cmocka_unit_test(test_a_reversed_stream),
		cmocka_unit_test(test_a_reversed_stream_ends_at_the_beginning),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_steps_too_wide),
		cmocka_unit_test(test_the_other_way_round),
		cmocka_unit_test(test_several_streams),
		cmocka_unit_test(test_one_stream_too_many),
		cmocka_unit_test(test_a_page_that_is_lost),
		cmocka_unit_test(test_advised_random),
		cmocka_unit_test(test_advised_sequential),
		cmocka_unit_test(test_advised_sequential_leaves),
		cmocka_unit_test(test_many_share_the_windows),
		cmocka_unit_test(test_a_sequential_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
