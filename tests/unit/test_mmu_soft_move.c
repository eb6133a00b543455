/* test_mmu_soft_move.c - mmu/mmu_soft.h: moves, forks, and lack of memory */
/* SPDX-License-Identifier: MIT */
#include "unit/soft_world.h"

#define READ_WRITE (SOFT_READ | SOFT_WRITE)
#define BASE (4 * GIANT)
#define AWAY (900 * GIANT)

static struct mmu *mmu;
static struct mmu *child;

static int setup(void **state)
{
	(void)state;
	mmu = world_create();
	child = world_create();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mmu_destroy(child);
	world_destroy(mmu);
	return 0;
}

static void move(uint64_t from, uint64_t to, uint64_t length)
{
	assert_int_equal(soft_move(mmu, from, to, length), 0);
}

/* ---- moving ---- */

/*   a . p .          ->          a . p .   */
static void test_move_pages(void **state)
{
	(void)state;
	set(mmu, BASE, shared_page(9, READ_WRITE | SOFT_DIRTY));
	set(mmu, BASE + 2 * PAGE_SIZE, private_page(3, READ_WRITE));
	set(mmu, BASE + 4 * PAGE_SIZE, shared_page(11, SOFT_READ));
	move(BASE, AWAY + PAGE_SIZE, 4 * PAGE_SIZE);
	assert_page(mmu, AWAY + PAGE_SIZE, 9, READ_WRITE | SOFT_DIRTY);
	assert_nothing(mmu, AWAY + 2 * PAGE_SIZE);
	assert_page(mmu, AWAY + 3 * PAGE_SIZE, 3, READ_WRITE | SOFT_PRIVATE);
	assert_nothing(mmu, BASE);
	assert_nothing(mmu, BASE + 2 * PAGE_SIZE);
	assert_page(mmu, BASE + 4 * PAGE_SIZE, 11, SOFT_READ);
	assert_int_equal(world_holds[3], 1);
	assert_int_equal(counts_of(mmu).translations, 3);
	soft_drop(mmu, BASE + 4 * PAGE_SIZE, BASE + 5 * PAGE_SIZE, false);
	assert_table_count(mmu, 4);
}

static void test_move_nothing(void **state)
{
	(void)state;
	move(BASE, AWAY, GIANT);
	move(BASE, AWAY, 0);
	assert_table_count(mmu, 1);
}

/*
 * A table that gives its last page away is where another page goes:
 *
 *   |  0       |  1       |  2       |  3      |      one table a column
 *   |          | a        |          |      b  |
 *   | a        |       b  |                           moved down by 500
 */
static void test_move_to_the_neighbourhood(void **state)
{
	const uint64_t by = 1000 * PAGE_SIZE;
	const uint64_t from = BASE + by;
	const uint64_t last = from + 999 * PAGE_SIZE;

	(void)state;
	set(mmu, from, shared_page(1, SOFT_READ));
	set(mmu, last, shared_page(2, SOFT_READ));
	move(from, from - by, by);
	assert_page(mmu, from - by, 1, SOFT_READ);
	assert_page(mmu, last - by, 2, SOFT_READ);
	assert_nothing(mmu, last);
	assert_table_count(mmu, 5);
	move(from - by, from, by);
	assert_page(mmu, from, 1, SOFT_READ);
	assert_page(mmu, last, 2, SOFT_READ);
	assert_table_count(mmu, 5);
	move(from, from - by, by);
	soft_drop(mmu, BASE, BASE + GIANT, false);
	assert_table_count(mmu, 1);
}

static void test_move_within_one_table(void **state)
{
	(void)state;
	set(mmu, BASE, shared_page(1, SOFT_READ));
	move(BASE, BASE + PAGE_SIZE, PAGE_SIZE);
	assert_nothing(mmu, BASE);
	assert_page(mmu, BASE + PAGE_SIZE, 1, SOFT_READ);
	assert_table_count(mmu, 4);
}

/* Huge leaves stay huge where they fit, and go in smaller pieces elsewhere. */
static void test_move_huge(void **state)
{
	(void)state;
	set(mmu, BASE, shared_page(0, SOFT_READ | SOFT_HUGE));
	move(BASE, AWAY, HUGE);
	assert_page(mmu, AWAY, 0, SOFT_READ | SOFT_HUGE);
	assert_table_count(mmu, 3);
	move(AWAY, BASE + PAGE_SIZE, HUGE);
	for (uint64_t i = 0; i < PAGES_OF_HUGE; i++)
		assert_page(mmu, BASE + (i + 1) * PAGE_SIZE, i, SOFT_READ);
	assert_nothing(mmu, BASE);
	assert_table_count(mmu, 5);
}

static void test_move_part_of_giant(void **state)
{
	(void)state;
	set(mmu, BASE, shared_page(0, SOFT_READ | SOFT_GIANT));
	move(BASE + HUGE - PAGE_SIZE, AWAY + HUGE - PAGE_SIZE,
	     2 * HUGE + 2 * PAGE_SIZE);
	assert_page(mmu, AWAY + HUGE - 1, 511, SOFT_READ);
	assert_page(mmu, AWAY + HUGE, 512, SOFT_READ | SOFT_HUGE);
	assert_page(mmu, AWAY + 2 * HUGE, 1024, SOFT_READ | SOFT_HUGE);
	assert_page(mmu, AWAY + 3 * HUGE, 1536, SOFT_READ);
	assert_nothing(mmu, AWAY + 3 * HUGE + PAGE_SIZE);
	assert_page(mmu, BASE + HUGE - PAGE_SIZE - 1, 510, SOFT_READ);
	assert_nothing(mmu, BASE + HUGE);
	assert_page(mmu, BASE + 3 * HUGE + PAGE_SIZE, 1537, SOFT_READ);
	assert_page(mmu, BASE + 4 * HUGE, 2048, SOFT_READ | SOFT_HUGE);
}

static void do_move_onto(void *unused)
{
	(void)unused;
	move(BASE, AWAY, PAGE_SIZE);
}

static void test_move_onto_something(void **state)
{
	(void)state;
	set(mmu, BASE, shared_page(1, SOFT_READ));
	set(mmu, AWAY, shared_page(2, SOFT_READ));
	assert_check_fails(do_move_onto, NULL, "nothing is where");
}

/* ---- forking ---- */

static void copy(uint64_t start, uint64_t end)
{
	assert_int_equal(soft_copy(mmu, child, start, end), 0);
}

static void test_copy(void **state)
{
	const uint32_t all = READ_WRITE | SOFT_ACCESSED | SOFT_DIRTY;
	const struct soft_translation guard = { NULL, 0, SOFT_GUARD };

	(void)state;
	set(mmu, BASE, private_page(3, all));
	set(mmu, BASE + PAGE_SIZE, shared_page(4, all));
	set(mmu, BASE + 2 * PAGE_SIZE, guard);
	set(mmu, BASE + 3 * PAGE_SIZE, shared_page(5, all));
	copy(BASE, BASE + 3 * PAGE_SIZE);
	assert_page(mmu, BASE, 3, (all & ~SOFT_WRITE) | SOFT_PRIVATE);
	assert_page(child, BASE, 3, (all & ~SOFT_WRITE) | SOFT_PRIVATE);
	assert_int_equal(world_holds[3], 2);
	assert_page(mmu, BASE + PAGE_SIZE, 4, all);
	assert_page(child, BASE + PAGE_SIZE, 4, all);
	assert_int_equal(soft_look(child, BASE + 2 * PAGE_SIZE).flags,
			 SOFT_GUARD | SOFT_PRESENT);
	assert_nothing(child, BASE + 3 * PAGE_SIZE);
	soft_drop(child, BASE, BASE + HUGE, false);
	assert_int_equal(world_holds[3], 1);
	assert_table_count(child, 1);
	assert_page(mmu, BASE, 3, (all & ~SOFT_WRITE) | SOFT_PRIVATE);
}

/* The parent's leaf stays whole; the child gets the pieces in the range. */
static void test_copy_huge(void **state)
{
	(void)state;
	set(mmu, BASE, shared_page(0, READ_WRITE | SOFT_GIANT));
	copy(BASE + HUGE - PAGE_SIZE, BASE + 2 * HUGE + PAGE_SIZE);
	assert_page(mmu, BASE, 0, READ_WRITE | SOFT_GIANT);
	assert_nothing(child, BASE + HUGE - PAGE_SIZE - 1);
	assert_page(child, BASE + HUGE - 1, 511, READ_WRITE);
	assert_page(child, BASE + HUGE, 512, READ_WRITE | SOFT_HUGE);
	assert_page(child, BASE + 2 * HUGE, 1024, READ_WRITE);
	assert_nothing(child, BASE + 2 * HUGE + PAGE_SIZE);
	soft_drop(child, 0, HIGHEST, false);
	copy(BASE, BASE + GIANT);
	assert_page(child, BASE, 0, READ_WRITE | SOFT_GIANT);
	assert_int_equal(counts_of(child).translations, 1);
}

/* ---- no memory, at each call in turn ---- */

/* Does it with ever more memory, until that is enough. */
static int attempts(int (*body)(void), void (*unchanged)(void))
{
	int enough = 0;
	int error;

	do {
		const uint64_t before = soft_own(mmu)->tables;

		world_memory = enough++;
		error = body();
		world_memory = ANY;
		if (error) {
			assert_int_equal(error, -ENOMEM);
			assert_table_count(mmu, before);
			unchanged();
		}
	} while (error);
	return enough - 1;
}

static int set_page(void)
{
	const struct soft_translation page = shared_page(1, SOFT_READ);

	return soft_set(mmu, AWAY, &page);
}

static void nothing_is_away(void)
{
	assert_nothing(mmu, AWAY);
}

static void test_set_without_memory(void **state)
{
	(void)state;
	assert_int_equal(attempts(set_page, nothing_is_away), 3);
	assert_page(mmu, AWAY, 1, SOFT_READ);
}

static int set_in_giant(void)
{
	const struct soft_translation page = shared_page(1, SOFT_READ);

	return soft_set(mmu, BASE, &page);
}

static int remove_in_giant(void)
{
	const struct soft_translation none = { 0 };

	return soft_set(mmu, BASE, &none);
}

static void giant_is_whole(void)
{
	assert_page(mmu, BASE, 0, SOFT_READ | SOFT_GIANT);
	assert_int_equal(counts_of(mmu).translations, 1);
}

static void test_split_without_memory(void **state)
{
	(void)state;
	set(mmu, BASE, shared_page(0, SOFT_READ | SOFT_GIANT));
	assert_int_equal(attempts(set_in_giant, giant_is_whole), 2);
	set(mmu, BASE, shared_page(0, SOFT_READ | SOFT_GIANT));
	assert_int_equal(attempts(remove_in_giant, giant_is_whole), 2);
	assert_nothing(mmu, BASE);
}

static int64_t set_run(void)
{
	const struct soft_translation page = shared_page(0, SOFT_READ);

	return soft_set_run(mmu, BASE + HUGE - PAGE_SIZE, PAGES_OF_HUGE + 2,
			    &page);
}

/* A run over three tables sets as many as it has memory for. */
static void test_run_without_memory(void **state)
{
	const int64_t expected[] = { -ENOMEM, -ENOMEM, -ENOMEM, 1, 513, 514 };

	(void)state;
	for (int memory = 0; memory < 6; memory++) {
		world_memory = memory;
		assert_int_equal(set_run(), expected[memory]);
		world_memory = ANY;
		assert_int_equal(counts_of(mmu).translations,
				 memory < 3 ? 0 : expected[memory]);
		soft_drop(mmu, 0, HIGHEST, false);
		assert_table_count(mmu, 1);
	}
}

static int move_pages(void)
{
	return soft_move(mmu, BASE + HUGE - PAGE_SIZE, AWAY + HUGE - PAGE_SIZE,
			 HUGE + 2 * PAGE_SIZE);
}

static void nothing_moved(void)
{
	uint64_t at = AWAY;
	struct soft_translation found;

	assert_false(soft_next(mmu, &at, AWAY + GIANT, &found));
	assert_page(mmu, BASE + HUGE - PAGE_SIZE, 7, READ_WRITE | SOFT_PRIVATE);
	assert_page(mmu, BASE + 2 * HUGE, 8, READ_WRITE);
	assert_int_equal(world_holds[7], 1);
}

static void test_move_without_memory(void **state)
{
	(void)state;
	set(mmu, BASE + HUGE - PAGE_SIZE, private_page(7, READ_WRITE));
	set(mmu, BASE + 2 * HUGE, shared_page(8, READ_WRITE));
	assert_int_equal(attempts(move_pages, nothing_moved), 4);
	assert_page(mmu, AWAY + 2 * HUGE, 8, READ_WRITE);
	assert_table_count(mmu, 5);
}

/* Splits may have been made; the pages stand where they stood. */
static void test_move_of_giant_without_memory(void **state)
{
	int memory = 0;

	(void)state;
	set(mmu, BASE, shared_page(0, SOFT_READ | SOFT_GIANT));
	for (;; memory++) {
		int error;

		world_memory = memory;
		error = soft_move(mmu, BASE, AWAY + PAGE_SIZE, 2 * PAGE_SIZE);
		world_memory = ANY;
		if (!error)
			break;
		assert_int_equal(error, -ENOMEM);
		for (uint64_t i = 0; i < PAGES_OF_HUGE + 1; i++)
			assert_int_equal(
				soft_look(mmu, BASE + i * PAGE_SIZE).index, i);
		assert_nothing(mmu, AWAY + PAGE_SIZE);
		soft_drop(mmu, 0, HIGHEST, false);
		assert_table_count(mmu, 1);
		set(mmu, BASE, shared_page(0, SOFT_READ | SOFT_GIANT));
	}
	assert_int_equal(memory, 5);
	assert_nothing(mmu, BASE);
	assert_int_equal(soft_look(mmu, AWAY + 2 * PAGE_SIZE).index, 1);
}

static void test_copy_without_memory(void **state)
{
	int error;

	(void)state;
	set(mmu, BASE, private_page(1, READ_WRITE));
	set(mmu, BASE + HUGE, private_page(2, READ_WRITE));
	set(mmu, AWAY, private_page(3, READ_WRITE));
	for (int memory = 0; memory <= 7; memory++) {
		world_memory = memory;
		error = soft_copy(mmu, child, 0, HIGHEST);
		world_memory = ANY;
		assert_int_equal(error, memory < 7 ? -ENOMEM : 0);
		assert_int_equal(counts_of(child).translations,
				 (memory >= 3) + (memory >= 4) + (memory >= 7));
		soft_drop(child, 0, HIGHEST, false);
		assert_table_count(child, 1);
		for (int i = 1; i <= 3; i++)
			assert_int_equal(world_holds[i], 1);
	}
}

static int guard_pages(void)
{
	return mmu_guard(mmu, BASE + HUGE - PAGE_SIZE, HUGE + 2 * PAGE_SIZE,
			 true);
}

static void nothing_is_guarded(void)
{
	assert_page(mmu, BASE + HUGE - PAGE_SIZE, 7, READ_WRITE | SOFT_PRIVATE);
	assert_nothing(mmu, BASE + HUGE);
	assert_int_equal(counts_of(mmu).translations, 1);
}

static void test_guard_without_memory(void **state)
{
	(void)state;
	set(mmu, BASE + HUGE - PAGE_SIZE, private_page(7, READ_WRITE));
	assert_int_equal(attempts(guard_pages, nothing_is_guarded), 2);
	assert_int_equal(world_holds[7], 0);
	assert_int_equal(soft_look(mmu, BASE + 2 * HUGE).flags,
			 SOFT_GUARD | SOFT_PRESENT);
}

/* What cannot be split goes whole: the next fault shows it again. */
static void test_change_without_memory(void **state)
{
	struct soft_translation found;

	(void)state;
	for (int i = 0; i < 3; i++) {
		set(mmu, BASE, shared_page(0, READ_WRITE | SOFT_HUGE));
		set(mmu, BASE + HUGE, shared_page(512, SOFT_READ));
		assert_true(soft_translate(mmu, BASE, SOFT_READ, &found));
		world_memory = 0;
		if (i == 0)
			soft_drop(mmu, BASE + PAGE_SIZE, BASE + HUGE, false);
		else if (i == 1)
			mmu_write_protect(mmu, BASE + PAGE_SIZE,
					  HUGE - PAGE_SIZE);
		else
			mmu_protect(mmu, BASE + PAGE_SIZE, HUGE - PAGE_SIZE,
				    PROT_NONE);
		world_memory = ANY;
		assert_nothing(mmu, BASE);
		assert_false(soft_translate(mmu, BASE, SOFT_READ, &found));
		assert_page(mmu, BASE + HUGE, 512, SOFT_READ);
		assert_int_equal(counts_of(mmu).translations, 1);
	}
}

/* ---- main ---- */

#define each(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		each(test_move_pages),
		each(test_move_nothing),
		each(test_move_to_the_neighbourhood),
		each(test_move_within_one_table),
		each(test_move_huge),
		each(test_move_part_of_giant),
		each(test_move_onto_something),
		each(test_copy),
		each(test_copy_huge),
		each(test_set_without_memory),
		each(test_split_without_memory),
		each(test_run_without_memory),
		each(test_move_without_memory),
		each(test_move_of_giant_without_memory),
		each(test_copy_without_memory),
		each(test_guard_without_memory),
		each(test_change_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
