/* test_lane.c - base/lane.h */
/* SPDX-License-Identifier: MIT */
#include "base/lane.h"
#include "base/lock.h"
#include "unit/unit.h"

#include <pthread.h>
#include <stdbool.h>

#define MANY (LANES + 20) /* threads */
#define ADDS 10000

static _Atomic uint64_t counts[LANES + 1];

/* Threads that wait for each other, so that all live at one time. */
static pthread_barrier_t all_there;

static void *take_and_wait(void *argument)
{
	unsigned *lane = argument;

	*lane = lane_mine();
	if (lane_mine() != *lane)
		*lane = LANES + 1; /* it may not change */
	pthread_barrier_wait(&all_there);
	return NULL;
}

static void take_by(unsigned threads, unsigned *lanes)
{
	pthread_t thread[MANY];

	assert_int_equal(pthread_barrier_init(&all_there, NULL, threads), 0);
	for (unsigned i = 0; i < threads; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, take_and_wait,
						&lanes[i]),
				 0);
	for (unsigned i = 0; i < threads; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	pthread_barrier_destroy(&all_there);
}

static bool are_there(void)
{
	lanes_prepare();
	return lane_mine() < LANES;
}

static void nobody_shares_one(void **state)
{
	bool seen[LANES] = { false };
	unsigned lanes[MANY], without = 0;

	(void)state;
	if (!are_there())
		skip(); /* an old kernel */
	seen[lane_mine()] = true;
	take_by(MANY, lanes);
	for (unsigned i = 0; i < MANY; i++) {
		assert_in_range(lanes[i], 0, LANES);
		if (lanes[i] == LANES) {
			without++;
			continue;
		}
		assert_false(seen[lanes[i]]);
		seen[lanes[i]] = true;
	}
	assert_int_equal(without, MANY - (LANES - 1));
}

/* Threads come and go, many more than there are lanes. */
static void they_are_given_back(void **state)
{
	unsigned lane;

	(void)state;
	if (!are_there())
		skip();
	for (unsigned i = 0; i < 3 * LANES; i++) {
		take_by(1, &lane);
		assert_in_range(lane, 0, LANES - 1);
	}
}

static void *add(void *argument)
{
	unsigned lane = lane_mine();

	(void)argument;
	for (unsigned i = 0; i < ADDS; i++)
		lane_add(&counts[lane], 1);
	return NULL;
}

/* The counts of one thread are there for the next of its lane. */
static void nothing_is_lost(void **state)
{
	uint64_t sum = 0;

	(void)state;
	if (!are_there())
		skip();
	for (unsigned round = 0; round < 50; round++) {
		pthread_t thread[4];

		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(
				pthread_create(&thread[i], NULL, add, NULL), 0);
		for (unsigned i = 0; i < 4; i++)
			pthread_join(thread[i], NULL);
	}
	assert_int_equal(counts[LANES], 0);
	for (unsigned i = 0; i < LANES; i++)
		sum += counts[i];
	assert_int_equal(sum, 50 * 4 * ADDS);
	lane_barrier();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_shares_one),
		cmocka_unit_test(they_are_given_back),
		cmocka_unit_test(nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
