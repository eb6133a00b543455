/* test_mmu_uffd_rows.c - many pages are made writable at once */
/* SPDX-License-Identifier: MIT */
/*
 * A row of pages, each in one state of these, in every order:
 *
 *   absent    in memory, not shown
 *   marked    the same, and it was protected so
 *   shown     and protected
 *   writable  and a store has come
 *
 * Then a guard may stand somewhere: what is before it is made writable.
 */
#include "mmu/mmu_uffd.h"

#include "os/uffd.h"
#include "unit/mmu_world.h"
#include "unit/refuse_calls.h"

#include <sys/resource.h>

#define ROW 4
#define ORDERS 256 /* of ROW pages in STATES states */
#define STATES 4

static bool in_place;

static int open_any(bool sigbus)
{
	in_place = sigbus;
	assert_int_equal(mmu_uffd_create(sigbus, &mmu), 0);
	base = mmu->arena + (UINT64_C(1) << 30);
	return 0;
}

static int open_mmu(void **state)
{
	(void)state;
	return open_any(false);
}

static int open_in_place(void **state)
{
	(void)state;
	return open_any(true);
}

static bool hides(void)
{
	return mmu_uffd_traps(mmu)->kernel_mode;
}

static uint64_t page(unsigned number)
{
	return base + number * PAGE_SIZE;
}

static void make(unsigned number, unsigned kind)
{
	if (kind == 1)
		assert_int_equal(
			mmu_write_protect(mmu, page(number), PAGE_SIZE), 0);
	if (kind == 2)
		assert_int_equal(
			mmu_install(mmu, page(number), PAGE_SIZE, true), 0);
	if (kind == 3)
		assert_int_equal(mmu_grant(mmu, page(number), PAGE_SIZE, false),
				 0);
	if (kind == 3)
		store(page(number), 'z');
}

/* Four bits for each order of four states. */
static void make_order(int memory, unsigned order)
{
	map(memory, true);
	for (unsigned i = 0; i < PAGES; i++)
		fill_page(memory, i);
	for (unsigned i = 0; i < ROW; i++, order /= STATES)
		make(i, order % STATES);
	assert_int_equal(mmu_install(mmu, page(ROW), PAGE_SIZE, true), 0);
}

static bool first_is_shown(unsigned order)
{
	return order % STATES >= 2;
}

/* Faults of this thread, which the kernel counts. */
static long faults(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
	return usage.ru_minflt;
}

static long row_faults;

/* None traps. */
static void store_row(int memory, unsigned count)
{
	long before = faults();

	for (unsigned i = 0; i < count; i++)
		*(volatile unsigned char *)(uintptr_t)page(i) =
			(unsigned char)('A' + i);
	row_faults += faults() - before;
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(byte_of(memory, i * PAGE_SIZE), 'A' + i);
}

/* What is behind the row is as it was. */
static void expect_protected(int memory, unsigned number)
{
	struct touch touch;

	start_store(&touch, page(number), 's');
	if (in_place) {
		finish_by(&touch, SIGBUS);
	} else {
		assert_true(expect_trap(page(number), true));
		assert_int_not_equal(byte_of(memory, number * PAGE_SIZE), 's');
		assert_int_equal(mmu_grant(mmu, page(number), PAGE_SIZE, true),
				 0);
		finish(&touch);
	}
}

static void grant_row(int memory, unsigned order)
{
	assert_int_equal(mmu_grant(mmu, base, ROW * PAGE_SIZE,
				   first_is_shown(order)),
			 0);
	store_row(memory, ROW);
	expect_protected(memory, ROW);
	assert_int_equal(mmu_unmap(mmu, base, LENGTH), 0);
}

/* Nor is there a fault of the kernel's own, but by chance, where what is shown was
 * hidden first; else each page that was shown, and protected, has one. */
static void test_every_order(void **state)
{
	int memory = *(int *)*state;

	row_faults = 0;
	for (unsigned order = 0; order < ORDERS; order++) {
		make_order(memory, order);
		grant_row(memory, order);
	}
	if (hides())
		assert_true(row_faults < ORDERS / 4);
}

/* Then they are made writable where they stand. */
static void test_every_order_if_nothing_is_hidden(void **state)
{
	int memory = *(int *)*state;

	for (unsigned order = 0; order < ORDERS; order++) {
		make_order(memory, order);
		refuse_call(SYS_madvise, 0, ENOMEM);
		count_calls();
		grant_row(memory, order);
		assert_int_equal(stop_refusing(), hides());
	}
}

/* One call hides, one shows. */
static void test_calls_of_a_row(void **state)
{
	int memory = *(int *)*state;

	if (!hides())
		skip();
	make_order(memory, ORDERS - 1);
	count_calls();
	assert_int_equal(mmu_grant(mmu, base, ROW * PAGE_SIZE, true), 0);
	assert_int_equal(continues(), 1);
	assert_int_equal(unprotections(), 0);
	/* Of a single page nothing is hidden. */
	refuse_call(SYS_madvise, 0, ENOMEM);
	assert_int_equal(mmu_grant(mmu, page(ROW), PAGE_SIZE, true), 0);
	assert_false(stop_refusing());
	assert_int_equal(unprotections(), 1);
}

/* Who waits for one of them goes on, whether it was shown then or not. */
static void test_who_waits_in_the_row(void **state)
{
	int memory = *(int *)*state;
	struct touch stores[ROW];

	if (in_place)
		skip();
	for (unsigned order = 0; order < ORDERS; order++) {
		make_order(memory, order);
		assert_int_equal(mmu_write_protect(mmu, base, ROW * PAGE_SIZE),
				 0);
		for (unsigned i = 0; i < ROW; i++) {
			start_store(&stores[i], page(i),
				    (unsigned char)('A' + i));
			expect_trap(page(i), true);
		}
		assert_int_equal(mmu_grant(mmu, base, ROW * PAGE_SIZE, false),
				 0);
		for (unsigned i = 0; i < ROW; i++) {
			finish(&stores[i]);
			assert_int_equal(byte_of(memory, i * PAGE_SIZE),
					 'A' + i);
		}
		assert_int_equal(mmu_unmap(mmu, base, LENGTH), 0);
	}
}

/* What is not in memory ends the row; what was before it is writable. */
static void test_a_page_that_is_gone(void **state)
{
	int memory = *(int *)*state;

	for (unsigned order = 0; order < ORDERS; order++) {
		make_order(memory, order);
		punch(memory, 2, 1);
		assert_int_equal(mmu_grant(mmu, base, ROW * PAGE_SIZE,
					   first_is_shown(order)),
				 -EFAULT);
		store_row(memory, 2);
		assert_int_equal(mmu_unmap(mmu, base, LENGTH), 0);
	}
}

static void guarded_row(int memory, unsigned order, unsigned guard)
{
	struct touch touch;

	make_order(memory, order);
	assert_int_equal(mmu_guard(mmu, page(guard), PAGE_SIZE, true), 0);
	assert_int_equal(mmu_grant(mmu, base, ROW * PAGE_SIZE,
				   guard > 0 && first_is_shown(order)),
			 0);
	store_row(memory, guard);
	start_load(&touch, page(guard));
	finish_by(&touch, SIGSEGV);
	expect_protected(memory, ROW);
	assert_int_equal(mmu_unmap(mmu, base, LENGTH), 0);
}

static void test_every_order_before_a_guard(void **state)
{
	int memory = *(int *)*state;

	map(memory, true);
	if (mmu_guard(mmu, base, PAGE_SIZE, true))
		skip();
	assert_int_equal(mmu_unmap(mmu, base, LENGTH), 0);
	for (unsigned order = 0; order < ORDERS; order++)
		for (unsigned guard = 0; guard < ROW; guard++)
			guarded_row(memory, order, guard);
}

static void test_a_row_that_is_not_mapped(void **state)
{
	int memory = *(int *)*state;

	make_order(memory, ORDERS - 1);
	assert_int_equal(mmu_unmap(mmu, base, ROW * PAGE_SIZE), 0);
	assert_int_equal(mmu_grant(mmu, base, ROW * PAGE_SIZE, true), -ENOENT);
	expect_protected(memory, ROW);
}

/* The program's own memory, which it has put over a page behind our back. */
static void test_what_the_program_has_mapped_over(void **state)
{
	int memory = *(int *)*state;

	for (unsigned over = 0; over < ROW; over++) {
		make_order(memory, ORDERS - 1);
		assert_ptr_not_equal(
			mmap((void *)(uintptr_t)page(over), PAGE_SIZE,
			     PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			MAP_FAILED);
		store(page(over), 'p');
		assert_int_equal(mmu_grant(mmu, base, ROW * PAGE_SIZE, false),
				 -ENOENT);
		assert_int_equal(
			*(volatile unsigned char *)(uintptr_t)page(over), 'p');
		assert_int_equal(mmu_unmap(mmu, base, LENGTH), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_order),
		TEST(test_every_order_if_nothing_is_hidden),
		TEST(test_calls_of_a_row),
		TEST(test_who_waits_in_the_row),
		TEST(test_a_page_that_is_gone),
		TEST(test_every_order_before_a_guard),
		TEST(test_a_row_that_is_not_mapped),
		TEST(test_what_the_program_has_mapped_over),
	};
	int failed = cmocka_run_group_tests(tests, open_mmu, close_mmu);

	return failed + cmocka_run_group_tests(tests, open_in_place, close_mmu);
}
