/* test_writeback_ring.c - writeback/ over a file: many runs given at once */
/* SPDX-License-Identifier: MIT */
#include "unit/writeback_world.h"

#include "base/worker.h"
#include "os/ring.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define MANY 400 /* pages, of which each second one is a run of its own */

static struct ring *ring;
static struct worker_pool *workers;

/* As thing_of(), but what is at home is a file behind an io_uring. */
static struct thing file_thing(void)
{
	struct store_context context = { .ring = ring, .workers = workers };
	struct object_parameters parameters = {
		.identity.name = "thing",
		.size = MANY * PAGE_SIZE,
		.capacity = MANY * PAGE_SIZE,
		.readahead = 1,
	};
	char path[] = "/var/tmp/quire-test-writeback-XXXXXX";
	struct thing file = { .object = NULL };
	int fd = mkstemp(path);

	assert_return_code(fd, errno);
	unlink(path);
	assert_return_code(ftruncate(fd, MANY * PAGE_SIZE), errno);
	assert_int_equal(file_store_create(&context, fd, true, &file.home), 0);
	assert_int_equal(
		faulty_store_create(NULL, file.home, NULL, &file.faulty), 0);
	file.pager = new_listing_pager(file.faulty);
	assert_int_equal(object_create(&world->host, &parameters,
				       &file.pager->pager, &file.object),
			 0);
	return file;
}

static int open_file(void **state)
{
	(void)state;
	error_clear();
	if (ring_create(64, NULL, NULL, &ring))
		ring = NULL; /* no io_uring here: the workers do it */
	assert_int_equal(worker_pool_create(2, "quire-io", &workers), 0);
	world = world_open(2 * MANY);
	thing = file_thing();
	return writeback_init(&writeback, &world->host, 2 * MANY, NEVER);
}

static int close_file(void **state)
{
	close_world(state);
	ring_destroy(ring);
	worker_pool_destroy(workers);
	return 0;
}

/* Every second page of [from, to), so that each is a run. */
static void dirty_seconds(uint64_t from, uint64_t to, unsigned char byte)
{
	for (uint64_t i = from; i < to; i += 2)
		dirty(i, byte);
}

static void assert_seconds_home(uint64_t from, uint64_t to, unsigned char byte)
{
	for (uint64_t i = from; i < to; i += 2)
		assert_int_equal(home(i), byte);
}

static void test_many_runs(void **state)
{
	(void)state;
	dirty_seconds(0, MANY, 33);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(dirty_pages(), 0);
	assert_seconds_home(0, MANY, 33);
	assert_int_equal(counted(COUNT_WRITES), MANY / 2);
}

/* The flusher gives them at once as well. */
static void test_the_flusher(void **state)
{
	(void)state;
	dirty_seconds(0, MANY, 34);
	writeback_kick(&writeback, false);
	while (dirty_pages() > 0)
		sched_yield();
	assert_seconds_home(0, MANY, 34);
}

/* One run in the middle fails: it alone stays, and msync says so. */
static void test_one_of_many_fails(void **state)
{
	(void)state;
	dirty_seconds(0, MANY, 35);
	set_script(&thing, "write 400K-404K do fail ENOSPC");
	assert_int_equal(sync_all(), -ENOSPC);
	assert_int_equal(dirty_pages(), 1);
	assert_int_equal(state_of(thing.object, 100), PAGE_DIRTY);
	assert_int_equal(home(98), 35);
	assert_int_equal(home(102), 35);
	set_script(&thing, "");
	assert_int_equal(sync_all(), 0);
	assert_seconds_home(0, MANY, 35);
}

static void test_two_at_once(void **state)
{
	(void)state;
	for (unsigned char round = 40; round < 60; round++) {
		pthread_t other;

		dirty_seconds(0, MANY, round);
		other = start_thread(sync_thread, NULL);
		assert_int_equal(sync_all(), 0);
		assert_int_equal(dirty_pages(), 0);
		assert_seconds_home(0, MANY, round);
		assert_int_equal(join_result(other), 0);
	}
}

/* ---- what must not wait for what is kept back ---- */

static void *foreign_both(void *argument)
{
	struct foreign_write *writes = argument;

	/* Page 4 may have been begun, and be kept back; then this waits for
	 * it, and whoever has begun it waits for page 8. */
	object_foreign_begin(thing.object, &writes[0], 4, 1);
	object_foreign_end(thing.object, &writes[0]);
	object_foreign_end(thing.object, &writes[1]);
	return NULL;
}

/* msync waits for somebody who waits for a page that it has begun. */
static void test_a_foreign_write_gets_on(void **state)
{
	struct foreign_write writes[2];
	pthread_t syncing, writing;

	(void)state;
	dirty(4, 71);
	dirty(8, 72);
	object_foreign_begin(thing.object, &writes[1], 8, 1);
	syncing = start_thread(sync_thread, NULL);
	while (state_of(thing.object, 4) == PAGE_DIRTY)
		sched_yield();
	writing = start_thread(foreign_both, writes);
	join_thread(writing);
	assert_int_equal(join_result(syncing), 0);
	assert_int_equal(home(4), 71);
	assert_int_equal(home(8), 72);
}

/* ---- pages that another one is writing ---- */

static void *sync_range_thread(void *argument)
{
	const uint64_t *range = argument;

	return (void *)(intptr_t)sync_range(range[0], range[1]);
}

/*
 *   held by three others:  0 2 4 ... 178     then dirty: 180 182 ... 198
 * More are held than are passed over, and what lies behind gets home when
 * what the caller waits for does.  After it a later store is home, too.
 */
static void test_pages_that_others_write(void **state)
{
	uint64_t range[3][2] = { { 0, 60 }, { 60, 60 }, { 120, 60 } };
	pthread_t others[3], syncing;

	(void)state;
	dirty_seconds(0, 180, 81);
	set_script(&thing, "write do hold");
	for (int i = 0; i < 3; i++)
		others[i] = start_thread(sync_range_thread, range[i]);
	wait_until_held(&thing, 90);
	set_script(&thing, "");
	dirty(2, 82);
	dirty_seconds(180, 200, 83);
	syncing = start_thread(sync_thread, NULL);
	wait_until_waited_for(thing.object, 0);
	faulty_store_release(thing.faulty);
	assert_int_equal(join_result(syncing), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(join_result(others[i]), 0);
	assert_int_equal(home(0), 81);
	assert_int_equal(home(2), 82);
	assert_seconds_home(4, 180, 81);
	assert_seconds_home(180, 200, 83);
	assert_int_equal(dirty_pages(), 0);
}

/* Few are held: what lies behind them does not wait for them. */
static void test_passed_over(void **state)
{
	uint64_t held[2] = { 0, 10 };
	pthread_t other, syncing;

	(void)state;
	dirty_seconds(0, 100, 91);
	set_script(&thing, "write 0-40K do hold");
	other = start_thread(sync_range_thread, held);
	wait_until_held(&thing, 5);
	syncing = start_thread(sync_thread, NULL);
	while (dirty_pages() > 5)
		sched_yield();
	assert_seconds_home(10, 100, 91);
	set_script(&thing, "");
	faulty_store_release(thing.faulty);
	assert_int_equal(join_result(syncing), 0);
	assert_int_equal(join_result(other), 0);
	assert_seconds_home(0, 100, 91);
}

#define FILE_TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_file, close_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(test_many_runs),
		FILE_TEST(test_the_flusher),
		FILE_TEST(test_one_of_many_fails),
		FILE_TEST(test_two_at_once),
		FILE_TEST(test_a_foreign_write_gets_on),
		FILE_TEST(test_pages_that_others_write),
		FILE_TEST(test_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
