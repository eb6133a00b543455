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

/* The place of length pages in [low, high), from below, or -1. */
static int low_gap(uint64_t length, uint64_t low, uint64_t high)
{
	uint64_t address = 0;

	if (!gap_find_low(&world.space, length * PAGE_SIZE, at(low), at(high),
			  &address))
		return -1;
	return (int)page_of(address);
}

static void test_lowest_fit(void **state)
{
	(void)state;
	assert_int_equal(low_gap(64, 0, 64), 0);
	assert_int_equal(low_gap(65, 0, 64), -1);
	assert_int_equal(low_gap(4, 10, 20), 10);
	/*        0         1         2
	 *        0123456789012345678901 */
	draw_map("...aa....b..c.....aaa.");
	assert_int_equal(low_gap(1, 0, 22), 0);
	assert_int_equal(low_gap(4, 0, 22), 5);
	assert_int_equal(low_gap(5, 0, 22), 13);
	assert_int_equal(low_gap(6, 0, 22), -1);
	assert_int_equal(low_gap(6, 0, 64), 21);
	/* both ends cut holes, or are inside a mapping */
	assert_int_equal(low_gap(3, 7, 18), 13);
	assert_int_equal(low_gap(2, 7, 18), 7);
	assert_int_equal(low_gap(4, 4, 9), 5);
	assert_int_equal(low_gap(5, 4, 9), -1);
	assert_int_equal(low_gap(2, 1, 2), -1);
	assert_int_equal(low_gap(1, 1, 2), 1);
}

/* What gap_find_low() says, found the long way. */
static int naive_low_gap(uint64_t length, uint64_t low, uint64_t high)
{
	for (uint64_t start = low; start + length <= high; start++)
		if (!space_find_intersection(&world.space, at(start),
					     at(start + length)))
			return (int)start;
	return -1;
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

static void compare_gaps(uint64_t length, uint64_t low, uint64_t high)
{
	assert_int_equal(gap(length, low, high), naive_gap(length, low, high));
	assert_int_equal(low_gap(length, low, high),
			 naive_low_gap(length, low, high));
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
					compare_gaps(n, low, high);
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

/* ---- guard gaps ---- */

/* Four pages of gap below what grows downwards. */
static void map_stack(uint64_t first, uint64_t count)
{
	world.mmu.soft = true;
	world.space.guard_gap = 4 * PAGE_SIZE;
	assert_int_equal(map_anonymous(first, count, PROT_READ,
				       MAP_PRIVATE | MAP_GROWSDOWN),
			 0);
}

/*
 *   ................~~~~SS............~~~~SS
 */
static void test_guard_gap(void **state)
{
	(void)state;
	map_stack(20, 2);
	map_stack(62, 2);
	assert_int_equal(area(0, 2, false), 56);
	assert_int_equal(area(0, 36, false), 22);
	assert_int_equal(area(0, 37, false), -ENOMEM);
	assert_int_equal(unmap_pages(62, 2), 0);
	map_stack(40, 24);
	assert_int_equal(area(0, 14, false), 22);
	assert_int_equal(area(0, 15, false), 1);
	assert_int_equal(area(0, 16, false), 0);
	assert_int_equal(area(0, 17, false), -ENOMEM);
	/* a hint keeps away, who says MAP_FIXED need not */
	assert_int_equal(area(at(14), 2, false), 14);
	assert_int_equal(area(at(15), 2, false), 34);
	assert_int_equal(area(at(19), 1, false), 35);
	assert_int_equal(area(at(18), 2, true), 18);
	assert_int_equal(map_pages(0, 18, 2, 0, PROT_READ, MAP_SHARED), 0);
}

/* Below a stack that stands lower than the gap is long nothing fits. */
static void test_guard_gap_at_the_bottom(void **state)
{
	struct vma *vma;

	(void)state;
	map_stack(2, 2);
	vma = vma_of_page(2);
	world.space.guard_gap = at(64);
	assert_int_equal(vma_start_gap(&world.space, vma), 0);
	assert_int_equal(area(at(0), 1, false), 63);
	world.mmu.arena_end = at(2);
	assert_int_equal(area(0, 1, false), -ENOMEM);
	world.mmu.arena_end = at(3);
	assert_int_equal(area(0, 1, false), -ENOMEM);
}

/* ---- the kinds of searches ---- */

static int flagged(uint64_t hint, uint64_t pages, int flags)
{
	struct area_search search;
	uint64_t address = 0;
	int error;

	area_search_init(&search, &world.space, hint, pages * PAGE_SIZE, false);
	area_search_flags(&search, &world.space, flags);
	error = get_unmapped_area(&world.space, &search, &address);
	return error ? error : (int)page_of(address);
}

#define LOW UINT64_C(0x40000000)
#define HIGH_PAGE(address) (((address)-world.base) >> PAGE_SHIFT)

/* From 1 GiB upwards, below 2 GiB. */
static void test_map_32bit(void **state)
{
	const uint64_t pages = LOW >> PAGE_SHIFT;
	struct area_search search;
	uint64_t address;

	(void)state;
	world_end(state);
	world_start_at(PAGE_SIZE * 16, 4 * pages, false);
	world.mmu.arena = world.mmu.arena_end - 64 * PAGE_SIZE;
	assert_int_equal(flagged(0, 1, 0), 4 * pages - 1);
	assert_int_equal(flagged(0, 2, MAP_32BIT), HIGH_PAGE(LOW));
	assert_int_equal(map_pages(0, HIGH_PAGE(LOW) + 1, 2, 0, PROT_READ,
				   MAP_SHARED),
			 0);
	assert_int_equal(flagged(0, 1, MAP_32BIT), HIGH_PAGE(LOW));
	assert_int_equal(flagged(0, 2, MAP_32BIT), HIGH_PAGE(LOW) + 3);
	assert_int_equal(flagged(0, pages, MAP_32BIT), -ENOMEM);
	assert_int_equal(flagged(0, pages - 3, MAP_32BIT), HIGH_PAGE(LOW) + 3);
	/* a hint below is good, one that ends above is not */
	assert_int_equal(flagged(at(9), 2, MAP_32BIT), 9);
	assert_int_equal(flagged(2 * LOW - PAGE_SIZE, 1, MAP_32BIT),
			 HIGH_PAGE(2 * LOW) - 1);
	assert_int_equal(flagged(2 * LOW - PAGE_SIZE, 2, MAP_32BIT),
			 HIGH_PAGE(LOW) + 3);
	/* a guard gap is kept here, too */
	world.mmu.soft = true;
	world.space.guard_gap = 4 * PAGE_SIZE;
	assert_int_equal(map_anonymous(HIGH_PAGE(LOW) + 10, 2, PROT_READ,
				       MAP_PRIVATE | MAP_GROWSDOWN),
			 0);
	assert_int_equal(flagged(0, 3, MAP_32BIT), HIGH_PAGE(LOW) + 3);
	assert_int_equal(flagged(0, 4, MAP_32BIT), HIGH_PAGE(LOW) + 12);
	/* strangers: the search goes on upwards */
	area_search_init(&search, &world.space, 0, PAGE_SIZE, false);
	area_search_flags(&search, &world.space, MAP_32BIT);
	assert_int_equal(get_unmapped_area(&world.space, &search, &address), 0);
	assert_int_equal(address, LOW);
	area_search_refuse(&search, address);
	assert_int_equal(get_unmapped_area(&world.space, &search, &address), 0);
	assert_int_equal(address, LOW + 3 * PAGE_SIZE);
	area_search_refuse(&search, address);
	assert_int_equal(get_unmapped_area(&world.space, &search, &address), 0);
	assert_int_equal(address, LOW + 5 * PAGE_SIZE);
}

/* A space that ends below, in, or begins above that gigabyte. */
static void test_map_32bit_elsewhere(void **state)
{
	(void)state;
	assert_int_equal(flagged(0, 1, MAP_32BIT), -ENOMEM);
	assert_int_equal(flagged(at(3), 1, MAP_32BIT), 3);
	world_end(state);
	world_start_at(2 * LOW - 8 * PAGE_SIZE, 64, false);
	assert_int_equal(flagged(0, 1, MAP_32BIT), 0);
	assert_int_equal(flagged(0, 8, MAP_32BIT), 0);
	assert_int_equal(flagged(0, 9, MAP_32BIT), -ENOMEM);
	world_end(state);
	world_start_at(2 * LOW, 64, false);
	assert_int_equal(flagged(0, 1, MAP_32BIT), -ENOMEM);
	assert_int_equal(flagged(at(9), 1, MAP_32BIT), -ENOMEM);
}

static void test_above_4g(void **state)
{
	(void)state;
	world_end(state);
	world_start_at(4 * LOW - 8 * PAGE_SIZE, 16, false);
	assert_int_equal(flagged(0, 9, 0), 7);
	assert_int_equal(flagged(0, 9, 0x80), -ENOMEM);
	assert_int_equal(flagged(0, 8, 0x80), 8);
}

/* An address of huge pages; the page's number, or a negative errno. */
static int aligned(uint64_t hint, uint64_t pages, unsigned shift, bool fixed)
{
	struct area_search search;
	uint64_t address = 0;
	int error;

	area_search_init(&search, &world.space, hint, pages * PAGE_SIZE, fixed);
	area_search_align(&search, UINT64_C(1) << shift);
	error = get_unmapped_area(&world.space, &search, &address);
	return error ? error : (int)page_of(address);
}

static void test_alignment(void **state)
{
	(void)state;
	world_end(state);
	world_start_at(LOW - PAGE_SIZE, 2048, false);
	/* page 1 is aligned, and 513, 1025, 1537 */
	assert_int_equal(aligned(0, 512, 21, false), 1025);
	assert_int_equal(aligned(0, 1, 21, false), 1537);
	assert_int_equal(aligned(at(2), 512, 21, false), 513);
	assert_int_equal(aligned(at(1), 512, 21, false), 1);
	assert_int_equal(aligned(at(1537), 512, 21, false), 1025);
	assert_int_equal(aligned(at(1), 512, 21, true), 1);
	assert_int_equal(aligned(at(2), 512, 21, true), -EINVAL);
	assert_int_equal(aligned(at(2048), 512, 21, true), -EINVAL);
	assert_int_equal(aligned(at(1537), 512, 21, true), -ENOMEM);
	assert_int_equal(aligned(UINT64_MAX, 1, 21, false), 1537);
	/* the worst case of alignment must fit, as in Linux */
	assert_int_equal(aligned(0, 1537, 21, false), 1);
	assert_int_equal(aligned(0, 1538, 21, false), -ENOMEM);
	assert_int_equal(aligned(0, 1, 30, false), -ENOMEM);
	assert_int_equal(aligned(at(1), 1, 30, false), 1);
	assert_int_equal(aligned(at(513), 1, 30, true), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_start, world_end)
		TEST(test_empty_space),    TEST(test_highest_fit),
		TEST(test_full),           TEST(test_against_the_long_way),
		TEST(test_hints),          TEST(test_fixed),
		TEST(test_refused_places), TEST(test_lowest_fit),
		TEST(test_guard_gap),      TEST(test_guard_gap_at_the_bottom),
		TEST(test_map_32bit),      TEST(test_map_32bit_elsewhere),
		TEST(test_above_4g),       TEST(test_alignment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
