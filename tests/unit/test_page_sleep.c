/* test_page_sleep.c - os/page_sleep.h: who sleeps until a page is shown */
/* SPDX-License-Identifier: MIT */
#include "os/page_sleep.h"
#include "unit/unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define PAGE UINT64_C(4096)
#define ROUNDS 20000

/* A wake-up after the look, and before the sleep. */
static void a_wake_up_in_between(void **state)
{
	struct page_sleep sleep;

	(void)state;
	page_sleep_prepare(&sleep, 7 * PAGE);
	page_sleep_wake(7 * PAGE, PAGE);
	page_sleep(&sleep);
	page_sleep_prepare(&sleep, 7 * PAGE);
	page_sleep_wake(0, 5000 * PAGE); /* of all places */
	page_sleep(&sleep);
}

static _Atomic int shown; /* the page, so many times */

static void *sleep_each_time(void *argument)
{
	(void)argument;
	for (int i = 1; i <= ROUNDS; i++)
		while (atomic_load(&shown) < i) {
			struct page_sleep sleep;

			page_sleep_prepare(&sleep, 9 * PAGE);
			if (atomic_load(&shown) < i)
				page_sleep(&sleep);
		}
	return NULL;
}

/* None is lost, however the two come together. */
static void no_wake_up_is_lost(void **state)
{
	pthread_t sleeper;

	(void)state;
	assert_int_equal(pthread_create(&sleeper, NULL, sleep_each_time, NULL),
			 0);
	for (int i = 1; i <= ROUNDS; i++) {
		atomic_store(&shown, i);
		page_sleep_wake(9 * PAGE, PAGE);
		if (i % 3 == 0)
			sched_yield();
	}
	pthread_join(sleeper, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wake_up_in_between),
		cmocka_unit_test(no_wake_up_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
