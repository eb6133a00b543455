/* test_wait.c - page/wait.h: parking on a page, and being woken */
/* SPDX-License-Identifier: MIT */
#include "page/wait.h"

#include "unit/unit.h"

#include <pthread.h>
#include <sched.h>

#define ROUNDS 3000

static struct wait_table table;

struct count {
	struct waiter waiter;
	int wakes;
	bool parked_at_wake;
};

static void count_wake(struct waiter *waiter)
{
	struct count *count = container_of(waiter, struct count, waiter);

	count->wakes++;
	count->parked_at_wake = waiter->place != NULL;
}

static struct count new_count(void)
{
	return (struct count){ .waiter.wake = count_wake };
}

static int open_table(void **state)
{
	(void)state;
	wait_table_init(&table);
	return 0;
}

static int close_table(void **state)
{
	(void)state;
	wait_table_finish(&table);
	return 0;
}

static void test_park_and_wake(void **state)
{
	page_word word = PAGE_READING;
	struct count one = new_count(), two = new_count();

	(void)state;
	assert_true(
		wait_park(&table, &table, 5, &word, PAGE_READING, &one.waiter));
	assert_true(
		wait_park(&table, &table, 5, &word, PAGE_READING, &two.waiter));
	assert_int_equal(atomic_load(&word), PAGE_READING | WORD_WAITERS);
	assert_int_equal(one.wakes, 0);
	assert_true(page_end_read(&word, PAGE_CLEAN));
	wait_wake(&table, &table, 5);
	assert_int_equal(one.wakes, 1);
	assert_int_equal(two.wakes, 1);
	assert_false(one.parked_at_wake);
	wait_wake(&table, &table, 5);
	assert_int_equal(one.wakes, 1);
}

static void test_park_refused_if_the_state_changed(void **state)
{
	page_word word = PAGE_CLEAN;
	struct count one = new_count();

	(void)state;
	assert_false(
		wait_park(&table, &table, 5, &word, PAGE_READING, &one.waiter));
	assert_int_equal(atomic_load(&word), PAGE_CLEAN);
	assert_null(one.waiter.place);
	wait_wake(&table, &table, 5);
	assert_int_equal(one.wakes, 0);
}

/*
 * Same bucket or not: 512 waiters in 256 buckets, each woken alone.
 */
static void test_wake_is_exact(void **state)
{
	static struct count counts[512];
	static page_word words[512];

	(void)state;
	for (unsigned i = 0; i < 512; i++) {
		counts[i] = new_count();
		atomic_store(&words[i], PAGE_WRITING);
		assert_true(wait_park(&table, &table, i, &words[i],
				      PAGE_WRITING, &counts[i].waiter));
	}
	wait_wake(&table, &words, 3); /* another place */
	for (unsigned i = 0; i < 512; i++) {
		wait_wake(&table, &table, i);
		for (unsigned k = 0; k < 512; k++)
			assert_int_equal(counts[k].wakes, k <= i);
	}
}

static void test_places_are_told_apart(void **state)
{
	page_word word = PAGE_READING;
	struct count one = new_count(), two = new_count();
	char places[2] = { 0 };

	(void)state;
	assert_true(wait_park(&table, &places[0], 1, &word, PAGE_READING,
			      &one.waiter));
	assert_true(wait_park(&table, &places[1], 1, &word, PAGE_READING,
			      &two.waiter));
	wait_wake(&table, &places[1], 1);
	assert_int_equal(one.wakes, 0);
	assert_int_equal(two.wakes, 1);
	wait_wake(&table, &places[0], 1);
	assert_int_equal(one.wakes, 1);
}

/* ---- waiters may park again from inside wake() ---- */

struct again {
	struct waiter waiter;
	page_word *word;
	int wakes;
};

static void park_again(struct waiter *waiter)
{
	struct again *again = container_of(waiter, struct again, waiter);

	if (again->wakes++ == 0)
		assert_true(wait_park(&table, &table, 9, again->word,
				      PAGE_READING, waiter));
}

static void test_wake_may_park(void **state)
{
	page_word word = PAGE_READING;
	struct again again = { .waiter.wake = park_again, .word = &word };

	(void)state;
	assert_true(wait_park(&table, &table, 9, &word, PAGE_READING,
			      &again.waiter));
	wait_wake(&table, &table, 9);
	assert_int_equal(again.wakes, 1);
	wait_wake(&table, &table, 9);
	assert_int_equal(again.wakes, 2);
}

/* ---- sleepers ---- */

static void test_sleeper_with_deadline(void **state)
{
	struct sleeper sleeper;

	(void)state;
	sleeper_init(&sleeper);
	assert_false(sleeper_sleep_until(&sleeper, 0));
	assert_false(sleeper_sleep_until(&sleeper, clock_now_ns() + 1000000));
	sleeper.waiter.wake(&sleeper.waiter);
	/* Woken before: the deadline says nothing. */
	assert_true(sleeper_sleep_until(&sleeper, 0));
	/* ... once. */
	assert_false(sleeper_sleep_until(&sleeper, 0));
	sleeper.waiter.wake(&sleeper.waiter);
	sleeper_sleep(&sleeper);
	sleeper_finish(&sleeper);
}

static void *wake_it(void *argument)
{
	struct sleeper *sleeper = argument;

	sleeper->waiter.wake(&sleeper->waiter);
	return NULL;
}

static void test_sleeper_is_woken_by_another_thread(void **state)
{
	struct sleeper sleeper;
	pthread_t thread;

	(void)state;
	sleeper_init(&sleeper);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(
			pthread_create(&thread, NULL, wake_it, &sleeper), 0);
		if (i & 1)
			sleeper_sleep(&sleeper);
		else
			assert_true(sleeper_sleep_until(&sleeper, UINT64_MAX));
		pthread_join(thread, NULL);
	}
	sleeper_finish(&sleeper);
}

static void test_wait_for_change_returns_at_once(void **state)
{
	page_word word = PAGE_CLEAN;

	(void)state;
	wait_for_change(&table, &table, 1, &word, PAGE_READING);
	assert_int_equal(atomic_load(&word), PAGE_CLEAN);
}

/* ---- no wake-up is lost ---- */

static page_word shared_word;
static _Atomic unsigned turns;

static void *wait_often(void *argument)
{
	(void)argument;
	for (;;) {
		uint64_t word = atomic_load(&shared_word);

		if (atomic_load(&turns) == ROUNDS)
			return NULL;
		if (word_state(word) == PAGE_READING)
			wait_for_change(&table, &table, 7, &shared_word,
					PAGE_READING);
	}
}

/* Whoever sleeps through a change sleeps for ever: the test would not end. */
static void test_no_wakeup_is_lost(void **state)
{
	pthread_t threads[3];

	(void)state;
	atomic_store(&shared_word, PAGE_ABSENT);
	atomic_store(&turns, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, wait_often, NULL), 0);
	for (unsigned i = 1; i <= ROUNDS; i++) {
		assert_true(page_begin_read(&shared_word));
		/* Each third time, somebody is asleep for sure. */
		while (i % 3 == 0 &&
		       !(atomic_load(&shared_word) & WORD_WAITERS))
			sched_yield();
		if (i == ROUNDS)
			atomic_store(&turns, i);
		if (page_end_read(&shared_word, PAGE_ABSENT))
			wait_wake(&table, &table, 7);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

/* ---- our own errors ---- */

static void finish_with_waiter(void *argument)
{
	static struct wait_table other;
	page_word word = PAGE_READING;
	struct count one = new_count();

	(void)argument;
	wait_table_init(&other);
	wait_park(&other, &other, 1, &word, PAGE_READING, &one.waiter);
	wait_table_finish(&other);
}

static void test_nobody_waits_at_the_end(void **state)
{
	(void)state;
	assert_check_fails(finish_with_waiter, NULL, "nobody waits");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_park_and_wake),
		cmocka_unit_test(test_park_refused_if_the_state_changed),
		cmocka_unit_test(test_wake_is_exact),
		cmocka_unit_test(test_places_are_told_apart),
		cmocka_unit_test(test_wake_may_park),
		cmocka_unit_test(test_sleeper_with_deadline),
		cmocka_unit_test(test_sleeper_is_woken_by_another_thread),
		cmocka_unit_test(test_wait_for_change_returns_at_once),
		cmocka_unit_test(test_no_wakeup_is_lost),
		cmocka_unit_test(test_nobody_waits_at_the_end),
	};

	return cmocka_run_group_tests(tests, open_table, close_table);
}
