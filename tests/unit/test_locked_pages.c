/* test_locked_pages.c - object/locked.c: pages that are to stay */
/* SPDX-License-Identifier: MIT */
#include "unit/object_world.h"
#include "unit/refuse_maps.h"

#define BUDGET 32
#define PAGES UINT64_C(256)

static struct object_world *world;
static struct thing thing;

static int open_world(void **state)
{
	(void)state;
	error_clear();
	world = world_open(BUDGET);
	thing = thing_of(world, PAGES * PAGE_SIZE);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	thing_end(&thing);
	world_close(world);
	return 0;
}

static bool resident(uint64_t index)
{
	return object_page_resident(thing.object, index);
}

/* Reads each page, so that all others are pushed out. */
static void read_all(uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++)
		assert_int_equal(object_byte(thing.object, i << PAGE_SHIFT),
				 byte_at(i << PAGE_SHIFT));
}

static void test_a_resident_page_stays(void **state)
{
	(void)state;
	read_all(0, 8);
	assert_true(resident(3));
	assert_int_equal(object_lock_pages(thing.object, 2, 3), 0);
	assert_int_equal(object_locked_pages(thing.object), 3);
	read_all(8, PAGES);
	assert_false(resident(1));
	for (uint64_t i = 2; i < 5; i++)
		assert_true(resident(i));
	object_invalidate(thing.object, 0, PAGES);
	assert_int_equal(charged(world), 3);
	object_unlock_pages(thing.object, 2, 3);
	assert_int_equal(object_locked_pages(thing.object), 0);
	assert_int_equal(object_drop_clean(thing.object, 0, PAGES), 3);
	assert_false(resident(3));
}

/* Locked on fault: from when they come. */
static void test_an_absent_page_stays_when_it_comes(void **state)
{
	(void)state;
	assert_int_equal(object_lock_pages(thing.object, 100, 2), 0);
	assert_int_equal(object_locked_pages(thing.object), 2);
	assert_false(resident(100));
	read_all(100, 101);
	read_all(0, 100);
	assert_true(resident(100));
	assert_false(resident(101));
	/* Once it is unlocked its coming is as any other's. */
	object_unlock_pages(thing.object, 101, 1);
	read_all(101, 102);
	read_all(0, 100);
	assert_false(resident(101));
	assert_true(resident(100));
}

/* Locking twice is locking once. */
static void test_it_is_not_counted(void **state)
{
	(void)state;
	assert_int_equal(object_lock_pages(thing.object, 0, 10), 0);
	assert_int_equal(object_lock_pages(thing.object, 5, 10), 0);
	assert_int_equal(object_locked_pages(thing.object), 15);
	object_unlock_pages(thing.object, 0, 6);
	assert_int_equal(object_locked_pages(thing.object), 9);
	object_unlock_pages(thing.object, 0, UINT64_MAX);
	assert_int_equal(object_locked_pages(thing.object), 0);
}

static void test_ranges(void **state)
{
	uint64_t most = object_capacity(thing.object) >> PAGE_SHIFT;

	(void)state;
	object_unlock_pages(thing.object, 0, 5); /* nothing was ever locked */
	assert_int_equal(object_lock_pages(thing.object, most, 7), 0);
	assert_int_equal(object_lock_pages(thing.object, most - 1, UINT64_MAX),
			 0);
	assert_int_equal(object_locked_pages(thing.object), 1);
	assert_false(resident(most - 1));
	assert_false(resident(PAGES));
	assert_false(resident(UINT64_MAX));
}

/* While a read is under way, and in its last moment. */
static void test_a_page_that_is_coming(void **state)
{
	uint64_t sequence;

	(void)state;
	set_script(&thing, "read do hold");
	assert_int_equal(object_start_read(thing.object, 9, 1, &sequence), 1);
	assert_false(resident(9));
	assert_int_equal(object_lock_pages(thing.object, 9, 1), 0);
	set_script(&thing, NULL);
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	read_all(9, 10);
	object_invalidate(thing.object, 0, PAGES);
	assert_true(resident(9));
}

/* What a cut takes comes back locked. */
static void test_a_cut_takes_it(void **state)
{
	(void)state;
	read_all(9, 11);
	assert_int_equal(object_lock_pages(thing.object, 9, 1), 0);
	assert_int_equal(object_resize(thing.object, PAGE_SIZE), 0);
	assert_int_equal(charged(world), 0);
	assert_int_equal(object_resize(thing.object, PAGES * PAGE_SIZE), 0);
	assert_int_equal(object_byte(thing.object, 9 * PAGE_SIZE), 0);
	object_invalidate(thing.object, 0, PAGES);
	assert_true(resident(9));
}

static void test_a_discard_takes_it(void **state)
{
	(void)state;
	read_all(9, 11);
	assert_int_equal(object_lock_pages(thing.object, 9, 1), 0);
	assert_int_equal(object_discard(thing.object, 9, 2), 0);
	assert_int_equal(charged(world), 0);
	assert_int_equal(object_byte(thing.object, 9 * PAGE_SIZE), 0);
	object_invalidate(thing.object, 0, PAGES);
	assert_true(resident(9));
}

/* Zeros that stand in for a page may leave, and the page is tried again. */
static void test_zeros_in_its_place_are_not_kept(void **state)
{
	uint64_t sequence;

	(void)state;
	assert_int_equal(object_lock_pages(thing.object, 9, 1), 0);
	assert_int_equal(object_zero_page(thing.object, 9, &sequence), 1);
	read_all(9, 10);
	object_invalidate(thing.object, 0, PAGES);
	assert_true(resident(9));
}

static void test_a_failed_read(void **state)
{
	unsigned char byte;

	(void)state;
	set_script(&thing, "read do fail EIO");
	assert_int_equal(object_lock_pages(thing.object, 9, 1), 0);
	assert_int_equal(object_copy_out(thing.object, &byte, 1, 9 * PAGE_SIZE),
			 -EIO);
	assert_false(resident(9));
	object_unlock_pages(thing.object, 9, 1);
	set_script(&thing, NULL);
	read_all(9, 10);
	object_invalidate(thing.object, 0, PAGES);
	assert_false(resident(9));
}

/* All of the budget is locked: a reader is refused, until it is unlocked. */
static void test_a_budget_that_is_locked(void **state)
{
	(void)state;
	assert_int_equal(object_lock_pages(thing.object, 0, BUDGET), 0);
	read_all(0, BUDGET);
	assert_int_equal(object_hold(thing.object, BUDGET, 1, false), -ENOMEM);
	object_unlock_pages(thing.object, 0, BUDGET);
	assert_int_equal(object_hold(thing.object, BUDGET, 1, false), 0);
	object_let_go(thing.object, BUDGET, 1, false);
}

static void *read_one_more(void *argument)
{
	(void)argument;
	assert_int_equal(object_hold(thing.object, BUDGET, 1, false), 0);
	object_let_go(thing.object, BUDGET, 1, false);
	return NULL;
}

/* Who starves is told. */
static void test_unlocking_wakes(void **state)
{
	pthread_t thread;

	(void)state;
	world->host.full_wait_ns = UINT64_C(3600) * 1000 * MS;
	assert_int_equal(object_lock_pages(thing.object, 0, BUDGET), 0);
	read_all(0, BUDGET);
	thread = start_thread(read_one_more, NULL);
	while (count_get(&world->counters, COUNT_STARVED) == 0)
		sched_yield();
	object_unlock_pages(thing.object, 4, 1);
	join_thread(thread);
	assert_true(resident(BUDGET));
	assert_false(resident(4));
}

static void test_no_memory_to_remember(void **state)
{
	(void)state;
	read_all(0, 1);
	maps_allowed = 0;
	assert_int_equal(object_lock_pages(thing.object, 0, 1), -ENOMEM);
	maps_allowed = -1;
	assert_int_equal(object_locked_pages(thing.object), 0);
	object_invalidate(thing.object, 0, PAGES);
	assert_false(resident(0));
	assert_int_equal(object_lock_pages(thing.object, 0, 1), 0);
}

/* Deactivated pages are the first to leave, used or not. */
static void test_deactivate(void **state)
{
	(void)state;
	read_all(0, BUDGET); /* clusters 0 and 1, both referenced */
	object_deactivate(thing.object, 16, 16);
	assert_int_equal(cache_reclaim(&world->cache, 1), 9);
	assert_true(resident(0));
	assert_false(resident(16));
	object_deactivate(thing.object, 0, UINT64_MAX);
	object_deactivate(thing.object, UINT64_MAX, 5);
	assert_true(resident(0));
}

/* ---- lockers against readers and reclaim ---- */

#define ROUNDS 300

static _Atomic bool over;

static void *press(void *argument)
{
	(void)argument;
	for (uint64_t i = 0; !atomic_load(&over); i = (i + 1) % PAGES) {
		object_byte(thing.object, i << PAGE_SHIFT);
		if (i % 8 == 0)
			object_invalidate(thing.object, 0, PAGES);
	}
	return NULL;
}

/* Whatever comes in between: what is locked and then read, stays. */
static void test_locked_under_pressure(void **state)
{
	pthread_t thread;

	(void)state;
	world->host.full_wait_ns = UINT64_C(3600) * 1000 * MS;
	thread = start_thread(press, NULL);
	for (uint64_t round = 0; round < ROUNDS; round++) {
		uint64_t index = round * 7 % PAGES;

		assert_int_equal(object_lock_pages(thing.object, index, 1), 0);
		object_byte(thing.object, index << PAGE_SHIFT);
		object_invalidate(thing.object, 0, PAGES);
		assert_true(resident(index));
		object_unlock_pages(thing.object, index, 1);
	}
	atomic_store(&over, true);
	join_thread(thread);
	object_invalidate(thing.object, 0, PAGES);
	assert_int_equal(charged(world), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define IN_WORLD(test) \
	cmocka_unit_test_setup_teardown(test, open_world, close_world)
		IN_WORLD(test_a_resident_page_stays),
		IN_WORLD(test_an_absent_page_stays_when_it_comes),
		IN_WORLD(test_it_is_not_counted),
		IN_WORLD(test_ranges),
		IN_WORLD(test_a_page_that_is_coming),
		IN_WORLD(test_a_cut_takes_it),
		IN_WORLD(test_a_discard_takes_it),
		IN_WORLD(test_zeros_in_its_place_are_not_kept),
		IN_WORLD(test_a_failed_read),
		IN_WORLD(test_a_budget_that_is_locked),
		IN_WORLD(test_unlocking_wakes),
		IN_WORLD(test_no_memory_to_remember),
		IN_WORLD(test_deactivate),
		IN_WORLD(test_locked_under_pressure),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
