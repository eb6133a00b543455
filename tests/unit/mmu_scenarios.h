/* mmu_scenarios.h - what every host mmu must do, against the kernel */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_MMU_SCENARIOS_H
#define QUIRE_TESTS_MMU_SCENARIOS_H

#include "unit/mmu_world.h"

/* ---- loads ---- */

static void test_load_of_an_absent_page_traps(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	map(memory, true);
	start_load(&touch, base + 2 * PAGE_SIZE + 5);
	expect_trap(base + 2 * PAGE_SIZE, false);
	fill_page(memory, 2);
	assert_int_equal(
		mmu_install(mmu, base + 2 * PAGE_SIZE, PAGE_SIZE, true), 0);
	assert_int_equal(finish(&touch), 0);
	assert_int_equal(load(base + 2 * PAGE_SIZE), 'c');
}

/* Resident, but not shown: the page's word decides, so that traps as well. */
static void test_load_of_a_resident_page_traps(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	fill_page(memory, 0);
	map(memory, true);
	start_load(&touch, base);
	expect_trap(base, false);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), 0);
	assert_int_equal(finish(&touch), 'a');
}

static void test_install_of_a_run(void **state)
{
	int memory = *(int *)*state;

	for (unsigned i = 0; i < 4; i++)
		fill_page(memory, i);
	map(memory, true);
	assert_int_equal(mmu_install(mmu, base, 4 * PAGE_SIZE, true), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(load(base + i * PAGE_SIZE), 'a' + i);
}

/* Two threads trap on one page: the second answer finds it shown, and wakes. */
static void test_install_twice(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	fill_page(memory, 0);
	map(memory, true);
	start_load(&touch, base);
	expect_trap(base, false);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), 0);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), 0);
	assert_int_equal(mmu_install(mmu, base, 2 * PAGE_SIZE, true), 0);
	assert_int_equal(finish(&touch), 'a');
}

static void test_install_where_nothing_is_mapped(void **state)
{
	(void)state;
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), -ENOENT);
	assert_int_equal(mmu_grant(mmu, base, PAGE_SIZE, false), -ENOENT);
	assert_int_equal(mmu_write_protect(mmu, base, LENGTH), 0);
	mmu_wake(mmu, base, LENGTH);
}

/* ---- stores ---- */

/*
 *   install: a store traps; grant: it goes through, and so do later ones;
 *   write_protect: a store traps again, a load does not
 */
static void test_the_way_of_a_store(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	fill_page(memory, 1);
	map(memory, true);
	assert_int_equal(mmu_install(mmu, base + PAGE_SIZE, PAGE_SIZE, true),
			 0);
	start_store(&touch, base + PAGE_SIZE, 'X');
	expect_trap(base + PAGE_SIZE, true);
	assert_int_equal(byte_of(memory, PAGE_SIZE), 'b');
	assert_int_equal(mmu_grant(mmu, base + PAGE_SIZE, PAGE_SIZE, false), 0);
	finish(&touch);
	assert_int_equal(byte_of(memory, PAGE_SIZE), 'X');
	store(base + PAGE_SIZE, 'Y');
	assert_int_equal(mmu_write_protect(mmu, base, LENGTH), 0);
	assert_int_equal(load(base + PAGE_SIZE), 'Y');
	start_store(&touch, base + PAGE_SIZE, 'Z');
	expect_trap(base + PAGE_SIZE, true);
	assert_int_equal(byte_of(memory, PAGE_SIZE), 'Y');
	assert_int_equal(mmu_grant(mmu, base + PAGE_SIZE, PAGE_SIZE, false), 0);
	finish(&touch);
	assert_int_equal(byte_of(memory, PAGE_SIZE), 'Z');
}

/* Pages shown, shown writable, and not shown: a grant is for all of them. */
static void test_grant_of_a_mixture(void **state)
{
	int memory = *(int *)*state;

	for (unsigned i = 0; i < 4; i++)
		fill_page(memory, i);
	map(memory, true);
	assert_int_equal(mmu_install(mmu, base + PAGE_SIZE, PAGE_SIZE, true),
			 0);
	assert_int_equal(mmu_grant(mmu, base + 2 * PAGE_SIZE, PAGE_SIZE, false),
			 0);
	assert_int_equal(mmu_grant(mmu, base, 4 * PAGE_SIZE, false), 0);
	for (unsigned i = 0; i < 4; i++) {
		store(base + i * PAGE_SIZE, (unsigned char)('A' + i));
		assert_int_equal(byte_of(memory, i * PAGE_SIZE), 'A' + i);
	}
}

/* An absent page that was protected is still a page that is read first. */
static void test_protected_before_it_was_shown(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	map(memory, true);
	assert_int_equal(mmu_write_protect(mmu, base, LENGTH), 0);
	start_load(&touch, base + 3 * PAGE_SIZE);
	expect_trap(base + 3 * PAGE_SIZE, false);
	fill_page(memory, 3);
	assert_int_equal(
		mmu_install(mmu, base + 3 * PAGE_SIZE, PAGE_SIZE, true), 0);
	assert_int_equal(finish(&touch), 'd');
}

/*
 *   base: mapped, granted | hole | mapped, granted
 */
static void test_write_protect_across_a_hole(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	fill_page(memory, 0);
	fill_page(memory, 7);
	map(memory, true);
	assert_int_equal(mmu_grant(mmu, base, PAGE_SIZE, false), 0);
	assert_int_equal(mmu_grant(mmu, base + 7 * PAGE_SIZE, PAGE_SIZE, false),
			 0);
	assert_int_equal(mmu_unmap(mmu, base + 3 * PAGE_SIZE, PAGE_SIZE), 0);
	assert_int_equal(mmu_write_protect(mmu, base, LENGTH), 0);
	start_store(&touch, base + 7 * PAGE_SIZE, 'X');
	expect_trap(base + 7 * PAGE_SIZE, true);
	assert_int_equal(mmu_grant(mmu, base + 7 * PAGE_SIZE, PAGE_SIZE, false),
			 0);
	finish(&touch);
	start_store(&touch, base, 'X');
	expect_trap(base, true);
	assert_int_equal(mmu_grant(mmu, base, PAGE_SIZE, false), 0);
	finish(&touch);
}

/* ---- eviction ---- */

static void test_a_punched_page_traps_again(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	fill_page(memory, 0);
	map(memory, true);
	assert_int_equal(mmu_grant(mmu, base, PAGE_SIZE, false), 0);
	assert_int_equal(load(base), 'a');
	punch(memory, 0, 1);
	start_load(&touch, base);
	expect_trap(base, false);
	fill_page(memory, 0);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), 0);
	assert_int_equal(finish(&touch), 'a');
	/* What was granted before the punch is not any more. */
	start_store(&touch, base, 'X');
	expect_trap(base, true);
	assert_int_equal(mmu_grant(mmu, base, PAGE_SIZE, false), 0);
	finish(&touch);
}

/* ---- private mappings ---- */

static void test_private_copies_survive(void **state)
{
	int memory = *(int *)*state;

	fill_page(memory, 0);
	fill_page(memory, 1);
	map(memory, false);
	assert_int_equal(mmu_install(mmu, base, 2 * PAGE_SIZE, false), 0);
	assert_int_equal(load(base), 'a');
	store(base, 'P');
	assert_int_equal(byte_of(memory, 0), 'a');
	punch(memory, 0, PAGES);
	/* An mmu that hides wants the page again: it knows of no copies. */
	if (mmu_must_hide(mmu)) {
		fill_page(memory, 0);
		assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, false), 0);
	}
	assert_int_equal(load(base), 'P');
}

/* A store to a page that was never shown is a trap, then a copy. */
static void test_private_store_first(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	map(memory, false);
	start_store(&touch, base + PAGE_SIZE, 'P');
	expect_trap(base + PAGE_SIZE, true);
	fill_page(memory, 1);
	assert_int_equal(mmu_install(mmu, base + PAGE_SIZE, PAGE_SIZE, false),
			 0);
	finish(&touch);
	assert_int_equal(load(base + PAGE_SIZE), 'P');
	assert_int_equal(byte_of(memory, PAGE_SIZE), 'b');
}

/* ---- refusals ---- */

static void refuse_and_replace(int memory, bool shared)
{
	struct touch touch;

	map(memory, shared);
	start_load(&touch, base);
	expect_trap(base, false);
	assert_int_equal(mmu_refuse(mmu, base, shared), 0);
	finish_by(&touch, SIGBUS);
	start_load(&touch, base + 9);
	finish_by(&touch, SIGBUS);
	fill_page(memory, 0);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, shared), 0);
	assert_int_equal(load(base), 'a');
}

/* A shared page is hidden; a private one may be the program's own by now. */
static void test_refuse_what_is_shown(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	fill_page(memory, 0);
	map(memory, true);
	assert_int_equal(mmu_grant(mmu, base, PAGE_SIZE, false), 0);
	store(base, 'X');
	assert_int_equal(mmu_refuse(mmu, base, true), 0);
	start_load(&touch, base);
	finish_by(&touch, SIGBUS);
	start_store(&touch, base, 'Y');
	finish_by(&touch, SIGBUS);
	assert_int_equal(byte_of(memory, 0), 'X');
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), 0);
	assert_int_equal(load(base), 'X');
}

static void test_refuse_what_is_shown_privately(void **state)
{
	int memory = *(int *)*state;

	fill_page(memory, 0);
	map(memory, false);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, false), 0);
	store(base, 'P');
	assert_int_equal(mmu_refuse(mmu, base, false), 0);
	assert_int_equal(load(base), 'P');
}

static void test_refuse(void **state)
{
	refuse_and_replace(*(int *)*state, true);
}

static void test_refuse_private(void **state)
{
	refuse_and_replace(*(int *)*state, false);
}

static void test_refuse_a_store(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	map(memory, true);
	assert_int_equal(mmu_write_protect(mmu, base, LENGTH), 0);
	start_store(&touch, base, 'X');
	expect_trap(base, true);
	assert_int_equal(mmu_refuse(mmu, base, true), 0);
	finish_by(&touch, SIGBUS);
	fill_page(memory, 0);
	assert_int_equal(mmu_grant(mmu, base, PAGE_SIZE, false), 0);
	store(base, 'Y');
	assert_int_equal(byte_of(memory, 0), 'Y');
}

/* The kernel's own answer, without a trap. */
static void test_past_the_end_of_the_memory(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	assert_int_equal(memory_file_resize(memory, PAGE_SIZE), 0);
	map(memory, true);
	start_load(&touch, base + PAGE_SIZE);
	finish_by(&touch, SIGBUS);
	assert_int_equal(touch.code, BUS_ADRERR);
	assert_int_equal(memory_file_resize(memory, LENGTH), 0);
	fill_page(memory, 1);
	start_load(&touch, base + PAGE_SIZE);
	expect_trap(base + PAGE_SIZE, false);
	assert_int_equal(mmu_install(mmu, base + PAGE_SIZE, PAGE_SIZE, true),
			 0);
	assert_int_equal(finish(&touch), 'b');
}

/* ---- the layout ---- */

static void test_map_replaces_only_if_told(void **state)
{
	int memory = *(int *)*state;
	struct mmu_mapping mapping = mapping_of(memory, true);

	fill_page(memory, 0);
	fill_page(memory, 1);
	map(memory, true);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), 0);
	assert_int_equal(mmu_map(mmu, &mapping), -EEXIST);
	assert_int_equal(load(base), 'a'); /* nothing has changed */
	mapping.replace = true;
	mapping.offset = PAGE_SIZE;
	mapping.length = PAGE_SIZE;
	assert_int_equal(mmu_map(mmu, &mapping), 0);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), 0);
	assert_int_equal(load(base), 'b');
}

/* Who is trapped in what is replaced tries again, and traps in the new. */
static void test_map_wakes_who_waits_there(void **state)
{
	int memory = *(int *)*state;
	struct mmu_mapping mapping = mapping_of(memory, true);
	struct touch touch;

	fill_page(memory, 4);
	map(memory, true);
	start_load(&touch, base);
	expect_trap(base, false);
	mapping.replace = true;
	mapping.offset = 4 * PAGE_SIZE;
	mapping.length = PAGE_SIZE;
	assert_int_equal(mmu_map(mmu, &mapping), 0);
	expect_trap(base, false);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), 0);
	assert_int_equal(finish(&touch), 'e');
}

static void test_unmap_wakes_who_waits_there(void **state)
{
	struct touch touch;

	map(*(int *)*state, true);
	start_load(&touch, base + PAGE_SIZE);
	expect_trap(base + PAGE_SIZE, false);
	assert_int_equal(mmu_unmap(mmu, base, LENGTH), 0);
	finish_by(&touch, SIGSEGV);
}

static void test_wake_lets_it_try_again(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	fill_page(memory, 0);
	map(memory, true);
	start_load(&touch, base);
	expect_trap(base, false);
	mmu_wake(mmu, base, PAGE_SIZE);
	expect_trap(base, false);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), 0);
	assert_int_equal(finish(&touch), 'a');
}

static void test_protect(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	fill_page(memory, 0);
	map(memory, true);
	assert_int_equal(mmu_grant(mmu, base, PAGE_SIZE, false), 0);
	assert_int_equal(mmu_protect(mmu, base, LENGTH, PROT_READ), 0);
	assert_int_equal(load(base), 'a');
	start_store(&touch, base, 'X');
	finish_by(&touch, SIGSEGV);
	assert_int_equal(mmu_protect(mmu, base, LENGTH, PROT_NONE), 0);
	start_load(&touch, base);
	finish_by(&touch, SIGSEGV);
	/* Translations stay: no trap, neither for the load nor the store. */
	assert_int_equal(mmu_protect(mmu, base, LENGTH, PROT_READ | PROT_WRITE),
			 0);
	assert_int_equal(load(base), 'a');
	store(base, 'Y');
	assert_int_equal(byte_of(memory, 0), 'Y');
}

/* clang-format off */
#define MMU_SCENARIOS \
	TEST(test_load_of_an_absent_page_traps), \
	TEST(test_load_of_a_resident_page_traps), \
	TEST(test_install_of_a_run), \
	TEST(test_install_twice), \
	TEST(test_install_where_nothing_is_mapped), \
	TEST(test_the_way_of_a_store), \
	TEST(test_grant_of_a_mixture), \
	TEST(test_protected_before_it_was_shown), \
	TEST(test_write_protect_across_a_hole), \
	TEST(test_a_punched_page_traps_again), \
	TEST(test_private_copies_survive), \
	TEST(test_private_store_first), \
	TEST(test_refuse_what_is_shown), \
	TEST(test_refuse_what_is_shown_privately), \
	TEST(test_refuse), \
	TEST(test_refuse_private), \
	TEST(test_refuse_a_store), \
	TEST(test_past_the_end_of_the_memory), \
	TEST(test_map_replaces_only_if_told), \
	TEST(test_map_wakes_who_waits_there), \
	TEST(test_unmap_wakes_who_waits_there), \
	TEST(test_wake_lets_it_try_again), \
	TEST(test_protect)
/* clang-format on */

#endif
