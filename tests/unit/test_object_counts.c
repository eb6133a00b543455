/* test_object_counts.c - object/counts.c: what happened to an object */
/* SPDX-License-Identifier: MIT */
#include "unit/foreign_world.h"

#define EVENTS 32

static struct {
	uint64_t index;
	uint64_t count;
	enum object_record what;
} events[EVENTS];
static unsigned event_count;
static _Atomic uint64_t shown;

static void note(void *context, struct object *object, uint64_t index,
		 uint64_t count, enum object_record what)
{
	assert_ptr_equal(context, &event_count);
	assert_ptr_equal(object, thing.object);
	assert_true(event_count < EVENTS);
	events[event_count].index = index;
	events[event_count].count = count;
	events[event_count++].what = what;
}

static int open_recorded(void **state)
{
	int error = open_world(state);

	event_count = 0;
	world->host.record = note;
	world->host.record_context = &event_count;
	atomic_store(&shown, 99);
	return error;
}

static int close_recorded(void **state)
{
	world->host.record = NULL;
	return close_world(state);
}

/* The events since the last call: "read 3+2 evicted 5+1". */
static void assert_events(const char *expected)
{
	static const char *const names[] = { "touched", "read", "written",
					     "evicted" };
	char text[1024] = "";
	size_t length = 0;

	for (unsigned i = 0; i < event_count; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length,
					   "%s%s %llu+%llu", length ? " " : "",
					   names[events[i].what],
					   (unsigned long long)events[i].index,
					   (unsigned long long)events[i].count);
	event_count = 0;
	assert_string_equal(text, expected);
}

static uint64_t count(const _Atomic uint64_t *counted)
{
	return atomic_load(counted);
}

static struct object_counts *counts(void)
{
	return object_counts(thing.object);
}

/* ---- what comes and goes ---- */

static void test_nothing_has_happened(void **state)
{
	static const struct object_counts none;

	(void)state;
	assert_memory_equal(counts(), &none, sizeof(none));
	assert_events("");
}

static void test_reads_and_evictions(void **state)
{
	uint64_t sequence;

	(void)state;
	assert_int_equal(object_start_read(thing.object, 4, 6, &sequence), 6);
	object_byte(thing.object, at(20, 0));
	assert_events("read 4+6 read 20+1");
	assert_int_equal(count(&counts()->reads), 2);
	assert_int_equal(count(&counts()->pages_read), 7);
	assert_int_equal(count(&counts()->resident), 7);
	assert_int_equal(object_drop_clean(thing.object, 0, 8), 4);
	assert_events("evicted 4+4");
	assert_int_equal(count(&counts()->evictions), 4);
	assert_int_equal(count(&counts()->resident), 3);
	assert_int_equal(count(&counts()->resident_peak), 7);
	object_byte(thing.object, at(4, 0));
	assert_int_equal(count(&counts()->resident), 4);
	assert_int_equal(count(&counts()->resident_peak), 7);
}

static void test_hits_and_misses(void **state)
{
	(void)state;
	object_byte(thing.object, at(3, 0));
	object_byte(thing.object, at(3, 0));
	set_byte(thing.object, at(3, 0), 1);
	assert_int_equal(count(&counts()->misses), 1);
	assert_int_equal(count(&counts()->hits), 2);
}

static void test_reads_that_fail(void **state)
{
	unsigned char byte;

	(void)state;
	set_script(&thing, "read do fail EIO");
	assert_int_equal(object_copy_out(thing.object, &byte, 1, at(3, 0)),
			 -EIO);
	assert_int_equal(count(&counts()->reads), 1);
	assert_int_equal(count(&counts()->pages_read), 0);
	assert_int_equal(count(&counts()->resident), 0);
	assert_events("");
}

static void test_writes(void **state)
{
	(void)state;
	for (uint64_t i = 3; i < 6; i++)
		dirty(i, 1);
	dirty(9, 1);
	event_count = 0;
	assert_int_equal(sync_all(), 0);
	assert_events("written 3+3 written 9+1");
	assert_int_equal(count(&counts()->writes), 2);
	assert_int_equal(count(&counts()->pages_written), 4);
	set_script(&thing, "write do fail EIO");
	dirty(3, 2);
	assert_int_equal(sync_all(), -EIO);
	assert_events("");
	assert_int_equal(count(&counts()->writes), 3);
	assert_int_equal(count(&counts()->pages_written), 4);
}

/* What leaves otherwise is not resident either, and no eviction. */
static void test_cuts_and_discards(void **state)
{
	uint64_t sequence;

	(void)state;
	assert_int_equal(object_start_read(thing.object, 0, 20, &sequence), 20);
	dirty(2, 1);
	dirty(15, 1);
	assert_int_equal(object_discard(thing.object, 0, 5), 0);
	assert_int_equal(count(&counts()->resident), 15);
	assert_int_equal(object_resize(thing.object, at(12, 0)), 0);
	assert_int_equal(count(&counts()->resident), 7);
	assert_int_equal(object_resize(thing.object, 0), 0);
	assert_int_equal(count(&counts()->resident), 0);
	assert_int_equal(count(&counts()->resident_peak), 20);
	assert_int_equal(count(&counts()->evictions), 0);
}

/* Pages charged and pages resident are the same where nothing is under way. */
static void test_reclaim(void **state)
{
	struct object_world *small = world_open(8);
	struct thing large = thing_of(small, 100 * PAGE_SIZE);
	struct object_counts *of_large = object_counts(large.object);

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		object_byte(large.object, at(i, 0));
	assert_int_equal(count(&of_large->resident), charged(small));
	assert_int_equal(count(&of_large->resident_peak), 8);
	assert_int_equal(count(&of_large->evictions), 100 - charged(small));
	thing_end(&large);
	world_close(small);
}

/* ---- what is dirty ---- */

static void test_dirty_is_shown(void **state)
{
	(void)state;
	object_show_dirty(thing.object, &shown);
	assert_int_equal(count(&shown), 0);
	dirty(3, 1);
	dirty(4, 1);
	dirty(30, 1);
	assert_int_equal(count(&shown), 3);
	assert_int_equal(sync_range(3, 1), 0);
	assert_int_equal(count(&shown), 2);
	assert_int_equal(object_discard(thing.object, 4, 1), 0);
	assert_int_equal(count(&shown), 1);
	assert_int_equal(object_resize(thing.object, at(10, 0)), 0);
	assert_int_equal(count(&shown), 0);
	dirty(3, 1);
	object_show_dirty(thing.object, NULL);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(count(&shown), 1);
}

static void test_what_is_dirty_already_is_shown(void **state)
{
	(void)state;
	dirty(3, 1);
	object_show_dirty(thing.object, &shown);
	assert_int_equal(count(&shown), 1);
}

/* Until the store has it. */
static void test_dirty_is_shown_while_it_is_written(void **state)
{
	pthread_t syncing;

	(void)state;
	object_show_dirty(thing.object, &shown);
	dirty(3, 1);
	set_script(&thing, "write do hold");
	syncing = start_thread(sync_thread, NULL);
	wait_until_held(&thing, 1);
	assert_int_equal(count(&shown), 1);
	set_script(&thing, "");
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	assert_int_equal(result_of(syncing), 0);
	assert_int_equal(count(&shown), 0);
	set_script(&thing, "write do fail EIO");
	dirty(3, 2);
	assert_int_equal(sync_all(), -EIO);
	assert_int_equal(count(&shown), 1);
}

#define RECORDED_TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_recorded, close_recorded)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RECORDED_TEST(test_nothing_has_happened),
		RECORDED_TEST(test_reads_and_evictions),
		RECORDED_TEST(test_hits_and_misses),
		RECORDED_TEST(test_reads_that_fail),
		RECORDED_TEST(test_writes),
		RECORDED_TEST(test_cuts_and_discards),
		TEST(test_reclaim),
		RECORDED_TEST(test_dirty_is_shown),
		RECORDED_TEST(test_what_is_dirty_already_is_shown),
		RECORDED_TEST(test_dirty_is_shown_while_it_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
