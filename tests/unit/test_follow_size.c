/* test_follow_size.c - object/refresh.c: the store has another size */
/* SPDX-License-Identifier: MIT */
/*
 *   page 62            page 63 (the last)
 *   |------------------|--------------e'''''''''|--- - - -
 *                                     |  tail   |  new pages
 *                                     old end
 *
 * What the store has behind the old end is the object's then, whatever stands
 * in memory there.
 */
#include "unit/foreign_world.h"

static int follow(void)
{
	return object_follow_size(thing.object);
}

/* Nothing but the size was followed, and the store not asked. */
static void assert_size(uint64_t size)
{
	assert_int_equal(object_size(thing.object), size);
	assert_int_equal(size_of_store(thing.home), size);
	assert_int_equal(atomic_load(&thing.pager->resizes), 0);
	assert_int_equal(object_before_foreign(thing.object, 0, 9), 9);
}

static void test_the_same(void **state)
{
	(void)state;
	dirty(3, 1);
	assert_int_equal(follow(), 0);
	assert_size(OLD);
	assert_state(3, PAGE_DIRTY);
}

/* ---- longer ---- */

static void test_longer(void **state)
{
	(void)state;
	object_byte(thing.object, OLD - 1);
	grow_home(OLD + 3 * PAGE_SIZE, 9);
	assert_int_equal(follow(), 0);
	assert_size(OLD + 3 * PAGE_SIZE);
	assert_object(OLD - 1, byte_at(OLD - 1));
	assert_all(OLD, OLD + 3 * PAGE_SIZE, 9);
	assert_int_equal(dirty_pages(), 0);
}

static void test_longer_within_the_page(void **state)
{
	(void)state;
	lock_page(LAST);
	grow_home(OLD + 10, 9);
	assert_int_equal(follow(), 0);
	assert_size(OLD + 10);
	assert_all(OLD, OLD + 10, 9);
}

static void test_longer_over_a_dirty_page(void **state)
{
	(void)state;
	set_byte(thing.object, OLD - 5, 71);
	soil_tail();
	grow_home(OLD + 3 * PAGE_SIZE, 9);
	assert_int_equal(follow(), 0);
	assert_size(OLD + 3 * PAGE_SIZE);
	assert_object(OLD - 5, 71);
	assert_all(OLD, OLD + 3 * PAGE_SIZE, 9);
	assert_int_equal(sync_all(), 0);
	assert_size(OLD + 3 * PAGE_SIZE);
	assert_int_equal(home_byte(&thing, OLD - 5), 71);
	for (uint64_t i = OLD; i < OLD + 3 * PAGE_SIZE; i += 97)
		assert_int_equal(home_byte(&thing, i), 9);
}

static void test_longer_where_no_page_is_cut(void **state)
{
	(void)state;
	assert_int_equal(object_resize(thing.object, at(LAST, 0)), 0);
	atomic_store(&thing.pager->resizes, 0);
	grow_home(at(PAGES, 0), 9);
	assert_int_equal(follow(), 0);
	assert_size(at(PAGES, 0));
	assert_all(at(LAST, 0), at(PAGES, 0), 9);
}

static void test_longer_than_it_can_be(void **state)
{
	(void)state;
	assert_int_equal(
		store_resize(thing.home, object_capacity(thing.object) + 1), 0);
	assert_int_equal(follow(), -EFBIG);
	assert_non_null(strstr(error_sentence(), "capacity"));
	assert_int_equal(object_size(thing.object),
			 object_capacity(thing.object));
	assert_int_equal(follow(), -EFBIG);
	assert_all(OLD, object_capacity(thing.object), 0);
	cut_home(object_capacity(thing.object));
	assert_int_equal(follow(), 0);
	assert_size(object_capacity(thing.object));
}

static void test_a_tail_that_cannot_be_read(void **state)
{
	(void)state;
	set_byte(thing.object, OLD - 5, 71);
	grow_home(OLD + PAGE_SIZE, 9);
	set_script(&thing, "read do fail EIO");
	assert_int_equal(follow(), -EIO);
	assert_int_equal(object_size(thing.object), OLD);
	assert_int_equal(object_hold(thing.object, PAGES, 1, false), -ENXIO);
	set_script(&thing, "");
	assert_int_equal(sync_all(), 0);
	assert_int_equal(home_byte(&thing, OLD), 9);
	assert_int_equal(follow(), 0);
	assert_size(OLD + PAGE_SIZE);
	assert_object(OLD - 5, 71);
	assert_all(OLD, OLD + PAGE_SIZE, 9);
}

/* ---- shorter ---- */

static void test_shorter(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < PAGES; i++)
		object_byte(thing.object, at(i, 0));
	dirty(3, 1);
	dirty(40, 1);
	dirty(LAST, 1);
	cut_home(at(20, 0));
	assert_int_equal(follow(), 0);
	assert_size(at(20, 0));
	assert_int_equal(charged(world), 20);
	assert_int_equal(dirty_pages(), 1);
	assert_int_equal(sync_all(), 0);
	assert_size(at(20, 0));
	assert_int_equal(home(3), 1);
	assert_int_equal(object_hold(thing.object, 20, 1, false), -ENXIO);
}

/* The page of the new end goes home as far as the object goes. */
static void test_shorter_within_a_dirty_page(void **state)
{
	(void)state;
	dirty(20, 71);
	set_byte(thing.object, at(20, 500), 72);
	cut_home(at(20, 300));
	assert_int_equal(follow(), 0);
	assert_int_equal(sync_all(), 0);
	assert_size(at(20, 300));
	assert_int_equal(home(20), 71);
	/* What was cut off does not come back. */
	grow_home(at(20, 600), 0);
	assert_int_equal(follow(), 0);
	assert_object(at(20, 9), 71);
	assert_object(at(20, 500), 0);
}

static void test_shorter_to_nothing(void **state)
{
	(void)state;
	dirty(0, 1);
	dirty(LAST, 1);
	cut_home(0);
	assert_int_equal(follow(), 0);
	assert_size(0);
	assert_int_equal(charged(world), 0);
	assert_int_equal(dirty_pages(), 0);
}

static void test_a_pinned_page_refuses(void **state)
{
	(void)state;
	assert_int_equal(object_hold(thing.object, 30, 1, false), 0);
	cut_home(at(30, 0));
	assert_int_equal(follow(), -EBUSY);
	assert_int_equal(object_size(thing.object), OLD);
	object_let_go(thing.object, 30, 1, false);
	assert_int_equal(follow(), 0);
	assert_size(at(30, 0));
}

/* ---- no size ---- */

static void test_a_store_that_does_not_say(void **state)
{
	(void)state;
	atomic_store(&thing.pager->size_error, -EOPNOTSUPP);
	assert_int_equal(follow(), -EOPNOTSUPP);
	atomic_store(&thing.pager->size_error, -EIO);
	assert_int_equal(follow(), -EIO);
	assert_size(OLD);
}

/* Scratch may be longer than the store that it lies on. */
static void test_which_pagers_say(void **state)
{
	struct pager *direct, *swap;
	uint64_t size = 0;

	(void)state;
	assert_int_equal(direct_pager_create(new_memory_store(777), &direct),
			 0);
	assert_int_equal(pager_size(direct, &size), 0);
	assert_int_equal(size, 777);
	pager_destroy(direct);
	assert_int_equal(swap_pager_create(new_memory_store(777), 9, &swap), 0);
	assert_int_equal(pager_size(swap, &size), -EOPNOTSUPP);
	pager_destroy(swap);
}

/* ---- what is under way ---- */

static void *follow_thread(void *argument)
{
	(void)argument;
	return (void *)(intptr_t)follow();
}

/*
 * A write of the old size is waited for before the store is asked: whatever it
 * makes of the store's size, the object has the same.
 */
static void test_a_write_under_way(void **state)
{
	pthread_t syncing, following;

	(void)state;
	dirty(4, 70);
	dirty(5, 71);
	set_script(&thing, "write do hold");
	syncing = start_thread(sync_thread, NULL);
	wait_until_held(&thing, 1);
	cut_home(at(5, 50));
	following = start_thread(follow_thread, NULL);
	wait_until_waited_for(thing.object, 4);
	assert_int_equal(object_size(thing.object), OLD);
	set_script(&thing, "");
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	assert_int_equal(result_of(following), 0);
	result_of(syncing);
	assert_int_equal(sync_all(), 0);
	assert_size(size_of_store(thing.home));
	assert_int_equal(home(4), 70);
	assert_int_equal(home(5), 71);
}

#ifdef QUIRE_DEBUG
static pthread_t follower;

/* A read of the last page brings nothing of what lies behind the old end. */
static void follow_in_between(void)
{
	grow_home(OLD + 100, 9);
	follower = start_thread(follow_thread, NULL);
	wait_until_waited_for(thing.object, LAST);
	assert_int_equal(object_size(thing.object), OLD);
}

static void test_a_read_of_the_last_page_under_way(void **state)
{
	uint64_t sequence;

	(void)state;
	lay_trap(HOOK_READ_FILLED, LAST, follow_in_between);
	assert_int_equal(object_start_read(thing.object, LAST, 1, &sequence),
			 1);
	wait_until_sprung();
	assert_int_equal(result_of(follower), 0);
	assert_size(OLD + 100);
	assert_object(OLD - 1, byte_at(OLD - 1));
	assert_all(OLD, OLD + 100, 9);
}

/* A read behind the new end is waited for. */
static void cut_in_between(void)
{
	cut_home(at(10, 0));
	follower = start_thread(follow_thread, NULL);
	wait_until_waited_for(thing.object, 30);
}

static void test_a_read_behind_the_new_end(void **state)
{
	uint64_t sequence;

	(void)state;
	lay_trap(HOOK_READ_FILLED, 30, cut_in_between);
	assert_int_equal(object_start_read(thing.object, 30, 1, &sequence), 1);
	wait_until_sprung();
	assert_int_equal(result_of(follower), 0);
	assert_size(at(10, 0));
	assert_int_equal(charged(world), 0);
}
#define TRAP_TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_world, leave_traps)
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_same),
		TEST(test_longer),
		TEST(test_longer_within_the_page),
		TEST(test_longer_over_a_dirty_page),
		TEST(test_longer_where_no_page_is_cut),
		TEST(test_longer_than_it_can_be),
		TEST(test_a_tail_that_cannot_be_read),
		TEST(test_shorter),
		TEST(test_shorter_within_a_dirty_page),
		TEST(test_shorter_to_nothing),
		TEST(test_a_pinned_page_refuses),
		TEST(test_a_store_that_does_not_say),
		TEST(test_which_pagers_say),
		TEST(test_a_write_under_way),
#ifdef QUIRE_DEBUG
		TRAP_TEST(test_a_read_of_the_last_page_under_way),
		TRAP_TEST(test_a_read_behind_the_new_end),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
