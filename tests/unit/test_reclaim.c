/* test_reclaim.c - page/reclaim.c: which pages leave, and in which runs */
/* SPDX-License-Identifier: MIT */
#include "unit/page_tools.h"

#include <errno.h>

#define PAGES 4096
#define BUDGET 1024

struct bench {
	struct counters counters;
	struct cache cache;
	struct page_table table;
	char calls[1024]; /* of evict(): "first+count ..." */
	char gone[1024];  /* of gone(), the same */
	char leave[1024]; /* of leave(), all of a call in brackets */
	int error;        /* what evict() says */
	bool was_evicting;
};

static void note(char *calls, uint64_t index, uint64_t count)
{
	size_t length = strlen(calls);

	snprintf(calls + length, 1024 - length, "%s%llu+%llu",
		 length && calls[length - 1] != '(' ? " " : "",
		 (unsigned long long)index, (unsigned long long)count);
}

static int evict(struct page_table *table, uint64_t index, uint64_t count)
{
	struct bench *bench = container_of(table, struct bench, table);

	note(bench->calls, index, count);
	for (uint64_t i = 0; i < count; i++)
		if (word_state(atomic_load(page_table_word(
			    table, index + i))) != PAGE_EVICTING)
			bench->was_evicting = false;
	return bench->error;
}

static void gone(struct page_table *table, uint64_t index, uint64_t count)
{
	note(container_of(table, struct bench, table)->gone, index, count);
}

static void leave(struct page_table *table, const struct page_run *runs,
		  unsigned count)
{
	struct bench *bench = container_of(table, struct bench, table);

	bench->leave[0] = '\0'; /* the last one counts */
	strcat(bench->leave, "(");
	for (unsigned i = 0; i < count; i++) {
		note(bench->leave, runs[i].index, runs[i].count);
		/* It comes before. */
		if (word_state(atomic_load(page_table_word(
			    table, runs[i].index))) != PAGE_EVICTING)
			bench->was_evicting = false;
	}
	strcat(bench->leave, ")");
}

static const struct page_owner_ops owner = { .leave = leave,
					     .evict = evict,
					     .gone = gone };

static int open_bench(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	bench->was_evicting = true;
	cache_init(&bench->cache, BUDGET, &bench->counters);
	assert_int_equal(page_table_init(&bench->table, &bench->cache, &owner,
					 PAGES, 0),
			 0);
	*state = bench;
	return 0;
}

static page_word *word_at(struct bench *bench, uint64_t index)
{
	return page_table_word(&bench->table, index);
}

static int close_bench(void **state)
{
	struct bench *bench = *state;

	assert_true(bench->was_evicting);
	bench->error = 0;
	for (uint64_t i = 0; i < PAGES; i++)
		if (word_visible(atomic_load(word_at(bench, i))))
			atomic_store(word_at(bench, i), PAGE_CLEAN);
	cache_evict_range(&bench->cache, &bench->table, 0, PAGES);
	page_table_finish(&bench->table);
	cache_finish(&bench->cache);
	free(bench);
	return 0;
}

/* Charged, and with this word. */
static void put(struct bench *bench, uint64_t index, uint64_t count,
		uint64_t word)
{
	put_pages(&bench->table, index, count, word);
}

/* What has been evicted since the last time. */
static void assert_evicted(struct bench *bench, const char *expected)
{
	assert_string_equal(bench->calls, expected);
	bench->calls[0] = '\0';
}

/* Clusters leave in the order they came; a run is one call. */
static void test_first_in_first_out(void **state)
{
	struct bench *bench = *state;

	put(bench, 320, 16, PAGE_CLEAN);
	put(bench, 0, 16, PAGE_CLEAN);
	put(bench, 640, 16, PAGE_CLEAN);
	assert_int_equal(cache_reclaim(&bench->cache, 1), 32);
	assert_evicted(bench, "320+16 0+16");
	assert_int_equal(bench->cache.charged, 16);
	assert_int_equal(atomic_load(word_at(bench, 320)), PAGE_ABSENT);
	assert_int_equal(atomic_load(word_at(bench, 640)), PAGE_CLEAN);
	assert_int_equal(count_get(&bench->counters, COUNT_EVICTIONS), 32);
	assert_int_equal(cache_reclaim(&bench->cache, 1), 16);
	assert_evicted(bench, "640+16");
}

static void test_neighbouring_clusters_are_one_run(void **state)
{
	struct bench *bench = *state;

	put(bench, 16, 64, PAGE_CLEAN);
	assert_int_equal(cache_reclaim(&bench->cache, 64), 64);
	assert_evicted(bench, "16+64");
}

static void test_nothing_to_reclaim(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(cache_reclaim(&bench->cache, 10), 0);
	assert_evicted(bench, "");
}

/* The first time round a referenced cluster is forgiven, the second not. */
static void test_referenced_is_forgiven_once(void **state)
{
	struct bench *bench = *state;

	put(bench, 0, 16, PAGE_CLEAN);
	atomic_store(word_at(bench, 3), PAGE_CLEAN | WORD_REFERENCED);
	put(bench, 100, 32, PAGE_CLEAN);
	assert_int_equal(cache_reclaim(&bench->cache, 32), 32);
	assert_evicted(bench, "100+32");
	assert_int_equal(atomic_load(word_at(bench, 3)), PAGE_CLEAN);
	assert_int_equal(cache_reclaim(&bench->cache, 32), 16);
	assert_evicted(bench, "0+16");
}

static void test_all_referenced_still_leave(void **state)
{
	struct bench *bench = *state;

	put(bench, 0, 48, PAGE_CLEAN | WORD_REFERENCED);
	assert_int_equal(cache_reclaim(&bench->cache, 32), 32);
	assert_evicted(bench, "0+32");
}

/*
 *   . clean  r read pin  w write pin, dirty  d dirty  W writing  R reading
 *        0 . 1 .   2 r   3 .   4 d   5 .  6 W  7 R   8 w   9 .
 */
static void test_what_may_not_leave(void **state)
{
	struct bench *bench = *state;
	const uint64_t words[] = {
		PAGE_CLEAN,   PAGE_CLEAN,   PAGE_CLEAN | WORD_RPIN,
		PAGE_CLEAN,   PAGE_DIRTY,   PAGE_CLEAN,
		PAGE_WRITING, PAGE_READING, PAGE_DIRTY | WORD_WPIN,
		PAGE_CLEAN,
	};

	for (uint64_t i = 0; i < 10; i++)
		put(bench, i, 1, words[i]);
	assert_int_equal(cache_reclaim(&bench->cache, 10), 5);
	assert_evicted(bench, "0+2 3+1 5+1 9+1");
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(atomic_load(word_at(bench, i)),
				 words[i] == PAGE_CLEAN ? PAGE_ABSENT
							: words[i]);
	assert_int_equal(bench->cache.charged, 5);
	assert_int_equal(cache_reclaim(&bench->cache, 1), 0);
	atomic_store(word_at(bench, 7), PAGE_CLEAN);
}

static void test_only_charged_pages_of_a_cluster(void **state)
{
	struct bench *bench = *state;

	put(bench, 5, 1, PAGE_CLEAN);
	put(bench, 9, 2, PAGE_CLEAN);
	assert_int_equal(cache_reclaim(&bench->cache, 10), 3);
	/* One hole, and nothing comes into it meanwhile (was_evicting). */
	assert_evicted(bench, "5+6");
	assert_string_equal(bench->gone, "5+1 9+2");
	assert_int_equal(count_get(&bench->counters, COUNT_EVICTIONS), 3);
	assert_int_equal(bench->cache.charged, 0);
	for (uint64_t i = 0; i < 16; i++)
		assert_int_equal(atomic_load(word_at(bench, i)), PAGE_ABSENT);
}

/* A hole goes over what is not there, and over nothing else. */
static void test_what_holes_go_over(void **state)
{
	struct bench *bench = *state;

	put(bench, 1, 1, PAGE_CLEAN);
	atomic_store(word_at(bench, 3), PAGE_FAILED);
	put(bench, 5, 1, PAGE_CLEAN);
	put(bench, 7, 1, PAGE_DIRTY);
	put(bench, 9, 1, PAGE_CLEAN);
	put(bench, 11, 1, PAGE_READING);
	put(bench, 15, 1, PAGE_CLEAN);
	assert_int_equal(cache_reclaim(&bench->cache, 10), 4);
	assert_string_equal(bench->leave, "(1+2 5+2 9+2 15+1)");
	assert_evicted(bench, "1+2 5+2 9+2 15+1");
	assert_string_equal(bench->gone, "1+1 5+1 9+1 15+1");
	assert_int_equal(atomic_load(word_at(bench, 2)), PAGE_ABSENT);
	assert_int_equal(atomic_load(word_at(bench, 3)), PAGE_FAILED);
	assert_int_equal(atomic_load(word_at(bench, 7)), PAGE_DIRTY);
	assert_int_equal(atomic_load(word_at(bench, 11)), PAGE_READING);
	assert_int_equal(bench->cache.charged, 2);
	atomic_store(word_at(bench, 3), PAGE_ABSENT);
	atomic_store(word_at(bench, 11), PAGE_CLEAN);
}

/* Its owner is told all the same. */
static void test_a_single_run_leaves(void **state)
{
	struct bench *bench = *state;

	put(bench, 32, 4, PAGE_CLEAN);
	assert_int_equal(cache_reclaim(&bench->cache, 10), 4);
	assert_string_equal(bench->leave, "(32+4)");
	assert_evicted(bench, "32+4");
}

/* What could not leave is there, and the gap is none any more. */
static void test_a_hole_that_fails(void **state)
{
	struct bench *bench = *state;

	put(bench, 0, 1, PAGE_CLEAN);
	put(bench, 2, 1, PAGE_CLEAN);
	bench->error = -ENOMEM;
	assert_int_equal(cache_reclaim(&bench->cache, 1), 0);
	assert_evicted(bench, "0+3");
	assert_string_equal(bench->gone, "");
	assert_int_equal(atomic_load(word_at(bench, 0)), PAGE_CLEAN);
	assert_int_equal(atomic_load(word_at(bench, 1)), PAGE_ABSENT);
	assert_int_equal(atomic_load(word_at(bench, 2)), PAGE_CLEAN);
	assert_int_equal(bench->cache.charged, 2);
}

/* The owner cannot: nothing is lost, nothing is given back. */
static void test_failed_eviction_keeps_clean(void **state)
{
	struct bench *bench = *state;

	put(bench, 0, 8, PAGE_CLEAN);
	bench->error = -ENOMEM;
	assert_int_equal(cache_evict_range(&bench->cache, &bench->table, 0, 8),
			 0);
	assert_evicted(bench, "0+8");
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(atomic_load(word_at(bench, i)), PAGE_CLEAN);
	assert_int_equal(bench->cache.charged, 8);
	assert_int_equal(count_get(&bench->counters, COUNT_EVICTIONS), 0);
	bench->error = 0;
	assert_int_equal(cache_evict_range(&bench->cache, &bench->table, 0, 8),
			 8);
}

static unsigned refusals;

/* Not for ever, or a reclaim that never ends would not fail the test. */
static int refuse(struct page_table *table, uint64_t index, uint64_t count)
{
	(void)table;
	(void)index;
	(void)count;
	return ++refusals < 100 ? -ENOMEM : 0;
}

static const struct page_owner_ops refusing_owner = { .evict = refuse };

/* The owner cannot, and will not a moment later: whoever needs room waits. */
static void test_reclaim_ends_where_nothing_can_leave(void **state)
{
	struct bench *bench = *state;

	bench->table.owner = &refusing_owner;
	put(bench, 0, 8, PAGE_CLEAN);
	assert_int_equal(cache_reclaim(&bench->cache, 4), 0);
	assert_int_equal(refusals, 1);
	assert_int_equal(bench->cache.charged, 8);
	bench->table.owner = &owner;
	assert_int_equal(cache_reclaim(&bench->cache, 4), 8);
}

struct count {
	struct waiter waiter;
	struct bench *bench;
	int wakes;
	uint64_t word_then;
	uint64_t charged_then;
};

static void note_wake(struct waiter *waiter)
{
	struct count *count = container_of(waiter, struct count, waiter);

	count->wakes++;
	count->word_then = atomic_load(word_at(count->bench, 2));
	count->charged_then = count->bench->cache.charged;
}

/* Rule 5: the waiters are woken when all is given back. */
static int park_in_evict(struct page_table *table, uint64_t index,
			 uint64_t count);

static struct count parked;

static const struct page_owner_ops parking_owner = { .evict = park_in_evict };

static int park_in_evict(struct page_table *table, uint64_t index,
			 uint64_t count)
{
	struct bench *bench = container_of(table, struct bench, table);

	(void)index;
	(void)count;
	assert_true(wait_park(&bench->cache.waits, table, 2, word_at(bench, 2),
			      PAGE_EVICTING, &parked.waiter));
	return bench->error;
}

static void test_waiters_for_the_eviction(void **state)
{
	struct bench *bench = *state;

	parked = (struct count){ .waiter.wake = note_wake, .bench = bench };
	bench->table.owner = &parking_owner;
	put(bench, 0, 4, PAGE_CLEAN);
	bench->error = -EIO;
	assert_int_equal(cache_evict_range(&bench->cache, &bench->table, 2, 1),
			 0);
	assert_int_equal(parked.wakes, 1);
	assert_int_equal(parked.word_then, PAGE_CLEAN);
	bench->error = 0;
	assert_int_equal(cache_evict_range(&bench->cache, &bench->table, 0, 4),
			 4);
	assert_int_equal(parked.wakes, 2);
	assert_int_equal(parked.word_then, PAGE_ABSENT);
	assert_int_equal(parked.charged_then, 0);
	bench->table.owner = &owner;
}

static void test_evict_range(void **state)
{
	struct bench *bench = *state;

	put(bench, 0, 20, PAGE_CLEAN | WORD_REFERENCED);
	put(bench, 100, 100, PAGE_CLEAN);
	atomic_store(word_at(bench, 10), PAGE_DIRTY);
	/* Borders are exact; references do not matter; runs are of 64. */
	assert_int_equal(cache_evict_range(&bench->cache, &bench->table, 4,
					   186),
			 15 + 90);
	assert_evicted(bench, "4+6 11+9 100+90");
	assert_int_equal(bench->cache.charged, 4 + 1 + 10);
	assert_int_equal(cache_evict_range(&bench->cache, &bench->table, 10, 1),
			 0);
	assert_int_equal(cache_evict_range(&bench->cache, &bench->table, 0, 0),
			 0);
	assert_evicted(bench, "");
}

/* Neighbours leave by one hole, however many a batch has. */
static void test_a_large_want_goes_in_batches(void **state)
{
	struct bench *bench = *state;

	put(bench, 0, 300, PAGE_CLEAN);
	put(bench, 320, 300, PAGE_CLEAN);
	assert_int_equal(cache_reclaim(&bench->cache, 500), 500);
	assert_evicted(bench, "0+256 256+44 320+200");
	assert_int_equal(cache_reclaim(&bench->cache, 4), 32);
	assert_evicted(bench, "520+32");
}

/* Every other page: many runs, and no more than there is place for. */
static void test_scattered_pages(void **state)
{
	struct bench *bench = *state;

	for (uint64_t i = 0; i < 600; i += 2)
		put(bench, i, 1, PAGE_CLEAN);
	assert_int_equal(cache_reclaim(&bench->cache, 300), 300);
	assert_int_equal(bench->cache.charged, 0);
}

/* They count as if they were not there. */
static void test_locked_pages_stay(void **state)
{
	struct bench *bench = *state;

	put(bench, 0, 16, PAGE_CLEAN);
	atomic_store(word_at(bench, 3), PAGE_CLEAN | WORD_LOCKED);
	put(bench, 32, 16, PAGE_CLEAN | WORD_LOCKED);
	assert_int_equal(cache_reclaim(&bench->cache, 32), 15);
	assert_evicted(bench, "0+3 4+12");
	assert_int_equal(
		cache_evict_range(&bench->cache, &bench->table, 0, PAGES), 0);
	assert_int_equal(bench->cache.charged, 17);
	page_unlock(word_at(bench, 40));
	assert_int_equal(cache_reclaim(&bench->cache, 32), 1);
	assert_evicted(bench, "40+1");
}

/* What nobody wants leaves first, whatever it was used for. */
static void test_deactivated_pages_leave_first(void **state)
{
	struct bench *bench = *state;

	put(bench, 0, 16, PAGE_CLEAN);
	put(bench, 32, 16, PAGE_CLEAN);
	put(bench, 64, 16, PAGE_CLEAN | WORD_REFERENCED);
	cache_deactivate(&bench->cache, &bench->table, 64, 16);
	assert_int_equal(atomic_load(word_at(bench, 64)), PAGE_CLEAN);
	assert_int_equal(cache_reclaim(&bench->cache, 32), 32);
	assert_evicted(bench, "64+16 0+16");
	/* Nothing is charged there, or only a part is meant. */
	cache_deactivate(&bench->cache, &bench->table, 0, 32);
	cache_deactivate(&bench->cache, &bench->table, 100, PAGES);
	for (uint64_t i = 32; i < 48; i++)
		atomic_store(word_at(bench, i), PAGE_CLEAN | WORD_REFERENCED);
	cache_deactivate(&bench->cache, &bench->table, 32, 4);
	assert_int_equal(atomic_load(word_at(bench, 35)), PAGE_CLEAN);
	assert_int_equal(atomic_load(word_at(bench, 36)),
			 PAGE_CLEAN | WORD_REFERENCED);
	assert_int_equal(bench->cache.charged, 16);
}

/* What a reader leaves behind, a window after the other, goes by one hole. */
static void test_deactivated_neighbours_leave_together(void **state)
{
	struct bench *bench = *state;

	put(bench, 0, 128, PAGE_CLEAN);
	cache_deactivate(&bench->cache, &bench->table, 32, 32);
	cache_deactivate(&bench->cache, &bench->table, 64, 32);
	assert_int_equal(cache_reclaim(&bench->cache, 64), 64);
	assert_evicted(bench, "32+64");
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_in_first_out),
		TEST(test_neighbouring_clusters_are_one_run),
		TEST(test_nothing_to_reclaim),
		TEST(test_referenced_is_forgiven_once),
		TEST(test_all_referenced_still_leave),
		TEST(test_what_may_not_leave),
		TEST(test_only_charged_pages_of_a_cluster),
		TEST(test_what_holes_go_over),
		TEST(test_a_single_run_leaves),
		TEST(test_a_hole_that_fails),
		TEST(test_failed_eviction_keeps_clean),
		TEST(test_reclaim_ends_where_nothing_can_leave),
		TEST(test_waiters_for_the_eviction),
		TEST(test_evict_range),
		TEST(test_a_large_want_goes_in_batches),
		TEST(test_scattered_pages),
		TEST(test_locked_pages_stay),
		TEST(test_deactivated_pages_leave_first),
		TEST(test_deactivated_neighbours_leave_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
