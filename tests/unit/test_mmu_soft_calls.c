/* test_mmu_soft_calls.c - mmu/mmu_soft.h: the functions that every mmu has */
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

static void test_protect(void **state)
{
	const struct {
		int prot;
		uint32_t before;
		uint32_t after;
	} cases[] = {
		{ PROT_NONE, SOFT_RIGHTS, 0 },
		{ PROT_READ, SOFT_RIGHTS, SOFT_READ },
		{ PROT_READ, 0, SOFT_READ },
		{ PROT_WRITE, 0, SOFT_READ },
		{ PROT_WRITE, SOFT_RIGHTS, READ_WRITE },
		{ PROT_EXEC, 0, SOFT_READ | SOFT_EXECUTE },
		{ PROT_EXEC, READ_WRITE, SOFT_READ | SOFT_EXECUTE },
		{ PROT_READ | PROT_WRITE, SOFT_READ, SOFT_READ },
		{ PROT_READ | PROT_WRITE, SOFT_RIGHTS, READ_WRITE },
		{ PROT_READ | PROT_WRITE | PROT_EXEC, SOFT_RIGHTS,
		  SOFT_RIGHTS },
		{ PROT_READ | PROT_WRITE | PROT_EXEC, 0,
		  SOFT_READ | SOFT_EXECUTE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set(mmu, BASE, shared_page(5, cases[i].before | SOFT_DIRTY));
		set(mmu, BASE + PAGE_SIZE, private_page(5, cases[i].before));
		assert_int_equal(mmu_protect(mmu, BASE, 2 * PAGE_SIZE,
					     cases[i].prot),
				 0);
		assert_page(mmu, BASE, 5, cases[i].after | SOFT_DIRTY);
		assert_page(mmu, BASE + PAGE_SIZE, 5,
			    cases[i].after | SOFT_PRIVATE);
	}
}

static void test_write_protect(void **state)
{
	const uint32_t all = READ_WRITE | SOFT_ACCESSED | SOFT_DIRTY;

	(void)state;
	set(mmu, BASE, shared_page(1, all));
	set(mmu, BASE + PAGE_SIZE, private_page(2, all));
	set(mmu, BASE + 2 * PAGE_SIZE, shared_page(3, all));
	assert_int_equal(mmu_write_protect(mmu, BASE, 2 * PAGE_SIZE), 0);
	assert_page(mmu, BASE, 1, SOFT_READ | SOFT_ACCESSED);
	assert_page(mmu, BASE + PAGE_SIZE, 2, all | SOFT_PRIVATE);
	assert_page(mmu, BASE + 2 * PAGE_SIZE, 3, all);
}

static void test_map_and_unmap(void **state)
{
	struct mmu_mapping mapping = { .start = BASE, .length = PAGE_SIZE };

	(void)state;
	assert_int_equal(mmu_map(mmu, &mapping), 0);
	assert_table_count(mmu, 1);
	set(mmu, BASE, private_page(1, SOFT_READ));
	set(mmu, BASE + PAGE_SIZE, shared_page(2, SOFT_READ));
	mapping.replace = true;
	assert_int_equal(mmu_map(mmu, &mapping), 0);
	assert_nothing(mmu, BASE);
	assert_int_equal(world_holds[1], 0);
	assert_int_equal(mmu_unmap(mmu, BASE, 2 * PAGE_SIZE), 0);
	assert_nothing(mmu, BASE + PAGE_SIZE);
	mmu_wake(mmu, BASE, PAGE_SIZE);
}

static void test_forget(void **state)
{
	(void)state;
	set(mmu, BASE, private_page(1, SOFT_READ));
	set(mmu, BASE + PAGE_SIZE, shared_page(2, SOFT_READ));
	assert_int_equal(mmu_guard(mmu, BASE + 2 * PAGE_SIZE, PAGE_SIZE, true),
			 0);
	assert_int_equal(mmu_forget(mmu, BASE, 3 * PAGE_SIZE, false), 0);
	assert_nothing(mmu, BASE);
	assert_nothing(mmu, BASE + PAGE_SIZE);
	assert_int_equal(soft_look(mmu, BASE + 2 * PAGE_SIZE).flags,
			 SOFT_GUARD | SOFT_PRESENT);
	assert_int_equal(world_holds[1], 0);
}

/*   [ huge .. ][ . p . ]  ->  [ huge |g g][g g g]  ->  [ huge | ][     ]   */
static void test_guard(void **state)
{
	const uint64_t start = BASE + HUGE - 2 * PAGE_SIZE;
	const uint64_t end = start + 5 * PAGE_SIZE;
	struct soft_translation found;

	(void)state;
	set(mmu, BASE, shared_page(0, SOFT_READ | SOFT_HUGE));
	set(mmu, BASE + HUGE + PAGE_SIZE, private_page(1, READ_WRITE));
	assert_true(translate(BASE + HUGE + PAGE_SIZE, SOFT_WRITE, &found));
	for (int again = 0; again < 2; again++)
		assert_int_equal(mmu_guard(mmu, start, end - start, true), 0);
	assert_int_equal(world_holds[1], 0);
	for (uint64_t at = start; at < end; at += PAGE_SIZE) {
		assert_false(translate(at, SOFT_READ, &found));
		assert_int_equal(found.flags, SOFT_GUARD | SOFT_PRESENT);
	}
	assert_page(mmu, start - PAGE_SIZE, 509, SOFT_READ);
	assert_nothing(mmu, end);
	set(mmu, end, shared_page(3, SOFT_READ));
	assert_int_equal(mmu_guard(mmu, BASE, 2 * HUGE, false), 0);
	assert_nothing(mmu, start);
	assert_page(mmu, start - PAGE_SIZE, 509, SOFT_READ);
	assert_page(mmu, end, 3, SOFT_READ);
	assert_int_equal(counts_of(mmu).translations, 511);
}

static void test_mmu_move(void **state)
{
	const struct mmu_move move = {
		.from = BASE,
		.length = PAGE_SIZE,
		.to = { .start = BASE + GIANT, .length = 2 * PAGE_SIZE },
	};

	(void)state;
	set(mmu, BASE, private_page(1, READ_WRITE));
	assert_int_equal(mmu_move(mmu, &move), 0);
	assert_nothing(mmu, BASE);
	assert_page(mmu, BASE + GIANT, 1, READ_WRITE | SOFT_PRIVATE);
}

static void do_install(void *unused)
{
	(void)unused;
	mmu_install(mmu, BASE, PAGE_SIZE, true);
}

static void do_grant(void *unused)
{
	(void)unused;
	mmu_grant(mmu, BASE, PAGE_SIZE, false);
}

static void do_refuse(void *unused)
{
	(void)unused;
	mmu_refuse(mmu, BASE, true);
}

static void do_set_private_huge(void *unused)
{
	(void)unused;
	set(mmu, BASE, private_page(1, SOFT_HUGE));
}

static void do_set_guard_huge(void *unused)
{
	(void)unused;
	set(mmu, BASE, shared_page(1, SOFT_HUGE | SOFT_GUARD));
}

static void test_misuse(void **state)
{
	(void)state;
	assert_check_fails(do_install, NULL, "no install");
	assert_check_fails(do_grant, NULL, "no grant");
	assert_check_fails(do_refuse, NULL, "no refuse");
	assert_check_fails(do_set_private_huge, NULL, "private");
	assert_check_fails(do_set_guard_huge, NULL, "guard");
}

#define each(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		each(test_protect),       each(test_write_protect),
		each(test_map_and_unmap), each(test_forget),
		each(test_guard),         each(test_mmu_move),
		each(test_misuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
