/* test_store_shown.c - a store to a page that is shown, and protected */
/* SPDX-License-Identifier: MIT */
/*
 * The trap tells that the page was shown: then un-protecting it is all, one call.  It
 * may be so no more.
 */
#include "base/hook.h"
#include "unit/engine_tools.h"
#include "unit/refuse_calls.h"

#include <sys/mman.h>

#define PAGES ((size_t)64)
#define ONE 9 /* a page */

static struct quire *quire;
static struct quire_space *space;
static struct test_file file;
static struct quire_object *object;
static unsigned char *bytes;

/* All pages are in memory; each is shown when it is loaded. */
static int set_up(void **state)
{
	unsigned char all[PAGES];

	(void)state;
	quire = new_engine(0);
	space = quire_host_space(quire);
	make_file(&file, PAGES * PAGE);
	object = open_object(quire, file.path, O_RDWR);
	bytes = map_object(quire, object, PAGES * PAGE, PROT_READ | PROT_WRITE);
	assert_int_equal(quire_madvise(space, bytes, PAGES * PAGE, MADV_RANDOM),
			 0);
	for (size_t i = 0; i < PAGES; i++)
		all[i] = *(volatile unsigned char *)(bytes + i * PAGE);
	assert_int_equal(all[ONE], byte_at(ONE * PAGE));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(quire_munmap(space, bytes, PAGES * PAGE), 0);
	quire_object_close(object);
	assert_int_equal(quire_close(quire), 0);
	end_file(&file);
	return 0;
}

static bool uses_userfaultfd(void)
{
	return strncmp(quire_trap_mode(quire), "userfaultfd", 11) == 0;
}

/* How many traps it takes. */
static uint64_t store(size_t page)
{
	uint64_t before = statistics_of(quire).write_traps;

	count_calls();
	*(volatile unsigned char *)(bytes + page * PAGE) = 200;
	return statistics_of(quire).write_traps - before;
}

static void assert_home(size_t page)
{
	assert_int_equal(bytes[page * PAGE], 200);
	assert_int_equal(quire_msync(space, bytes, PAGES * PAGE, MS_SYNC), 0);
	assert_int_equal(byte_in_file(file.fd, page * PAGE), 200);
}

static void test_one_call_is_enough(void **state)
{
	(void)state;
	if (!uses_userfaultfd())
		skip();
	for (size_t i = 0; i < PAGES; i++) {
		assert_true(store(i) >= 1);
		assert_int_equal(continues(), 0);
		assert_true(unprotections() >= 1);
	}
	for (size_t i = 0; i < PAGES; i++)
		assert_home(i);
}

/* Nothing is known of a page that is not shown, be it in memory or not. */
static void test_what_is_not_shown(void **state)
{
	(void)state;
	if (!uses_userfaultfd())
		skip();
	assert_int_equal(madvise(bytes, PAGE, MADV_DONTNEED), 0);
	assert_true(store(0) >= 1);
	assert_true(continues() >= 1);
	assert_home(0);
	assert_int_equal(quire_madvise(space, bytes + ONE * PAGE, PAGE,
				       MADV_PAGEOUT),
			 0);
	assert_true(store(ONE) >= 1);
	assert_true(continues() >= 1);
	assert_home(ONE);
}

/* The layout is changing, it says: another round. */
static void test_the_kernel_refuses(void **state)
{
	(void)state;
	if (!uses_userfaultfd())
		skip();
	refuse_unprotection(EAGAIN);
	assert_true(store(ONE) >= 1);
	assert_int_equal(atomic_load(&unprotection_error), 0);
	assert_true(unprotections() >= 2);
	assert_home(ONE);
}

#ifdef QUIRE_DEBUG
static _Atomic bool armed;

/* As the kernel does it: neither the mark nor the page in memory goes. */
static void hide_it(enum hook point, const void *thing, uint64_t index)
{
	(void)thing;
	if (point == HOOK_GRANT && index == ONE &&
	    atomic_exchange(&armed, false))
		assert_int_equal(
			madvise(bytes + ONE * PAGE, PAGE, MADV_DONTNEED), 0);
}

/* It is hidden when it has been told that it was shown: the store traps anew. */
static void test_it_is_shown_no_more(void **state)
{
	uint64_t traps;

	(void)state;
	if (!uses_userfaultfd())
		skip();
	atomic_store(&armed, true);
	hook_register(hide_it);
	traps = store(ONE);
	hook_register(NULL);
	assert_false(atomic_load(&armed));
	assert_true(traps >= 2);
	assert_true(unprotections() >= 1);
	assert_true(continues() >= 1);
	assert_home(ONE);
}
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_call_is_enough),
		TEST(test_what_is_not_shown),
		TEST(test_the_kernel_refuses),
#ifdef QUIRE_DEBUG
		TEST(test_it_is_shown_no_more),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
