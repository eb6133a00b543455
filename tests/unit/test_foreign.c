/* test_foreign.c - object/foreign.c: nobody writes home where others write */
/* SPDX-License-Identifier: MIT */
/*
 *   page 3     |.m..........f.....|    m: a store, in memory only
 *                                      f: by write(2), in the file only
 *
 * After both, and a sync, the file has both.
 */
#include "unit/foreign_world.h"

#define M at(3, 9)
#define F at(3, 100)

static struct foreign_write write_of[3];

static void begin(unsigned which, uint64_t index, uint64_t count)
{
	object_foreign_begin(thing.object, &write_of[which], index, count);
}

static void end(unsigned which)
{
	object_foreign_end(thing.object, &write_of[which]);
}

/* ---- alone ---- */

static void test_both_survive(void **state)
{
	(void)state;
	set_byte(thing.object, M, 71);
	begin(0, 3, 1);
	set_home(F, 72);
	assert_int_equal(refresh(F, 1), 0);
	end(0);
	assert_state(3, PAGE_DIRTY);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(home_byte(&thing, M), 71);
	assert_int_equal(home_byte(&thing, F), 72);
	assert_object(M, 71);
	assert_object(F, 72);
}

/* It would be lost: what is not refreshed is not known. */
static void test_without_a_refresh_memory_wins(void **state)
{
	(void)state;
	set_byte(thing.object, M, 71);
	begin(0, 3, 1);
	set_home(F, 72);
	end(0);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(home_byte(&thing, F), byte_at(F));
}

static void test_clean_pages_may_leave_meanwhile(void **state)
{
	(void)state;
	object_byte(thing.object, M);
	begin(0, 3, 1);
	assert_int_equal(object_drop_clean(thing.object, 3, 1), 1);
	assert_object(M, byte_at(M));
	set_byte(thing.object, M, 7);
	assert_state(3, PAGE_DIRTY);
	end(0);
}

/* ---- what pages were ---- */

/* The byte at offset when its page became dirty; -1: not known. */
static int was(unsigned which, uint64_t offset)
{
	unsigned char page[PAGE_SIZE];

	if (!object_foreign_recall(thing.object, &write_of[which],
				   offset >> PAGE_SHIFT, page))
		return -1;
	return page[offset & PAGE_MASK];
}

static void test_what_a_page_was(void **state)
{
	(void)state;
	set_byte(thing.object, at(2, 9), 70);
	begin(0, 2, 2);
	set_byte(thing.object, at(3, 8), 71);
	assert_int_equal(was(0, at(3, 8)), -1); /* nobody had asked */
	end(0);
	assert_int_equal(sync_all(), 0);
	begin(0, 2, 2);
	begin(1, 3, 9);
	object_foreign_remember(thing.object, &write_of[0]);
	object_foreign_remember(thing.object, &write_of[1]);
	set_byte(thing.object, M, 72);
	set_byte(thing.object, M, 73);
	set_byte(thing.object, at(4, 9), 74);
	assert_int_equal(was(0, M), byte_at(M));
	assert_int_equal(was(0, at(3, 8)), 71);
	assert_int_equal(was(1, M), byte_at(M));
	assert_int_equal(was(1, at(4, 9)), byte_at(at(4, 9)));
	assert_int_equal(was(0, at(4, 9)), -1); /* not of its range */
	assert_int_equal(was(0, at(2, 9)), -1); /* not stored to */
	end(0);
	begin(0, 2, 2);
	assert_int_equal(was(0, M), -1);
	end(0);
	end(1);
}

/* Cut, and there again: what it was last. */
static void test_what_a_page_was_last(void **state)
{
	uint64_t size = object_size(thing.object);

	(void)state;
	begin(0, 3, 1);
	object_foreign_remember(thing.object, &write_of[0]);
	set_byte(thing.object, M, 72);
	assert_int_equal(object_resize(thing.object, at(3, 0)), 0);
	assert_int_equal(object_resize(thing.object, size), 0);
	set_byte(thing.object, M, 73);
	assert_int_equal(was(0, M), 0);
	end(0);
}

/* Beside a store to a page that stays in memory: only while it is CLEAN is it
 * filled. */
static void test_a_store_is_not_gone_over(void **state)
{
	(void)state;
	set_byte(thing.object, M, 72);
	set_home(M, 73);
	set_home(F, 74);
	assert_int_equal(
		object_refresh_clean(thing.object, at(3, 0), PAGE_SIZE), 0);
	assert_object(M, 72);
	assert_object(F, byte_at(F));
	lock_page(4);
	set_home(at(4, 9), 75);
	assert_int_equal(
		object_refresh_clean(thing.object, at(4, 0), PAGE_SIZE), 0);
	assert_object(at(4, 9), 75);
}

static void test_which_pages(void **state)
{
	struct object *object = thing.object;

	(void)state;
	assert_int_equal(object_before_foreign(object, 0, 9), 9);
	begin(0, 3, 2);
	begin(1, 6, 1);
	assert_int_equal(object_before_foreign(object, 0, 3), 3);
	assert_int_equal(object_before_foreign(object, 0, 9), 3);
	assert_int_equal(object_before_foreign(object, 3, 9), 0);
	assert_int_equal(object_before_foreign(object, 4, 1), 0);
	assert_int_equal(object_before_foreign(object, 5, 9), 1);
	assert_int_equal(object_before_foreign(object, 7, 9), 9);
	end(0);
	assert_int_equal(object_before_foreign(object, 0, 9), 6);
	/* All that there can be; and what lies behind it. */
	begin(0, 5, UINT64_MAX);
	begin(2, UINT64_MAX, UINT64_MAX);
	assert_int_equal(write_of[0].count, object->table.pages - 5);
	assert_int_equal(write_of[2].count, 0);
	assert_int_equal(object_before_foreign(object, 0, UINT64_MAX), 5);
	end(0);
	end(1);
	end(2);
	assert_int_equal(object_before_foreign(object, 0, 9), 9);
}

/* The flusher passes over what it must not write, and writes the others. */
static void test_the_flusher_goes_round(void **state)
{
	(void)state;
	for (uint64_t i = 2; i < 6; i++)
		dirty(i, 50);
	begin(0, 4, 1);
	forget_calls(&thing);
	writeback_kick(&writeback, false);
	while (dirty_pages() > 1)
		sched_yield();
	assert_calls(&thing, PAGER_WRITE, "2+2 5+1");
	assert_int_equal(home(4), byte_at(at(4, 9)));
	end(0);
	assert_int_equal(sync_all(), 0);
	assert_calls(&thing, PAGER_WRITE, "4+1");
	assert_int_equal(home(4), 50);
}

/* Who waits for room, or for the bound, does not wait for the clock. */
static void count_pressure(void *context)
{
	atomic_fetch_add((_Atomic unsigned *)context, 1);
}

static void test_the_end_asks_for_the_flusher(void **state)
{
	_Atomic unsigned pressed = 0;
	unsigned before;

	(void)state;
	world->cache.pressure_context = &pressed;
	world->cache.pressure = count_pressure;
	before = atomic_load(&world->dirtied);
	atomic_store(&world->cache.hungry, true);
	begin(0, 0, 9);
	end(0); /* nothing is dirty */
	assert_int_equal(atomic_load(&world->dirtied), before);
	assert_int_equal(atomic_load(&pressed), 0);
	dirty(3, 1);
	before = atomic_load(&world->dirtied);
	begin(0, 0, 9);
	end(0); /* nobody is hungry: pages came */
	assert_int_equal(atomic_load(&world->dirtied), before + 1);
	assert_int_equal(atomic_load(&pressed), 0);
	atomic_store(&world->cache.hungry, true);
	begin(0, 0, 9);
	end(0);
	assert_int_equal(atomic_load(&world->dirtied), before + 2);
	assert_int_equal(atomic_load(&pressed), 1);
	atomic_store(&world->cache.hungry, false);
	world->cache.pressure = NULL;
}

/* ---- a write is under way ---- */

static void *begin_3(void *argument)
{
	(void)argument;
	begin(0, 3, 1);
	return NULL;
}

static void test_begin_waits_for_a_write(void **state)
{
	pthread_t syncing, beginning;

	(void)state;
	dirty(3, 71);
	set_script(&thing, "write do hold");
	syncing = start_thread(sync_thread, NULL);
	wait_until_held(&thing, 1);
	/* What lies elsewhere need not wait. */
	begin(1, 4, 9);
	end(1);
	beginning = start_thread(begin_3, NULL);
	wait_until_waited_for(thing.object, 3);
	set_script(&thing, "");
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	assert_int_equal(result_of(beginning), 0);
	assert_int_equal(home(3), 71);
	assert_state(3, PAGE_CLEAN);
	end(0);
	assert_int_equal(result_of(syncing), 0);
}

static void test_begin_waits_for_a_write_that_fails(void **state)
{
	pthread_t syncing, beginning;

	(void)state;
	dirty(3, 71);
	set_script(&thing, "write do hold");
	syncing = start_thread(sync_thread, NULL);
	wait_until_held(&thing, 1);
	beginning = start_thread(begin_3, NULL);
	wait_until_waited_for(thing.object, 3);
	store_resize(thing.home, 0); /* what is let go has no place */
	set_script(&thing, "");
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	assert_int_equal(result_of(beginning), 0);
	assert_state(3, PAGE_DIRTY);
	end(0);
	assert_int_not_equal(result_of(syncing), 0);
}

/* ---- msync ---- */

#ifdef QUIRE_DEBUG
static void test_msync_waits_and_goes_on(void **state)
{
	pthread_t syncing;

	(void)state;
	set_byte(thing.object, M, 71);
	forget_calls(&thing);
	begin(0, 3, 1);
	lay_trap(HOOK_PARK, 3, nothing);
	syncing = start_thread(sync_thread, NULL);
	wait_until_sprung();
	assert_state(3, PAGE_DIRTY);
	set_home(F, 72);
	assert_int_equal(refresh(F, 1), 0);
	assert_int_equal(home_byte(&thing, M), byte_at(M));
	end(0);
	assert_int_equal(result_of(syncing), 0);
	assert_calls(&thing, PAGER_WRITE, "3+1");
	assert_int_equal(home_byte(&thing, M), 71);
	assert_int_equal(home_byte(&thing, F), 72);
}

/* The end of one is not the end of all. */
static void test_msync_waits_for_each(void **state)
{
	pthread_t syncing;

	(void)state;
	dirty(3, 71);
	begin(0, 0, 9);
	begin(1, 3, 1);
	lay_trap(HOOK_PARK, 3, nothing);
	syncing = start_thread(sync_thread, NULL);
	wait_until_sprung();
	end(0);
	assert_int_equal(sync_range(4, 9), 0);
	assert_int_equal(home(3), byte_at(at(3, 9)));
	assert_int_equal(dirty_pages(), 1);
	end(1);
	assert_int_equal(result_of(syncing), 0);
	assert_int_equal(home(3), 71);
}

/*
 * Between a write's swap to WRITING and its look at the list: begin lists the
 * page, sees WRITING, and waits; the write sees the list, and takes it back.
 */
static pthread_t beginner;

static void begin_in_between(void)
{
	beginner = start_thread(begin_3, NULL);
	wait_until_waited_for(thing.object, 3);
}

static void test_a_write_that_has_just_begun(void **state)
{
	pthread_t syncing;

	(void)state;
	for (uint64_t i = 1; i < 5; i++)
		dirty(i, 71);
	forget_calls(&thing);
	lay_trap(HOOK_WRITE_BEGUN, 1, begin_in_between);
	syncing = start_thread(sync_thread, NULL);
	wait_until_sprung();
	assert_int_equal(result_of(beginner), 0);
	assert_state(3, PAGE_DIRTY);
	set_home(F, 72);
	assert_int_equal(home(3), byte_at(at(3, 9)));
	assert_int_equal(refresh(F, 1), 0);
	end(0);
	assert_int_equal(result_of(syncing), 0);
	assert_calls(&thing, PAGER_WRITE, "1+2 3+2");
	assert_int_equal(home(3), 71);
	assert_int_equal(home_byte(&thing, F), 72);
}

/* The same of the first page of a run: nothing of it is written. */
static void test_a_write_that_is_taken_back_whole(void **state)
{
	pthread_t syncing;

	(void)state;
	dirty(3, 71);
	forget_calls(&thing);
	lay_trap(HOOK_WRITE_BEGUN, 3, begin_in_between);
	syncing = start_thread(sync_thread, NULL);
	wait_until_sprung();
	assert_int_equal(result_of(beginner), 0);
	assert_state(3, PAGE_DIRTY);
	set_home(F, 72);
	assert_int_equal(refresh(F, 1), 0);
	end(0);
	assert_int_equal(result_of(syncing), 0);
	assert_calls(&thing, PAGER_WRITE, "3+1");
	assert_int_equal(home(3), 71);
	assert_int_equal(home_byte(&thing, F), 72);
}

/* ---- the page changes while it is remembered ---- */

static void refresh_it(void)
{
	set_home(F, 75);
	assert_int_equal(object_refresh_clean(thing.object, F, 1), 0);
}

static void read_it_anew(void)
{
	set_home(F, 75);
	assert_int_equal(object_drop_clean(thing.object, 3, 1), 1);
	assert_object(F, 75);
}

/* What another one wrote meanwhile is no store. */
static void remember_beside(void (*change)(void))
{
	int was_m, was_f;

	object_byte(thing.object, M);
	begin(0, 3, 1);
	begin(1, 3, 1);
	object_foreign_remember(thing.object, &write_of[0]);
	lay_trap(HOOK_REMEMBERED, 3, change);
	set_byte(thing.object, M, 71);
	wait_until_sprung();
	was_m = was(0, M);
	was_f = was(0, F);
	end(1);
	end(0);
	assert_int_equal(was_m, byte_at(M));
	assert_int_equal(was_f, 75);
}

static void test_what_a_page_was_beside_a_refresh(void **state)
{
	(void)state;
	remember_beside(refresh_it);
}

static void test_what_a_page_was_that_left_and_came(void **state)
{
	(void)state;
	remember_beside(read_it_anew);
}

#define TRAP_TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_world, leave_traps)
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_both_survive),
		TEST(test_without_a_refresh_memory_wins),
		TEST(test_clean_pages_may_leave_meanwhile),
		TEST(test_what_a_page_was),
		TEST(test_what_a_page_was_last),
		TEST(test_a_store_is_not_gone_over),
		TEST(test_which_pages),
		TEST(test_the_flusher_goes_round),
		TEST(test_the_end_asks_for_the_flusher),
		TEST(test_begin_waits_for_a_write),
		TEST(test_begin_waits_for_a_write_that_fails),
#ifdef QUIRE_DEBUG
		TRAP_TEST(test_msync_waits_and_goes_on),
		TRAP_TEST(test_msync_waits_for_each),
		TRAP_TEST(test_a_write_that_has_just_begun),
		TRAP_TEST(test_a_write_that_is_taken_back_whole),
		TRAP_TEST(test_what_a_page_was_beside_a_refresh),
		TRAP_TEST(test_what_a_page_was_that_left_and_came),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
