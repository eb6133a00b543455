/* test_preload_table.c - the preload library's table of taken ranges */
/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "preload/table.h"

#define AT(page) ((uintptr_t)(page)*4096)

static const struct table_file one = { .id = 11, .path = (char *)"/one" };
static const struct table_file two = { .id = 22, .path = (char *)"/two" };

static void put(struct table *table, const struct table_file *file,
		size_t start, size_t end, size_t offset)
{
	struct range range = {
		.start = AT(start),
		.end = AT(end),
		.offset = AT(offset),
	};
	long index = table_hold(table, file);

	assert_true(index >= 0);
	range.file = (uint32_t)index;
	assert_int_equal(table_reserve(table, 4), 0);
	table_insert(table, range);
}

static void assert_range(const struct table *table, size_t index, size_t start,
			 size_t end, size_t offset)
{
	assert_true(index < table->count);
	assert_int_equal(table->range[index].start, AT(start));
	assert_int_equal(table->range[index].end, AT(end));
	assert_int_equal(table->range[index].offset, AT(offset));
}

static void test_find(void **state)
{
	struct table table = { .count = 0 };

	(void)state;
	assert_null(table_find(&table, 0, UINTPTR_MAX));
	assert_false(table_may_overlap(&table, 0, UINTPTR_MAX));
	put(&table, &one, 30, 40, 0);
	put(&table, &two, 10, 20, 5);
	assert_range(&table, 0, 10, 20, 5);
	assert_range(&table, 1, 30, 40, 0);
	assert_null(table_find(&table, AT(20), AT(30)));
	assert_ptr_equal(table_find(&table, AT(19), AT(35)), &table.range[0]);
	assert_ptr_equal(table_next(&table, &table.range[0], AT(31)),
			 &table.range[1]);
	assert_null(table_next(&table, &table.range[0], AT(30)));
	assert_true(table_may_overlap(&table, AT(5), AT(11)));
	assert_true(table_may_overlap(&table, AT(22), AT(23)));
	assert_false(table_may_overlap(&table, AT(40), AT(50)));
	assert_false(table_may_overlap(&table, AT(0), AT(10)));
	assert_int_equal(table_ranges_in(&table, AT(15), AT(31)), 2);
}

/*
 *	before  [----------)  [-----)
 *	gone          [----------)
 *	after   [-----)          [--)
 */
static void test_remove_across(void **state)
{
	struct table table = { .count = 0 };

	(void)state;
	put(&table, &one, 10, 20, 100);
	put(&table, &two, 25, 35, 200);
	table_remove(&table, AT(15), AT(30));
	assert_int_equal(table.count, 2);
	assert_range(&table, 0, 10, 15, 100);
	assert_range(&table, 1, 30, 35, 205);
}

/*
 *	before  [---------------)
 *	gone         [---)
 *	after   [----)   [------)
 */
static void test_remove_inside(void **state)
{
	struct table table = { .count = 0 };
	uint64_t id = 0;
	uint32_t holds = 0;

	(void)state;
	put(&table, &one, 10, 20, 100);
	table_remove(&table, AT(13), AT(16));
	assert_int_equal(table.count, 2);
	assert_range(&table, 0, 10, 13, 100);
	assert_range(&table, 1, 16, 20, 106);
	table_remove(&table, 0, AT(14));
	assert_false(table_take_unused(&table, &id, &holds));
	table_remove(&table, 0, AT(100));
	assert_int_equal(table.count, 0);
	assert_false(table_may_overlap(&table, 0, UINTPTR_MAX));
	assert_true(table_take_unused(&table, &id, &holds));
	assert_int_equal(id, 11);
	assert_int_equal(holds, 1);
	assert_false(table_take_unused(&table, &id, &holds));
}

static void test_holds(void **state)
{
	struct table table = { .count = 0 };
	uint64_t id = 0;
	uint32_t holds = 0;

	(void)state;
	put(&table, &one, 10, 11, 0);
	put(&table, &one, 20, 21, 0);
	put(&table, &two, 30, 31, 0);
	assert_int_equal(table.range[0].file, table.range[1].file);
	assert_int_not_equal(table.range[0].file, table.range[2].file);
	assert_string_equal(table.file[table.range[2].file].path, "/two");
	table_remove(&table, AT(10), AT(11));
	assert_false(table_take_unused(&table, &id, &holds));
	table_remove(&table, AT(20), AT(21));
	assert_true(table_take_unused(&table, &id, &holds));
	assert_int_equal(id, 11);
	assert_int_equal(holds, 2);
	/* its place is free for another */
	put(&table, &one, 40, 41, 0);
	assert_int_equal(table.file_count, 2);
}

/* A child has the ranges, but nothing to give back for them. */
static void test_forgotten_holds(void **state)
{
	struct table table = { .count = 0 };
	uint64_t id = 0;
	uint32_t holds = 0;

	(void)state;
	put(&table, &one, 10, 11, 0);
	put(&table, &two, 20, 21, 0);
	table_forget_holds(&table);
	table_remove(&table, AT(10), AT(11));
	assert_false(table_take_unused(&table, &id, &holds));
	put(&table, &two, 30, 31, 0);
	table_remove(&table, 0, AT(100));
	assert_true(table_take_unused(&table, &id, &holds));
	assert_int_equal(id, 22);
	assert_int_equal(holds, 1);
}

static void test_move(void **state)
{
	struct table table = { .count = 0 };

	(void)state;
	put(&table, &one, 10, 20, 100);
	put(&table, &two, 20, 25, 0);
	put(&table, &two, 50, 60, 300);
	assert_int_equal(table_reserve(&table, 10), 0);
	table_move(&table, AT(15), AT(8), AT(52), false);
	assert_int_equal(table.count, 5);
	assert_range(&table, 0, 10, 15, 100);
	assert_range(&table, 1, 23, 25, 3);
	assert_range(&table, 2, 50, 52, 300);
	assert_range(&table, 3, 52, 57, 105);
	assert_range(&table, 4, 57, 60, 0);
	table_move(&table, AT(10), AT(5), AT(100), true);
	assert_range(&table, 0, 10, 15, 100);
	assert_range(&table, 5, 100, 105, 100);
}

/* The only range of a file of which nothing is held moves, and keeps it. */
static void test_move_of_the_last(void **state)
{
	struct table table = { .count = 0 };

	(void)state;
	put(&table, &one, 10, 20, 0);
	table_forget_holds(&table);
	assert_int_equal(table_reserve(&table, 4), 0);
	table_move(&table, AT(10), AT(10), AT(30), false);
	assert_int_equal(table.count, 1);
	assert_range(&table, 0, 30, 40, 0);
	assert_string_equal(table.file[table.range[0].file].path, "/one");
	table_stretch(&table, &table.range[0], AT(50));
	assert_true(table_may_overlap(&table, AT(45), AT(46)));
}

/* Against an array with a word for each page. */
#define PAGES 300

static void compare(const struct table *table, const uint64_t *model)
{
	uint64_t seen[PAGES] = { 0 };
	uintptr_t last = 0;

	for (size_t i = 0; i < table->count; i++) {
		const struct range *range = &table->range[i];

		assert_true(range->start >= last && range->end > range->start);
		last = range->end;
		for (uintptr_t page = range->start; page < last; page += 4096)
			seen[page / 4096] = range->offset / 4096 + page / 4096 -
					    range->start / 4096;
	}
	assert_memory_equal(seen, model, sizeof(seen));
}

static void test_random(void **state)
{
	struct table table = { .count = 0 };
	uint64_t seed = first_seed(7);
	uint64_t model[PAGES] = { 0 };

	(void)state;
	for (size_t round = 0; round < 3000; round++) {
		size_t start = next_random(&seed) % (PAGES - 40);
		size_t length = 1 + next_random(&seed) % 39;
		size_t to = next_random(&seed) % (PAGES - 40);
		size_t offset = 1 + round * 64;

		assert_int_equal(table_reserve(&table, 100), 0);
		if (next_random(&seed) % 3 == 0 &&
		    (to >= start + length || to + length <= start)) {
			table_move(&table, AT(start), AT(length), AT(to),
				   false);
			memcpy(model + to, model + start, length * 8);
			memset(model + start, 0, length * 8);
		} else {
			table_remove(&table, AT(start), AT(start + length));
			memset(model + start, 0, length * 8);
			if (next_random(&seed) % 2) {
				put(&table, round % 2 ? &one : &two, start,
				    start + length, offset);
				for (size_t i = 0; i < length; i++)
					model[start + i] = offset + i;
			}
		}
		compare(&table, model);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_remove_across),
		cmocka_unit_test(test_remove_inside),
		cmocka_unit_test(test_holds),
		cmocka_unit_test(test_forgotten_holds),
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_move_of_the_last),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
