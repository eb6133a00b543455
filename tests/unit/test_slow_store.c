/* test_slow_store.c - a store that takes nothing, and those beside it */
/* SPDX-License-Identifier: MIT */
/*
 *   stuck    a pager whose writes wait at a gate, or fail
 *   healthy  mem:, or a pager that takes all at once
 *
 *   dirty bound  |s s s s s s s s|          the stuck one's pages fill it
 *                 '-- at the gate --'
 *   healthy      ->1 ->2 ->3 ... ->MANY     are stored to, and get home
 */
#include "unit/engine_tools.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BUDGET 64 /* pages */
#define BOUND (BUDGET / 4)
#define MANY (4 * BUDGET)
/* Of each second page, as each is a write of its own then. */
#define STUCK_PAGES (2 * BOUND)

/* ---- a pager with a gate ---- */

struct gated {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	bool open;         /* [lock] */
	int error;         /* [lock] of all writes */
	unsigned waiting;  /* [lock] writes at the gate */
	unsigned failures; /* [lock] */
	unsigned char *bytes;
};

static ssize_t gated_read(void *context, void *buffer, size_t length,
			  uint64_t offset)
{
	const struct gated *gated = context;

	memcpy(buffer, gated->bytes + offset, length);
	return (ssize_t)length;
}

static ssize_t gated_write(void *context, const void *buffer, size_t length,
			   uint64_t offset)
{
	struct gated *gated = context;
	int error;

	pthread_mutex_lock(&gated->lock);
	gated->waiting++;
	pthread_cond_broadcast(&gated->moved);
	while (!gated->open)
		pthread_cond_wait(&gated->moved, &gated->lock);
	gated->waiting--;
	error = gated->error;
	gated->failures += error != 0;
	pthread_cond_broadcast(&gated->moved);
	if (!error)
		memcpy(gated->bytes + offset, buffer, length);
	pthread_mutex_unlock(&gated->lock);
	return error ? error : (ssize_t)length;
}

static void gate_init(struct gated *gated, bool open)
{
	memset(gated, 0, sizeof(*gated));
	pthread_mutex_init(&gated->lock, NULL);
	pthread_cond_init(&gated->moved, NULL);
	gated->open = open;
	gated->bytes = calloc(MANY, PAGE);
	assert_non_null(gated->bytes);
}

static void gate_set(struct gated *gated, bool open, int error)
{
	pthread_mutex_lock(&gated->lock);
	gated->open = open;
	gated->error = error;
	pthread_cond_broadcast(&gated->moved);
	pthread_mutex_unlock(&gated->lock);
}

static void await_writes(struct gated *gated)
{
	pthread_mutex_lock(&gated->lock);
	while (!gated->waiting)
		pthread_cond_wait(&gated->moved, &gated->lock);
	pthread_mutex_unlock(&gated->lock);
}

static void await_failures(struct gated *gated)
{
	pthread_mutex_lock(&gated->lock);
	while (!gated->failures)
		pthread_cond_wait(&gated->moved, &gated->lock);
	pthread_mutex_unlock(&gated->lock);
}

static bool has_come(struct gated *gated, size_t page, unsigned char byte)
{
	bool come;

	pthread_mutex_lock(&gated->lock);
	come = gated->bytes[page * PAGE] == byte;
	pthread_mutex_unlock(&gated->lock);
	return come;
}

static struct quire_object *open_gated(struct quire *quire, const char *name,
				       struct gated *gated)
{
	static const struct quire_pager_ops ops = {
		.size = sizeof(ops),
		.read = gated_read,
		.write = gated_write,
	};
	struct quire_object *object;

	assert_int_equal(quire_object_create(quire, name, MANY * PAGE, &ops,
					     gated, NULL, &object),
			 0);
	return object;
}

/* ---- the engine and what is in it ---- */

static struct quire *quire;
static struct gated gates[2];
static struct quire_object *stuck[2];

static void open_with(uint64_t budget, enum quire_io io)
{
	struct quire_options options = {
		.size = sizeof(options),
		.budget = budget * PAGE,
		.io = io,
		.full_wait_ms = 5000,
		.flags = QUIRE_NO_REPORT,
		.log = log_nothing,
		.trap = chosen_trap(),
	};

	assert_int_equal(quire_open(&options, &quire), 0);
	for (int i = 0; i < 2; i++) {
		gate_init(&gates[i], false);
		stuck[i] = open_gated(quire, i ? "stuck two" : "stuck one",
				      &gates[i]);
	}
}

static void store_one(struct quire_object *object, size_t page)
{
	unsigned char byte = (unsigned char)(page % 251 + 1);

	if (quire_object_pwrite(object, &byte, 1, page * PAGE) != 1)
		fail_msg("page %zu: %s", page, quire_strerror_last());
}

/* Its dirty pages fill what of the bound they may, and its writes hang. */
static void get_stuck(int which, size_t pages)
{
	for (size_t page = 0; page < pages; page += 2)
		store_one(stuck[which], page);
	await_writes(&gates[which]);
}

/* All that is stuck gets home, each byte. */
static void let_go(int which, size_t pages)
{
	gate_set(&gates[which], true, 0);
	assert_int_equal(quire_object_sync(stuck[which], 0, 0, MS_SYNC), 0);
	for (size_t page = 0; page < pages; page += 2)
		assert_true(has_come(&gates[which], page,
				     (unsigned char)(page % 251 + 1)));
}

static void close_all(struct quire_object *healthy)
{
	assert_int_equal(quire_object_close(healthy), 0);
	for (int i = 0; i < 2; i++) {
		gate_set(&gates[i], true, 0);
		assert_int_equal(quire_object_close(stuck[i]), 0);
	}
	assert_int_equal(quire_close(quire), 0);
	quire = NULL;
	for (int i = 0; i < 2; i++) {
		free(gates[i].bytes);
		pthread_cond_destroy(&gates[i].moved);
		pthread_mutex_destroy(&gates[i].lock);
	}
}

/* After a failure: what hangs is not to keep the next test waiting. */
static int tear_down(void **state)
{
	(void)state;
	for (int i = 0; quire && i < 2; i++) {
		gate_set(&gates[i], true, 0);
		quire_object_sync(stuck[i], 0, 0, MS_SYNC);
	}
	quire = NULL;
	return 0;
}

static struct quire_object *open_healthy(void)
{
	char uri[32];

	snprintf(uri, sizeof(uri), "mem:%zu", MANY * PAGE);
	return open_object(quire, uri, O_RDWR);
}

static void store_many(struct quire_object *object)
{
	for (size_t page = 0; page < MANY; page++)
		store_one(object, page);
}

static void check_many(struct quire_object *object)
{
	for (size_t page = 0; page < MANY; page++)
		assert_int_equal(byte_of(object, page * PAGE), page % 251 + 1);
}

static unsigned char *map(struct quire_object *object)
{
	unsigned char *bytes = quire_mmap(quire_host_space(quire), NULL,
					  MANY * PAGE, PROT_READ | PROT_WRITE,
					  MAP_SHARED, object, 0);

	assert_ptr_not_equal(bytes, MAP_FAILED);
	return bytes;
}

/* ---- */

static void test_copies_beside_a_stuck_store(void **state)
{
	struct quire_object *healthy;

	(void)state;
	open_with(BUDGET, QUIRE_IO_AUTO);
	healthy = open_healthy();
	get_stuck(0, STUCK_PAGES);
	store_many(healthy);
	check_many(healthy);
	let_go(0, STUCK_PAGES);
	close_all(healthy);
}

static void test_mapped_stores_beside_a_stuck_store(void **state)
{
	struct quire_object *healthy;
	unsigned char *bytes;

	(void)state;
	open_with(BUDGET, QUIRE_IO_AUTO);
	healthy = open_healthy();
	bytes = map(healthy);
	get_stuck(0, STUCK_PAGES);
	for (size_t page = 0; page < MANY; page++)
		bytes[page * PAGE] = (unsigned char)(page % 251 + 1);
	for (size_t page = 0; page < MANY; page++)
		assert_int_equal(bytes[page * PAGE], page % 251 + 1);
	let_go(0, STUCK_PAGES);
	quire_munmap(quire_host_space(quire), bytes, MANY * PAGE);
	close_all(healthy);
}

static void test_two_stuck_stores(void **state)
{
	struct quire_object *healthy;

	(void)state;
	open_with(BUDGET, QUIRE_IO_AUTO);
	healthy = open_healthy();
	get_stuck(0, STUCK_PAGES);
	store_one(stuck[1], 0); /* there is no room for more */
	store_many(healthy);
	check_many(healthy);
	let_go(1, 1);
	let_go(0, STUCK_PAGES);
	close_all(healthy);
}

/* One page may be dirty, and is. */
static void test_budgets_of_a_few_pages(void **state)
{
	static const uint64_t budgets[] = { 2, 3, 4, 8 };

	(void)state;
	for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
		struct quire_object *healthy;

		open_with(budgets[i], QUIRE_IO_AUTO);
		healthy = open_healthy();
		get_stuck(0, 1);
		store_many(healthy);
		check_many(healthy);
		let_go(0, 1);
		close_all(healthy);
	}
}

/* Scratch is not under the bound, but needs the flusher for its room. */
static void test_scratch_beside_a_stuck_store(void **state)
{
	struct quire_object *scratch;
	char uri[32];

	(void)state;
	open_with(BUDGET, QUIRE_IO_AUTO);
	snprintf(uri, sizeof(uri), "anon:%zu", MANY * PAGE);
	scratch = open_object(quire, uri, O_RDWR);
	get_stuck(0, STUCK_PAGES);
	store_many(scratch);
	check_many(scratch);
	let_go(0, STUCK_PAGES);
	close_all(scratch);
}

/* Where there is no ring, files and swap need the threads that pagers take. */
static void test_threads_beside_a_stuck_store(void **state)
{
	struct quire_object *scratch, *healthy;
	struct test_file file;
	char uri[32];

	(void)state;
	make_file(&file, MANY * PAGE);
	open_with(BUDGET, QUIRE_IO_THREADS);
	healthy = open_object(quire, file.path, O_RDWR);
	snprintf(uri, sizeof(uri), "anon:%zu", MANY * PAGE);
	scratch = open_object(quire, uri, O_RDWR);
	get_stuck(0, STUCK_PAGES);
	store_many(healthy);
	store_many(scratch);
	check_many(scratch);
	check_many(healthy);
	let_go(0, STUCK_PAGES);
	assert_int_equal(quire_object_close(scratch), 0);
	close_all(healthy);
	end_file(&file);
}

static void test_a_pager_beside_a_stuck_one(void **state)
{
	struct quire_object *healthy;
	static struct gated open_gate;

	(void)state;
	gate_init(&open_gate, true);
	open_with(BUDGET, QUIRE_IO_AUTO);
	healthy = open_gated(quire, "healthy", &open_gate);
	get_stuck(0, STUCK_PAGES);
	store_many(healthy);
	check_many(healthy);
	assert_int_equal(quire_object_sync(healthy, 0, 0, MS_SYNC), 0);
	for (size_t page = 0; page < MANY; page++)
		assert_true(has_come(&open_gate, page,
				     (unsigned char)(page % 251 + 1)));
	let_go(0, STUCK_PAGES);
	close_all(healthy);
	free(open_gate.bytes);
}

static void test_beside_a_store_that_fails(void **state)
{
	struct quire_object *healthy;

	(void)state;
	open_with(BUDGET, QUIRE_IO_AUTO);
	healthy = open_healthy();
	gate_set(&gates[0], true, -EIO);
	for (size_t page = 0; page < STUCK_PAGES; page += 2)
		store_one(stuck[0], page);
	await_failures(&gates[0]);
	store_many(healthy);
	check_many(healthy);
	gate_set(&gates[0], true, 0);
	assert_int_equal(quire_object_sync(stuck[0], 0, 0, MS_SYNC), -EIO);
	let_go(0, STUCK_PAGES);
	close_all(healthy);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_copies_beside_a_stuck_store),
		TEST(test_mapped_stores_beside_a_stuck_store),
		TEST(test_two_stuck_stores),
		TEST(test_budgets_of_a_few_pages),
		TEST(test_scratch_beside_a_stuck_store),
		TEST(test_threads_beside_a_stuck_store),
		TEST(test_a_pager_beside_a_stuck_one),
		TEST(test_beside_a_store_that_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
