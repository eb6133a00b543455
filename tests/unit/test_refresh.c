/* test_refresh.c - object/refresh.c: what is in memory follows the store */
/* SPDX-License-Identifier: MIT */
#include "unit/foreign_world.h"

#define NEW at(3, 100)   /* what somebody else has changed */
#define OTHER at(3, 101) /* the same, but nobody has said so */

static void change_home(void)
{
	set_home(NEW, 201);
	set_home(OTHER, 202);
}

static void assert_only_the_new(void)
{
	assert_object(NEW, 201);
	assert_object(OTHER, byte_at(OTHER));
}

/* ---- what leaves ---- */

static void test_a_clean_page_leaves(void **state)
{
	(void)state;
	object_byte(thing.object, at(2, 0));
	object_byte(thing.object, NEW);
	object_byte(thing.object, at(4, 0));
	change_home();
	assert_int_equal(refresh(NEW, 1), 0);
	assert_state(2, PAGE_CLEAN);
	assert_state(3, PAGE_ABSENT);
	assert_state(4, PAGE_CLEAN);
	assert_int_equal(charged(world), 2);
	assert_object(NEW, 201);
	assert_object(OTHER, 202);
}

/* Where what is dirty is to be left alone nothing leaves: a page is filled while
 * it is CLEAN. */
static void test_clean_pages_stay(void **state)
{
	(void)state;
	object_byte(thing.object, at(2, 0));
	object_byte(thing.object, NEW);
	change_home();
	set_home(at(5, 9), 203);
	assert_int_equal(
		object_refresh_clean(thing.object, NEW, at(6, 0) - NEW), 0);
	assert_state(3, PAGE_CLEAN);
	assert_state(5, PAGE_ABSENT);
	assert_int_equal(charged(world), 2);
	assert_object(NEW, 201);
	assert_object(OTHER, 202);
	assert_object(at(5, 9), 203);
}

static void test_clean_zeros_do_not_stay(void **state)
{
	uint64_t sequence;

	(void)state;
	assert_int_equal(object_zero_page(thing.object, 3, &sequence), 1);
	assert_int_equal(object_refresh_clean(thing.object, NEW, 1), 0);
	assert_state(3, PAGE_ABSENT);
	assert_object(OTHER, byte_at(OTHER));
}

/* What it gives must be what the store has when it comes into memory. */
static const void *fetch(void *context)
{
	assert_int_equal(
		pthread_mutex_trylock(&thing.object->resize_lock.mutex), EBUSY);
	return context;
}

/* Of the pages' bytes only those of the change count. */
static bool at_once(uint64_t offset, uint64_t length, int byte)
{
	unsigned char bytes[2 * PAGE_SIZE];

	memset(bytes, byte, sizeof(bytes));
	return object_refresh_at_once(thing.object, offset, length, fetch,
				      bytes);
}

static void test_at_once(void **state)
{
	(void)state;
	object_byte(thing.object, NEW);
	assert_true(at_once(NEW, 1, 201));
	assert_state(3, PAGE_CLEAN);
	assert_object(NEW, 201);
	assert_object(OTHER, byte_at(OTHER));
	assert_object(NEW - 1, byte_at(NEW - 1));
	/* Over two pages, one of which is nowhere. */
	assert_true(at_once(at(3, 4000), 200, 202));
	assert_object(at(3, 4000), 202);
	assert_object(at(3, 4095), 202);
	assert_state(4, PAGE_ABSENT);
	assert_object(at(4, 0), byte_at(at(4, 0)));
}

/* What would have to be waited for, or merged, is left to who may. */
static void test_not_at_once(void **state)
{
	uint64_t sequence;

	(void)state;
	set_byte(thing.object, OTHER, 73);
	assert_false(at_once(NEW, 1, 201));
	assert_object(NEW, byte_at(NEW));
	assert_object(OTHER, 73);
	assert_int_equal(object_zero_page(thing.object, 2, &sequence), 1);
	assert_false(at_once(at(2, 0), 1, 201));
	assert_object(at(2, 1), byte_at(at(2, 1)));
	assert_false(at_once(SIZE - 1, 2, 201));
	assert_false(object_refresh_at_once(thing.object, NEW, 1, fetch, NULL));
}

static void test_an_absent_page_costs_nothing(void **state)
{
	(void)state;
	change_home();
	assert_int_equal(refresh(0, UINT64_MAX), 0);
	assert_calls(&thing, PAGER_READ, "");
	assert_int_equal(charged(world), 0);
}

/* Zeros in place of a page go, also where they are to stay. */
static void test_zeros_in_place_leave(void **state)
{
	uint64_t sequence;

	(void)state;
	assert_int_equal(object_lock_pages(thing.object, 3, 1), 0);
	assert_int_equal(object_zero_page(thing.object, 3, &sequence), 1);
	assert_true(object_is_zeroed(thing.object, 3));
	assert_int_equal(refresh(NEW, 1), 0);
	assert_state(3, PAGE_ABSENT);
	assert_object(OTHER, byte_at(OTHER));
}

/* ---- what stays ---- */

static void test_a_locked_page_is_filled(void **state)
{
	(void)state;
	lock_page(3);
	change_home();
	assert_int_equal(refresh(NEW, 1), 0);
	assert_state(3, PAGE_CLEAN);
	assert_only_the_new();
	assert_false(word_pinned(atomic_load(object_word(thing.object, 3))));
	/* It has what the store has: nothing is to be written. */
	assert_int_equal(dirty_pages(), 0);
}

static void test_a_pinned_page_is_filled(void **state)
{
	(void)state;
	assert_int_equal(object_hold(thing.object, 3, 1, false), 0);
	change_home();
	assert_int_equal(refresh(NEW, 1), 0);
	assert_state(3, PAGE_CLEAN);
	assert_only_the_new();
	object_let_go(thing.object, 3, 1, false);
}

static void test_a_page_pinned_for_writing_is_filled(void **state)
{
	unsigned char *bytes = object_window(thing.object, 0);

	(void)state;
	assert_int_equal(object_hold(thing.object, 3, 1, true), 0);
	bytes[at(3, 50)] = 50;
	change_home();
	assert_int_equal(refresh(NEW, 1), 0);
	assert_only_the_new();
	object_let_go(thing.object, 3, 1, true);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(home_byte(&thing, at(3, 50)), 50);
	assert_int_equal(home_byte(&thing, NEW), 201);
}

static void test_a_dirty_page_is_filled(void **state)
{
	(void)state;
	set_byte(thing.object, at(3, 50), 50);
	change_home();
	assert_int_equal(refresh(NEW, 1), 0);
	assert_state(3, PAGE_DIRTY);
	assert_only_the_new();
	assert_object(at(3, 50), 50);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(home_byte(&thing, at(3, 50)), 50);
	assert_int_equal(home_byte(&thing, NEW), 201);
	/* Nobody had said so. */
	assert_int_equal(home_byte(&thing, OTHER), byte_at(OTHER));
}

/* Of a read-only object nothing may ever be dirty. */
static void test_a_read_only_object(void **state)
{
	struct store *store = new_home(PAGE_SIZE);
	struct object_parameters parameters = { .identity.name = "read-only",
						.size = PAGE_SIZE,
						.capacity = PAGE_SIZE };
	unsigned char byte = 99;
	struct object *object;
	struct pager *pager;

	(void)state;
	assert_int_equal(direct_pager_create(store, &pager), 0);
	pager->writable = false;
	assert_int_equal(
		object_create(&world->host, &parameters, pager, &object), 0);
	assert_int_equal(object_lock_pages(object, 0, 1), 0);
	assert_int_equal(object_byte(object, 7), byte_at(7));
	assert_int_equal(write_at(store, &byte, 1, 7), 1);
	assert_int_equal(object_refresh(object, 7, 1), 0);
	assert_int_equal(object_byte(object, 7), 99);
	assert_int_equal(object_dirty_pages(object), 0);
	assert_true(object_drop_handle(object));
	assert_true(object_end(object, false));
}

/* Neighbours by one read; the borders to the byte. */
static void test_many_pages(void **state)
{
	uint64_t start = at(1, 4000), end = at(40, 7);

	(void)state;
	assert_int_equal(object_lock_pages(thing.object, 0, 50), 0);
	for (uint64_t i = 0; i < 50; i++)
		object_byte(thing.object, at(i, 0));
	for (uint64_t i = start - 1; i <= end; i++)
		set_home(i, 5);
	forget_calls(&thing);
	assert_int_equal(refresh(start, end - start), 0);
	assert_calls(&thing, PAGER_READ, "1+16 17+16 33+8");
	assert_object(start - 1, byte_at(start - 1));
	assert_object(end, byte_at(end));
	for (uint64_t i = start; i < end; i += 511)
		assert_object(i, 5);
	assert_object(start, 5);
	assert_object(end - 1, 5);
}

/* ---- the ends ---- */

static void test_past_the_end(void **state)
{
	(void)state;
	lock_page(PAGES - 1);
	assert_int_equal(refresh(SIZE, PAGE_SIZE), 0);
	assert_int_equal(refresh(UINT64_MAX, UINT64_MAX), 0);
	set_home(SIZE - 1, 9);
	assert_int_equal(refresh(SIZE - 1, UINT64_MAX), 0);
	assert_object(SIZE - 1, 9);
	/* The store is shorter: the size is another's to follow. */
	assert_int_equal(store_resize(thing.home, at(5, 10)), 0);
	assert_int_equal(refresh(0, UINT64_MAX), 0);
	assert_object(SIZE - 1, 9);
	assert_int_equal(object_errors(thing.object), 0);
}

/* ---- failures ---- */

static void test_a_store_that_fails(void **state)
{
	(void)state;
	lock_page(3);
	lock_page(7);
	change_home();
	set_home(at(7, 1), 77);
	set_script(&thing, "read 12288-16383 do fail EIO");
	assert_int_equal(refresh(0, UINT64_MAX), -EIO);
	assert_int_equal(object_errors(thing.object), 1);
	/* That page as it was, the other one as it is; and no pin is left. */
	assert_object(NEW, byte_at(NEW));
	assert_object(at(7, 1), 77);
	assert_false(word_pinned(atomic_load(object_word(thing.object, 3))));
	set_script(&thing, "");
	assert_int_equal(refresh(NEW, 1), 0);
	assert_only_the_new();
}

static void test_a_store_without_a_size(void **state)
{
	(void)state;
	lock_page(3);
	change_home();
	atomic_store(&thing.pager->size_error, -EIO);
	assert_int_equal(refresh(NEW, 1), -EIO);
	assert_object(NEW, byte_at(NEW));
	atomic_store(&thing.pager->size_error, -EOPNOTSUPP);
	assert_int_equal(refresh(NEW, 1), 0);
	assert_only_the_new();
}

/* ---- what is under way ---- */

static void *refresh_thread(void *argument)
{
	(void)argument;
	return (void *)(intptr_t)refresh(NEW, 1);
}

static void test_a_write_under_way(void **state)
{
	pthread_t syncing, refreshing;

	(void)state;
	dirty(3, 71);
	set_script(&thing, "write do hold");
	syncing = start_thread(sync_thread, NULL);
	wait_until_held(&thing, 1);
	refreshing = start_thread(refresh_thread, NULL);
	wait_until_waited_for(thing.object, 3);
	set_script(&thing, "");
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	assert_int_equal(result_of(refreshing), 0);
	assert_int_equal(result_of(syncing), 0);
	/* It went home, and was clean. */
	assert_state(3, PAGE_ABSENT);
	assert_object(at(3, 9), 71);
}

/* Pinned zeros in place of a page: only short pins are taken of them. */
static void test_pinned_zeros_leave(void **state)
{
	page_word *word = object_word(thing.object, 3);
	pthread_t refreshing;
	uint64_t sequence;

	(void)state;
	assert_int_equal(object_zero_page(thing.object, 3, &sequence), 1);
	assert_int_equal(page_take_rpin(word, false), PAGE_TAKEN);
	change_home();
	refreshing = start_thread(refresh_thread, NULL);
	while ((atomic_load(word) & WORD_RPINS) < 2 * WORD_RPIN)
		sched_yield(); /* until it tries */
	object_let_go(thing.object, 3, 1, false);
	assert_int_equal(result_of(refreshing), 0);
	assert_state(3, PAGE_ABSENT);
	assert_object(NEW, 201);
	assert_object(OTHER, 202);
}

#ifdef QUIRE_DEBUG
/* A refresh by itself keeps writes away: else the old byte would go home while
 * the new one is on its way in. */
static void test_a_write_meanwhile(void **state)
{
	pthread_t refreshing, syncing;

	(void)state;
	dirty(3, 71);
	change_home();
	set_script(&thing, "read do hold");
	refreshing = start_thread(refresh_thread, NULL);
	wait_until_held(&thing, 1);
	lay_trap(HOOK_PARK, 3, nothing);
	syncing = start_thread(sync_thread, NULL);
	wait_until_sprung();
	assert_state(3, PAGE_DIRTY);
	set_script(&thing, "");
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	assert_int_equal(result_of(refreshing), 0);
	assert_int_equal(result_of(syncing), 0);
	assert_int_equal(home(3), 71);
	assert_int_equal(home_byte(&thing, NEW), 201);
}

static pthread_t refresher;

/* The read has the old bytes in its hands. */
static void refresh_in_between(void)
{
	change_home();
	refresher = start_thread(refresh_thread, NULL);
	wait_until_waited_for(thing.object, 3);
}

static void test_a_page_that_is_being_read(void **state)
{
	uint64_t sequence;

	(void)state;
	lay_trap(HOOK_READ_FILLED, 3, refresh_in_between);
	assert_int_equal(object_start_read(thing.object, 3, 1, &sequence), 1);
	wait_until_sprung();
	assert_int_equal(result_of(refresher), 0);
	assert_object(NEW, 201);
}

static void test_a_locked_page_that_is_being_read(void **state)
{
	uint64_t sequence;

	(void)state;
	assert_int_equal(object_lock_pages(thing.object, 3, 1), 0);
	lay_trap(HOOK_READ_FILLED, 3, refresh_in_between);
	assert_int_equal(object_start_read(thing.object, 3, 1, &sequence), 1);
	wait_until_sprung();
	assert_int_equal(result_of(refresher), 0);
	assert_only_the_new();
}
#define TRAP_TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_world, leave_traps)
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_clean_page_leaves),
		TEST(test_clean_pages_stay),
		TEST(test_clean_zeros_do_not_stay),
		TEST(test_at_once),
		TEST(test_not_at_once),
		TEST(test_an_absent_page_costs_nothing),
		TEST(test_zeros_in_place_leave),
		TEST(test_a_locked_page_is_filled),
		TEST(test_a_pinned_page_is_filled),
		TEST(test_a_page_pinned_for_writing_is_filled),
		TEST(test_a_dirty_page_is_filled),
		TEST(test_a_read_only_object),
		TEST(test_many_pages),
		TEST(test_past_the_end),
		TEST(test_a_store_that_fails),
		TEST(test_a_store_without_a_size),
		TEST(test_a_write_under_way),
		TEST(test_pinned_zeros_leave),
#ifdef QUIRE_DEBUG
		TRAP_TEST(test_a_write_meanwhile),
		TRAP_TEST(test_a_page_that_is_being_read),
		TRAP_TEST(test_a_locked_page_that_is_being_read),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
