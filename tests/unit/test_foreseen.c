/* test_foreseen.c - where stores go on, pages are writable before one comes */
/* SPDX-License-Identifier: MIT */
/*
 *   pages   0 1 2 3 4 | 5 6 7 8 | 9 ...
 *           stored to | foreseen: DIRTY, and what nobody stores to is not written
 *
 * The store is the tests' own: it counts the pages that are written, may refuse
 * them, and somebody else may write there.
 */
#include "unit/foreseen_world.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SCANTY (16u << 20) /* a budget without slots */
#define ROUNDS 8

static int open_scanty(void **state)
{
	(void)state;
	fill_home();
	open_with(SCANTY, NEVER);
	return 0;
}

static int open_restless(void **state)
{
	(void)state;
	fill_home();
	open_with(AMPLE, 1);
	return 0;
}

/* ---- what is written, and what not ---- */

static void test_a_row_traps_less(void **state)
{
	uint64_t traps;

	(void)state;
	for (size_t i = 0; i < 256; i++)
		load(i);
	traps = statistics_of(quire).write_traps;
	for (size_t i = 0; i < 256; i++)
		store(i, (unsigned char)i);
	assert_true(statistics_of(quire).write_traps - traps < 32);
	sync_all();
	for (size_t i = 0; i < 256; i++) {
		assert_int_equal(*at_home(i), (unsigned char)i);
		assert_int_equal(at_home(i)[1], byte_at(i * PAGE + 6));
		assert_true(written[i] >= 1);
	}
}

static void test_what_nobody_stored_to_is_not_written(void **state)
{
	(void)state;
	foresee();
	*at_home(SEEN) = '#'; /* by somebody else */
	sync_all();
	for (size_t i = 0; i < ROW; i++)
		assert_int_equal(*at_home(i), 'x');
	for (size_t i = SEEN; i < PAGES; i++)
		assert_int_equal(written[i], 0);
	assert_int_equal(*at_home(SEEN), '#');
	await_unused(foreseen());
	/* The next store is one as any other. */
	store(SEEN, 'y');
	sync_all();
	assert_int_equal(*at_home(SEEN), 'y');
}

static void test_what_is_stored_to_without_a_trap_is_written(void **state)
{
	uint64_t traps;

	(void)state;
	foresee();
	traps = statistics_of(quire).write_traps;
	store(SEEN, 'y');
	assert_int_equal(statistics_of(quire).write_traps, traps);
	sync_all();
	assert_int_equal(*at_home(SEEN), 'y');
	assert_int_equal(written[SEEN + 1], 0);
	await_unused(foreseen() - 1);
}

static void test_its_own_bytes_again_are_no_store(void **state)
{
	unsigned char was;

	(void)state;
	foresee();
	was = load(SEEN);
	store(SEEN, 'y');
	store(SEEN, was);
	sync_all();
	assert_int_equal(written[SEEN], 0);
}

/* Each takes the page as it is, and its bytes must get home. */
static void test_its_own_bytes_by_a_call_are_written(void **state)
{
	unsigned char was;
	struct quire_pin pin;

	(void)state;
	foresee();
	was = load(SEEN);
	*at_home(SEEN) = '#';
	*at_home(SEEN + 1) = '#';
	assert_int_equal(quire_object_pwrite(object, &was, 1, SEEN * PAGE + 5),
			 1);
	assert_int_equal(
		quire_object_pin(object, (SEEN + 1) * PAGE, PAGE, RW, &pin), 0);
	quire_object_unpin(&pin);
	sync_all();
	assert_int_equal(*at_home(SEEN), was);
	assert_int_equal(written[SEEN + 1], 1);
}

static void test_a_refused_write_keeps_the_bytes(void **state)
{
	(void)state;
	foresee();
	store(SEEN, 'y');
	refusal = -EIO;
	assert_int_equal(quire_msync(host, mapped, SIZE, MS_SYNC), -1);
	assert_int_equal(written[SEEN], 0);
	assert_int_equal(load(SEEN), 'y');
	refusal = 0;
	sync_all();
	assert_int_equal(*at_home(SEEN), 'y');
	assert_int_equal(written[SEEN + 1], 0);
}

/* What a flush has lost is written again: that was never written. */
static void test_a_refused_flush_writes_no_more(void **state)
{
	(void)state;
	foresee();
	flush_refusal = -EIO;
	assert_int_equal(quire_msync(host, mapped, SIZE, MS_SYNC), -1);
	flush_refusal = 0;
	sync_all();
	for (size_t i = 0; i < ROW; i++)
		assert_int_equal(written[i], 2);
	for (size_t i = SEEN; i < PAGES; i++)
		assert_int_equal(written[i], 0);
}

static void test_invalidate_takes_what_nobody_stored_to(void **state)
{
	(void)state;
	foresee();
	*at_home(SEEN) = '#';
	store(SEEN + 1, 'y');
	assert_int_equal(quire_msync(host, mapped, SIZE, MS_INVALIDATE), 0);
	assert_int_equal(load(SEEN), '#');
	assert_int_equal(load(SEEN + 1), 'y');
}

static void test_cut_and_discarded(void **state)
{
	(void)state;
	foresee();
	store(SEEN, 'y');
	assert_int_equal(quire_object_resize(object, (SEEN + 1) * PAGE), 0);
	sync_all();
	assert_int_equal(*at_home(SEEN), 'y');
	assert_int_equal(written[SEEN + 1], 0);
	assert_int_equal(quire_object_resize(object, SIZE), 0);
	store(SEEN + 1, 'z');
	sync_all();
	assert_int_equal(*at_home(SEEN + 1), 'z');
}

/* ---- where nothing is foreseen ---- */

static void test_no_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < 64; i++)
		load(i);
	for (size_t i = 0; i < 64; i += 2)
		store(i, 'x');
	for (size_t i = 100; i < 103; i++)
		store(i, 'x');
	assert_int_equal(foreseen(), 0);
}

static void test_not_by_advice(void **state)
{
	(void)state;
	assert_int_equal(quire_madvise(host, mapped, SIZE, MADV_RANDOM), 0);
	row(0, 32);
	assert_int_equal(foreseen(), 0);
}

static void test_not_the_last_page(void **state)
{
	(void)state;
	for (size_t i = PAGES - 64; i < PAGES; i++)
		load(i);
	for (size_t i = PAGES - 32; i < PAGES - 2; i++)
		store(i, 'x');
	assert_true(foreseen() > 0);
	*at_home(PAGES - 1) = '#';
	assert_int_equal(quire_msync(host, mapped + SIZE - PAGE, PAGE,
				     MS_INVALIDATE),
			 0);
	assert_int_equal(load(PAGES - 1), '#');
}

/* With it there would be as many behind the row as have been stored to. */
static void test_too_few_before_the_last_page(void **state)
{
	(void)state;
	for (size_t i = PAGES - 64; i < PAGES; i++)
		load(i);
	row(PAGES - FORESEEN - ROW, ROW);
	assert_int_equal(foreseen(), 0);
}

static void test_not_beside_a_small_budget(void **state)
{
	(void)state;
	row(0, 64);
	assert_int_equal(foreseen(), 0);
	sync_all();
	assert_int_equal(*at_home(63), 'x');
}

/* ---- slots ---- */

/* Rows that lead nowhere take them all; a flush gives them back. */
static void test_slots_come_back(void **state)
{
	uint64_t before;

	(void)state;
	for (size_t i = 0; i < PAGES; i++)
		load(i);
	for (size_t first = 0; first + 16 < PAGES; first += 12)
		row(first, ROW);
	before = foreseen();
	assert_true(before >= 256);
	store(PAGES - 1, 'x'); /* a trap more: nothing is being shown */
	sync_all();
	await_unused(before);
	row(900, ROW);
	assert_int_equal(foreseen(), before + FORESEEN);
	for (size_t first = 0; first + 16 < PAGES; first += 12)
		for (size_t i = 0; i < ROW; i++)
			assert_int_equal(*at_home(first + i), 'x');
}

static void store_all(void)
{
	for (size_t i = 0; i < PAGES; i++)
		store(i, 'x');
	sync_all();
	for (size_t i = 0; i < PAGES; i++)
		assert_int_equal(*at_home(i), 'x');
}

/* A page whose bytes have changed needs its slot no more. */
static void test_a_long_row_needs_few(void **state)
{
	(void)state;
	for (size_t i = 0; i < PAGES; i++)
		load(i);
	store_all();
	assert_true(foreseen() > 512);
}

/* Its own bytes hold a slot, until the flusher, who is told, finds them so. */
static void test_its_own_bytes_in_a_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < PAGES; i++)
		store(i, load(i));
	while (unused() == 0)
		sched_yield();
	store_all();
}

/* What it had is what is written, but not what is at home any more. */
static void test_cut_off_and_written_whole(void **state)
{
	static unsigned char had[PAGE];

	(void)state;
	foresee();
	memcpy(had, mapped + SEEN * PAGE, PAGE);
	assert_int_equal(quire_object_resize(object, SEEN * PAGE), 0);
	memset(home + SEEN * PAGE, 0, SIZE - SEEN * PAGE);
	assert_int_equal(quire_object_resize(object, SIZE), 0);
	assert_int_equal(quire_object_pwrite(object, had, PAGE, SEEN * PAGE),
			 PAGE);
	sync_all();
	assert_memory_equal(home + SEEN * PAGE, had, PAGE);
}

static int open_alike(void **state)
{
	(void)state;
	memset(home, 0, SIZE);
	for (size_t i = PAGES / 2; i < PAGES; i++)
		*at_home(i) = 'x';
	open_with(AMPLE, NEVER);
	return 0;
}

/* Pages are equal: what is stored to the first half is what the other one had. */
static void test_a_slot_is_of_one_page(void **state)
{
	(void)state;
	for (size_t i = 0; i < PAGES; i++)
		load(i);
	store_all();
	assert_true(foreseen() > 512);
}

static void test_an_object_that_ends(void **state)
{
	(void)state;
	foresee();
	assert_int_equal(quire_munmap(host, mapped, SIZE), 0);
	mapped = NULL;
	assert_int_equal(quire_object_close(object), 0);
	for (size_t i = SEEN; i < PAGES; i++)
		assert_int_equal(written[i], 0);
	assert_int_equal(quire_object_create(quire, "home", SIZE, &home_ops,
					     NULL, NULL, &object),
			 0);
	mapped = map_object(quire, object, SIZE, RW);
	foresee();
	store(SEEN, 'y');
	sync_all();
	assert_int_equal(*at_home(SEEN), 'y');
}

/* ---- rows beside who only reads ---- */

static _Atomic bool rows_end;

/* By system calls, which find each page: it is shown, and stays so, or they wait. */
static void *write_out(void *argument)
{
	unsigned char seen[PAGE];
	int file = *(int *)argument;
	ssize_t moved = PAGE;

	for (size_t i = 0; moved == PAGE && !rows_end; i = (i + 1) % PAGES) {
		moved = syscall(SYS_pwrite64, file, mapped + i * PAGE, PAGE,
				0L);
		if (moved == PAGE)
			moved = pread(file, seen, PAGE, 0);
		if (seen[6] != byte_at(i * PAGE + 6))
			moved = 0;
	}
	return moved == PAGE ? NULL : argument;
}

static void test_rows_beside_calls_that_read(void **state)
{
	int file = memfd_create("out", MFD_CLOEXEC);
	pthread_t thread;
	void *failed;

	(void)state;
	assert_true(file >= 0);
	for (size_t i = 0; i < PAGES; i++)
		load(i);
	rows_end = false;
	assert_int_equal(pthread_create(&thread, NULL, write_out, &file), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < PAGES; i++)
			store(i, (unsigned char)('a' + round));
		sync_all();
	}
	rows_end = true;
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
	close(file);
}

/* ---- rows beside a flusher that never rests ---- */

#define STRIPES 4

static void *store_stripe(void *argument)
{
	size_t first = *(size_t *)argument * (PAGES / STRIPES);

	for (unsigned round = 1; round <= ROUNDS; round++)
		for (size_t i = first; i < first + PAGES / STRIPES; i++)
			store(i, (unsigned char)(round + i));
	return NULL;
}

static void test_rows_beside_the_flusher(void **state)
{
	pthread_t threads[STRIPES];
	size_t numbers[STRIPES];

	(void)state;
	for (size_t i = 0; i < STRIPES; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, store_stripe,
						&numbers[i]),
				 0);
	}
	for (unsigned i = 0; i < 20; i++)
		sync_all();
	for (size_t i = 0; i < STRIPES; i++)
		pthread_join(threads[i], NULL);
	sync_all();
	for (size_t i = 0; i < PAGES; i++)
		assert_int_equal(*at_home(i), (unsigned char)(ROUNDS + i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ample(test_a_row_traps_less),
		ample(test_what_nobody_stored_to_is_not_written),
		ample(test_what_is_stored_to_without_a_trap_is_written),
		ample(test_its_own_bytes_again_are_no_store),
		ample(test_its_own_bytes_by_a_call_are_written),
		ample(test_a_refused_write_keeps_the_bytes),
		ample(test_a_refused_flush_writes_no_more),
		ample(test_invalidate_takes_what_nobody_stored_to),
		ample(test_cut_and_discarded),
		ample(test_no_row),
		ample(test_not_by_advice),
		ample(test_not_the_last_page),
		ample(test_too_few_before_the_last_page),
		cmocka_unit_test_setup_teardown(test_not_beside_a_small_budget,
						open_scanty, close_all),
		ample(test_slots_come_back),
		ample(test_its_own_bytes_in_a_row),
		ample(test_cut_off_and_written_whole),
		ample(test_a_long_row_needs_few),
		cmocka_unit_test_setup_teardown(test_a_slot_is_of_one_page,
						open_alike, close_all),
		ample(test_an_object_that_ends),
		ample(test_rows_beside_calls_that_read),
		cmocka_unit_test_setup_teardown(test_rows_beside_the_flusher,
						open_restless, close_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
