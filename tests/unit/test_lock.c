/* test_lock.c - base/lock.h */
/* SPDX-License-Identifier: MIT */
#include "base/lock.h"

#include "base/worker.h"
#include "unit/unit.h"

#include <stdlib.h>
#include <time.h>

#define ROUNDS 20000
#define THREADS 3

struct locks {
	struct lock low;
	struct lock low_too;
	struct lock high;
	struct rwlock middle;
	struct condition condition;
};

static int create(void **state)
{
	static struct locks locks;

	lock_init(&locks.low, LOCK_RANK_STORE);
	lock_init(&locks.low_too, LOCK_RANK_STORE);
	lock_init(&locks.high, LOCK_RANK_SPACE);
	rwlock_init(&locks.middle, LOCK_RANK_OBJECT);
	condition_init(&locks.condition);
	*state = &locks;
	return 0;
}

static int finish(void **state)
{
	struct locks *locks = *state;

	condition_finish(&locks->condition);
	rwlock_finish(&locks->middle);
	lock_finish(&locks->high);
	lock_finish(&locks->low_too);
	lock_finish(&locks->low);
	return 0;
}

/* ---- ranks ---- */

static void fall(void *argument)
{
	struct locks *locks = argument;

	for (int i = 0; i < 2; i++) {
		lock_take(&locks->high);
		rwlock_take_read(&locks->middle);
		lock_take(&locks->low);
		lock_drop(&locks->high); /* not the last one taken */
		lock_drop(&locks->low);
		rwlock_drop_read(&locks->middle);
	}
}

/* Two of a rank, if it is said which is the lower. */
static void take_below(void *argument)
{
	struct locks *locks = argument;

	for (int i = 0; i < 2; i++) {
		lock_take(&locks->low);
		lock_take_below(&locks->low_too, LOCK_RANK_STORE - 1);
		lock_drop(&locks->low_too);
		lock_drop(&locks->low);
		lock_take(&locks->low_too); /* as ever */
		lock_drop(&locks->low_too);
	}
}

static void test_second_of_a_rank(void **state)
{
	assert_survives(take_below, *state);
}

static void test_falling_ranks_are_right(void **state)
{
	assert_survives(fall, *state);
}

#ifdef QUIRE_DEBUG

static void rise(void *argument)
{
	struct locks *locks = argument;

	lock_take(&locks->low);
	lock_take(&locks->high);
}

static void take_two_of_a_rank(void *argument)
{
	struct locks *locks = argument;

	lock_take(&locks->low);
	lock_take(&locks->low_too);
}

static void take_above(void *argument)
{
	struct locks *locks = argument;

	lock_take(&locks->low);
	lock_take_below(&locks->low_too, LOCK_RANK_STORE);
}

static void take_twice(void *argument)
{
	struct locks *locks = argument;

	lock_take(&locks->low);
	lock_take(&locks->low);
}

static void read_then_rise(void *argument)
{
	struct locks *locks = argument;

	rwlock_take_read(&locks->middle);
	lock_take(&locks->high);
}

static void rise_to_read(void *argument)
{
	struct locks *locks = argument;

	lock_take(&locks->low);
	rwlock_take_read(&locks->middle);
}

static void rise_to_write(void *argument)
{
	struct locks *locks = argument;

	lock_take(&locks->low);
	rwlock_take_write(&locks->middle);
}

static void read_twice(void *argument)
{
	struct locks *locks = argument;

	rwlock_take_read(&locks->middle);
	rwlock_take_read(&locks->middle);
}

/* The drop of the higher one leaves the low one on the books. */
static void rise_after_a_drop(void *argument)
{
	struct locks *locks = argument;

	lock_take(&locks->high);
	lock_take(&locks->low);
	lock_drop(&locks->high);
	lock_take(&locks->high);
}

/* Waking would take the high lock under the low one. */
static void wait_under_a_lower_lock(void *argument)
{
	struct locks *locks = argument;

	lock_take(&locks->high);
	lock_take(&locks->low);
	condition_wait_until(&locks->condition, &locks->high, 0);
}

static void test_wrong_order_dies(void **state)
{
	static const struct {
		const char *name;
		void (*body)(void *);
	} cases[] = {
		{ "rise", rise },
		{ "take_two_of_a_rank", take_two_of_a_rank },
		{ "take_above", take_above },
		{ "take_twice", take_twice },
		{ "read_then_rise", read_then_rise },
		{ "rise_to_read", rise_to_read },
		{ "rise_to_write", rise_to_write },
		{ "read_twice", read_twice },
		{ "rise_after_a_drop", rise_after_a_drop },
		{ "wait_under_a_lower_lock", wait_under_a_lower_lock },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i].name);
		assert_check_fails(cases[i].body, *state,
				   "locks are taken in falling rank");
	}
}

static void drop_untaken(void *argument)
{
	struct locks *locks = argument;

	lock_drop(&locks->low);
}

static void drop_read_untaken(void *argument)
{
	struct locks *locks = argument;

	lock_take(&locks->low);
	rwlock_drop_read(&locks->middle);
}

static void test_drop_without_take_dies(void **state)
{
	assert_check_fails(drop_untaken, *state, "by the thread that took it");
	assert_check_fails(drop_read_untaken, *state,
			   "by the thread that took it");
}

static void *held_elsewhere(void *argument)
{
	struct locks *locks = argument;

	return lock_held(&locks->low) ? argument : NULL;
}

static void test_held_is_the_threads_own(void **state)
{
	struct locks *locks = *state;
	pthread_t thread;
	void *result;

	assert_false(lock_held(&locks->low));
	lock_take(&locks->low);
	assert_true(lock_held(&locks->low));
	assert_false(lock_held(&locks->low_too));
	assert_int_equal(thread_start(&thread, "held", held_elsewhere, locks),
			 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_null(result);
	lock_drop(&locks->low);
	assert_false(lock_held(&locks->low));
}

#else

static void test_held_is_true_without_debug(void **state)
{
	struct locks *locks = *state;

	assert_true(lock_held(&locks->low));
}

#endif

/* ---- exclusion ---- */

struct counter {
	struct locks *locks;
	int count; /* under low */
	int first; /* under middle: always equal to second */
	int second;
	bool failed; /* under low */
};

static void *count_up(void *argument)
{
	struct counter *counter = argument;

	for (int i = 0; i < ROUNDS; i++) {
		lock_take(&counter->locks->low);
		counter->count++;
		lock_drop(&counter->locks->low);
	}
	return NULL;
}

static void run_threads(void *(*run)(void *), struct counter *counter)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
			thread_start(&threads[i], "counter", run, counter), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void *try_low(void *argument)
{
	struct locks *locks = argument;
	bool taken = lock_try(&locks->low);

	if (taken)
		lock_drop(&locks->low);
	return taken ? locks : NULL;
}

static void test_try(void **state)
{
	struct locks *locks = *state;
	pthread_t thread;
	void *taken;

	lock_take(&locks->low);
	assert_int_equal(pthread_create(&thread, NULL, try_low, locks), 0);
	assert_int_equal(pthread_join(thread, &taken), 0);
	assert_null(taken);
	lock_drop(&locks->low);
	assert_int_equal(pthread_create(&thread, NULL, try_low, locks), 0);
	assert_int_equal(pthread_join(thread, &taken), 0);
	assert_ptr_equal(taken, locks);
	assert_true(lock_try(&locks->low));
	assert_true(lock_held(&locks->low));
	lock_drop(&locks->low);
}

static void test_lock_excludes(void **state)
{
	struct counter counter = { .locks = *state };

	run_threads(count_up, &counter);
	assert_int_equal(counter.count, THREADS * ROUNDS);
}

static void *read_and_write(void *argument)
{
	struct counter *counter = argument;
	bool equal = true;

	for (int i = 0; i < ROUNDS; i++) {
		if (i % 8 == 0) {
			rwlock_take_write(&counter->locks->middle);
			counter->first++;
			counter->second++;
			rwlock_drop_write(&counter->locks->middle);
		} else {
			rwlock_take_read(&counter->locks->middle);
			equal = equal && counter->first == counter->second;
			rwlock_drop_read(&counter->locks->middle);
		}
	}
	lock_take(&counter->locks->low);
	counter->failed = counter->failed || !equal;
	lock_drop(&counter->locks->low);
	return NULL;
}

static void test_rwlock_excludes_writers(void **state)
{
	struct counter counter = { .locks = *state };

	run_threads(read_and_write, &counter);
	assert_false(counter.failed);
	assert_int_equal(counter.first, THREADS * ROUNDS / 8);
}

struct meeting {
	struct locks *locks;
	int readers; /* under low: that hold middle now */
};

/* Ends only when two readers hold the lock at once. */
static void *meet(void *argument)
{
	struct meeting *meeting = argument;

	rwlock_take_read(&meeting->locks->middle);
	lock_take(&meeting->locks->low);
	meeting->readers++;
	condition_wake_all(&meeting->locks->condition);
	while (meeting->readers < 2)
		condition_wait(&meeting->locks->condition,
			       &meeting->locks->low);
	lock_drop(&meeting->locks->low);
	rwlock_drop_read(&meeting->locks->middle);
	return NULL;
}

static void test_readers_share(void **state)
{
	struct meeting meeting = { .locks = *state };
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		assert_int_equal(
			thread_start(&threads[i], "reader", meet, &meeting), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(meeting.readers, 2);
}

static void *write_once(void *argument)
{
	struct locks *locks = argument;

	rwlock_take_write(&locks->middle);
	rwlock_drop_write(&locks->middle);
	return NULL;
}

/*
 * This thread reads; a writer comes to wait; from then on nobody may begin to
 * read.  That the writer waits can be seen by nothing but that: without
 * preference the loop would never end.
 */
static void test_waiting_writer_goes_first(void **state)
{
	struct locks *locks = *state;
	pthread_t writer;

	rwlock_take_read(&locks->middle);
	assert_int_equal(thread_start(&writer, "writer", write_once, locks), 0);
	while (futex_rwlock_try_read(&locks->middle.futex)) {
		futex_rwlock_end_read(&locks->middle.futex);
		sched_yield();
	}
	rwlock_drop_read(&locks->middle);
	assert_int_equal(pthread_join(writer, NULL), 0);
}

static void finish_while_read(void *argument)
{
	struct locks *locks = argument;

	rwlock_take_read(&locks->middle);
	rwlock_finish(&locks->middle);
}

static void test_finish_while_held_dies(void **state)
{
	assert_check_fails(finish_while_read, *state,
			   "nobody holds it any more");
}

/* ---- conditions ---- */

struct turns {
	struct locks *locks;
	int turn; /* under low */
};

static void take_turns(struct turns *turns, int mine)
{
	for (int i = 0; i < 1000; i++) {
		lock_take(&turns->locks->low);
		while (turns->turn % 2 != mine)
			condition_wait(&turns->locks->condition,
				       &turns->locks->low);
		turns->turn++;
		condition_wake_one(&turns->locks->condition);
		lock_drop(&turns->locks->low);
	}
}

static void *odd_turns(void *argument)
{
	take_turns(argument, 1);
	return NULL;
}

static void test_condition_passes_turns(void **state)
{
	struct turns turns = { .locks = *state };
	pthread_t thread;

	assert_int_equal(thread_start(&thread, "odd", odd_turns, &turns), 0);
	take_turns(&turns, 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(turns.turn, 2000);
}

static void test_past_deadline_is_false(void **state)
{
	struct locks *locks = *state;
	uint64_t now = clock_now_ns();

	lock_take(&locks->low);
	assert_false(condition_wait_until(&locks->condition, &locks->low, now));
	assert_true(lock_held(&locks->low));
	lock_drop(&locks->low);
}

/* The deadline is of the monotonic clock: the wait ends, and not before it. */
static void test_deadline_is_waited_for(void **state)
{
	struct locks *locks = *state;
	uint64_t deadline = clock_now_ns() + 2000000;

	lock_take(&locks->low);
	while (condition_wait_until(&locks->condition, &locks->low, deadline))
		; /* woken for nothing */
	lock_drop(&locks->low);
	assert_true(clock_now_ns() >= deadline);
}

static void *wake(void *argument)
{
	struct turns *turns = argument;

	lock_take(&turns->locks->low);
	turns->turn = 1;
	condition_wake_one(&turns->locks->condition);
	lock_drop(&turns->locks->low);
	return NULL;
}

static void test_woken_before_deadline_is_true(void **state)
{
	struct turns turns = { .locks = *state };
	uint64_t deadline = clock_now_ns() + UINT64_C(600000000000);
	bool woken = true;
	pthread_t thread;

	lock_take(&turns.locks->low);
	assert_int_equal(thread_start(&thread, "wake", wake, &turns), 0);
	while (turns.turn == 0 && woken)
		woken = condition_wait_until(&turns.locks->condition,
					     &turns.locks->low, deadline);
	assert_true(woken);
	lock_drop(&turns.locks->low);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_clock_does_not_go_back(void **state)
{
	uint64_t last = clock_now_ns();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t now = clock_now_ns();

		assert_true(now >= last);
		last = now;
	}
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, create, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_falling_ranks_are_right),
		TEST(test_second_of_a_rank),
#ifdef QUIRE_DEBUG
		TEST(test_wrong_order_dies),
		TEST(test_drop_without_take_dies),
		TEST(test_held_is_the_threads_own),
#else
		TEST(test_held_is_true_without_debug),
#endif
		TEST(test_try),
		TEST(test_lock_excludes),
		TEST(test_rwlock_excludes_writers),
		TEST(test_readers_share),
		TEST(test_waiting_writer_goes_first),
		TEST(test_finish_while_held_dies),
		TEST(test_condition_passes_turns),
		TEST(test_past_deadline_is_false),
		TEST(test_deadline_is_waited_for),
		TEST(test_woken_before_deadline_is_true),
		TEST(test_clock_does_not_go_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
