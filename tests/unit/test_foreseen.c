/* test_foreseen.c - where stores go on, pages are writable before one comes */
/* SPDX-License-Identifier: MIT */
/*
 *   pages   0 1 2 3 4 | 5 6 7 8 | 9 ...
 *           stored to | foreseen: DIRTY, and what nobody stores to is not written
 *
 * The store is the tests' own: it counts the pages that are written, may refuse
 * them, and somebody else may write there.
 */
#include "unit/engine_tools.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#define PAGES 1024
#define SIZE (PAGES * PAGE)
#define AMPLE (64u << 20)  /* a budget with slots */
#define SCANTY (16u << 20) /* none */
#define ROW \
	5 /* stores one after the other, four of them before the last one: */
#define FORESEEN 4    /* as many more pages are foreseen */
#define SEEN ROW      /* the first of these */
#define NEVER 3600000 /* ms */
#define RW (PROT_READ | PROT_WRITE)

static struct quire *quire;
static struct quire_space *host;
static struct quire_object *object;
static unsigned char *bytes;

/* ---- the store ---- */

static unsigned char home[SIZE];
static _Atomic unsigned written[PAGES];
static _Atomic int refusal;

static ssize_t home_read(void *context, void *buffer, size_t length,
			 uint64_t offset)
{
	(void)context;
	memcpy(buffer, home + offset, length);
	return (ssize_t)length;
}

static ssize_t home_write(void *context, const void *buffer, size_t length,
			  uint64_t offset)
{
	(void)context;
	if (refusal)
		return refusal;
	memcpy(home + offset, buffer, length);
	for (size_t i = 0; i < length; i += PAGE)
		written[(offset + i) / PAGE]++;
	return (ssize_t)length;
}

static int home_resize(void *context, uint64_t size)
{
	(void)context;
	(void)size;
	return 0;
}

static const struct quire_pager_ops home_ops = {
	.size = sizeof(home_ops),
	.read = home_read,
	.write = home_write,
	.resize = home_resize,
};

/* ---- the world ---- */

static void open_with(uint64_t budget, uint32_t flush_interval_ms)
{
	struct quire_options options = {
		.size = sizeof(options),
		.budget = budget,
		.flags = QUIRE_NO_REPORT,
		.log = log_nothing,
		.trap = chosen_trap(),
		.flush_interval_ms = flush_interval_ms,
	};

	for (size_t i = 0; i < SIZE; i++)
		home[i] = byte_at(i);
	memset((void *)written, 0, sizeof(written));
	refusal = 0;
	assert_int_equal(quire_open(&options, &quire), 0);
	host = quire_host_space(quire);
	assert_int_equal(quire_object_create(quire, "home", SIZE, &home_ops,
					     NULL, NULL, &object),
			 0);
	bytes = map_object(quire, object, SIZE, RW);
}

static int open_ample(void **state)
{
	(void)state;
	open_with(AMPLE, NEVER);
	return 0;
}

static int open_scanty(void **state)
{
	(void)state;
	open_with(SCANTY, NEVER);
	return 0;
}

static int open_restless(void **state)
{
	(void)state;
	open_with(AMPLE, 1);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	if (bytes)
		assert_int_equal(quire_munmap(host, bytes, SIZE), 0);
	if (object)
		assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), 0);
	return 0;
}

static void store(size_t page, unsigned char byte)
{
	*(volatile unsigned char *)(bytes + page * PAGE + 5) = byte;
}

static unsigned char load(size_t page)
{
	return *(volatile unsigned char *)(bytes + page * PAGE + 5);
}

static unsigned char *at_home(size_t page)
{
	return home + page * PAGE + 5;
}

/* In memory, so that nothing but the stores themselves counts. */
static void row(size_t first, size_t count)
{
	for (size_t i = 0; i < count; i++)
		load(first + i + 1);
	for (size_t i = 0; i < count; i++)
		store(first + i, 'x');
}

static uint64_t foreseen(void)
{
	return statistics_of(quire).stores_foreseen;
}

static uint64_t unused(void)
{
	return statistics_of(quire).stores_foreseen_unused;
}

/* Read, and a row stored to before them: they are foreseen. */
static void foresee(void)
{
	uint64_t before;

	for (size_t i = 0; i < 64; i++)
		load(i);
	before = foreseen();
	row(0, ROW);
	assert_int_equal(foreseen(), before + FORESEEN);
}

static void sync_all(void)
{
	assert_int_equal(quire_msync(host, bytes, SIZE, MS_SYNC), 0);
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
	assert_int_equal(unused(), foreseen());
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
	assert_int_equal(unused(), foreseen() - 1);
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
	assert_int_equal(quire_msync(host, bytes, SIZE, MS_SYNC), -1);
	assert_int_equal(written[SEEN], 0);
	assert_int_equal(load(SEEN), 'y');
	refusal = 0;
	sync_all();
	assert_int_equal(*at_home(SEEN), 'y');
	assert_int_equal(written[SEEN + 1], 0);
}

static void test_invalidate_takes_what_nobody_stored_to(void **state)
{
	(void)state;
	foresee();
	*at_home(SEEN) = '#';
	store(SEEN + 1, 'y');
	assert_int_equal(quire_msync(host, bytes, SIZE, MS_INVALIDATE), 0);
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
	assert_int_equal(quire_madvise(host, bytes, SIZE, MADV_RANDOM), 0);
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
	assert_int_equal(
		quire_msync(host, bytes + SIZE - PAGE, PAGE, MS_INVALIDATE), 0);
	assert_int_equal(load(PAGES - 1), '#');
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
	sync_all();
	assert_int_equal(unused(), before);
	row(900, ROW);
	assert_int_equal(foreseen(), before + FORESEEN);
	for (size_t first = 0; first + 16 < PAGES; first += 12)
		for (size_t i = 0; i < ROW; i++)
			assert_int_equal(*at_home(first + i), 'x');
}

/* A page whose bytes have changed needs its slot no more. */
static void test_a_long_row_needs_few(void **state)
{
	(void)state;
	for (size_t i = 0; i < PAGES; i++)
		load(i);
	for (size_t i = 0; i < PAGES; i++)
		store(i, 'x');
	assert_true(foreseen() > 512);
	sync_all();
	for (size_t i = 0; i < PAGES; i++)
		assert_int_equal(*at_home(i), 'x');
}

/* Its own bytes hold a slot, until the flusher, who is told, finds them so. */
static void test_its_own_bytes_in_a_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < PAGES; i++)
		store(i, load(i));
	while (unused() == 0)
		sched_yield();
	for (size_t i = 0; i < PAGES; i++)
		store(i, 'x');
	sync_all();
	for (size_t i = 0; i < PAGES; i++)
		assert_int_equal(*at_home(i), 'x');
}

static void test_an_object_that_ends(void **state)
{
	(void)state;
	foresee();
	assert_int_equal(quire_munmap(host, bytes, SIZE), 0);
	bytes = NULL;
	assert_int_equal(quire_object_close(object), 0);
	for (size_t i = SEEN; i < PAGES; i++)
		assert_int_equal(written[i], 0);
	assert_int_equal(quire_object_create(quire, "home", SIZE, &home_ops,
					     NULL, NULL, &object),
			 0);
	bytes = map_object(quire, object, SIZE, RW);
	foresee();
	store(SEEN, 'y');
	sync_all();
	assert_int_equal(*at_home(SEEN), 'y');
}

/* ---- rows beside a flusher that never rests ---- */

#define STRIPES 4
#define ROUNDS 8

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

#define ample(test) cmocka_unit_test_setup_teardown(test, open_ample, close_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ample(test_a_row_traps_less),
		ample(test_what_nobody_stored_to_is_not_written),
		ample(test_what_is_stored_to_without_a_trap_is_written),
		ample(test_its_own_bytes_again_are_no_store),
		ample(test_its_own_bytes_by_a_call_are_written),
		ample(test_a_refused_write_keeps_the_bytes),
		ample(test_invalidate_takes_what_nobody_stored_to),
		ample(test_cut_and_discarded),
		ample(test_no_row),
		ample(test_not_by_advice),
		ample(test_not_the_last_page),
		cmocka_unit_test_setup_teardown(test_not_beside_a_small_budget,
						open_scanty, close_all),
		ample(test_slots_come_back),
		ample(test_a_long_row_needs_few),
		ample(test_its_own_bytes_in_a_row),
		ample(test_an_object_that_ends),
		cmocka_unit_test_setup_teardown(test_rows_beside_the_flusher,
						open_restless, close_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
