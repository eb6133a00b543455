/* test_slots.c - engine/object_create.c: the object of all private pages */
/* SPDX-License-Identifier: MIT */
#include "engine/object_open.h"
#include "object/anon.h"

#include "unit/engine_tools.h"
#include "unit/refuse_maps.h"

/* The thread sanitizer leaves us few addresses. */
#if defined(__SANITIZE_THREAD__)
#define MOST (UINT64_C(1) << 24)
#else
#define MOST (UINT64_C(1) << 30)
#endif

static struct quire *quire;

static int set_up(void **state)
{
	(void)state;
	quire = new_engine(64 * PAGE);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(quire_close(quire), 0);
	return 0;
}

static struct quire_object *new_slots(uint64_t most)
{
	struct quire_object *slots;

	if (object_over_slots(quire, most, &slots))
		fail_msg("%s", quire_strerror_last());
	return slots;
}

static void set_slot(struct quire_object *slots, uint64_t slot, char byte)
{
	assert_int_equal(quire_object_pwrite(slots, &byte, 1, slot * PAGE), 1);
}

static char slot_byte(struct quire_object *slots, uint64_t slot)
{
	char byte = 1;

	assert_int_equal(quire_object_pread(slots, &byte, 1, slot * PAGE), 1);
	return byte;
}

/* A terabyte and more of slots, of which the last is as good as the first. */
static void test_many_slots(void **state)
{
	struct quire_object *slots = new_slots(MOST);
	uint64_t most = object_pages(slots->object);

	(void)state;
	assert_true(most > 64 && most <= MOST);
	assert_int_equal(object_capacity(slots->object), most * PAGE);
	assert_true(object_discards(slots->object));
	assert_int_equal(slot_byte(slots, most - 1), 0);
	set_slot(slots, most - 1, 'z');
	assert_int_equal(slot_byte(slots, most - 1), 'z');
	assert_int_equal(object_discard(slots->object, 0, most), 0);
	assert_int_equal(slot_byte(slots, most - 1), 0);
	assert_int_equal(quire_object_close(slots), 0);
}

/* Four budgets of private pages leave for the swap file and come back. */
static void test_more_than_the_budget(void **state)
{
	struct quire_object *slots = new_slots(MOST);
	struct anon_pool pool;
	uint64_t slot;

	(void)state;
	assert_int_equal(anon_pool_init(&pool, slots->object), 0);
	for (int i = 0; i < 256; i++) {
		assert_int_equal(anon_create(&pool, &slot), 0);
		set_slot(slots, slot, (char)(i | 1));
	}
	for (int i = 0; i < 256; i++)
		assert_int_equal(slot_byte(slots, (uint64_t)i), (char)(i | 1));
	for (uint64_t i = 0; i < 256; i++)
		anon_drop(&pool, i);
	anon_reap(&pool);
	assert_int_equal(pool.count, 0);
	assert_int_equal(anon_create(&pool, &slot), 0);
	assert_int_equal(slot_byte(slots, slot), 0);
	anon_drop(&pool, slot);
	anon_pool_finish(&pool);
	assert_int_equal(quire_object_close(slots), 0);
}

/* Each map that it needs is refused once: fewer slots, or all the same. */
static void test_fewer_where_addresses_are_short(void **state)
{
	struct quire_object *slots;
	int maps = 0, error;

	(void)state;
	do {
		atomic_store(&maps_allowed, maps);
		error = object_over_slots(quire, MOST, &slots);
		atomic_store(&maps_allowed, -1);
		assert_int_equal(error, 0);
		set_slot(slots, 3, 'x');
		assert_int_equal(slot_byte(slots, 3), 'x');
		assert_true(object_pages(slots->object) <= MOST);
		if (maps == 0)
			assert_true(object_pages(slots->object) < MOST);
		assert_int_equal(quire_object_close(slots), 0);
	} while (++maps < 8);
}

/* In a child: it is for the process's whole life. */
static void limit_addresses(void *argument)
{
	const struct rlimit limit = { UINT64_C(1) << 40, UINT64_C(1) << 40 };
	struct quire_object *slots;

	(void)argument;
	need(setrlimit(RLIMIT_AS, &limit) == 0);
	need((quire = open_engine(64 * PAGE)) != NULL);
	need(object_over_slots(quire, MOST, &slots) == 0);
	/* An eighth of the addresses at most, as others want some. */
	need(object_pages(slots->object) <= UINT64_C(1) << 25);
	need(quire_object_pwrite(slots, "x", 1, PAGE) == 1);
	need(quire_object_close(slots) == 0);
	need(quire_close(quire) == 0);
}

static void test_a_limit_of_addresses(void **state)
{
	(void)state;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	skip(); /* they want all addresses for themselves */
#endif
	assert_survives(limit_addresses, NULL);
}

static void test_no_directory_for_swapping(void **state)
{
	char nowhere[] = "/nonexistent", *before = quire->swap_directory;
	struct quire_object *slots;

	(void)state;
	quire->swap_directory = nowhere;
	assert_int_equal(object_over_slots(quire, MOST, &slots), -ENOENT);
	quire->swap_directory = before;
	assert_non_null(strstr(quire_strerror_last(), "/nonexistent"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_slots),
		cmocka_unit_test(test_more_than_the_budget),
		cmocka_unit_test(test_fewer_where_addresses_are_short),
		cmocka_unit_test(test_no_directory_for_swapping),
	};
	const struct CMUnitTest alone[] = {
		cmocka_unit_test(test_a_limit_of_addresses),
	};

	alarm(120);
	return cmocka_run_group_tests(alone, NULL, NULL) +
	       cmocka_run_group_tests(tests, set_up, tear_down);
}
