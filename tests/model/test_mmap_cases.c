/* test_mmap_cases.c - files, holes, arguments, advice, residency */
/* SPDX-License-Identifier: MIT */
/* What random sequences seldom reach, case by case; see judge/cases.h. */
#include "model/judge/cases.h"

#include <errno.h>
#include <sys/mman.h>

/* ---- files ---- */

/*   |rw-p read-only file|  a store there is the program's own */
static void test_private_of_read_only(void **state)
{
	(void)state;
	map_pages(2, 3, RW, MAP_PRIVATE, ONE_READ_ONLY);
	map_pages(8, 3, PROT_READ, MAP_SHARED, ONE);
	store_word(3, 77);
	assert_int_equal(load_word(3), 77);
	assert_int_equal(load_word(9), word_of_one(PAGE));
	assert_file_says(ONE, PAGE, word_of_one(PAGE));
	protect_pages(2, 3, PROT_READ, 0);
	protect_pages(2, 3, RW, 0);
	assert_int_equal(load_word(3), 77);
}

static void test_shared_of_read_only(void **state)
{
	struct op op = map_op(2, 1, RW, MAP_SHARED, ONE_READ_ONLY);

	(void)state;
	expect(&op, -1, EACCES);
	map_pages(2, 3, PROT_READ, MAP_SHARED, ONE_READ_ONLY);
	protect_pages(2, 3, RW, EACCES);
	expect_signal(OP_STORE, 2, SIGSEGV, SEGV_ACCERR);
	assert_int_equal(load_word(2), word_of_one(0));
}

/* Past the end it is SIGBUS, until the file has grown. */
static void test_past_the_end(void **state)
{
	struct op cut = { .kind = OP_RESIZE, .file = ONE, .length = PAGE };
	struct op grow = { .kind = OP_RESIZE, .file = ONE, .length = 9 * PAGE };

	(void)state;
	map_pages(2, 4, RW, MAP_SHARED, ONE);
	map_pages(8, 4, RW, MAP_PRIVATE, ONE);
	store_word(9, 5);
	expect(&cut, 0, 0);
	expect_signal(OP_LOAD, 3, SIGBUS, BUS_ADRERR);
	expect_signal(OP_STORE, 3, SIGBUS, BUS_ADRERR);
	expect_signal(OP_LOAD, 9, SIGBUS, BUS_ADRERR);
	expect(&grow, 0, 0);
	assert_int_equal(load_word(3), 0);
	assert_int_equal(load_word(9), 0);
	store_word(3, 6);
	assert_file_says(ONE, PAGE, 6);
}

/* ---- holes ---- */

/*   |2 3|  |5 6|  at(4) is a hole */
static void map_around_hole(int flags)
{
	map_pages(2, 5, RW, flags, flags & MAP_ANONYMOUS ? NO_FILE : ONE);
	store_word(2, 2);
	store_word(3, 3);
	store_word(5, 5);
	unmap_pages(4, 1);
}

static void test_protect_over_hole(void **state)
{
	(void)state;
	map_around_hole(ANONYMOUS);
	protect_pages(2, 5, PROT_READ, ENOMEM);
	expect_signal(OP_STORE, 2, SIGSEGV, SEGV_ACCERR);
	expect_signal(OP_STORE, 3, SIGSEGV, SEGV_ACCERR);
	store_word(5, 6); /* behind the hole nothing has changed */
	protect_pages(4, 2, PROT_READ, ENOMEM);
	store_word(5, 7);
}

static void test_sync_over_hole(void **state)
{
	(void)state;
	map_around_hole(MAP_SHARED);
	sync_pages(2, 5, MS_SYNC, ENOMEM);
	sync_pages(2, 2, MS_SYNC, 0);
	sync_pages(4, 1, MS_ASYNC, ENOMEM);
	sync_pages(2, 1, MS_SYNC | MS_ASYNC, EINVAL);
	sync_pages(2, 1, 8, EINVAL);
	assert_file_says(ONE, 3 * PAGE, 5);
}

static void test_advise_over_hole(void **state)
{
	(void)state;
	map_around_hole(ANONYMOUS);
	advise_pages(2, 5, MADV_DONTNEED, ENOMEM);
	assert_int_equal(load_word(2), 0);
	assert_int_equal(load_word(5), 0); /* madvise goes on behind it */
	advise_pages(4, 1, MADV_NORMAL, ENOMEM);
	advise_pages(2, 2, -1, EINVAL);
}

static void test_core_over_hole(void **state)
{
	struct op op = on_pages(OP_MINCORE, 2, 5);

	(void)state;
	map_around_hole(ANONYMOUS);
	expect(&op, -1, ENOMEM);
	op.length = 2 * PAGE;
	expect(&op, 0, 0);
	op.address += 8;
	expect(&op, -1, EINVAL);
}

static void test_lock_over_hole(void **state)
{
	struct op op = on_pages(OP_MLOCK, 2, 5);

	(void)state;
	map_around_hole(ANONYMOUS);
	expect(&op, -1, ENOMEM);
	sync_pages(2, 2, MS_INVALIDATE, EBUSY); /* before it: locked */
	sync_pages(5, 2, MS_INVALIDATE, 0);
}

/* ---- arguments ---- */

static void test_unmap_nothing(void **state)
{
	struct op op = on_pages(OP_MUNMAP, 2, 0);

	(void)state;
	map_pages(2, 3, RW, ANONYMOUS, NO_FILE);
	expect(&op, -1, EINVAL);
	op.length = PAGE;
	op.address += 1;
	expect(&op, -1, EINVAL);
	unmap_pages(30, 4); /* a hole is no error */
	op = on_pages(OP_MUNMAP, 3, 0);
	op.length = 1; /* a whole page goes */
	expect(&op, 0, 0);
	expect_signal(OP_LOAD, 3, SIGSEGV, SEGV_MAPERR);
}

static void test_unaligned_place(void **state)
{
	struct op op = map_op(2, 1, RW, ANONYMOUS, NO_FILE);

	(void)state;
	op.address += 8;
	expect(&op, -1, EINVAL);
	op.flags = ANONYMOUS; /* a hint is rounded */
	expect(&op, (int64_t)at(2), 0);
	op.flags = ANONYMOUS | MAP_FIXED_NOREPLACE;
	op.address = at(2);
	expect(&op, -1, EEXIST);
	op.length = 0;
	expect(&op, -1, EINVAL);
}

static void test_offsets(void **state)
{
	struct op op = map_op(2, 2, PROT_READ, MAP_PRIVATE, ONE);

	(void)state;
	op.offset = 1;
	expect(&op, -1, EINVAL);
	op.offset = INT64_MAX - PAGE + 1;
	expect(&op, -1, EOVERFLOW);
	op.offset = 100 * PAGE; /* past the end: may be mapped */
	expect(&op, (int64_t)at(2), 0);
	expect_signal(OP_LOAD, 2, SIGBUS, BUS_ADRERR);
}

/* ---- what msync, madvise and mincore tell apart ---- */

static void test_invalidate_locked(void **state)
{
	struct op lock = on_pages(OP_MLOCK, 3, 1);
	struct op unlock = on_pages(OP_MUNLOCK, 3, 1);

	(void)state;
	map_pages(2, 4, RW, MAP_SHARED, ONE);
	expect(&lock, 0, 0);
	sync_pages(2, 4, MS_SYNC | MS_INVALIDATE, EBUSY);
	sync_pages(2, 1, MS_SYNC | MS_INVALIDATE, 0);
	sync_pages(2, 4, MS_SYNC, 0);
	advise_pages(2, 4, MADV_DONTNEED, EINVAL);
	expect(&unlock, 0, 0);
	sync_pages(2, 4, MS_SYNC | MS_INVALIDATE, 0);
	advise_pages(2, 4, MADV_DONTNEED, 0);
}

static void test_dontneed(void **state)
{
	(void)state;
	map_pages(2, 2, RW, ANONYMOUS, NO_FILE);
	map_pages(6, 2, RW, MAP_SHARED | MAP_ANONYMOUS, NO_FILE);
	map_pages(10, 2, RW, MAP_SHARED, ONE);
	map_pages(14, 2, RW, MAP_PRIVATE, ONE);
	for (uint64_t page = 2; page <= 14; page += 4)
		store_word(page, page);
	for (uint64_t page = 2; page <= 14; page += 4)
		advise_pages(page, 2, MADV_DONTNEED, 0);
	assert_int_equal(load_word(2), 0);
	assert_int_equal(load_word(6), 6);
	assert_int_equal(load_word(10), 10);
	assert_int_equal(load_word(14), 10); /* what the file has now */
}

/* Does it without a look at all bytes, which would touch them. */
static uint64_t quietly(struct executor *executor, enum op_kind kind,
			uint64_t page, uint64_t pages)
{
	struct op op = on_pages(kind, page, pages);
	struct outcome outcome;

	op.flags = MADV_DONTNEED;
	executor->ops->execute(executor, &op, &outcome);
	assert_int_equal(outcome.result, 0);
	return outcome.value;
}

/* As mincore shows it: a letter for each page, '#' if it is there. */
static void assert_resident(struct executor *executor, uint64_t page,
			    const char *there)
{
	uint64_t bits = 0;

	for (unsigned i = 0; there[i]; i++)
		bits |= (uint64_t)(there[i] == '#') << i;
	assert_int_equal(quietly(executor, OP_MINCORE, page, strlen(there)),
			 bits);
}

/* What was touched is there, until it is given up. */
static void test_residency(void **state)
{
	(void)state;
	map_pages(2, 6, RW, ANONYMOUS, NO_FILE);
	for (unsigned i = 0; i < 2; i++) {
		struct executor *executor = trial.executor[i];

		quietly(executor, OP_MADVISE, 2, 6);
		assert_resident(executor, 2, "......");
		quietly(executor, OP_STORE, 3, 1);
		quietly(executor, OP_STORE, 6, 1);
		assert_resident(executor, 2, ".#..#.");
		assert_resident(executor, 3, "#..");
		quietly(executor, OP_MADVISE, 2, 2);
		assert_resident(executor, 2, "....#.");
	}
}

/* ---- all ---- */

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_private_of_read_only),
		BOTH(test_shared_of_read_only),
		BOTH(test_past_the_end),
		BOTH(test_protect_over_hole),
		BOTH(test_sync_over_hole),
		BOTH(test_advise_over_hole),
		BOTH(test_core_over_hole),
		BOTH(test_lock_over_hole),
		BOTH(test_unmap_nothing),
		BOTH(test_unaligned_place),
		BOTH(test_offsets),
		BOTH(test_invalidate_locked),
		BOTH(test_dontneed),
		BOTH(test_residency),
	};
	int failed = case_prepare(argc, argv);

	if (failed)
		return failed;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	case_finish();
	return failed;
}
