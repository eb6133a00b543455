/* test_cache.c - page/cache.h: the budget, and the table of an object */
/* SPDX-License-Identifier: MIT */
#include "page/cache.h"

#include "unit/unit.h"

#include <pthread.h>
#include <sys/mman.h>

#define PAGES (8 * CHAPTER_PAGES)
#define BUDGET 64

struct bench {
	struct counters counters;
	struct cache cache;
	struct page_table table;
	_Atomic unsigned pressed;
};

static int evict(struct page_table *table, uint64_t index, uint64_t count)
{
	(void)table;
	(void)index;
	(void)count;
	return 0;
}

static const struct page_owner_ops owner = { .evict = evict };

static void press(void *context)
{
	struct bench *bench = context;

	atomic_fetch_add(&bench->pressed, 1);
}

static int open_bench(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	cache_init(&bench->cache, BUDGET, &bench->counters);
	bench->cache.pressure = press;
	bench->cache.pressure_context = bench;
	assert_int_equal(page_table_init(&bench->table, &bench->cache, &owner,
					 PAGES, 0),
			 0);
	*state = bench;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *bench = *state;

	page_table_finish(&bench->table);
	cache_finish(&bench->cache);
	free(bench);
	return 0;
}

static uint64_t charge(struct bench *bench, uint64_t index, uint64_t count)
{
	uint64_t sequence;

	return cache_charge(&bench->cache, &bench->table, index, count,
			    &sequence);
}

static void uncharge(struct bench *bench, uint64_t index, uint64_t count)
{
	cache_uncharge(&bench->cache, &bench->table, index, count, false);
}

/* Charged, and in memory. */
static void fill(struct bench *bench, uint64_t index, uint64_t count)
{
	assert_int_equal(charge(bench, index, count), count);
	for (uint64_t i = 0; i < count; i++)
		atomic_store(page_table_word(&bench->table, index + i),
			     PAGE_CLEAN);
}

static void empty(struct bench *bench)
{
	cache_evict_range(&bench->cache, &bench->table, 0, PAGES);
	assert_int_equal(bench->cache.charged, 0);
}

static void set_state(struct bench *bench, uint64_t index,
		      enum page_state page_state)
{
	atomic_store(page_table_word(&bench->table, index), page_state);
}

/* ---- the budget ---- */

static void test_charge_and_uncharge(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(charge(bench, 0, 10), 10);
	assert_int_equal(charge(bench, 100, 20), 20);
	assert_int_equal(bench->cache.charged, 30);
	assert_int_equal(bench->table.charged, 30);
	assert_int_equal(bench->cache.charged_peak, 30);
	/* Clusters 0, and 6 and 7: the pages 100 to 119. */
	assert_int_equal(bench->cache.clusters, 3);
	uncharge(bench, 100, 20);
	assert_int_equal(bench->cache.charged, 10);
	assert_int_equal(bench->cache.charged_peak, 30);
	assert_int_equal(bench->cache.clusters, 1);
	uncharge(bench, 0, 10);
	assert_int_equal(bench->table.charged, 0);
	assert_int_equal(bench->cache.clusters, 0);
}

static void test_charge_gives_what_fits(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(charge(bench, 0, BUDGET + 10), BUDGET);
	assert_int_equal(bench->cache.charged, BUDGET);
	assert_int_equal(charge(bench, 200, 1), 0);
	uncharge(bench, 0, 2);
	assert_int_equal(charge(bench, 200, 5), 2);
	uncharge(bench, 2, BUDGET - 2);
	uncharge(bench, 200, 2);
}

/* A page that is charged twice is given back twice: two wanted to read it. */
static void test_a_page_charged_twice(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(charge(bench, 3, 1), 1);
	assert_int_equal(charge(bench, 3, 1), 1);
	assert_int_equal(bench->cache.clusters, 1);
	uncharge(bench, 3, 1);
	assert_int_equal(bench->cache.clusters, 1);
	uncharge(bench, 3, 1);
	assert_int_equal(bench->cache.clusters, 0);
}

static void test_charge_evicts(void **state)
{
	struct bench *bench = *state;

	fill(bench, 0, BUDGET);
	assert_int_equal(charge(bench, 1000, 4), 4);
	assert_true(bench->cache.charged <= BUDGET);
	assert_int_equal(bench->pressed, 0);
	assert_true(count_get(&bench->counters, COUNT_EVICTIONS) >= 4);
	uncharge(bench, 1000, 4);
	empty(bench);
}

static void test_pressure_when_nothing_can_go(void **state)
{
	struct bench *bench = *state;

	fill(bench, 0, BUDGET);
	for (uint64_t i = 0; i < BUDGET; i++)
		set_state(bench, i, PAGE_DIRTY);
	assert_int_equal(charge(bench, 1000, 4), 0);
	assert_int_equal(bench->pressed, 1);
	assert_int_equal(bench->cache.charged, BUDGET);
	uncharge(bench, 0, BUDGET);
}

/* A child does not inherit the memory of a table. */
static struct bench *bench_in_child(void *argument)
{
	open_bench(argument);
	return *(void **)argument;
}

static void finish_charged(void *argument)
{
	struct bench *bench = bench_in_child(argument);

	charge(bench, 0, 1);
	page_table_finish(&bench->table);
}

static void finish_cache_charged(void *argument)
{
	struct bench *bench = bench_in_child(argument);

	charge(bench, 0, 1);
	cache_finish(&bench->cache);
}

static void uncharge_twice(void *argument)
{
	struct bench *bench = bench_in_child(argument);

	charge(bench, 0, 1);
	uncharge(bench, 0, 1);
	bench->cache.charged = 5; /* so that only the cluster knows */
	uncharge(bench, 0, 1);
}

static void finish_starving(void *argument)
{
	struct bench *bench = bench_in_child(argument);
	struct sleeper sleeper;

	sleeper_init(&sleeper);
	cache_starve(&bench->cache, bench->cache.sequence, &sleeper.waiter);
	cache_finish(&bench->cache);
}

static void test_checks(void **state)
{
	assert_check_fails(finish_charged, state, "invariant 3");
	assert_check_fails(finish_cache_charged, state, "invariant 3");
	assert_check_fails(uncharge_twice, state, "invariant 3");
	assert_check_fails(finish_starving, state, "nobody starves");
}

/* ---- who waits for it ---- */

struct count {
	struct waiter waiter;
	int wakes;
};

static void count_wake(struct waiter *waiter)
{
	container_of(waiter, struct count, waiter)->wakes++;
}

static uint64_t starved_sequence(struct bench *bench)
{
	uint64_t sequence = 12345;

	assert_int_equal(cache_charge(&bench->cache, &bench->table, 1000, 1,
				      &sequence),
			 0);
	return sequence;
}

static void test_uncharge_wakes_the_starving(void **state)
{
	struct bench *bench = *state;
	struct count one = { .waiter.wake = count_wake }, two = one;
	uint64_t sequence;

	charge(bench, 0, BUDGET);
	sequence = starved_sequence(bench);
	assert_true(cache_starve(&bench->cache, sequence, &one.waiter));
	assert_true(cache_starve(&bench->cache, sequence, &two.waiter));
	uncharge(bench, 0, 1);
	assert_int_equal(one.wakes, 1);
	assert_int_equal(two.wakes, 1);
	/* That was the end of this famine. */
	assert_false(cache_starve(&bench->cache, sequence, &one.waiter));
	uncharge(bench, 1, BUDGET - 1);
	assert_int_equal(one.wakes, 1);
}

static void test_unstarve(void **state)
{
	struct bench *bench = *state;
	struct count one = { .waiter.wake = count_wake };

	charge(bench, 0, BUDGET);
	assert_true(cache_starve(&bench->cache, starved_sequence(bench),
				 &one.waiter));
	assert_true(cache_unstarve(&bench->cache, &one.waiter));
	assert_false(cache_unstarve(&bench->cache, &one.waiter));
	uncharge(bench, 0, BUDGET);
	assert_int_equal(one.wakes, 0);
}

static void test_encourage_wakes_only_after_a_famine(void **state)
{
	struct bench *bench = *state;
	struct count one = { .waiter.wake = count_wake };
	uint64_t before = bench->cache.sequence, sequence;

	cache_encourage(&bench->cache);
	assert_int_equal(bench->cache.sequence, before);
	charge(bench, 0, BUDGET);
	sequence = starved_sequence(bench);
	assert_true(cache_starve(&bench->cache, sequence, &one.waiter));
	cache_encourage(&bench->cache);
	assert_int_equal(one.wakes, 1);
	assert_false(cache_starve(&bench->cache, sequence, &one.waiter));
	uncharge(bench, 0, BUDGET);
}

/* Between the charge that failed and starving: not to be missed either. */
static void test_encouraged_before_starving(void **state)
{
	struct bench *bench = *state;
	struct count one = { .waiter.wake = count_wake };
	uint64_t sequence;

	charge(bench, 0, BUDGET);
	sequence = starved_sequence(bench);
	cache_encourage(&bench->cache);
	assert_false(cache_starve(&bench->cache, sequence, &one.waiter));
	uncharge(bench, 0, BUDGET);
}

/* ---- the table ---- */

static void test_a_table_of_no_pages(void **state)
{
	struct bench *bench = *state;
	struct page_table table;

	assert_int_equal(page_table_init(&table, &bench->cache, &owner, 0,
					 3 * PAGE_SIZE),
			 0);
	assert_int_equal(atomic_load(page_table_word(&table, 0)), 0);
	assert_int_equal(page_table_next(&table, 0), table.pages);
	page_table_finish(&table);
}

/* What is its owner's overlaps nothing of the table, whose pages come and go. */
static void test_the_owners_part(void **state)
{
	struct bench *bench = *state;
	const size_t extra = 3 * PAGE_SIZE - 8;
	struct page_table table;
	unsigned char *own;
	unsigned char in_core[4];
	uint64_t sequence;

	assert_int_equal(page_table_init(&table, &bench->cache, &owner,
					 CHAPTER_PAGES + 1, extra),
			 0);
	own = table.extra;
	for (size_t i = 0; i < extra; i++)
		assert_int_equal(own[i], 0);
	memset(own, 0xff, extra);
	for (uint64_t i = 0; i < table.pages; i += CHAPTER_PAGES) {
		assert_int_equal(atomic_load(page_table_word(&table, i)), 0);
		assert_int_equal(cache_charge(&bench->cache, &table, i, 1,
					      &sequence),
				 1);
		assert_int_equal(table.chapters[i / CHAPTER_PAGES], 1);
	}
	for (uint64_t i = 0; i < table.pages; i += CHAPTER_PAGES)
		cache_uncharge(&bench->cache, &table, i, 1, false);
	for (size_t i = 0; i < extra; i++)
		assert_int_equal(own[i], 0xff);
	page_table_finish(&table);
	/* And it was the table's to its end. */
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
			mincore(own + i * PAGE_SIZE, PAGE_SIZE, in_core), -1);
}

static void test_next(void **state)
{
	struct bench *bench = *state;
	uint64_t far = 5 * CHAPTER_PAGES + 100;

	assert_int_equal(page_table_next(&bench->table, 0), PAGES);
	charge(bench, 40, 1);
	charge(bench, far, 1);
	/* The cluster of 40 begins at 32: each of its pages may be it. */
	assert_int_equal(page_table_next(&bench->table, 0), 32);
	assert_int_equal(page_table_next(&bench->table, 40), 40);
	assert_int_equal(page_table_next(&bench->table, 41), 41);
	assert_int_equal(page_table_next(&bench->table, 48),
			 far / CLUSTER_PAGES * CLUSTER_PAGES);
	assert_int_equal(page_table_next(&bench->table, far + CLUSTER_PAGES),
			 PAGES);
	assert_int_equal(page_table_next(&bench->table, PAGES), PAGES);
	assert_int_equal(page_table_next(&bench->table, UINT64_MAX), PAGES);
	uncharge(bench, 40, 1);
	assert_int_equal(page_table_next(&bench->table, 0),
			 far / CLUSTER_PAGES * CLUSTER_PAGES);
	uncharge(bench, far, 1);
}

/* How many frames of memory stand behind the range. */
static unsigned resident(const volatile void *start, size_t bytes)
{
	unsigned char in_core[64];
	unsigned count = 0;

	assert_true(bytes / PAGE_SIZE <= sizeof(in_core));
	assert_return_code(mincore((void *)(uintptr_t)start, bytes, in_core),
			   0);
	for (size_t i = 0; i < bytes / PAGE_SIZE; i++)
		count += in_core[i] & 1;
	return count;
}

#define WORDS_BYTES (CHAPTER_PAGES * sizeof(page_word))

/* The last page that leaves a chapter takes the chapter's memory with it. */
static void test_chapters_are_released(void **state)
{
	struct bench *bench = *state;
	uint64_t first = 2 * CHAPTER_PAGES;
	page_word *words = page_table_word(&bench->table, first);
	struct cluster *clusters = &bench->table.clusters[first >> 4];

	assert_int_equal(resident(words, WORDS_BYTES), 0);
	fill(bench, first, 2);
	fill(bench, first + CHAPTER_PAGES - 1, 1);
	assert_int_equal(resident(words, WORDS_BYTES), 2);
	assert_int_equal(resident(clusters, PAGE_SIZE), 1);
	assert_int_equal(
		cache_evict_range(&bench->cache, &bench->table, first, 2), 2);
	assert_int_equal(resident(words, WORDS_BYTES), 2);
	assert_int_equal(cache_evict_range(&bench->cache, &bench->table, first,
					   CHAPTER_PAGES),
			 1);
	assert_int_equal(resident(words, WORDS_BYTES), 0);
	assert_int_equal(resident(clusters, PAGE_SIZE), 0);
	for (unsigned i = 0; i < CHAPTER_PAGES; i++)
		assert_int_equal(atomic_load(&words[i]), PAGE_ABSENT);
	/* And it can be used again. */
	fill(bench, first, 2);
	empty(bench);
}

/* It is given back as a whole, soon. */
static void test_an_ending_table_keeps_its_chapters(void **state)
{
	struct bench *bench = *state;
	page_word *words = page_table_word(&bench->table, 0);

	fill(bench, 0, 2);
	page_table_end(&bench->table);
	assert_int_equal(cache_evict_range(&bench->cache, &bench->table, 0, 2),
			 2);
	assert_int_equal(bench->cache.charged, 0);
	assert_int_equal(page_table_next(&bench->table, 0), PAGES);
	assert_int_equal(resident(words, WORDS_BYTES), 1);
	assert_int_equal(bench->table.chapters[0], 0);
}

static void test_a_failed_page_keeps_its_word(void **state)
{
	struct bench *bench = *state;
	uint64_t index = 3 * CHAPTER_PAGES + 7;
	page_word *word = page_table_word(&bench->table, index);

	assert_int_equal(charge(bench, index, 1), 1);
	assert_true(page_begin_read(word));
	page_end_read(word, PAGE_FAILED);
	cache_uncharge(&bench->cache, &bench->table, index, 1, true);
	/* Who waited for the read finds out that it failed. */
	assert_int_equal(atomic_load(word), PAGE_FAILED);
	assert_int_equal(page_table_next(&bench->table, 0), PAGES);
	assert_true(page_begin_read(word));
	atomic_store(word, PAGE_ABSENT);
}

/* ---- all at once ---- */

#define ROUNDS 4000
#define THREADS 4

struct charger {
	struct bench *bench;
	uint64_t seed;
	bool broken;
};

static void check_budget(struct charger *charger)
{
	struct cache *cache = &charger->bench->cache;

	lock_take(&cache->lock);
	if (cache->charged > cache->budget)
		charger->broken = true;
	lock_drop(&cache->lock);
}

/* Pages come in and stay, as victims for the others. */
static void *charge_often(void *argument)
{
	struct charger *charger = argument;
	struct bench *bench = charger->bench;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t index = next_random(&charger->seed) % (PAGES - 8);
		uint64_t count = 1 + next_random(&charger->seed) % 8, won = 0;

		count = charge(bench, index, count);
		check_budget(charger);
		while (won < count && page_begin_read(page_table_word(
					      &bench->table, index + won)))
			won++;
		for (uint64_t k = 0; k < won; k++)
			page_end_read(page_table_word(&bench->table, index + k),
				      PAGE_CLEAN);
		if (won < count)
			uncharge(bench, index + won, count - won);
	}
	return NULL;
}

static void test_the_budget_holds(void **state)
{
	struct bench *bench = *state;
	struct charger chargers[THREADS];
	pthread_t threads[THREADS];
	uint64_t seed = first_seed(42);

	for (int i = 0; i < THREADS; i++) {
		chargers[i] =
			(struct charger){ bench, seed + (uint64_t)i, false };
		assert_int_equal(pthread_create(&threads[i], NULL, charge_often,
						&chargers[i]),
				 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_false(chargers[i].broken);
	}
	assert_true(bench->cache.charged_peak <= BUDGET);
	assert_int_equal(bench->cache.charged, bench->table.charged);
	empty(bench);
	assert_int_equal(bench->cache.clusters, 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(bench->table.chapters[i], 0);
}

/*
 * Each thread wants the whole budget and pins it for a moment: it waits for
 * the others again and again.  A wake-up lost is a test that does not end.
 */
static void *starve_often(void *argument)
{
	struct bench *bench = ((struct charger *)argument)->bench;
	uint64_t first = ((struct charger *)argument)->seed * CHAPTER_PAGES;
	page_word *word = page_table_word(&bench->table, first);
	struct sleeper sleeper;
	uint64_t sequence;

	sleeper_init(&sleeper);
	for (int i = 0; i < ROUNDS; i++) {
		while (cache_charge(&bench->cache, &bench->table, first, 1,
				    &sequence) == 0)
			if (cache_starve(&bench->cache, sequence,
					 &sleeper.waiter))
				sleeper_sleep(&sleeper);
		if (!page_begin_read(word)) {
			uncharge(bench, first, 1);
			continue;
		}
		page_end_read(word, PAGE_CLEAN);
		if (page_take_rpin(word, false) == PAGE_TAKEN &&
		    page_drop_rpin(word))
			cache_encourage(&bench->cache);
		else
			cache_encourage(&bench->cache);
	}
	sleeper_finish(&sleeper);
	return NULL;
}

static void test_no_famine_is_for_ever(void **state)
{
	struct bench *bench = *state;
	struct charger chargers[THREADS];
	pthread_t threads[THREADS];

	charge(bench, 7 * CHAPTER_PAGES, BUDGET - 1);
	for (int i = 0; i < THREADS; i++) {
		chargers[i] = (struct charger){ bench, (uint64_t)i, false };
		assert_int_equal(pthread_create(&threads[i], NULL, starve_often,
						&chargers[i]),
				 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_true(bench->cache.charged_peak <= BUDGET);
	uncharge(bench, 7 * CHAPTER_PAGES, BUDGET - 1);
	empty(bench);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_charge_and_uncharge),
		TEST(test_charge_gives_what_fits),
		TEST(test_a_page_charged_twice),
		TEST(test_charge_evicts),
		TEST(test_pressure_when_nothing_can_go),
		TEST(test_checks),
		TEST(test_uncharge_wakes_the_starving),
		TEST(test_unstarve),
		TEST(test_encourage_wakes_only_after_a_famine),
		TEST(test_encouraged_before_starving),
		TEST(test_a_table_of_no_pages),
		TEST(test_the_owners_part),
		TEST(test_next),
		TEST(test_chapters_are_released),
		TEST(test_an_ending_table_keeps_its_chapters),
		TEST(test_a_failed_page_keeps_its_word),
		TEST(test_the_budget_holds),
		TEST(test_no_famine_is_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
