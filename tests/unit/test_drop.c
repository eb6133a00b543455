/* test_drop.c - object/object.c: pages leave for good, in runs */
/* SPDX-License-Identifier: MIT */
#include "unit/object_world.h"

#define PAGES 9
#define MANY 700 /* more than one hole takes */

static struct object_world *world;

static int open_world(void **state)
{
	(void)state;
	error_clear();
	world = world_open(MANY);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	world_close(world);
	return 0;
}

static struct thing filled(uint64_t pages)
{
	struct thing thing = thing_of(world, pages * PAGE_SIZE);

	for (uint64_t i = 0; i < pages; i++)
		assert_int_equal(object_byte(thing.object, i * PAGE_SIZE),
				 byte_at(i * PAGE_SIZE));
	assert_int_equal(charged(world), pages);
	return thing;
}

/* Clean ones, dirty ones, and some that are not there. */
static void test_all_that_is_there(void **state)
{
	struct thing thing = filled(MANY);

	(void)state;
	for (uint64_t i = 0; i < MANY; i += 50)
		set_byte(thing.object, i * PAGE_SIZE, 'd');
	for (uint64_t i = 20; i < MANY; i += 50)
		assert_int_equal(object_drop_clean(thing.object, i, 3), 3);
	thing_end(&thing);
	assert_int_equal(charged(world), 0);
}

static void test_from_a_page_on(void **state)
{
	struct thing thing = filled(MANY);

	(void)state;
	set_byte(thing.object, 600 * PAGE_SIZE, 'd');
	assert_int_equal(object_resize(thing.object, 100 * PAGE_SIZE), 0);
	assert_int_equal(charged(world), 100);
	assert_int_equal(object_dirty_pages(thing.object), 0);
	assert_int_equal(state_of(thing.object, 99), PAGE_CLEAN);
	assert_int_equal(object_resize(thing.object, MANY * PAGE_SIZE), 0);
	assert_int_equal(object_byte(thing.object, 600 * PAGE_SIZE), 0);
	thing_end(&thing);
	assert_int_equal(charged(world), 0);
}

#ifdef QUIRE_DEBUG
static _Atomic bool begun, go_on;

/* Eviction of page 5 stands still, its memory still there. */
static void stand_still(enum hook point, const void *thing, uint64_t index)
{
	(void)thing;
	if (point != HOOK_EVICT_BEGUN || index != 5)
		return;
	atomic_store(&begun, true);
	while (!atomic_load(&go_on))
		sched_yield();
}

static void *evict_one(void *argument)
{
	struct thing *thing = argument;

	assert_int_equal(object_drop_clean(thing->object, 5, 1), 1);
	return NULL;
}

static void *end_object(void *argument)
{
	thing_end(argument);
	return NULL;
}

/* A run ends before a page that somebody else is taking out; that one is waited
 * for with nothing in hand. */
static void test_beside_eviction(void **state)
{
	struct thing thing = filled(PAGES);
	pthread_t evictor, ender;

	(void)state;
	atomic_store(&begun, false);
	atomic_store(&go_on, false);
	hook_register(stand_still);
	evictor = start_thread(evict_one, &thing);
	while (!atomic_load(&begun))
		sched_yield();
	ender = start_thread(end_object, &thing);
	wait_until_waited_for(thing.object, 5);
	assert_int_equal(charged(world), PAGES - 5);
	assert_int_equal(state_of(thing.object, 4), PAGE_ABSENT);
	assert_int_equal(state_of(thing.object, 6), PAGE_CLEAN);
	atomic_store(&go_on, true);
	join_thread(evictor);
	join_thread(ender);
	hook_register(NULL);
	assert_int_equal(charged(world), 0);
}
#endif

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_that_is_there),
		TEST(test_from_a_page_on),
#ifdef QUIRE_DEBUG
		TEST(test_beside_eviction),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
