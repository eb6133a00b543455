/* test_victims.c - page/victims.c: in what order clusters leave */
/* SPDX-License-Identifier: MIT */
#include "unit/page_tools.h"

#define BUDGET 1024
#define PAGES (16 * BUDGET)
#define CLUSTERS (BUDGET / CLUSTER_PAGES)

struct bench {
	struct counters counters;
	struct cache cache;
	struct page_table table;
};

static int evict(struct page_table *table, uint64_t index, uint64_t count)
{
	(void)table;
	(void)index;
	(void)count;
	return 0;
}

static const struct page_owner_ops owner = { .evict = evict };

static int open_bench(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	cache_init(&bench->cache, BUDGET, &bench->counters);
	assert_int_equal(page_table_init(&bench->table, &bench->cache, &owner,
					 PAGES, 0),
			 0);
	*state = bench;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *bench = *state;

	cache_evict_range(&bench->cache, &bench->table, 0, PAGES);
	page_table_finish(&bench->table);
	cache_finish(&bench->cache);
	free(bench);
	return 0;
}

static bool in_memory(struct bench *bench, uint64_t cluster)
{
	page_word *word =
		page_table_word(&bench->table, cluster << CLUSTER_SHIFT);

	return word_state(atomic_load(word)) == PAGE_CLEAN;
}

static void read_pages(struct bench *bench, uint64_t index, uint64_t count)
{
	put_pages(&bench->table, index, count, PAGE_CLEAN);
}

/* A cluster is read, unless it is there.  True: it was. */
static bool use(struct bench *bench, uint64_t cluster)
{
	uint64_t index = cluster << CLUSTER_SHIFT;

	if (in_memory(bench, cluster)) {
		page_word *word = page_table_word(&bench->table, index);

		assert_int_equal(page_take_rpin(word, true), PAGE_TAKEN);
		page_drop_rpin(word);
		return true;
	}
	read_pages(bench, index, CLUSTER_PAGES);
	return false;
}

static uint32_t queue_of(struct bench *bench, uint64_t cluster)
{
	return bench->table.clusters[cluster].queue;
}

static uint64_t count_in_memory(struct bench *bench, uint64_t first,
				uint64_t count)
{
	uint64_t found = 0;

	for (uint64_t i = 0; i < count; i++)
		found += in_memory(bench, first + i);
	return found;
}

/* What was used twice stays, however much is touched once. */
static void test_a_scan_passes_through(void **state)
{
	struct bench *bench = *state;
	uint64_t hot = CLUSTERS / 2;

	for (int twice = 0; twice < 2; twice++)
		for (uint64_t i = 0; i < hot; i++)
			use(bench, i);
	for (uint64_t i = 0; i < 8 * CLUSTERS; i++)
		use(bench, CLUSTERS + i);
	assert_int_equal(count_in_memory(bench, 0, hot), hot);
}

/* Nobody sees a hit, as in a mapping: what comes back is told by its ghost. */
static void test_a_loop_keeps_a_part(void **state)
{
	struct bench *bench = *state;
	uint64_t length = CLUSTERS + CLUSTERS / 4, there = 0;

	for (int round = 0; round < 20; round++)
		for (uint64_t i = 0; i < length; i++) {
			if (in_memory(bench, i))
				there += round >= 10;
			else
				use(bench, i);
		}
	/* First in, first out would never have found anything. */
	assert_true(there > 10 * length / 4);
}

static void test_what_came_back_goes_to_main(void **state)
{
	struct bench *bench = *state;
	uint64_t before;

	for (uint64_t i = 0; i <= CLUSTERS; i++)
		use(bench, i); /* 0 leaves, and is remembered */
	assert_false(in_memory(bench, 0));
	before = bench->cache.queue[QUEUE_MAIN].length;
	use(bench, 0);
	assert_int_equal(bench->cache.queue[QUEUE_MAIN].length, before + 1);
	use(bench, 4 * CLUSTERS); /* never here before */
	assert_int_equal(bench->cache.queue[QUEUE_MAIN].length, before + 1);
}

/* A neighbour that comes says nothing of what was there. */
static void test_a_page_comes_back(void **state)
{
	struct bench *bench = *state;

	read_pages(bench, 3, 1);
	for (uint64_t i = 1; i <= CLUSTERS; i++)
		use(bench, i);
	assert_int_equal(queue_of(bench, 0), QUEUE_NONE);
	read_pages(bench, 5, 1);
	assert_int_equal(queue_of(bench, 0), QUEUE_FRESH);
	read_pages(bench, 3, 1);
	assert_int_equal(queue_of(bench, 0), QUEUE_MAIN);
}

/* A cluster that leaves in two parts is remembered as one. */
static void test_leaving_by_parts(void **state)
{
	struct bench *bench = *state;
	uint64_t part = 2 * CLUSTER_PAGES + CLUSTER_PAGES / 2;
	uint64_t other = PAGES / 2;

	for (uint64_t first = 0; first <= 4 * CLUSTERS; first += 4 * CLUSTERS) {
		uint64_t third = (first + 2) << CLUSTER_SHIFT;

		for (uint64_t i = 0; i < CLUSTERS; i++)
			use(bench, first + i);
		read_pages(bench, other, part); /* two leave, half of it */
		assert_int_equal(queue_of(bench, first + 2), QUEUE_FRESH);
		read_pages(bench, other + part, part);
		assert_int_equal(queue_of(bench, first + 2), QUEUE_NONE);
		read_pages(bench, first ? third : third + CLUSTER_PAGES - 1, 1);
		assert_int_equal(queue_of(bench, first + 2), QUEUE_MAIN);
		cache_evict_range(&bench->cache, &bench->table, 0, PAGES);
	}
}

/* So long ago that it is no sign of anything. */
static void test_ghosts_fade(void **state)
{
	struct bench *bench = *state;
	uint64_t before;

	for (uint64_t i = 0; i < 8 * CLUSTERS; i++)
		use(bench, i);
	before = bench->cache.queue[QUEUE_MAIN].length;
	use(bench, 0);
	assert_int_equal(bench->cache.queue[QUEUE_MAIN].length, before);
}

static void test_without_memory_for_ghosts(void **state)
{
	struct bench *bench = *state;
	struct ghost *ghosts = bench->cache.ghosts;

	bench->cache.ghosts = NULL;
	for (uint64_t i = 0; i < 4 * CLUSTERS; i++)
		use(bench, i % (2 * CLUSTERS));
	assert_int_equal(bench->cache.queue[QUEUE_MAIN].length, 0);
	bench->cache.ghosts = ghosts;
}

static void test_the_unwanted_go_first(void **state)
{
	struct bench *bench = *state;

	for (int twice = 0; twice < 2; twice++)
		for (uint64_t i = 0; i < CLUSTERS; i++)
			use(bench, i);
	cache_deactivate(&bench->cache, &bench->table, 5 * CLUSTER_PAGES,
			 2 * CLUSTER_PAGES);
	use(bench, CLUSTERS);
	assert_int_equal(count_in_memory(bench, 5, 2), 0);
	assert_int_equal(count_in_memory(bench, 0, CLUSTERS), CLUSTERS - 2);
}

/* What cannot leave is passed over wherever it stands, and everything else is
 * found: or whoever needs room would sleep for ever. */
static void test_every_cluster_is_looked_at(void **state)
{
	struct bench *bench = *state;

	for (uint64_t i = 0; i < CLUSTERS; i++)
		use(bench, i);
	for (uint64_t i = 0; i < BUDGET - CLUSTER_PAGES; i++)
		assert_int_equal(
			page_take_rpin(page_table_word(&bench->table, i),
				       false),
			PAGE_TAKEN);
	for (int i = 0; i < 3; i++)
		use(bench, CLUSTERS + (uint64_t)i);
	assert_int_equal(count_in_memory(bench, 0, CLUSTERS - 1), CLUSTERS - 1);
	for (uint64_t i = 0; i < BUDGET - CLUSTER_PAGES; i++)
		page_drop_rpin(page_table_word(&bench->table, i));
}

#define IN_BENCH(test) \
	cmocka_unit_test_setup_teardown(test, open_bench, close_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_BENCH(test_a_scan_passes_through),
		IN_BENCH(test_a_loop_keeps_a_part),
		IN_BENCH(test_what_came_back_goes_to_main),
		IN_BENCH(test_a_page_comes_back),
		IN_BENCH(test_leaving_by_parts),
		IN_BENCH(test_ghosts_fade),
		IN_BENCH(test_without_memory_for_ghosts),
		IN_BENCH(test_the_unwanted_go_first),
		IN_BENCH(test_every_cluster_is_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
