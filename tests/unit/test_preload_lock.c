/* test_preload_lock.c - the lock under which signals wait */
/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "preload/lock.h"

#include <pthread.h>
#include <stdbool.h>

static struct lock lock;
static int count;

static void do_nothing(int number)
{
	(void)number;
}

static bool is_waiting(int number)
{
	sigset_t pending;

	assert_int_equal(sigpending(&pending), 0);
	return sigismember(&pending, number);
}

static void *count_up(void *argument)
{
	(void)argument;
	for (int i = 0; i < 20000; i++) {
		lock_take(&lock);
		count++;
		lock_drop(&lock);
	}
	return NULL;
}

static void test_alone(void **state)
{
	pthread_t thread[4];

	(void)state;
	count = 0;
	for (int i = 0; i < 4; i++)
		assert_int_equal(
			pthread_create(&thread[i], NULL, count_up, NULL), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(count, 80000);
}

static void test_signals_wait(void **state)
{
	sigset_t before;
	sigset_t after;

	(void)state;
	signal(SIGUSR1, do_nothing);
	sigprocmask(SIG_SETMASK, NULL, &before);
	lock_take(&lock);
	lock_take(&lock);
	raise(SIGUSR1);
	assert_true(is_waiting(SIGUSR1));
	lock_drop(&lock);
	assert_true(is_waiting(SIGUSR1));
	lock_drop(&lock);
	assert_false(is_waiting(SIGUSR1));
	sigprocmask(SIG_SETMASK, NULL, &after);
	assert_memory_equal(&before, &after, 8);
}

static void child_takes_it(void *argument)
{
	(void)argument;
	lock_reset(&lock);
	lock_take(&lock);
	lock_drop(&lock);
}

static void child_inherits_it(void *argument)
{
	(void)argument;
	lock_inherit(&lock);
	lock_take(&lock);
	lock_drop(&lock);
	lock_drop(&lock);
	lock_take(&lock);
	lock_drop(&lock);
}

static void test_forks(void **state)
{
	(void)state;
	lock_take(&lock);
	assert_survives(child_takes_it, NULL);
	assert_survives(child_inherits_it, NULL);
	lock_drop(&lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_signals_wait),
		cmocka_unit_test(test_forks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
