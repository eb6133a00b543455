/* test_full_store.c - writeback/flusher.c: a store that has no room is probed */
/* SPDX-License-Identifier: MIT */
/*
 *   page 0                     FULL                        MANY
 *   |--- no room --------------|--- has its blocks --------|     all dirty
 *    round 1 |    round 2 |    3 goes on from here ------->|
 */
#include "unit/writeback_world.h"

#define MANY 1024
#define FULL 512
#define PROBES 256 /* of writeback/flusher.c */
#define BESIDE 32  /* writes under way, at most */
#define BEGUN 64   /* and not yet under way */
#define NO_ROOM "write do fail ENOSPC"

static int open_large(void **state)
{
	(void)state;
	error_clear();
	world = world_open(2 * MANY);
	thing = thing_of(world, MANY * PAGE_SIZE);
	for (uint64_t i = 0; i < MANY; i++)
		dirty(i, 5);
	return writeback_init(&writeback, &world->host, BOUND, NEVER);
}

#define LARGE_TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_large, close_world)

/* One that fails; how many writes of it did. */
static uint64_t failing_round(void)
{
	unsigned before = object_stuck(thing.object);
	uint64_t errors = counted(COUNT_WRITE_ERRORS);

	writeback_kick(&writeback, false);
	while (object_stuck(thing.object) == before)
		sched_yield();
	assert_int_equal(object_stuck(thing.object), before + 1);
	return counted(COUNT_WRITE_ERRORS) - errors;
}

static void fail_first(uint64_t pages, const char *error)
{
	char script[80];

	snprintf(script, sizeof(script), "write 0-%llu do fail %s",
		 (unsigned long long)(pages * PAGE_SIZE), error);
	set_script(&thing, script);
}

/* Of the writes since forget_calls(). */
static uint64_t longest_write(void)
{
	struct listing_pager *list = thing.pager;
	uint64_t longest = 0;

	lock_take(&list->lock);
	for (unsigned i = 0; i < list->count; i++)
		if (list->calls[i].operation == PAGER_WRITE &&
		    list->calls[i].length > longest)
			longest = list->calls[i].length;
	lock_drop(&list->lock);
	return longest;
}

/* A round in which nothing gets home.  The first one goes by runs. */
static void assert_probed(const char *script)
{
	set_script(&thing, script);
	if (!object_stuck(thing.object))
		failing_round();
	forget_calls(&thing);
	assert_in_range(failing_round(), PROBES, PROBES + BESIDE + BEGUN);
	assert_int_equal(longest_write(), PAGE_SIZE);
	assert_int_equal(dirty_pages(), MANY);
}

static void assert_all_home(void)
{
	while (dirty_pages() > 0)
		sched_yield();
	for (uint64_t i = 0; i < MANY; i++)
		assert_int_equal(home(i), 5);
	assert_false(object_stuck(thing.object));
}

static void test_a_full_store_is_probed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_probed(NO_ROOM);
	assert_probed("write do fail EDQUOT");
	/* There is room, and one round is enough. */
	set_script(&thing, "");
	writeback_kick(&writeback, false);
	assert_all_home();
}

/* What the store has room for has its turn. */
static void test_others_pages_have_their_turn(void **state)
{
	(void)state;
	assert_probed(NO_ROOM);
	fail_first(FULL, "ENOSPC");
	for (unsigned i = 0; i < 4; i++)
		failing_round();
	assert_int_equal(dirty_pages(), FULL);
	for (uint64_t i = FULL; i < MANY; i++)
		assert_int_equal(home(i), 5);
	set_script(&thing, "");
	writeback_kick(&writeback, false);
	assert_all_home();
}

/* As have those in the middle of others that are stuck. */
static void test_a_page_among_others(void **state)
{
	const uint64_t lone = 700;
	char script[80];

	(void)state;
	snprintf(script, sizeof(script),
		 "write 0-%llu do fail ENOSPC; write %llu-%llu do fail ENOSPC",
		 (unsigned long long)(lone * PAGE_SIZE),
		 (unsigned long long)((lone + 1) * PAGE_SIZE),
		 (unsigned long long)(MANY * PAGE_SIZE));
	set_script(&thing, script);
	for (unsigned i = 0; i < 2 * MANY / PROBES; i++)
		failing_round();
	assert_int_equal(dirty_pages(), MANY - 1);
	assert_int_equal(home(lone), 5);
}

/* However many find no room before. */
static void test_msync_tries_all(void **state)
{
	(void)state;
	assert_probed(NO_ROOM);
	fail_first(FULL, "ENOSPC");
	assert_int_equal(sync_all(), -ENOSPC);
	/* One run may lie on both sides. */
	assert_in_range(dirty_pages(), FULL, FULL + 255);
	assert_int_equal(home(MANY - 1), 5);
	set_script(&thing, "");
	assert_int_equal(sync_all(), 0);
	assert_int_equal(dirty_pages(), 0);
}

/* Another page may be as good as any. */
static void test_another_error(void **state)
{
	(void)state;
	fail_first(FULL, "EIO");
	failing_round();
	assert_int_equal(dirty_pages(), FULL);
}

/* It was left, with its first writes under way. */
static void test_one_that_was_left(void **state)
{
	struct thing two = thing_of(world, SIZE);

	(void)state;
	set_byte(two.object, 9, 33);
	object_write_singly(thing.object, BESIDE);
	set_script(&thing, "write do hold");
	writeback_kick(&writeback, false);
	wait_until_held(&thing, BESIDE);
	while (object_dirty_pages(two.object) > 0)
		sched_yield();
	set_script(&thing, NO_ROOM);
	faulty_store_release(thing.faulty);
	while (!object_stuck(thing.object))
		sched_yield();
	assert_in_range(counted(COUNT_WRITE_ERRORS), 1,
			PROBES + BESIDE + BEGUN);
	set_script(&thing, "");
	writeback_kick(&writeback, false);
	assert_all_home();
	thing_end(&two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LARGE_TEST(test_a_full_store_is_probed),
		LARGE_TEST(test_others_pages_have_their_turn),
		LARGE_TEST(test_a_page_among_others),
		LARGE_TEST(test_msync_tries_all),
		LARGE_TEST(test_another_error),
		LARGE_TEST(test_one_that_was_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
