/* test_mremap_cases.c - moving, growing, shrinking; limits */
/* SPDX-License-Identifier: MIT */
/* What random sequences seldom reach, case by case; see judge/cases.h. */
#include "model/judge/cases.h"

#include <errno.h>
#include <sys/mman.h>

/* ---- mremap ---- */

/*   |2 3 4 5|  becomes  |2 3|  and the rest is gone */
static void test_shrinking(void **state)
{
	(void)state;
	map_pages(2, 4, RW, ANONYMOUS, NO_FILE);
	store_word(2, 2);
	store_word(4, 4);
	move_pages(2, 4, 2, 0, 0);
	assert_int_equal(load_word(2), 2);
	expect_signal(OP_LOAD, 4, SIGSEGV, SEGV_MAPERR);
	expect_signal(OP_STORE, 5, SIGSEGV, SEGV_MAPERR);
	move_pages(2, 2, 4, 0, 0); /* and what grows is new */
	assert_int_equal(load_word(4), 0);
}

/*   |rw rw|r r|rw rw|: parts of a mapping that mprotect has cut */
static void test_moving_a_part(void **state)
{
	(void)state;
	map_pages(2, 6, RW, ANONYMOUS, NO_FILE);
	for (uint64_t page = 2; page < 8; page++)
		store_word(page, page);
	protect_pages(4, 2, PROT_READ, 0);
	move_fails(3, 2, 3, MREMAP_MAYMOVE, EFAULT); /* grows over a border */
	move_pages(4, 1, 1, MREMAP_MAYMOVE | MREMAP_FIXED, 20);
	assert_int_equal(load_word(20), 4);
	expect_signal(OP_STORE, 20, SIGSEGV, SEGV_ACCERR);
	expect_signal(OP_LOAD, 4, SIGSEGV, SEGV_MAPERR);
	move_pages(6, 2, 3, MREMAP_MAYMOVE | MREMAP_FIXED, 30);
	assert_int_equal(load_word(31), 7);
	assert_int_equal(load_word(32), 0);
	store_word(30, 66);
	assert_int_equal(load_word(5), 5);
}

static void test_moving_refused(void **state)
{
	(void)state;
	map_pages(2, 2, RW, ANONYMOUS, NO_FILE);
	map_pages(4, 1, RW, MAP_SHARED, ONE);
	store_word(2, 2);
	move_fails(2, 2, 3, 0, ENOMEM); /* no room in place */
	move_fails(2, 2, 0, 0, EINVAL);
	move_fails(2, 0, 1, MREMAP_MAYMOVE, EINVAL); /* it is not shared */
	move_fails(2, 2, 2, MREMAP_FIXED, EINVAL);
	move_fails(2, 2, 2, 8, EINVAL);
	move_fails(20, 1, 2, MREMAP_MAYMOVE, EFAULT);
	assert_int_equal(load_word(2), 2);
}

/* An old length of nothing: the shared pages are at two places. */
static void test_duplicating(void **state)
{
	struct op op = on_pages(OP_MREMAP, 4, 0);

	(void)state;
	map_pages(4, 2, RW, MAP_SHARED, ONE);
	op.new_length = 2 * PAGE;
	op.flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	op.new_address = at(20);
	expect(&op, (int64_t)at(20), 0);
	store_word(21, 9);
	assert_int_equal(load_word(5), 9);
}

static void test_leaving_the_old(void **state)
{
	const int flags = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;

	(void)state;
	map_pages(4, 2, RW, ANONYMOUS, NO_FILE);
	store_word(4, 4);
	move_pages(4, 2, 2, flags, 20);
	assert_int_equal(load_word(20), 4);
	assert_int_equal(load_word(4), 0); /* mapped still, and empty */
	move_fails(4, 2, 3, flags, EINVAL);
}

/* ---- limits ---- */

static void test_limit_of_addresses(void **state)
{
	struct op op = map_op(20, 3, PROT_NONE, ANONYMOUS, NO_FILE);

	(void)state;
	map_pages(2, 4, RW, ANONYMOUS, NO_FILE);
	set_limit_to(LIMIT_ADDRESS_SPACE, 6);
	expect(&op, -1, ENOMEM);
	op.length = 2 * PAGE;
	expect(&op, (int64_t)at(20), 0);
	move_fails(2, 4, 5, MREMAP_MAYMOVE, ENOMEM);
	map_pages(2, 4, RW, MAP_SHARED,
		  ONE); /* what it replaces is counted off */
	set_limit_to(LIMIT_ADDRESS_SPACE, NO_LIMIT);
	map_pages(30, 4, RW, ANONYMOUS, NO_FILE);
}

/* Private and writable is data; shared, or read-only, is not. */
static void test_limit_of_data(void **state)
{
	struct op op = map_op(20, 3, RW, ANONYMOUS, NO_FILE);

	(void)state;
	set_limit_to(LIMIT_DATA, 4);
	map_pages(2, 2, RW, ANONYMOUS, NO_FILE);
	expect(&op, -1, ENOMEM);
	map_pages(20, 3, PROT_READ, ANONYMOUS, NO_FILE);
	map_pages(24, 3, RW, MAP_SHARED | MAP_ANONYMOUS, NO_FILE);
	protect_pages(20, 3, RW, ENOMEM);
	protect_pages(20, 2, RW, 0);
	move_fails(2, 2, 3, MREMAP_MAYMOVE, ENOMEM);
	set_limit_to(LIMIT_DATA, NO_LIMIT);
	protect_pages(20, 3, RW, 0);
}

static void test_limit_of_locks(void **state)
{
	struct op lock = on_pages(OP_MLOCK, 2, 3);
	struct op locked = map_op(10, 2, RW, ANONYMOUS | MAP_LOCKED, NO_FILE);

	(void)state;
	map_pages(2, 4, RW, ANONYMOUS, NO_FILE);
	set_limit_to(LIMIT_LOCKED, 2);
	expect(&lock, -1, ENOMEM);
	lock.length = 2 * PAGE;
	expect(&lock, 0, 0);
	expect(&lock, 0, 0); /* what is locked already is not counted again */
	expect(&locked, -1, EAGAIN);
	move_fails(2, 2, 3, MREMAP_MAYMOVE, EAGAIN);
	set_limit_to(LIMIT_LOCKED, 0);
	expect(&lock, -1, EPERM);
}

/* A stack grows as far as its limit. */
static void test_limit_of_stack(void **state)
{
	(void)state;
	map_pages(40, 1, RW, ANONYMOUS | MAP_GROWSDOWN, NO_FILE);
	set_limit_to(LIMIT_STACK, 4);
	store_word(38, 1);
	expect_signal(OP_STORE, 30, SIGSEGV, SEGV_MAPERR);
	set_limit_to(LIMIT_STACK, 20);
	store_word(30, 2);
	assert_int_equal(load_word(31), 0);
}

/* ---- all ---- */

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_shrinking),       BOTH(test_moving_a_part),
		BOTH(test_moving_refused),  BOTH(test_duplicating),
		BOTH(test_leaving_the_old), BOTH(test_limit_of_addresses),
		BOTH(test_limit_of_data),   BOTH(test_limit_of_locks),
		SOFT(test_limit_of_stack),
	};
	int failed = case_prepare(argc, argv);

	if (failed)
		return failed;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	case_finish();
	return failed;
}
