/* test_mmu_soft.c - mmu/mmu_soft.h: the page table, one thread */
/* SPDX-License-Identifier: MIT */
#include "unit/soft_world.h"

#define READ_WRITE (SOFT_READ | SOFT_WRITE)
#define BASE (4 * GIANT)

/* A table of each level below the root's. */
#define ONE_PAGE_TABLES 4
#define ONE_HUGE_TABLES 3
#define ONE_GIANT_TABLES 2

static struct mmu *mmu;

static int setup(void **state)
{
	(void)state;
	mmu = world_create();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_destroy(mmu);
	return 0;
}

static bool translate(uint64_t address, uint32_t right,
		      struct soft_translation *found)
{
	memset(found, 0xff, sizeof(*found));
	return soft_translate(mmu, address, right, found);
}

/* ---- creating ---- */

static void test_create(void **state)
{
	(void)state;
	assert_true(mmu->soft);
	assert_false(mmu_must_hide(mmu));
	assert_int_equal(mmu->lowest, 0);
	assert_int_equal(mmu->highest, HIGHEST);
	assert_int_equal(mmu->arena, GIANT);
	assert_int_equal(mmu->arena_end, 2 * GIANT);
	assert_table_count(mmu, 1);
}

static void test_create_refuses(void **state)
{
	struct mmu_soft_options options = world_options();
	struct mmu *other = NULL;

	(void)state;
	options.highest = HIGHEST + PAGE_SIZE;
	assert_int_equal(mmu_soft_create(&options, &other), -EINVAL);
	options.highest = options.lowest;
	assert_int_equal(mmu_soft_create(&options, &other), -EINVAL);
	options = world_options();
	options.arena_end = options.arena - PAGE_SIZE;
	assert_int_equal(mmu_soft_create(&options, &other), -EINVAL);
	options = world_options();
	options.lowest = 1;
	assert_int_equal(mmu_soft_create(&options, &other), -EINVAL);
	options = world_options();
	world_memory = 0;
	assert_int_equal(mmu_soft_create(&options, &other), -ENOMEM);
	assert_null(other);
}

/* ---- levels ---- */

/* A table is there for each stretch of its level that has something. */
static void test_tables_come_and_go(void **state)
{
	const struct {
		uint64_t address;
		uint64_t tables;
	} steps[] = {
		{ 0, 4 },     { PAGE_SIZE, 4 },    { HUGE, 5 },
		{ GIANT, 7 }, { 512 * GIANT, 10 }, { HIGHEST - PAGE_SIZE, 13 },
	};
	const struct soft_translation none = { 0 };
	const size_t count = sizeof(steps) / sizeof(steps[0]);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		set(mmu, steps[i].address, shared_page(i, SOFT_READ));
		assert_table_count(mmu, steps[i].tables);
		assert_int_equal(counts_of(mmu).translations, i + 1);
	}
	for (size_t i = 0; i < count; i++)
		assert_page(mmu, steps[i].address, i, SOFT_READ);
	for (size_t i = count; i-- > 0;) {
		assert_table_count(mmu, steps[i].tables);
		set(mmu, steps[i].address, none);
		assert_nothing(mmu, steps[i].address);
		assert_int_equal(counts_of(mmu).translations, i);
	}
	assert_table_count(mmu, 1);
	assert_int_equal(world_mapped, SOFT_TABLE_BYTES);
}

static void test_borders(void **state)
{
	struct soft_translation found;

	(void)state;
	set(mmu, 0, shared_page(7, SOFT_READ));
	set(mmu, HIGHEST - PAGE_SIZE, shared_page(8, SOFT_READ));
	assert_true(translate(PAGE_SIZE - 1, SOFT_READ, &found));
	assert_int_equal(found.index, 7);
	assert_true(translate(HIGHEST - 1, SOFT_READ, &found));
	assert_int_equal(found.index, 8);
	assert_false(translate(PAGE_SIZE, SOFT_READ, &found));
	assert_false(translate(HIGHEST - PAGE_SIZE - 1, SOFT_READ, &found));
	assert_int_equal(found.flags, 0);
	/* What has more than 48 bits is no alias of what has not. */
	assert_false(translate(HIGHEST, SOFT_READ, &found));
	assert_int_equal(found.flags, 0);
	assert_false(translate(UINT64_MAX, SOFT_READ, &found));
	assert_nothing(mmu, HIGHEST);
	soft_drop(mmu, HIGHEST - PAGE_SIZE, HIGHEST, false);
	assert_nothing(mmu, HIGHEST - PAGE_SIZE);
	assert_page(mmu, 0, 7, SOFT_READ | SOFT_ACCESSED);
}

static void test_largest_index(void **state)
{
	const uint64_t last = (UINT64_C(1) << 52) - 1;

	(void)state;
	set(mmu, BASE, shared_page(last, SOFT_READ));
	assert_page(mmu, BASE, last, SOFT_READ);
	/* The leaf's first page has an index below 0: none asks for it. */
	set(mmu, BASE + HUGE + PAGE_SIZE, shared_page(0, SOFT_HUGE));
	assert_page(mmu, BASE + HUGE + PAGE_SIZE, 0, SOFT_HUGE);
	assert_page(mmu, BASE + 2 * HUGE - 1, 510, SOFT_HUGE);
}

/* ---- translating ---- */

static void test_rights(void **state)
{
	const uint32_t rights[] = { SOFT_READ, SOFT_WRITE, SOFT_EXECUTE };
	struct soft_translation found;

	(void)state;
	for (uint32_t has = 0; has <= SOFT_RIGHTS; has++) {
		for (int i = 0; i < 3; i++) {
			set(mmu, BASE, shared_page(5, has));
			assert_int_equal(translate(BASE + 9, rights[i], &found),
					 (has & rights[i]) != 0);
			assert_int_equal(found.index, 5);
			assert_int_equal(found.flags & SOFT_RIGHTS, has);
			assert_true(found.flags & SOFT_PRESENT);
		}
	}
}

/* Only an access that is allowed leaves a mark, only a store that of dirt. */
static void test_marks(void **state)
{
	struct soft_translation found;

	(void)state;
	set(mmu, BASE, shared_page(5, READ_WRITE));
	assert_false(translate(BASE, SOFT_EXECUTE, &found));
	assert_page(mmu, BASE, 5, READ_WRITE);
	assert_true(translate(BASE, SOFT_READ, &found));
	assert_int_equal(found.flags,
			 READ_WRITE | SOFT_ACCESSED | SOFT_PRESENT);
	assert_page(mmu, BASE, 5, READ_WRITE | SOFT_ACCESSED);
	assert_true(translate(BASE, SOFT_WRITE, &found));
	assert_page(mmu, BASE, 5, READ_WRITE | SOFT_ACCESSED | SOFT_DIRTY);
	set(mmu, BASE, shared_page(5, READ_WRITE));
	assert_page(mmu, BASE, 5, READ_WRITE);
	assert_true(translate(BASE, SOFT_WRITE, &found));
	assert_page(mmu, BASE, 5, READ_WRITE | SOFT_ACCESSED | SOFT_DIRTY);
}

static void test_guard_allows_nothing(void **state)
{
	const struct soft_translation guard = { NULL, 0, SOFT_GUARD };
	struct soft_translation found;

	(void)state;
	set(mmu, BASE, guard);
	assert_int_equal(mmu_protect(mmu, BASE, PAGE_SIZE, PROT_READ), 0);
	assert_false(translate(BASE, SOFT_READ, &found));
	assert_int_equal(found.flags, SOFT_GUARD | SOFT_PRESENT);
	soft_drop(mmu, BASE, BASE + PAGE_SIZE, true);
	assert_int_equal(soft_look(mmu, BASE).flags, SOFT_GUARD | SOFT_PRESENT);
	/* Whatever else it says. */
	set(mmu, BASE, shared_page(1, SOFT_GUARD | SOFT_READ));
	assert_false(translate(BASE, SOFT_READ, &found));
}

static void test_page_of_zeros(void **state)
{
	const struct soft_translation zeros = { NULL, 0, SOFT_READ };
	struct soft_translation found;

	(void)state;
	set(mmu, BASE, zeros);
	assert_true(translate(BASE, SOFT_READ, &found));
	assert_null(found.owner);
	assert_false(translate(BASE, SOFT_WRITE, &found));
}

/* ---- setting ---- */

static void test_set_drops_what_was_there(void **state)
{
	(void)state;
	set(mmu, BASE, private_page(3, READ_WRITE));
	set(mmu, BASE, private_page(4, READ_WRITE));
	assert_int_equal(world_holds[3], 0);
	assert_int_equal(world_holds[4], 1);
	assert_int_equal(counts_of(mmu).translations, 1);
	/* The same page again needs a hold of its own. */
	set(mmu, BASE, private_page(4, SOFT_READ));
	assert_int_equal(world_holds[4], 1);
	set(mmu, BASE, (struct soft_translation){ 0 });
	assert_int_equal(world_holds[4], 0);
	assert_table_count(mmu, 1);
	set(mmu, BASE, (struct soft_translation){ 0 });
	assert_table_count(mmu, 1);
}

/* The translation's index is that of the address, within the leaf too. */
static void test_huge_leaves(void **state)
{
	struct soft_translation found;

	(void)state;
	set(mmu, BASE + 5 * PAGE_SIZE,
	    shared_page(1005, READ_WRITE | SOFT_HUGE));
	assert_table_count(mmu, ONE_HUGE_TABLES);
	assert_page(mmu, BASE, 1000, READ_WRITE | SOFT_HUGE);
	assert_page(mmu, BASE + HUGE - 1, 1511, READ_WRITE | SOFT_HUGE);
	assert_nothing(mmu, BASE + HUGE);
	assert_true(translate(BASE + 7 * PAGE_SIZE, SOFT_WRITE, &found));
	assert_int_equal(found.index, 1007);
	/* One entry has one mark. */
	assert_page(mmu, BASE, 1000,
		    READ_WRITE | SOFT_HUGE | SOFT_ACCESSED | SOFT_DIRTY);
	set(mmu, BASE + GIANT, shared_page(5000, SOFT_READ | SOFT_GIANT));
	assert_table_count(mmu, ONE_HUGE_TABLES);
	assert_page(mmu, BASE + 2 * GIANT - 1, 5000 + GIANT / PAGE_SIZE - 1,
		    SOFT_READ | SOFT_GIANT);
	assert_int_equal(counts_of(mmu).translations, 2);
}

/*
 *   [           giant            ]
 *   [ huge ][ 511 | x | pages  ][ huge ]...
 */
static void test_set_splits_what_it_is_in(void **state)
{
	const uint64_t at = BASE + HUGE + 9 * PAGE_SIZE;

	(void)state;
	set(mmu, BASE, shared_page(0, SOFT_READ | SOFT_GIANT));
	assert_table_count(mmu, ONE_GIANT_TABLES);
	set(mmu, at, private_page(3, READ_WRITE));
	assert_table_count(mmu, ONE_PAGE_TABLES);
	assert_int_equal(counts_of(mmu).translations, 511 + 512);
	assert_page(mmu, at, 3, READ_WRITE | SOFT_PRIVATE);
	assert_page(mmu, at - PAGE_SIZE, 512 + 8, SOFT_READ);
	assert_page(mmu, at + PAGE_SIZE, 512 + 10, SOFT_READ);
	assert_page(mmu, BASE, 0, SOFT_READ | SOFT_HUGE);
	assert_page(mmu, BASE + GIANT - 1, GIANT / PAGE_SIZE - 1,
		    SOFT_READ | SOFT_HUGE);
	set(mmu, BASE, (struct soft_translation){ 0 });
	assert_nothing(mmu, BASE);
	assert_page(mmu, BASE + PAGE_SIZE, 1, SOFT_READ);
	/* And a whole one takes the place of all these. */
	set(mmu, BASE, shared_page(7, SOFT_READ | SOFT_GIANT));
	assert_int_equal(world_holds[3], 0);
	assert_table_count(mmu, ONE_GIANT_TABLES);
	assert_int_equal(counts_of(mmu).translations, 1);
	assert_page(mmu, at, 7 + 512 + 9, SOFT_READ | SOFT_GIANT);
}

static void test_run_leaves_what_is_there(void **state)
{
	const uint64_t at = BASE + HUGE - 4 * PAGE_SIZE;
	const struct soft_translation run = shared_page(100, SOFT_READ);

	(void)state;
	set(mmu, at + PAGE_SIZE, shared_page(7, READ_WRITE));
	assert_int_equal(soft_set_run(mmu, at, 8, &run), 7);
	for (uint64_t i = 0; i < 8; i++) {
		if (i != 1)
			assert_page(mmu, at + i * PAGE_SIZE, 100 + i,
				    SOFT_READ);
	}
	assert_page(mmu, at + PAGE_SIZE, 7, READ_WRITE);
	assert_nothing(mmu, at - PAGE_SIZE);
	assert_nothing(mmu, at + 8 * PAGE_SIZE);
	assert_int_equal(soft_set_run(mmu, at, 8, &run), 0);
	assert_int_equal(soft_set_run(mmu, at, 0, &run), 0);
}

/*   [ a a a ][  huge leaf  ][ a a a ]   */
static void test_run_passes_huge_leaf(void **state)
{
	const uint64_t at = BASE + HUGE - 3 * PAGE_SIZE;
	const struct soft_translation run = shared_page(0, SOFT_READ);

	(void)state;
	set(mmu, BASE + HUGE, shared_page(9000, SOFT_READ | SOFT_HUGE));
	assert_int_equal(soft_set_run(mmu, at, PAGES_OF_HUGE + 6, &run), 6);
	assert_page(mmu, BASE + 2 * HUGE, 515, SOFT_READ);
	assert_page(mmu, BASE + HUGE, 9000, SOFT_READ | SOFT_HUGE);
	assert_int_equal(counts_of(mmu).translations, 7);
}

/* ---- finding ---- */

static void assert_next(uint64_t from, uint64_t end, uint64_t address,
			uint64_t index)
{
	struct soft_translation found;

	assert_true(soft_next(mmu, &from, end, &found));
	assert_int_equal(from, address);
	assert_int_equal(found.index, index);
}

static void test_next(void **state)
{
	const uint64_t far = 600 * GIANT + 3 * HUGE;
	struct soft_translation found;
	uint64_t at = 0;

	(void)state;
	assert_false(soft_next(mmu, &at, HIGHEST, &found));
	set(mmu, BASE + PAGE_SIZE, shared_page(1, 0));
	set(mmu, far, shared_page(1000, SOFT_HUGE));
	set(mmu, HIGHEST - PAGE_SIZE, shared_page(3, 0));
	assert_next(0, HIGHEST, BASE + PAGE_SIZE, 1);
	assert_next(BASE + PAGE_SIZE, BASE + 2 * PAGE_SIZE, BASE + PAGE_SIZE,
		    1);
	assert_next(BASE + 2 * PAGE_SIZE, HIGHEST, far, 1000);
	/* In the middle of a leaf: there. */
	assert_next(far + 4 * PAGE_SIZE, HIGHEST, far + 4 * PAGE_SIZE, 1004);
	assert_next(far + HUGE, HIGHEST, HIGHEST - PAGE_SIZE, 3);
	assert_false(soft_next(mmu, &at, BASE + PAGE_SIZE, &found));
	at = far + HUGE;
	assert_false(soft_next(mmu, &at, HIGHEST - PAGE_SIZE, &found));
	at = HIGHEST;
	assert_false(soft_next(mmu, &at, HIGHEST, &found));
}

/* ---- dropping and changing ---- */

static void test_drop_private_only(void **state)
{
	(void)state;
	set(mmu, BASE, private_page(1, READ_WRITE));
	set(mmu, BASE + PAGE_SIZE, shared_page(9, SOFT_READ));
	set(mmu, BASE + HUGE, shared_page(0, SOFT_READ | SOFT_HUGE));
	soft_drop(mmu, BASE, BASE + HUGE + PAGE_SIZE, true);
	assert_nothing(mmu, BASE);
	assert_int_equal(world_holds[1], 0);
	assert_page(mmu, BASE + PAGE_SIZE, 9, SOFT_READ);
	/* It is never private: no reason to split it. */
	assert_page(mmu, BASE + HUGE, 0, SOFT_READ | SOFT_HUGE);
	soft_drop(mmu, BASE, BASE, false);
	assert_int_equal(counts_of(mmu).translations, 2);
}

/*   [     giant     ]  ->  [ huge ..|p|      |p|.. huge ]   */
static void test_drop_splits_at_both_ends(void **state)
{
	const uint64_t start = BASE + 3 * HUGE + PAGE_SIZE;
	const uint64_t end = BASE + 10 * HUGE - PAGE_SIZE;

	(void)state;
	set(mmu, BASE, shared_page(0, SOFT_READ | SOFT_GIANT));
	soft_drop(mmu, start, end, false);
	assert_page(mmu, start - PAGE_SIZE, 3 * 512, SOFT_READ);
	assert_page(mmu, end, 10 * 512 - 1, SOFT_READ);
	assert_page(mmu, BASE + 2 * HUGE, 2 * 512, SOFT_READ | SOFT_HUGE);
	assert_page(mmu, BASE + 10 * HUGE, 10 * 512, SOFT_READ | SOFT_HUGE);
	for (uint64_t at = start; at < end; at += PAGE_SIZE)
		assert_nothing(mmu, at);
	assert_table_count(mmu, 5);
	soft_drop(mmu, BASE, BASE + GIANT, false);
	assert_table_count(mmu, 1);
	assert_int_equal(counts_of(mmu).translations, 0);
}

static void test_drop_leaves_its_neighbours(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 5; i++)
		set(mmu, BASE + i * PAGE_SIZE, private_page(i, SOFT_READ));
	soft_drop(mmu, BASE + PAGE_SIZE, BASE + 4 * PAGE_SIZE, false);
	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(world_holds[i], i == 0 || i == 4);
	assert_int_equal(counts_of(mmu).translations, 2);
}

static void test_change_splits_what_it_must(void **state)
{
	const uint32_t all = READ_WRITE | SOFT_ACCESSED | SOFT_DIRTY;

	(void)state;
	set(mmu, BASE, shared_page(0, all | SOFT_HUGE));
	set(mmu, BASE + HUGE, shared_page(512, SOFT_READ | SOFT_HUGE));
	assert_int_equal(mmu_write_protect(mmu, BASE + HUGE - PAGE_SIZE,
					   2 * PAGE_SIZE),
			 0);
	assert_page(mmu, BASE, 0, all);
	assert_page(mmu, BASE + HUGE - PAGE_SIZE, 511,
		    SOFT_READ | SOFT_ACCESSED);
	/* Nothing to take away: nothing to split. */
	assert_page(mmu, BASE + HUGE, 512, SOFT_READ | SOFT_HUGE);
	assert_int_equal(mmu_protect(mmu, BASE, 2 * HUGE, PROT_NONE), 0);
	assert_page(mmu, BASE, 0, SOFT_ACCESSED | SOFT_DIRTY);
	assert_page(mmu, BASE + HUGE, 512, SOFT_HUGE);
}

#define each(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		each(test_create),
		each(test_create_refuses),
		each(test_tables_come_and_go),
		each(test_borders),
		each(test_largest_index),
		each(test_rights),
		each(test_marks),
		each(test_guard_allows_nothing),
		each(test_page_of_zeros),
		each(test_set_drops_what_was_there),
		each(test_huge_leaves),
		each(test_set_splits_what_it_is_in),
		each(test_run_leaves_what_is_there),
		each(test_run_passes_huge_leaf),
		each(test_next),
		each(test_drop_private_only),
		each(test_drop_splits_at_both_ends),
		each(test_drop_leaves_its_neighbours),
		each(test_change_splits_what_it_must),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
