/* test_fill.c - object/read.c: what a read shows by putting it into memory */
/* SPDX-License-Identifier: MIT */
#include "unit/object_world.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#define PAGES 2048
#define ADDRESS UINT64_C(0x700000000000)
#define MOST 32 /* pages: the widest window */

static struct object_world *world;
static struct thing thing;

/* Who shows pages, in place of a space: he writes, and notes. */
static struct {
	uint64_t able; /* pages, in one call */
	unsigned calls;
	uint64_t index, count, address; /* of the last one */
	bool lodges;                    /* in no memory at all */
	uint64_t touches;               /* while it writes what follows */
	struct read_plan plan;          /* of that touch */
} host;

static uint64_t fill(void *context, struct object *object, uint64_t index,
		     uint64_t count, struct object_fill *fill)
{
	uint64_t done = count < host.able ? count : host.able;

	(void)context;
	host.calls++;
	host.index = index;
	host.count = count;
	host.address = fill->address;
	for (uint64_t i = 0; i < count; i++)
		assert_int_equal(state_of(object, index + i), PAGE_READING);
	if (host.touches && host.touches + 1 == index)
		object_plan_advised(object, host.touches, READ_AS_IT_COMES,
				    true, &host.plan);
	if (host.lodges) {
		object_lodge(object, index, done, fill);
		return done;
	}
	assert_int_equal(pwrite(object_memory(object), fill->bytes,
				done << PAGE_SHIFT,
				(off_t)(index << PAGE_SHIFT)),
			 done << PAGE_SHIFT);
	return done;
}

static int open_with(uint64_t readahead)
{
	world = world_open(4096);
	world->host.fill = fill;
	thing = thing_create(world, (struct object_parameters){
					    .size = PAGES * PAGE_SIZE,
					    .capacity = PAGES * PAGE_SIZE,
					    .readahead = readahead,
				    });
	host.able = UINT64_MAX;
	host.calls = 0;
	host.lodges = false;
	host.touches = 0;
	return 0;
}

static int open_world(void **state)
{
	(void)state;
	return open_with(MOST);
}

static int open_narrow(void **state)
{
	(void)state;
	return open_with(8);
}

static int close_world(void **state)
{
	(void)state;
	thing_end(&thing);
	world_close(world);
	return 0;
}

static uint64_t address_of(uint64_t index)
{
	return ADDRESS + (index << PAGE_SHIFT);
}

static int64_t read_for(uint64_t index, uint64_t count, uint64_t shown)
{
	const struct read_access access = {
		.address = address_of(index),
		.pages = shown,
	};
	uint64_t sequence;

	return object_read_for(thing.object, index, count, &access, &sequence);
}

static void assert_filled(uint64_t index, uint64_t count)
{
	assert_int_equal(host.index, index);
	assert_int_equal(host.count, count);
	assert_int_equal(host.address, address_of(index));
}

static void assert_bytes(uint64_t index, uint64_t count)
{
	unsigned char *bytes = new_buffer(count * PAGE_SIZE);

	assert_int_equal(pread(object_memory(thing.object), bytes,
			       count << PAGE_SHIFT,
			       (off_t)(index << PAGE_SHIFT)),
			 count << PAGE_SHIFT);
	for (uint64_t i = 0; i < count * PAGE_SIZE; i++)
		assert_int_equal(bytes[i], byte_at(index * PAGE_SIZE + i));
	free(bytes);
	for (uint64_t i = 0; i < count; i++)
		assert_int_equal(state_of(thing.object, index + i), PAGE_CLEAN);
}

static bool touched(uint64_t index)
{
	return atomic_load(object_word(thing.object, index)) & WORD_TOUCHED;
}

static void test_an_access(void **state)
{
	(void)state;
	assert_int_equal(read_for(10, 8, 100), 8);
	assert_int_equal(host.calls, 1);
	assert_filled(10, 8);
	assert_bytes(10, 8);
	for (uint64_t i = 10; i < 18; i++)
		assert_true(touched(i));
}

/* The rest is there all the same. */
static void read_a_part(uint64_t index, uint64_t asked, uint64_t done)
{
	assert_int_equal(read_for(index, 8, asked), 8);
	assert_filled(index, asked);
	assert_bytes(index, 8);
	assert_true(touched(index + done - 1));
	assert_false(touched(index + done));
}

/* No more than may be shown, and no more than the host can. */
static void test_a_part(void **state)
{
	(void)state;
	read_a_part(10, 3, 3);
	host.able = 2;
	read_a_part(30, 8, 2);
	host.able = 0;
	read_a_part(50, 8, 1); /* who waits for the first has it */
}

/* No file may be longer: what was not shown cannot be put into the memory. */
static int limit_files(rlim_t bytes)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit))
		return -1;
	limit.rlim_cur = bytes;
	return setrlimit(RLIMIT_FSIZE, &limit);
}

/* What was shown goes again, and can be had later. */
static void test_no_room_for_the_rest(void **state)
{
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	host.able = 3;
	assert_int_equal(limit_files(13 * PAGE_SIZE), 0);
	assert_int_equal(read_for(10, 8, 8), 8);
	assert_int_equal(limit_files(RLIM_INFINITY), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_filled(10, 8);
	for (uint64_t i = 10; i < 18; i++)
		assert_int_equal(state_of(thing.object, i), PAGE_ABSENT);
	assert_int_equal(charged(world), 0);
	assert_int_equal(lseek(object_memory(thing.object), 0, SEEK_DATA), -1);
	assert_int_equal(errno, ENXIO);
	assert_int_equal(read_for(10, 1, 8), 1);
	assert_bytes(10, 1);
}

/* What lodges needs no room in the memfd, and stays; and leaves as any. */
static void test_no_room_for_what_does_not_lodge(void **state)
{
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	host.able = 3;
	host.lodges = true;
	assert_int_equal(limit_files(0), 0);
	assert_int_equal(read_for(10, 8, 8), 8);
	assert_int_equal(limit_files(RLIM_INFINITY), 0);
	signal(SIGXFSZ, SIG_DFL);
	for (uint64_t i = 10; i < 18; i++)
		assert_int_equal(state_of(thing.object, i),
				 i < 13 ? PAGE_LODGED : PAGE_ABSENT);
	assert_int_equal(charged(world), 3);
	for (uint64_t i = 10; i < 13; i++)
		assert_true(touched(i));
	assert_int_equal(cache_reclaim(&world->cache, 1), 3);
	assert_int_equal(charged(world), 0);
}

/* In no mapping: whoever wants to bring them home finds nothing there. */
static void test_lodged_and_lost(void **state)
{
	(void)state;
	host.lodges = true;
	assert_int_equal(read_for(10, 8, 8), 8);
	assert_int_equal(charged(world), 8);
	object_drop_lodged(thing.object, 11);
	assert_int_equal(state_of(thing.object, 11), PAGE_ABSENT);
	assert_int_equal(charged(world), 7);
	object_bring_home(thing.object, 0, PAGES,
			  true); /* nowhere is it mapped */
	assert_int_equal(charged(world), 0);
}

static void test_nobody_asked(void **state)
{
	uint64_t sequence;

	(void)state;
	assert_int_equal(object_start_read(thing.object, 10, 8, &sequence), 8);
	assert_int_equal(object_read_now(thing.object, 20, 8, &sequence), 8);
	assert_int_equal(object_read_ahead(thing.object, 30, 8), 8);
	assert_int_equal(host.calls, 0);
	assert_bytes(10, 8);
	assert_bytes(20, 8);
	assert_bytes(30, 8);
}

/* Wherever it is mapped: whoever fills finds out. */
static void test_announced(void **state)
{
	(void)state;
	assert_int_equal(object_read_announced(thing.object, 10, 8), 8);
	assert_int_equal(host.calls, 1);
	assert_int_equal(host.index, 10);
	assert_int_equal(host.count, 8);
	assert_int_equal(host.address, 0);
	assert_bytes(10, 8);
	assert_true(touched(17));
}

static void test_a_read_that_fails(void **state)
{
	(void)state;
	set_script(&thing, "read do fail EIO");
	assert_int_equal(read_for(10, 8, 8), 8);
	assert_int_equal(host.calls, 0);
	assert_int_equal(state_of(thing.object, 10), PAGE_ABSENT);
}

/* As an install does. */
static void show(uint64_t index, uint64_t end)
{
	for (; index < end; index++) {
		page_word *word = object_word(thing.object, index);

		assert_int_equal(page_take_rpin(word, false), PAGE_TAKEN);
		page_drop_rpin(word);
	}
}

/* As a trap would: what it reads, and what that asks for ahead. */
static void touch(uint64_t index, struct read_plan *plan)
{
	object_plan_advised(thing.object, index, READ_AS_IT_COMES, true, plan);
	if (state_of(thing.object, index) == PAGE_ABSENT)
		read_for(index, plan->count, plan->install_end - index);
	assert_bytes(index, 1);
	show(index, plan->install_end);
	object_follow_plan(thing.object, plan, address_of(plan->ahead_index));
}

/* The widest windows are shown, but for their first pages: there the next
 * touches are seen. */
static void test_a_stream(void **state)
{
	static const uint64_t before[] = { 0, 4, 12 };
	static const uint64_t touches[] = { 20, 28, 36, 68, 100, 132 };
	struct read_plan plan;
	unsigned calls;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		calls = host.calls;
		touch(before[i], &plan);
		assert_false(plan.show_ahead);
		assert_true(host.calls - calls <= 1); /* what it waited for */
	}
	for (unsigned i = 0; i < 6; i++) {
		touch(touches[i], &plan);
		assert_true(plan.show_ahead);
		assert_int_equal(plan.ahead_count, MOST);
		assert_filled(plan.ahead_index + 1, MOST - 1);
		assert_bytes(plan.ahead_index, MOST);
		assert_int_equal(plan.install_end,
				 i < 5 ? touches[i + 1] : 132 + MOST);
		/* Shown is not used. */
		assert_false(touched(plan.ahead_index + 1));
	}
	for (uint64_t i = 0; i < 132 + MOST; i++)
		assert_true(touched(i));
	assert_false(touched(132 + MOST));
}

/*
 * Somebody else comes in the middle of what is shown, and so is seen at the
 * next window only: he has come through what lies before it.
 */
static void test_past_the_mark(void **state)
{
	static const uint64_t touches[] = { 0, 4, 12, 20, 28, 36, 68, 132 };
	struct read_plan plan;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		touch(touches[i], &plan);
	assert_int_equal(plan.ahead_count, MOST);
	for (uint64_t i = 68; i < 132; i++)
		assert_true(touched(i));
}

/* Who traps among what is shown, in another mapping, is not the stream's reader. */
static void test_somebody_else(void **state)
{
	static const uint64_t touches[] = { 0, 4, 12, 20, 28, 36, 68 };
	struct read_plan plan;

	(void)state;
	for (unsigned i = 0; i < 7; i++)
		touch(touches[i], &plan);
	for (uint64_t i = 110; i < 130; i++) {
		touch(i, &plan);
		assert_int_equal(plan.ahead_count, 0);
	}
	touch(100, &plan);
	assert_int_equal(plan.ahead_index, 164);
	assert_int_equal(plan.ahead_count, MOST);
}

/* Who has caught up asks for two windows in one: neither is shown beyond where
 * he traps next, and so he is seen at the first page of the second. */
static void test_who_has_caught_up(void **state)
{
	struct read_plan plan;

	(void)state;
	touch(0, &plan);
	touch(4, &plan);
	assert_int_equal(plan.ahead_index, 5);
	assert_int_equal(plan.ahead_count, 15);
	assert_false(plan.show_ahead);
	assert_int_equal(plan.install_end, 8);
	assert_filled(4, 4);
	touch(8, &plan);
	assert_int_equal(plan.ahead_index, 20);
	assert_true(plan.show_ahead);
	assert_int_equal(plan.install_end, 12);
	touch(12, &plan);
	assert_int_equal(plan.install_end, 20);
	touch(20, &plan);
	assert_int_equal(plan.install_end, 28);
}

/* A pin's or a copy's reader is shown nothing, and counts as no more. */
static void test_who_is_shown_nothing(void **state)
{
	static const uint64_t touches[] = { 0, 4, 12, 20, 28, 36, 68 };
	struct read_plan plan;

	(void)state;
	for (unsigned i = 0; i < 7; i++) {
		object_plan(thing.object, touches[i], &plan);
		read_for(touches[i], plan.count, 1);
		assert_false(plan.show_ahead);
		object_follow_plan(thing.object, &plan, 0);
	}
	object_plan(thing.object, 132, &plan);
	assert_int_equal(plan.ahead_count, 0); /* far beyond the mark */
	for (uint64_t i = 69; i < 132; i++)
		assert_false(touched(i));
}

/* Up to 68, with [100, 132) and [132, 164) on their way. */
static void stop_before_100(void)
{
	static const uint64_t touches[] = { 0, 4, 12, 20, 28 };
	struct read_plan plan;

	for (unsigned i = 0; i < 5; i++)
		touch(touches[i], &plan);
	set_script(&thing, "read times 2 do hold");
	touch(36, &plan);
	touch(68, &plan);
	wait_until_held(&thing, 2);
}

/* The touch of 100 asks for nothing yet. */
static void wait_at_100(void)
{
	struct read_plan plan;

	stop_before_100();
	object_plan_advised(thing.object, 100, READ_AS_IT_COMES, true, &plan);
	assert_int_equal(plan.ahead_count, 0);
	assert_int_equal(plan.install_end, 132);
}

static void wait_for(uint64_t index)
{
	while (state_of(thing.object, index) == PAGE_READING)
		sched_yield();
}

/* Who waits for one window, with another on its way, has the next one asked for
 * when his has come, before he has it. */
static void test_who_waits(void **state)
{
	struct read_plan plan;

	(void)state;
	wait_at_100();
	assert_int_equal(state_of(thing.object, 164), PAGE_ABSENT);
	faulty_store_release(thing.faulty);
	wait_for(100);
	assert_int_not_equal(state_of(thing.object, 164), PAGE_ABSENT);
	wait_for(132);
	wait_for(164);
	assert_bytes(100, 96);
	touch(132, &plan); /* is one window behind, as before */
	assert_int_equal(plan.ahead_index, 196);
	assert_int_equal(plan.ahead_count, MOST);
	assert_int_equal(plan.install_end, 164);
}

/* His is not there, and so he reads it by himself. */
static void test_who_waits_in_vain(void **state)
{
	struct read_plan plan;

	(void)state;
	wait_at_100();
	assert_int_equal(store_resize(thing.home, 100 * PAGE_SIZE), 0);
	faulty_store_release(thing.faulty);
	wait_for(100);
	wait_for(132);
	assert_int_equal(state_of(thing.object, 100), PAGE_ABSENT);
	assert_int_equal(state_of(thing.object, 164), PAGE_ABSENT);
	object_plan_advised(thing.object, 100, READ_AS_IT_COMES, true, &plan);
	assert_int_equal(plan.count, 1);
	assert_int_equal(plan.ahead_count, 0);
}

/* What he waits for has come already, and is put into memory: nothing will come
 * that could ask for him. */
static void test_who_waits_for_a_copy(void **state)
{
	(void)state;
	stop_before_100();
	host.touches = 100;
	faulty_store_release(thing.faulty);
	wait_for(100);
	wait_for(132);
	assert_int_equal(host.plan.ahead_index, 164);
	assert_int_equal(host.plan.ahead_count, MOST);
}

/* The window where the object ends is followed by none. */
static void test_up_to_the_end(void **state)
{
	struct read_plan plan;
	uint64_t index = 0, seen = 0;

	(void)state;
	while (index < PAGES) {
		touch(index, &plan);
		assert_true(plan.install_end > index);
		index = plan.install_end;
		seen++;
	}
	assert_int_equal(index, PAGES);
	assert_true(seen < PAGES / MOST + 8);
	for (uint64_t i = 0; i < PAGES; i++)
		assert_true(touched(i));
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_access),
		TEST(test_a_part),
		TEST(test_no_room_for_the_rest),
		TEST(test_no_room_for_what_does_not_lodge),
		TEST(test_lodged_and_lost),
		TEST(test_nobody_asked),
		TEST(test_announced),
		TEST(test_a_read_that_fails),
		TEST(test_a_stream),
		TEST(test_past_the_mark),
		TEST(test_somebody_else),
		TEST(test_who_is_shown_nothing),
		TEST(test_who_waits),
		TEST(test_who_waits_in_vain),
		TEST(test_who_waits_for_a_copy),
		cmocka_unit_test_setup_teardown(test_who_has_caught_up,
						open_narrow, close_world),
		TEST(test_up_to_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
