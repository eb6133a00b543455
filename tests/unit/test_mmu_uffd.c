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
	assert_int_equal(mmu_grant(mmu, base + 3 * PAGE_SIZE, 2 * PAGE_SIZE),
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
		cmocka_unit_test(test_the_space_it_offers),
#ifdef QUIRE_DEBUG
		cmocka_unit_test(test_checks),
#endif
	};

	return cmocka_run_group_tests(tests, open_mmu, close_mmu);
}
