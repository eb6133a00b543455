/* test_gap.c - space/gap.c: where a new mapping goes */
/* SPDX-License-Identifier: MIT */
#include "unit/space_world.h"

#include "space/space_private.h"

/* The place of length pages in [low, high), or -1. */
static int gap(uint64_t length, uint64_t low, uint64_t high)
{
	uint64_t address = 0;

	if (!gap_find(&world.space, length * PAGE_SIZE, at(low), at(high),
		      &address))
		return -1;
	return (int)page_of(address);
}

static void test_empty_space(void **state)
{
	(void)state;
	assert_int_equal(gap(1, 0, 64), 63);
	assert_int_equal(gap(64, 0, 64), 0);
	assert_int_equal(gap(65, 0, 64), -1);
	assert_int_equal(gap(4, 10, 20), 16);
	assert_int_equal(gap(10, 10, 20), 10);
	assert_int_equal(gap(11, 10, 20), -1);
}

/* The highest that is large enough, at its upper end. */
static void test_highest_fit(void **state)
{
	(void)state;
	/*        0         1         2
	 *        0123456789012345678901 */
	draw_map("...aa....b..c.....aaa.");
	assert_int_equal(gap(1, 0, 22), 21);
	assert_int_equal(gap(2, 0, 22), 16);
	assert_int_equal(gap(5, 0, 22), 13);
	assert_int_equal(gap(6, 0, 22), -1);
	/* the upper end cuts a hole */
	assert_int_equal(gap(3, 0, 15), 6);
	assert_int_equal(gap(2, 0, 15), 13);
	/* the upper end is inside a mapping */
	assert_int_equal(gap(2, 0, 20), 16);
	/* the lower end cuts a hole */
	assert_int_equal(gap(5, 14, 22), -1);
	assert_int_equal(gap(4, 14, 22), 14);
	assert_int_equal(gap(4, 6, 13), -1);
	assert_int_equal(gap(3, 6, 13), 6);
	/* before the first */
	assert_int_equal(gap(3, 0, 9), 6);
	assert_int_equal(gap(3, 0, 5), 0);
	assert_int_equal(gap(3, 1, 5), -1);
}

static void test_full(void **state)
{
	(void)state;
	draw_map("aaaaaaaabbbbbbbb");
	assert_int_equal(gap(1, 0, 16), -1);
	assert_int_equal(gap(1, 3, 5), -1);
	assert_int_equal(gap(1, 0, 17), 16);
}

/* What gap_find() says, found the long way. */
static int naive_gap(uint64_t length, uint64_t low, uint64_t high)
{
	for (uint64_t start = high - length + 1; start-- > low;)
		if (!space_find_intersection(&world.space, at(start),
					     at(start + length)))
			return (int)start;
	return -1;
}

/* Each length and each window of random layouts, against the long way. */
static void test_against_the_long_way(void **state)
{
	uint64_t seed = 4711;

	(void)state;
	for (int round = 0; round < 60; round++) {
		uint64_t first = next_random(&seed) % 60;
		uint64_t count = next_random(&seed) % 4 + 1;
		unsigned object = (unsigned)(next_random(&seed) % 3);

		if (next_random(&seed) % 3 == 0)
			assert_int_equal(unmap_pages(first, count), 0);
		else
			assert_int_equal(map_pages(object, first, count, 0,
						   PROT_READ, MAP_SHARED),
					 0);
		for (uint64_t low = 0; low < 64; low += 3)
			for (uint64_t high = low + 1; high <= 64; high += 2)
				for (uint64_t n = 1; n <= high - low; n++)
					assert_int_equal(gap(n, low, high),
							 naive_gap(n, low,
								   high));
	}
}

/* Where get_unmapped_area() goes; a negative errno else. */
static int area(uint64_t hint, uint64_t pages, bool fixed)
{
	struct area_search search;
	uint64_t address = 0;
	int error;

	area_search_init(&search, &world.space, hint, pages * PAGE_SIZE, fixed);
	error = get_unmapped_area(&world.space, &search, &address);
	return error ? error : (int)page_of(address);
}

static void test_hints(void **state)
{
	(void)state;
	draw_map("..aa....");
	world.mmu.arena = at(10);
	world.mmu.arena_end = at(20);
	assert_int_equal(area(0, 2, false), 18);
	assert_int_equal(area(at(4), 2, false), 4);
	/* rounded down, even onto the mapping before it */
	assert_int_equal(area(at(4) + 1, 2, false), 4);
	assert_int_equal(area(at(4) - 1, 2, false), 18);
	/* taken, or reaching into what is taken */
	assert_int_equal(area(at(2), 2, false), 18);
	assert_int_equal(area(at(1), 2, false), 18);
	assert_int_equal(area(at(1), 1, false), 1);
	/* outside of the arena is good, outside of the space is not */
	assert_int_equal(area(at(62), 2, false), 62);
	assert_int_equal(area(at(63), 2, false), 18);
	assert_int_equal(area(UINT64_MAX, 2, false), 18);
	/* below the lowest address: the lowest */
	assert_int_equal(area(PAGE_SIZE, 1, false), 0);
	/* less than a page is no hint */
	assert_int_equal(area(1, 1, false), 19);
	/* too long for the arena */
	assert_int_equal(area(0, 11, false), -ENOMEM);
	assert_int_equal(area(at(20), 11, false), 20);
	assert_int_equal(area(0, UINT64_C(1) << 40, false), -ENOMEM);
}

static void test_fixed(void **state)
{
	(void)state;
	draw_map("..aa....");
	assert_int_equal(area(at(2), 2, true), 2);
	assert_int_equal(area(at(62), 2, true), 62);
	assert_int_equal(area(at(63), 2, true), -ENOMEM);
	assert_int_equal(area(UINT64_MAX - PAGE_MASK, 1, true), -ENOMEM);
	assert_int_equal(area(at(2) + 1, 2, true), -EINVAL);
	assert_int_equal(area(at(0) - PAGE_SIZE, 1, true), -EPERM);
	assert_int_equal(area(0, 1, true), -EPERM);
	assert_int_equal(area(0, UINT64_C(1) << 40, true), -ENOMEM);
}

/* Refused places: a hint, then 1, 2, 4 ... pages below the last one's end. */
static void test_refused_places(void **state)
{
	static const int expected[] = { 5, 60, 59, 57, 53, 45, 29, -1 };
	struct area_search search;
	uint64_t address = 0;

	(void)state;
	area_search_init(&search, &world.space, at(5), 4 * PAGE_SIZE, false);
	for (unsigned i = 0; i < 8; i++) {
		int error = get_unmapped_area(&world.space, &search, &address);

		assert_int_equal(error ? -1 : (int)page_of(address),
				 expected[i]);
		area_search_refuse(&search, address);
		if (error)
			assert_int_equal(error, -ENOMEM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_start, world_end)
		TEST(test_empty_space),    TEST(test_highest_fit),
		TEST(test_full),           TEST(test_against_the_long_way),
		TEST(test_hints),          TEST(test_fixed),
		TEST(test_refused_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
