/* test_background.c - page/background.c: pages leave ahead of need */
/* SPDX-License-Identifier: MIT */
#include "unit/page_tools.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#define PAGES 4096
#define BUDGET 1024
#define LOW (BUDGET / 32)

struct bench {
	struct counters counters;
	struct cache cache;
	struct page_table table;
	pthread_t me;
	_Atomic uint64_t mine;   /* evicted by the test's own thread */
	_Atomic uint64_t others; /* by another one */
	_Atomic int error;       /* what evict() says */
};

static int evict(struct page_table *table, uint64_t index, uint64_t count)
{
	struct bench *bench = container_of(table, struct bench, table);
	int error = atomic_load(&bench->error);

	(void)index;
	if (!error)
		atomic_fetch_add(pthread_equal(pthread_self(), bench->me)
					 ? &bench->mine
					 : &bench->others,
				 count);
	return error;
}

static const struct page_owner_ops owner = { .evict = evict };

static int open_with(void **state, uint64_t budget)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	bench->me = pthread_self();
	cache_init(&bench->cache, budget, &bench->counters);
	assert_int_equal(cache_reclaim_ahead(&bench->cache), 0);
	assert_int_equal(page_table_init(&bench->table, &bench->cache, &owner,
					 PAGES, 0),
			 0);
	*state = bench;
	return 0;
}

static int open_bench(void **state)
{
	return open_with(state, BUDGET);
}

static int open_small(void **state)
{
	return open_with(state, BUDGET - 1);
}

static int close_bench(void **state)
{
	struct bench *bench = *state;

	cache_stop_reclaim(&bench->cache);
	atomic_store(&bench->error, 0);
	cache_evict_range(&bench->cache, &bench->table, 0, PAGES);
	page_table_finish(&bench->table);
	cache_finish(&bench->cache);
	free(bench);
	return 0;
}

static uint64_t charged(struct bench *bench)
{
	uint64_t pages;

	lock_take(&bench->cache.lock);
	pages = bench->cache.charged;
	lock_drop(&bench->cache.lock);
	return pages;
}

static void put(struct bench *bench, uint64_t index, uint64_t count)
{
	put_pages(&bench->table, index, count, PAGE_CLEAN);
}

/* What fits is left alone, to the last page. */
static void test_nothing_leaves_while_all_fits(void **state)
{
	struct bench *bench = *state;

	for (uint64_t i = 0; i < BUDGET; i++)
		put(bench, i, 1);
	assert_false(atomic_load(&bench->cache.reclaiming));
	assert_int_equal(charged(bench), BUDGET);
	assert_int_equal(bench->mine + bench->others, 0);
}

/* Once somebody had to evict, there is room again before the next comes. */
static void test_room_is_made(void **state)
{
	struct bench *bench = *state;

	for (uint64_t i = 0; i < BUDGET; i++)
		put(bench, i, 1);
	put(bench, BUDGET, 1);
	assert_true(atomic_load(&bench->mine) > 0);
	for (uint64_t i = BUDGET + 1; i < 2 * BUDGET; i++) {
		put(bench, i, 1);
		while (charged(bench) + LOW / 2 > BUDGET)
			sched_yield(); /* it comes, or the test hangs */
	}
	assert_true(atomic_load(&bench->others) > BUDGET / 2);
	assert_int_equal(bench->mine + bench->others,
			 2 * BUDGET - charged(bench));
}

/* It gives up where nothing can leave, and comes again when it is asked. */
static void test_owner_refuses(void **state)
{
	struct bench *bench = *state;
	uint64_t sequence;

	put(bench, 0, BUDGET);
	atomic_store(&bench->error, -EIO);
	assert_int_equal(cache_charge(&bench->cache, &bench->table, BUDGET, 1,
				      &sequence),
			 0);
	while (atomic_load(&bench->cache.reclaiming))
		sched_yield();
	assert_int_equal(charged(bench), BUDGET);
	atomic_store(&bench->error, 0);
	put(bench, BUDGET, 1);
	put(bench, BUDGET + 1, 1);
	assert_true(charged(bench) < BUDGET);
}

static void test_small_budgets_are_left_alone(void **state)
{
	struct bench *bench = *state;

	assert_null(bench->cache.reclaimers);
	for (uint64_t i = 0; i < 2 * BUDGET; i++)
		put(bench, i, 1);
	assert_int_equal(atomic_load(&bench->others), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_nothing_leaves_while_all_fits, open_bench,
			close_bench),
		cmocka_unit_test_setup_teardown(test_room_is_made, open_bench,
						close_bench),
		cmocka_unit_test_setup_teardown(test_owner_refuses, open_bench,
						close_bench),
		cmocka_unit_test_setup_teardown(
			test_small_budgets_are_left_alone, open_small,
			close_bench),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
