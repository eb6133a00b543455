/* test_mmu_uffd.c - mmu/mmu_uffd.c against the kernel */
/* SPDX-License-Identifier: MIT */
#include "mmu/mmu_uffd.h"

#include "unit/mmu_moves.h"
#include "unit/mmu_scenarios.h"

static int open_mmu(void **state)
{
	(void)state;
	assert_int_equal(mmu_uffd_create(false, &mmu), 0);
	base = mmu->arena + (UINT64_C(1) << 30);
	return 0;
}

/* ---- the kernel knows what is resident ---- */

static void test_what_is_not_resident(void **state)
{
	int memory = *(int *)*state;

	map(memory, true);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), -EFAULT);
	fill_page(memory, 3);
	assert_int_equal(mmu_grant(mmu, base + 3 * PAGE_SIZE, 2 * PAGE_SIZE,
				   false),
			 -EFAULT);
}

/* Pages 0 and 1 are resident, 2 is not: it goes as far as it goes. */
static void test_install_of_a_part(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	fill_page(memory, 0);
	fill_page(memory, 1);
	map(memory, true);
	assert_int_equal(mmu_install(mmu, base, 3 * PAGE_SIZE, true), 0);
	assert_int_equal(load(base + PAGE_SIZE), 'b');
	start_load(&touch, base + 2 * PAGE_SIZE);
	expect_trap(base + 2 * PAGE_SIZE, false);
	fill_page(memory, 2);
	assert_int_equal(
		mmu_install(mmu, base + 2 * PAGE_SIZE, PAGE_SIZE, true), 0);
	assert_int_equal(finish(&touch), 'c');
}

/* ---- a store to what is shown already ---- */

/* Says what is known of it: it takes one call then, else two. */
static void test_grant_of_what_is_shown(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	fill_page(memory, 0);
	map(memory, true);
	start_store(&touch, base, 'A');
	assert_false(expect_trap(base, true));
	assert_int_equal(mmu_grant(mmu, base, PAGE_SIZE, false), 0);
	finish(&touch);
	for (unsigned known = 0; known < 2; known++) {
		assert_int_equal(mmu_write_protect(mmu, base, PAGE_SIZE), 0);
		start_store(&touch, base, 'B');
		assert_true(expect_trap(base, true));
		count_calls();
		assert_int_equal(mmu_grant(mmu, base, PAGE_SIZE, known), 0);
		assert_int_equal(unprotections(), 1);
		assert_int_equal(continues(), known ? 0 : 1);
		finish(&touch);
	}
	assert_int_equal(byte_of(memory, 0), 'B');
}

/* It has left since: the store traps anew, as one to what is not shown. */
static void test_grant_of_what_was_shown(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	fill_page(memory, 0);
	map(memory, true);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), 0);
	start_store(&touch, base, 'A');
	assert_true(expect_trap(base, true));
	punch(memory, 0, 1);
	assert_int_equal(mmu_grant(mmu, base, PAGE_SIZE, true), 0);
	assert_false(expect_trap(base, true));
	fill_page(memory, 0);
	assert_int_equal(mmu_grant(mmu, base, PAGE_SIZE, false), 0);
	finish(&touch);
	assert_int_equal(byte_of(memory, 0), 'A');
}

static void test_grant_that_the_kernel_refuses(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	assert_int_equal(mmu_grant(mmu, base, PAGE_SIZE, true), -ENOENT);
	fill_page(memory, 0);
	map(memory, true);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), 0);
	start_store(&touch, base, 'A');
	assert_true(expect_trap(base, true));
	refuse_unprotection(EAGAIN);
	assert_int_equal(mmu_grant(mmu, base, PAGE_SIZE, true), -EAGAIN);
	assert_int_equal(byte_of(memory, 0), 'a');
	assert_int_equal(mmu_grant(mmu, base, PAGE_SIZE, true), 0);
	finish(&touch);
}

/* ---- filling: into the memory and shown, in one step ---- */

static unsigned char three_pages[3 * PAGE_SIZE];

static uint64_t fill_three(void)
{
	for (unsigned i = 0; i < 3; i++)
		memset(three_pages + i * PAGE_SIZE, 'x' + (int)i, PAGE_SIZE);
	return mmu_fill(mmu, base, three_pages, sizeof(three_pages), true);
}

static unsigned char in_memory(int memory, unsigned page)
{
	unsigned char byte = 0;

	assert_int_equal(pread(memory, &byte, 1, (off_t)(page * PAGE_SIZE)), 1);
	return byte;
}

static void test_fill(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	map(memory, true);
	assert_true(mmu_fills(mmu));
	assert_int_equal(fill_three(), sizeof(three_pages));
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(load(base + i * PAGE_SIZE), 'x' + i);
		assert_int_equal(in_memory(memory, i), 'x' + i);
	}
	start_store(&touch, base + PAGE_SIZE, 's');
	expect_trap(base + PAGE_SIZE, true);
	assert_int_equal(in_memory(memory, 1), 'y');
	assert_int_equal(mmu_grant(mmu, base + PAGE_SIZE, PAGE_SIZE, false), 0);
	finish(&touch);
	assert_int_equal(in_memory(memory, 1), 's');
}

/* What is in memory already is no business of a fill. */
static void test_fill_up_to_what_is_there(void **state)
{
	int memory = *(int *)*state;

	fill_page(memory, 1);
	map(memory, true);
	assert_int_equal(fill_three(), PAGE_SIZE);
	assert_int_equal(load(base), 'x');
	assert_int_equal(in_memory(memory, 1), 'b');
	assert_int_equal(fill_three(), 0); /* shown, and so there */
	assert_int_equal(mmu_install(mmu, base + PAGE_SIZE, PAGE_SIZE, true),
			 0);
	assert_int_equal(load(base + PAGE_SIZE), 'b');
}

static void test_fill_where_nothing_is_mapped(void **state)
{
	int memory = *(int *)*state;

	(void)state;
	assert_int_equal(fill_three(), 0);
	map(memory, true);
	assert_int_equal(mmu_unmap(mmu, base + PAGE_SIZE, PAGE_SIZE), 0);
	/* It is all one mapping's, or none. */
	assert_int_equal(fill_three(), 0);
}

static void test_fill_wakes_nobody(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	map(memory, true);
	start_load(&touch, base + PAGE_SIZE);
	expect_trap(base + PAGE_SIZE, false);
	assert_int_equal(fill_three(), sizeof(three_pages));
	mmu_wake(mmu, base + PAGE_SIZE, PAGE_SIZE);
	assert_int_equal(finish(&touch), 'y');
}

/* What stands in an empty entry: a mark of protection, and a refusal. */
static void test_fill_over_marks(void **state)
{
	int memory = *(int *)*state;

	map(memory, true);
	assert_int_equal(mmu_write_protect(mmu, base, PAGE_SIZE), 0);
	assert_int_equal(mmu_refuse(mmu, base + PAGE_SIZE, true), 0);
	assert_int_equal(fill_three(), sizeof(three_pages));
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(load(base + i * PAGE_SIZE), 'x' + i);
}

static void test_fill_up_to_a_guard(void **state)
{
	int memory = *(int *)*state;

	map(memory, true);
	if (mmu_guard(mmu, base + 2 * PAGE_SIZE, PAGE_SIZE, true))
		skip();
	assert_int_equal(fill_three(), 2 * PAGE_SIZE);
	assert_int_equal(mmu_guard(mmu, base, PAGE_SIZE, true), 0);
	assert_int_equal(fill_three(), 0);
}

/* ---- the layout ---- */

static void test_the_space_it_offers(void **state)
{
	(void)state;
	assert_true(mmu->lowest < mmu->arena);
	assert_true(mmu->arena < mmu->arena_end);
	assert_true(mmu->arena_end <= mmu->highest);
	assert_int_equal((mmu->lowest | mmu->highest | mmu->arena |
			  mmu->arena_end) &
				 PAGE_MASK,
			 0);
}

#ifdef QUIRE_DEBUG
static void unmap_half_a_page(void *argument)
{
	(void)argument;
	mmu_unmap(mmu, base, 100);
}

static void unmap_too_low(void *argument)
{
	(void)argument;
	mmu_unmap(mmu, 0, PAGE_SIZE);
}

static void test_checks(void **state)
{
	(void)state;
	assert_check_fails(unmap_half_a_page, NULL, "whole pages");
	assert_check_fails(unmap_too_low, NULL, "in its space");
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		MMU_SCENARIOS,
		MMU_MOVES,
		TEST(test_what_is_not_resident),
		TEST(test_install_of_a_part),
		TEST(test_grant_of_what_is_shown),
		TEST(test_grant_of_what_was_shown),
		TEST(test_grant_that_the_kernel_refuses),
		TEST(test_fill),
		TEST(test_fill_up_to_what_is_there),
		TEST(test_fill_where_nothing_is_mapped),
		TEST(test_fill_wakes_nobody),
		TEST(test_fill_over_marks),
		TEST(test_fill_up_to_a_guard),
		cmocka_unit_test(test_the_space_it_offers),
#ifdef QUIRE_DEBUG
		cmocka_unit_test(test_checks),
#endif
	};

	return cmocka_run_group_tests(tests, open_mmu, close_mmu);
}
