/* test_refused_cut.c - a cut that is refused after all loses nothing */
/* SPDX-License-Identifier: MIT */
/*
 *        0      1      2      3      4 ... 8
 *        |------|--|---|------|------|-----|-|   old size: 8 pages and 100
 *                  new end     ^ pinned: the cut waits, then is refused
 *
 * While it waits the size is the new one: what is read and written then must
 * be right for the old one as well.
 */
#include "unit/object_world.h"

#include "writeback/writeback.h"

#include <errno.h>

#define OLD (8 * PAGE_SIZE + 100)
#define NEW 5000
#define NEVER (3600 * 1000 * MS)

static struct object_world *world;
static struct thing thing;
static struct writeback writeback;
static int resized;

static int open_world(void **state)
{
	(void)state;
	world = world_open(64);
	thing = thing_of(world, OLD);
	return writeback_init(&writeback, &world->host, 1000, NEVER);
}

static int close_world(void **state)
{
	(void)state;
	writeback_stop(&writeback);
	writeback_finish(&writeback);
	thing_end(&thing);
	world_close(world);
	return 0;
}

static void *cut(void *argument)
{
	(void)argument;
	resized = object_resize(thing.object, NEW);
	return NULL;
}

static pthread_t begin_cut(void)
{
	pthread_t thread;

	assert_int_equal(object_hold(thing.object, 3, 1, false), 0);
	thread = start_thread(cut, NULL);
	while (object_size(thing.object) != NEW)
		sched_yield();
	return thread;
}

static void end_cut(pthread_t thread)
{
	join_thread(thread);
	object_let_go(thing.object, 3, 1, false);
	assert_int_equal(resized, -EBUSY);
	assert_int_equal(object_size(thing.object), OLD);
}

static int sync_all(void)
{
	return writeback_sync(&writeback, thing.object, 0, UINT64_MAX, true);
}

static void test_the_page_of_the_new_end_goes_home_whole(void **state)
{
	pthread_t thread;

	(void)state;
	set_byte(thing.object, 8000, 0xee);
	thread = begin_cut();
	sync_all();
	end_cut(thread);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(home_byte(&thing, 8000), 0xee);
	object_invalidate(thing.object, 0, 9);
	assert_int_equal(object_byte(thing.object, 8000), 0xee);
}

static void test_the_page_of_the_new_end_is_read_whole(void **state)
{
	pthread_t thread;

	(void)state;
	thread = begin_cut();
	object_byte(thing.object, 4100);
	end_cut(thread);
	assert_int_equal(object_byte(thing.object, 8000), byte_at(8000));
}

static void test_msync_does_not_pass_over_what_comes_back(void **state)
{
	pthread_t thread;
	int synced;

	(void)state;
	set_byte(thing.object, 6 * PAGE_SIZE, 0xee);
	thread = begin_cut();
	synced = sync_all();
	end_cut(thread);
	assert_int_equal(synced, 0);
	assert_int_equal(home_byte(&thing, 6 * PAGE_SIZE), 0xee);
}

/* What is there in the end is read and written, and nothing is past the end. */
static void test_copies_wait(void **state)
{
	unsigned char *bytes = new_buffer(OLD);
	pthread_t thread = begin_cut();
	int64_t moved = object_copy_out(thing.object, bytes, OLD, 0);

	(void)state;
	end_cut(thread);
	assert_int_equal(moved, OLD);
	assert_int_equal(bytes[OLD - 1], byte_at(OLD - 1));
	free(bytes);
}

static void test_pins_wait(void **state)
{
	pthread_t thread = begin_cut();
	int held = object_hold(thing.object, 0, 9, true);

	(void)state;
	end_cut(thread);
	assert_int_equal(held, 0);
	object_let_go(thing.object, 0, 9, true);
}

static void *copy_page_6(void *argument)
{
	unsigned char byte;

	(void)argument;
	return (void *)(intptr_t)object_copy_out(thing.object, &byte, 1,
						 6 * PAGE_SIZE);
}

static void test_what_is_cut_is_past_the_end(void **state)
{
	pthread_t cutter = begin_cut();
	pthread_t copier = start_thread(copy_page_6, NULL);
	void *moved;

	(void)state;
	usleep(5000);
	object_let_go(thing.object, 3, 1, false);
	join_thread(cutter);
	pthread_join(copier, &moved);
	assert_int_equal(resized, 0);
	assert_null(moved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_the_page_of_the_new_end_goes_home_whole,
			open_world, close_world),
		cmocka_unit_test_setup_teardown(
			test_the_page_of_the_new_end_is_read_whole, open_world,
			close_world),
		cmocka_unit_test_setup_teardown(
			test_msync_does_not_pass_over_what_comes_back,
			open_world, close_world),
		cmocka_unit_test_setup_teardown(test_copies_wait, open_world,
						close_world),
		cmocka_unit_test_setup_teardown(test_pins_wait, open_world,
						close_world),
		cmocka_unit_test_setup_teardown(test_what_is_cut_is_past_the_end,
						open_world, close_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
