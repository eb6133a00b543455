/* test_hold.c - object/hold.c: pages held by a thread that may wait for them */
/* SPDX-License-Identifier: MIT */
#include "unit/object_world.h"

#define PAGES 32
#define SIZE (PAGES * PAGE_SIZE - 10)
#define BUDGET 16

static struct object_world *world;
static struct thing thing;

static int open_world(void **state)
{
	(void)state;
	error_clear();
	world = world_open(BUDGET);
	thing = thing_of(world, SIZE);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	thing_end(&thing);
	world_close(world);
	return 0;
}

static int hold(uint64_t index, uint64_t count, bool write)
{
	return object_hold(thing.object, index, count, write);
}

static void let_go(uint64_t index, uint64_t count, bool write)
{
	object_let_go(thing.object, index, count, write);
}

static void assert_no_pins(void)
{
	for (uint64_t i = 0; i < PAGES; i++)
		assert_false(
			word_pinned(atomic_load(object_word(thing.object, i))));
}

static void assert_said(const char *words)
{
	assert_non_null(strstr(error_sentence(), words));
}

static uint64_t counted(enum counter counter)
{
	return count_get(&world->counters, counter);
}

static void test_pages_are_held(void **state)
{
	const unsigned char *bytes = object_window(thing.object, 0);

	(void)state;
	assert_int_equal(hold(2, 5, false), 0);
	for (uint64_t i = 2 * PAGE_SIZE; i < 7 * PAGE_SIZE; i++)
		assert_int_equal(bytes[i], byte_at(i));
	assert_int_equal(charged(world), 5);
	object_invalidate(thing.object, 0, PAGES);
	assert_int_equal(charged(world), 5);
	/* Two holds are two pins. */
	assert_int_equal(hold(6, 1, false), 0);
	let_go(2, 5, false);
	object_invalidate(thing.object, 0, PAGES);
	assert_int_equal(charged(world), 1);
	let_go(6, 1, false);
	assert_no_pins();
	assert_int_equal(object_dirty_pages(thing.object), 0);
	assert_int_equal(atomic_load(&world->throttled), 0);
}

static void test_pages_held_for_writing(void **state)
{
	unsigned char *bytes = object_window(thing.object, 0);

	(void)state;
	assert_int_equal(hold(2, 2, true), 0);
	assert_int_equal(atomic_load(&world->throttled), 1);
	assert_int_equal(atomic_load(&world->dirtied), 2);
	bytes[2 * PAGE_SIZE] = 77;
	let_go(2, 2, true);
	assert_int_equal(state_of(thing.object, 2), PAGE_DIRTY);
	assert_int_equal(state_of(thing.object, 3), PAGE_DIRTY);
	assert_int_equal(hold(2, 1, true), 0);
	let_go(2, 1, true);
	assert_int_equal(atomic_load(&world->dirtied), 2);
	assert_int_equal(object_dirty_pages(thing.object), 2);
	assert_int_equal(object_byte(thing.object, 2 * PAGE_SIZE), 77);
}

static void test_hits_and_misses(void **state)
{
	(void)state;
	assert_int_equal(hold(0, 2, false), 0);
	assert_int_equal(counted(COUNT_MISSES) + counted(COUNT_HITS), 2);
	assert_true(counted(COUNT_MISSES) > 0);
	let_go(0, 2, false);
	assert_int_equal(hold(1, 1, false), 0);
	assert_int_equal(counted(COUNT_MISSES) + counted(COUNT_HITS), 3);
	let_go(1, 1, false);
}

/* What lies side by side is one read. */
static void test_a_hold_reads_a_run(void **state)
{
	(void)state;
	assert_int_equal(hold(3, 6, false), 0);
	let_go(3, 6, false);
	assert_calls(&thing, PAGER_READ, "3+6");
}

static void test_past_the_end(void **state)
{
	(void)state;
	assert_int_equal(hold(PAGES, 1, false), -ENXIO);
	assert_int_equal(hold(PAGES - 2, 3, true), -ENXIO);
	assert_no_pins();
	assert_int_equal(hold(PAGES - 1, 1, false), 0);
	let_go(PAGES - 1, 1, false);
}

static void test_throttle_refuses(void **state)
{
	(void)state;
	atomic_store(&world->throttle_error, -EIO);
	assert_int_equal(hold(0, 1, true), -EIO);
	assert_int_equal(hold(0, 1, false), 0);
	let_go(0, 1, false);
	assert_int_equal(object_dirty_pages(thing.object), 0);
}

/* Scratch is not bounded by what must go home. */
static void test_scratch_is_not_throttled(void **state)
{
	struct thing scratch =
		thing_create(world, (struct object_parameters){
					    .size = PAGE_SIZE,
					    .capacity = PAGE_SIZE,
					    .discard = true,
				    });

	(void)state;
	atomic_store(&world->throttle_error, -EIO);
	assert_int_equal(object_hold(scratch.object, 0, 1, true), 0);
	object_let_go(scratch.object, 0, 1, true);
	thing_end(&scratch);
}

/* ---- what cannot be read ---- */

/*
 * The store answers at once, and the page is alone in its chapter: the
 * failure must be found by the one who asked, and by nobody else's doing.
 */
static void test_a_page_that_cannot_be_read(void **state)
{
	(void)state;
	set_script(&thing, "read 12K-16K do fail EIO");
	assert_int_equal(hold(3, 1, false), -EIO);
	assert_said("page 3 of thing could not be read");
	assert_int_equal(counted(COUNT_REFUSED), 1);
	assert_int_equal(charged(world), 0);
	/* In the middle of a run: nothing is held. */
	assert_int_equal(hold(1, 5, true), -EIO);
	assert_no_pins();
	set_script(&thing, "");
	assert_int_equal(hold(1, 5, false), 0);
	let_go(1, 5, false);
}

/* What these mean in here a store cannot mean. */
static void test_a_store_with_errors_of_our_own(void **state)
{
	const int errors[] = { -ENXIO, -EAGAIN, -EBUSY,
			       -EINTR, -EFAULT, -ENOBUFS };
	_Atomic int *error = &thing.pager->read_error;

	(void)state;
	for (unsigned i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		atomic_store(error, errors[i]);
		assert_int_equal(hold(3, 1, false), -EIO);
		assert_int_equal(hold(3, 1, true), -EIO);
	}
	atomic_store(error, -EREMOTEIO);
	assert_int_equal(hold(3, 1, false), -EREMOTEIO);
	assert_no_pins();
}

static void *hold_page_3(void *argument)
{
	int error = hold(3, 1, false);

	(void)argument;
	if (!error)
		let_go(3, 1, false);
	return (void *)(intptr_t)error;
}

/* Zeros stand in for page 3, somebody looks at them, and the store works again. */
static void pin_zeros(void)
{
	uint64_t sequence;

	set_script(&thing, "read times 1 do fail EIO");
	assert_int_equal(hold(3, 1, false), -EIO);
	assert_int_equal(object_zero_page(thing.object, 3, &sequence), 1);
	assert_int_equal(page_take_rpin(object_word(thing.object, 3), true),
			 PAGE_TAKEN);
}

static void test_zeros_that_are_pinned_for_a_moment(void **state)
{
	pthread_t thread;
	void *error;

	(void)state;
	pin_zeros();
	thread = start_thread(hold_page_3, NULL);
	usleep(5000);
	let_go(3, 1, false);
	pthread_join(thread, &error);
	assert_null(error);
	assert_false(object_is_zeroed(thing.object, 3));
}

static void test_zeros_that_stay(void **state)
{
	(void)state;
	pin_zeros();
	assert_int_equal(hold(3, 1, false), -EIO);
	assert_true(object_is_zeroed(thing.object, 3));
	let_go(3, 1, false);
}

/* A page that cannot be read, by a store that answers later. */
static void test_a_page_that_is_gone(void **state)
{
	pthread_t threads[2];

	(void)state;
	set_script(&thing, "read do hold");
	threads[0] = start_thread(hold_page_3, NULL);
	wait_until_held(&thing, 1);
	threads[1] = start_thread(hold_page_3, NULL);
	wait_until_waited_for(thing.object, 3);
	set_script(&thing, "");
	assert_int_equal(store_resize(thing.home, PAGE_SIZE), 0);
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	for (int i = 0; i < 2; i++) {
		void *error;

		pthread_join(threads[i], &error);
		assert_int_equal((intptr_t)error, -EIO);
	}
	assert_int_equal(hold(3, 1, false), -EIO);
	assert_said("shorter than when it was opened");
}

#ifdef QUIRE_DEBUG
static _Atomic bool failed_4;

/* Page 3 has failed, and who waits for it is about to be told. */
static void fail_4(enum hook point, const void *table, uint64_t index)
{
	uint64_t sequence;

	if (point != HOOK_WAKE || table != &thing.object->table || index != 3 ||
	    atomic_exchange(&failed_4, true))
		return;
	atomic_store(&thing.pager->read_error, -EREMOTEIO);
	object_start_read(thing.object, 4, 1, &sequence);
}

static void test_each_page_has_its_own_error(void **state)
{
	pthread_t thread;
	void *error;

	(void)state;
	set_script(&thing, "read do hold");
	thread = start_thread(hold_page_3, NULL);
	wait_until_held(&thing, 1);
	wait_until_waited_for(thing.object, 3);
	atomic_store(&failed_4, false);
	hook_register(fail_4);
	assert_int_equal(store_resize(thing.home, PAGE_SIZE), 0);
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	pthread_join(thread, &error);
	hook_register(NULL);
	assert_int_equal(state_of(thing.object, 4), PAGE_FAILED);
	assert_int_equal((intptr_t)error, -EIO);
	assert_int_equal(object_read_error(thing.object, 3), -ENODATA);
	assert_int_equal(object_read_error(thing.object, 4), -EREMOTEIO);
}
#endif

/* A read that is under way is waited for, not made twice. */
static void test_a_read_is_shared(void **state)
{
	pthread_t threads[3];

	(void)state;
	set_script(&thing, "read do hold");
	for (int i = 0; i < 3; i++)
		threads[i] = start_thread(hold_page_3, NULL);
	wait_until_held(&thing, 1);
	wait_until_waited_for(thing.object, 3);
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	for (int i = 0; i < 3; i++) {
		void *error;

		pthread_join(threads[i], &error);
		assert_null(error);
	}
	assert_calls(&thing, PAGER_READ, "3+1");
	assert_no_pins();
}

/* ---- the budget ---- */

static void test_more_than_the_budget(void **state)
{
	(void)state;
	assert_int_equal(hold(0, BUDGET + 1, false), -ENOMEM);
	assert_said("no room for 17 page(s) of thing");
	assert_calls(&thing, PAGER_READ, "");
	assert_int_equal(hold(0, BUDGET, false), 0);
	let_go(0, BUDGET, false);
}

/* All is pinned: the wait is bounded, and what was held already let go. */
static void test_a_full_budget(void **state)
{
	(void)state;
	assert_int_equal(hold(0, BUDGET - 2, false), 0);
	assert_int_equal(hold(20, 5, true), -ENOMEM);
	assert_said("no room for 5 page(s) of thing");
	assert_said("all of the budget of 16 pages is pinned");
	assert_true(counted(COUNT_STARVED) > 0);
	assert_int_equal(counted(COUNT_REFUSED), 1);
	for (uint64_t i = 20; i < 25; i++)
		assert_false(
			word_pinned(atomic_load(object_word(thing.object, i))));
	let_go(0, BUDGET - 2, false);
	assert_int_equal(hold(20, 1, false), 0);
	let_go(20, 1, false);
}

static void wait_until_starving(void)
{
	bool starving;

	do {
		lock_take(&world->cache.lock);
		starving = !list_empty(&world->cache.starving);
		lock_drop(&world->cache.lock);
		sched_yield();
	} while (!starving);
}

/* It would wait for ever: only the unpin can wake it. */
static void test_an_unpin_wakes_who_starves(void **state)
{
	pthread_t thread;
	void *error;

	(void)state;
	world->host.full_wait_ns = UINT64_MAX / 4;
	assert_int_equal(hold(16, BUDGET, false), 0);
	thread = start_thread(hold_page_3, NULL);
	wait_until_starving();
	let_go(20, 1, false);
	pthread_join(thread, &error);
	assert_null(error);
	let_go(16, 4, false);
	let_go(21, BUDGET - 5, false);
}

static void test_pinned_too_often(void **state)
{
	page_word *word = object_word(thing.object, 3);

	(void)state;
	assert_int_equal(hold(3, 1, false), 0);
	atomic_fetch_or(word, WORD_RPINS);
	assert_int_equal(hold(2, 3, false), -EAGAIN);
	assert_said("page 3 of thing is pinned too often");
	atomic_fetch_and(word, ~WORD_RPINS);
	assert_no_pins();
}

/* ---- all at once ---- */

#define THREADS 3

/* Together they want more than there is: each must get its turn. */
static void *hold_often(void *argument)
{
	uint64_t seed = (uintptr_t)argument;
	const unsigned char *bytes = object_window(thing.object, 0);
	intptr_t failed = 0;

	for (int i = 0; i < 400; i++) {
		uint64_t count = 1 + next_random(&seed) % 8;
		uint64_t index = next_random(&seed) % (PAGES - count);

		if (hold(index, count, false)) {
			failed++;
			continue;
		}
		for (uint64_t k = index; k < index + count; k++)
			if (bytes[k * PAGE_SIZE] != byte_at(k * PAGE_SIZE))
				failed++;
		let_go(index, count, false);
	}
	return (void *)failed;
}

static void test_threads(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	world->host.full_wait_ns = UINT64_MAX / 4;
	for (uintptr_t i = 0; i < THREADS; i++)
		threads[i] = start_thread(hold_often, (void *)(i + 1));
	for (int i = 0; i < THREADS; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_true(world->cache.charged_peak <= BUDGET);
	assert_no_pins();
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pages_are_held),
		TEST(test_pages_held_for_writing),
		TEST(test_hits_and_misses),
		TEST(test_a_hold_reads_a_run),
		TEST(test_past_the_end),
		TEST(test_throttle_refuses),
		TEST(test_scratch_is_not_throttled),
		TEST(test_a_page_that_cannot_be_read),
		TEST(test_a_store_with_errors_of_our_own),
		TEST(test_zeros_that_are_pinned_for_a_moment),
		TEST(test_zeros_that_stay),
		TEST(test_a_page_that_is_gone),
#ifdef QUIRE_DEBUG
		TEST(test_each_page_has_its_own_error),
#endif
		TEST(test_a_read_is_shared),
		TEST(test_more_than_the_budget),
		TEST(test_a_full_budget),
		TEST(test_an_unpin_wakes_who_starves),
		TEST(test_pinned_too_often),
		TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
