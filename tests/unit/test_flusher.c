/* test_flusher.c - writeback/: who sends pages home, and who waits for it */
/* SPDX-License-Identifier: MIT */
#include "unit/writeback_world.h"

/* ---- the flusher ---- */

static void test_a_kick(void **state)
{
	(void)state;
	dirty(3, 77);
	writeback_kick(&writeback, false);
	while (dirty_pages() > 0)
		sched_yield();
	assert_int_equal(home(3), 77);
}

static void test_it_comes_by_itself(void **state)
{
	(void)state;
	assert_int_equal(open_with(BOUND, MS), 0);
	dirty(3, 77);
	while (dirty_pages() > 0)
		sched_yield();
	assert_int_equal(home(3), 77);
	close_world(state);
}

static void test_scratch_goes_only_when_its_room_is_needed(void **state)
{
	struct thing scratch =
		thing_create(world, (struct object_parameters){
					    .size = PAGE_SIZE,
					    .capacity = PAGE_SIZE,
					    .discard = true,
				    });

	(void)state;
	set_byte(scratch.object, 0, 5);
	/* Two rounds: the second has begun when the first is over. */
	for (int i = 0; i < 2; i++) {
		dirty(1, 5);
		writeback_kick(&writeback, false);
		while (dirty_pages() > 0)
			sched_yield();
	}
	assert_int_equal(object_dirty_pages(scratch.object), 1);
	writeback_kick(&writeback, true);
	while (object_dirty_pages(scratch.object) > 0)
		sched_yield();
	assert_int_equal(home_byte(&scratch, 0), 5);
	thing_end(&scratch);
}

static uint64_t count_objects(void)
{
	struct list *link;
	uint64_t count = 0;

	lock_take(&world->host.registry.lock);
	list_for_each(link, &world->host.registry.objects)
		count++;
	lock_drop(&world->host.registry.lock);
	return count;
}

/* Its last holder is gone, the store would not have it: it stays until then. */
static void test_an_orphan_ends_when_it_is_home(void **state)
{
	struct thing orphan = thing_of(world, PAGE_SIZE);

	(void)state;
	set_byte(orphan.object, 0, 5);
	set_script(&orphan, "write times 1 do fail EIO");
	assert_int_equal(writeback_sync(&writeback, orphan.object, 0,
					UINT64_MAX, true),
			 -EIO);
	assert_true(object_drop_handle(orphan.object));
	assert_false(object_end(orphan.object, false));
	assert_int_equal(count_objects(), 2);
	writeback_kick(&writeback, false);
	while (count_objects() == 2)
		sched_yield();
}

/* ---- stores that keep what they are given ---- */

static struct thing beside_of(void)
{
	struct thing beside = thing_of(world, SIZE);

	set_byte(beside.object, 9, 33);
	return beside;
}

static void await_clean(struct thing *clean)
{
	while (object_dirty_pages(clean->object) > 0)
		sched_yield();
}

/* Whether the flusher comes to them before it or after. */
static void test_others_go_home_beside_what_is_held(void **state)
{
	struct thing one = beside_of(), two = beside_of();

	(void)state;
	set_script(&one, "write do hold");
	dirty(3, 77);
	writeback_kick(&writeback, false);
	wait_until_held(&one, 1);
	while (dirty_pages() > 0)
		sched_yield();
	await_clean(&two);
	assert_int_equal(object_dirty_pages(one.object), 1);
	faulty_store_release(one.faulty);
	await_clean(&one);
	assert_int_equal(home_byte(&one, 9), 33);
	thing_end(&one);
	thing_end(&two);
}

/* More than goes at once: the rest follows, and nobody asks for it again. */
static void test_what_was_left_goes_on(void **state)
{
	struct thing large = thing_of(world, 160 * PAGE_SIZE);
	struct thing two = beside_of();

	(void)state;
	set_script(&large, "write times 32 do hold");
	for (uint64_t i = 0; i < 160; i += 2)
		set_byte(large.object, i * PAGE_SIZE, 5);
	writeback_kick(&writeback, false);
	wait_until_held(&large, 32);
	await_clean(&two); /* so it was left */
	faulty_store_release(large.faulty);
	await_clean(&large);
	for (uint64_t i = 0; i < 160; i += 2)
		assert_int_equal(home_byte(&large, i * PAGE_SIZE), 5);
	thing_end(&large);
	thing_end(&two);
}

/* Page 7 of thing is held, and so it is left; the round that would take page 3 home
 * passes it, as it was made first. */
static void leave_and_pass(struct thing *two)
{
	dirty(7, 5);
	writeback_kick(&writeback, false);
	wait_until_held(&thing, 1);
	await_clean(two);
	dirty(3, 77);
	set_byte(two->object, 9, 34);
	writeback_kick(&writeback, false);
	await_clean(two);
}

/* A round that finds an object left is made up for. */
static void test_what_a_round_passed_goes_home(void **state)
{
	struct thing two = beside_of();

	(void)state;
	set_script(&thing, "write times 1 do hold");
	leave_and_pass(&two);
	faulty_store_release(thing.faulty);
	while (dirty_pages() > 0)
		sched_yield();
	assert_int_equal(home(3), 77);
	thing_end(&two);
}

struct ends {
	struct write_watch watch;
	_Atomic int count;
};

static void begin_writes(struct write_watch *watch)
{
	(void)watch;
}

static void end_writes(struct write_watch *watch)
{
	atomic_fetch_add(&container_of(watch, struct ends, watch)->count, 1);
}

/* Whoever closes the object waits for that, however slow its store and however
 * often a round passes. */
static void test_what_was_left_ends(void **state)
{
	struct ends ends = { .watch = { begin_writes, end_writes } };
	struct thing two = beside_of();

	(void)state;
	object_watch_writes(thing.object, &ends.watch);
	set_script(&thing, "write do hold");
	leave_and_pass(&two);
	faulty_store_release(thing.faulty);
	wait_until_held(&thing, 1); /* the second page */
	while (atomic_load(&ends.count) == 0)
		sched_yield();
	set_script(&thing, "");
	faulty_store_release(thing.faulty);
	while (dirty_pages() > 0)
		sched_yield();
	object_watch_writes(thing.object, NULL);
	thing_end(&two);
}

/* ---- the dirty bound ---- */

struct count {
	struct waiter waiter;
	_Atomic int wakes;
};

static void count_wake(struct waiter *waiter)
{
	atomic_fetch_add(&container_of(waiter, struct count, waiter)->wakes, 1);
}

static void test_the_bound(void **state)
{
	struct count one = { .waiter.wake = count_wake }, two = one;

	(void)state;
	for (uint64_t i = 0; i < BOUND - 1; i++)
		dirty(i, 5);
	assert_false(writeback_over_bound(&writeback, thing.object));
	assert_false(writeback_park(&writeback, thing.object, &one.waiter));
	dirty(BOUND, 5);
	assert_true(writeback_over_bound(&writeback, thing.object));
	assert_true(writeback_park(&writeback, thing.object, &one.waiter));
	assert_true(writeback_park(&writeback, thing.object, &two.waiter));
	assert_true(writeback_unpark(&writeback, &two.waiter));
	assert_false(writeback_unpark(&writeback, &two.waiter));
	assert_int_equal(sync_all(), 0);
	assert_int_equal(atomic_load(&one.wakes), 1);
	assert_int_equal(atomic_load(&two.wakes), 0);
	assert_false(writeback_unpark(&writeback, &one.waiter));
}

/* One has all of the bound: another has a page, and then waits for itself. */
static void test_each_has_a_page_beside_the_bound(void **state)
{
	struct count waits = { .waiter.wake = count_wake };
	struct count other = waits;
	struct thing two = thing_of(world, SIZE);

	(void)state;
	for (uint64_t i = 0; i < BOUND; i++)
		dirty(i, 5);
	assert_true(writeback_over_bound(&writeback, thing.object));
	assert_false(writeback_over_bound(&writeback, two.object));
	set_byte(two.object, 0, 5);
	assert_true(writeback_over_bound(&writeback, two.object));
	assert_true(writeback_park(&writeback, two.object, &waits.waiter));
	assert_true(writeback_park(&writeback, thing.object, &other.waiter));
	assert_int_equal(writeback_sync(&writeback, two.object, 0, 1, false),
			 0);
	assert_int_equal(atomic_load(&waits.wakes), 1);
	assert_int_equal(atomic_load(&other.wakes), 0);
	assert_true(writeback_unpark(&writeback, &other.waiter));
	thing_end(&two);
}

/* A large bound is not all one object's. */
static void test_a_share_of_the_bound(void **state)
{
	uint64_t count = 0;

	(void)state;
	assert_int_equal(open_with(2 * BOUND, NEVER), 0);
	while (!writeback_over_bound(&writeback, thing.object))
		dirty(count++, 5);
	assert_int_equal(count, 2 * BOUND - 1);
	close_world(state);
}

static void *throttle_thread(void *argument)
{
	(void)argument;
	return (void *)(intptr_t)writeback_throttle(&writeback, thing.object);
}

/* It kicks the flusher, and goes on when pages got home. */
static void test_throttle(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(writeback_throttle(&writeback, thing.object), 0);
	world->host.full_wait_ns = NEVER;
	for (uint64_t i = 0; i < BOUND; i++)
		dirty(i, 5);
	set_script(&thing, "write do hold");
	thread = start_thread(throttle_thread, NULL);
	wait_until_held(&thing, 1);
	assert_true(counted(COUNT_THROTTLED) > 0);
	set_script(&thing, "");
	faulty_store_release(thing.faulty);
	assert_int_equal(join_result(thread), 0);
	assert_false(writeback_over_bound(&writeback, thing.object));
}

/* Nothing gets home any more: the wait is bounded. */
static void test_throttle_gives_up(void **state)
{
	(void)state;
	world->host.full_wait_ns = MS;
	for (uint64_t i = 0; i < BOUND; i++)
		dirty(i, 5);
	set_script(&thing, "write do fail EIO");
	assert_int_equal(writeback_throttle(&writeback, thing.object), -EIO);
	assert_non_null(strstr(error_sentence(), "nothing can be written"));
	assert_int_equal(dirty_pages(), BOUND);
}

/* ---- a store that takes nothing ---- */

static uint64_t stuck(void)
{
	return atomic_load(&world->cache.stuck);
}

static void dirty_some(struct thing *which, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		set_byte(which->object, i * PAGE_SIZE, 5);
}

static void flush_until_stuck(uint64_t pages)
{
	writeback_kick(&writeback, false);
	while (stuck() != pages)
		sched_yield();
}

/* Who waits for others' pages is told that they do not count. */
static void test_what_is_stuck_is_not_the_others(void **state)
{
	struct thing other = thing_of(world, BOUND * PAGE_SIZE);
	struct count waiting = { .waiter.wake = count_wake };

	(void)state;
	dirty_some(&thing, BOUND);
	dirty_some(&other, 1);
	set_script(&other, "write do hold");
	assert_true(writeback_park(&writeback, other.object, &waiting.waiter));
	set_script(&thing, "write do fail ENOSPC");
	flush_until_stuck(BOUND);
	while (atomic_load(&waiting.wakes) == 0)
		sched_yield();
	assert_true(object_stuck(thing.object));
	assert_false(object_stuck(other.object));
	assert_true(writeback_over_bound(&writeback, thing.object));
	assert_int_equal(writeback_dirty(&writeback), 1);
	dirty_some(&other, BOUND);
	assert_true(writeback_over_bound(&writeback, other.object));
	/* There is room again. */
	set_script(&thing, "");
	set_script(&other, "");
	faulty_store_release(other.faulty);
	flush_until_stuck(0);
	while (dirty_pages() > 0 || object_dirty_pages(other.object) > 0)
		sched_yield();
	assert_false(object_stuck(thing.object));
	assert_false(writeback_over_bound(&writeback, thing.object));
	thing_end(&other);
}

/* Not that of others. */
static void test_progress_of_what_is_stuck(void **state)
{
	uint64_t hope = writeback_progress(&writeback, thing.object);

	(void)state;
	atomic_fetch_add(&world->host.got_home, 1);
	assert_int_not_equal(writeback_progress(&writeback, thing.object),
			     hope);
	dirty_some(&thing, 1);
	set_script(&thing, "write do fail ENOSPC");
	flush_until_stuck(1);
	/* Once may be by chance. */
	atomic_fetch_add(&world->host.got_home, 1);
	assert_int_not_equal(writeback_progress(&writeback, thing.object),
			     hope);
	writeback_kick(&writeback, false);
	while (object_stuck(thing.object) < 2)
		sched_yield();
	hope = writeback_progress(&writeback, thing.object);
	atomic_fetch_add(&world->host.got_home, 1);
	assert_int_equal(writeback_progress(&writeback, thing.object), hope);
	/* Its own is. */
	object_count(&object_counts(thing.object)->pages_written, 1);
	assert_int_not_equal(writeback_progress(&writeback, thing.object),
			     hope);
}

/* There must be room to read. */
static void test_not_all_that_is_stuck_is_spared(void **state)
{
	const uint64_t spared = (256 - BOUND) / 2;
	struct thing large = thing_of(world, (spared + 5) * PAGE_SIZE);

	(void)state;
	dirty_some(&large, spared + 5);
	set_script(&large, "write do fail ENOSPC");
	flush_until_stuck(spared + 5);
	assert_int_equal(writeback_dirty(&writeback), 5);
	/* What is cut off is not stuck any more. */
	assert_int_equal(object_resize(large.object, PAGE_SIZE), 0);
	assert_int_equal(stuck(), 1);
	assert_int_equal(writeback_dirty(&writeback), 0);
	set_script(&large, "");
	flush_until_stuck(0);
	thing_end(&large);
}

/* ---- all at once ---- */

#define ROUNDS 300

static int throttle(void *context, const struct object *object)
{
	(void)context;
	return writeback_throttle(&writeback, object);
}

static void *store_thread(void *argument)
{
	uint64_t first = (uintptr_t)argument, seed = first + 1;
	intptr_t failed = 0;

	for (unsigned i = 1; i <= ROUNDS; i++) {
		uint64_t index = first + 4 * (next_random(&seed) % 8);
		uint64_t offset = index * PAGE_SIZE + first;
		unsigned char byte = (unsigned char)i;

		if (object_copy_in(thing.object, &byte, 1, offset) != 1)
			failed++;
		/* msync: what was stored before is home after. */
		if (i % 8 == 0 &&
		    (sync_range(index, 1) || home_byte(&thing, offset) != byte))
			failed++;
	}
	return (void *)failed;
}

static void *evict_thread(void *argument)
{
	_Atomic bool *stop = argument;

	while (!atomic_load(stop)) {
		object_invalidate(thing.object, 0, PAGES);
		writeback_kick(&writeback, false);
	}
	return NULL;
}

static void test_threads(void **state)
{
	_Atomic bool stop = false;
	pthread_t threads[4], evictor;

	(void)state;
	world->host.full_wait_ns = NEVER;
	world->host.throttle = throttle;
	for (uintptr_t i = 0; i < 4; i++)
		threads[i] = start_thread(store_thread, (void *)i);
	evictor = start_thread(evict_thread, &stop);
	for (int i = 0; i < 4; i++)
		assert_int_equal(join_result(threads[i]), 0);
	atomic_store(&stop, true);
	join_thread(evictor);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(dirty_pages(), 0);
	for (uint64_t i = 0; i < 32; i++) {
		uint64_t offset = i * PAGE_SIZE + i % 4;

		assert_int_equal(home_byte(&thing, offset),
				 object_byte(thing.object, offset));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_kick),
		cmocka_unit_test(test_it_comes_by_itself),
		TEST(test_scratch_goes_only_when_its_room_is_needed),
		TEST(test_an_orphan_ends_when_it_is_home),
		TEST(test_others_go_home_beside_what_is_held),
		TEST(test_what_was_left_goes_on),
		TEST(test_what_a_round_passed_goes_home),
		TEST(test_what_was_left_ends),
		TEST(test_the_bound),
		TEST(test_each_has_a_page_beside_the_bound),
		cmocka_unit_test(test_a_share_of_the_bound),
		TEST(test_throttle),
		TEST(test_throttle_gives_up),
		TEST(test_what_is_stuck_is_not_the_others),
		TEST(test_progress_of_what_is_stuck),
		TEST(test_not_all_that_is_stuck_is_spared),
		TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
