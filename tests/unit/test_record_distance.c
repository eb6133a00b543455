/* test_record_distance.c - misses of every budget, against a slow count */
/* SPDX-License-Identifier: MIT */
/*
 * The judge keeps pages in a list, the one used last in front: the place of a
 * page in it is its stack distance, exactly.
 */
#include "unit/unit.h"

#include "server/record_distance.h"
#include "server/record_sketch.h"

#include <stdbool.h>

#define PAGES_MAX 65536u

struct judge {
	uint32_t order[PAGES_MAX]; /* the last one used first */
	uint32_t count;
	uint64_t cold;
	uint64_t at[PAGES_MAX]; /* references with that distance */
	uint64_t references;
};

static struct judge judge;
static struct distances *distances;

static void judge_refer(uint32_t page)
{
	uint32_t place = 0;

	judge.references++;
	while (place < judge.count && judge.order[place] != page)
		place++;
	if (place == judge.count) {
		judge.cold++;
		judge.count++;
	} else {
		judge.at[place]++;
	}
	memmove(&judge.order[1], &judge.order[0],
		place * sizeof(judge.order[0]));
	judge.order[0] = page;
}

static double judge_misses(uint64_t pages)
{
	uint64_t misses = judge.cold;

	for (uint64_t place = pages; place < PAGES_MAX; place++)
		misses += judge.at[place];
	return (double)misses;
}

static void refer(uint32_t page)
{
	judge_refer(page);
	distances_refer(distances, distance_hash(page));
}

static int set_up(void **state)
{
	(void)state;
	memset(&judge, 0, sizeof(judge));
	distances = calloc(1, sizeof(*distances));
	assert_non_null(distances);
	distances_init(distances);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(distances);
	return 0;
}

static double apart(double a, double b)
{
	return a < b ? b - a : a - b;
}

/* The mean and the greatest difference of the ratios, over sizes up to most. */
static void assert_ratios(uint64_t most, double mean, double greatest)
{
	double sum = 0, worst = 0;
	unsigned sizes = 0;

	for (uint64_t pages = 256; pages <= most;
	     pages += most / 100, sizes++) {
		double error = apart(distances_misses(distances, pages),
				     judge_misses(pages)) /
			       (double)judge.references;

		sum += error;
		if (worst < error)
			worst = error;
	}
	print_message("error: mean %.4f, greatest %.4f, share %.3f\n",
		      sum / sizes, worst, distances_share(distances));
	assert_true(sum / sizes <= mean);
	assert_true(worst <= greatest);
}

/*
 * Page n is drawn about as often as 1/(n + 1): by halves, each power of two of
 * pages has the same share.
 */
static uint32_t draw_zipf(uint64_t *seed, unsigned powers)
{
	uint64_t power = next_random(seed) % powers;
	uint64_t first = UINT64_C(1) << power;

	return (uint32_t)(first - 1 + next_random(seed) % first);
}

static void few_pages_are_counted_exactly(void **state)
{
	/* a b c a a b d c: distances - - - 2 0 2 - 3 */
	static const uint32_t trace[] = { 1, 2, 3, 1, 1, 2, 4, 3 };

	(void)state;
	for (unsigned i = 0; i < sizeof(trace) / sizeof(trace[0]); i++)
		refer(trace[i]);
	assert_true(distances_share(distances) == 1);
	assert_true(distances_distinct(distances) == 4);
	assert_true(distances_misses(distances, 0) == 8);
	assert_true(distances_misses(distances, 1) == 7);
	assert_true(distances_misses(distances, 2) == 7);
	assert_true(distances_misses(distances, 3) == 5);
	assert_true(distances_misses(distances, 4) == 4);
	assert_true(distances_misses(distances, UINT64_MAX / 2) == 4);
}

static void nothing_misses_nothing(void **state)
{
	(void)state;
	assert_true(distances_misses(distances, 0) == 0);
	assert_true(distances_distinct(distances) == 0);
}

/* Where nothing is left out only the buckets' width is lost. */
static void a_small_zipf_is_near_exact(void **state)
{
	uint64_t seed = first_seed(7);

	(void)state;
	for (unsigned i = 0; i < 40000; i++)
		refer(draw_zipf(&seed, 12));
	assert_true(distances_share(distances) == 1);
	assert_true(distances_distinct(distances) == (double)judge.cold);
	assert_ratios(4096, 0.002, 0.005);
}

/* Times are renumbered many times on the way, and pages are given up. */
static void a_large_zipf_is_within_its_error(void **state)
{
	uint64_t seed = first_seed(11);

	(void)state;
	for (unsigned i = 0; i < 150000; i++)
		refer(draw_zipf(&seed, 16));
	assert_true(distances_share(distances) < 0.5);
	assert_true(distances->count == DISTANCE_SAMPLES);
	assert_ratios(60000, 0.01, 0.03);
	assert_true(apart(distances_distinct(distances), (double)judge.cold) <
		    0.04 * (double)judge.cold);
}

/*
 * misses
 *   all |-----------.        a loop over 20,000 pages: the cliff stands where
 *       |           |        the pages fit
 *  cold |           '-----
 *       +-----------+---- budget
 */
static void a_loop_has_its_cliff(void **state)
{
	const uint32_t pages = 20000;
	double all, cold;

	(void)state;
	for (uint32_t i = 0; i < 10 * pages; i++)
		distances_refer(distances, distance_hash(i % pages));
	all = 10.0 * pages;
	cold = pages;
	assert_true(distances_share(distances) < 0.5);
	assert_true(distances_misses(distances, pages * 9 / 10) > 0.97 * all);
	assert_true(distances_misses(distances, pages * 11 / 10) < 1.03 * cold);
	assert_true(distances_misses(distances, pages * 11 / 10) > 0.97 * cold);
}

static void more_pages_never_miss_more(void **state)
{
	uint64_t seed = first_seed(13);
	double before, now;

	(void)state;
	for (unsigned i = 0; i < 30000; i++)
		distances_refer(distances, distance_hash(draw_zipf(&seed, 14)));
	before = distances_misses(distances, 0);
	for (uint64_t pages = 1; pages < 30000; pages += 7) {
		now = distances_misses(distances, pages);
		assert_true(now <= before);
		before = now;
	}
}

/* ---- the sketch ---- */

static void sketch_of(uint8_t *sketch, uint64_t first, uint64_t count)
{
	for (uint64_t i = first; i < first + count; i++) {
		sketch_add(sketch, distance_hash(i));
		sketch_add(sketch, distance_hash(i)); /* changes nothing */
	}
}

/* One error is 3 %: sixteen times it is 1 % on the average. */
static void sketches_count_without_bias(void **state)
{
	static const uint64_t counts[] = { 10, 100, 1000, 2500, 10000, 100000 };

	(void)state;
	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		double count = (double)counts[i], sum = 0;

		for (uint64_t set = 0; set < 16; set++) {
			uint8_t sketch[SKETCH_REGISTERS] = { 0 };

			sketch_of(sketch, set << 40, counts[i]);
			assert_true(apart(sketch_count(sketch), count) <=
				    0.15 * count);
			sum += sketch_count(sketch);
		}
		assert_true(apart(sum / 16, count) <= 0.04 * count);
	}
}

static void an_empty_sketch_is_zero(void **state)
{
	const uint8_t sketch[SKETCH_REGISTERS] = { 0 };

	(void)state;
	assert_true(sketch_count(sketch) == 0);
}

/* [0, 6000) and [4000, 9000) are [0, 9000). */
static void merged_sketches_are_that_of_both(void **state)
{
	uint8_t one[SKETCH_REGISTERS] = { 0 };
	uint8_t other[SKETCH_REGISTERS] = { 0 };
	uint8_t both[SKETCH_REGISTERS] = { 0 };

	(void)state;
	sketch_of(one, 0, 6000);
	sketch_of(other, 4000, 5000);
	sketch_of(both, 0, 9000);
	sketch_merge(one, other);
	assert_memory_equal(one, both, sizeof(both));
}

#define JUDGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		JUDGED(few_pages_are_counted_exactly),
		JUDGED(nothing_misses_nothing),
		JUDGED(a_small_zipf_is_near_exact),
		JUDGED(a_large_zipf_is_within_its_error),
		JUDGED(a_loop_has_its_cliff),
		JUDGED(more_pages_never_miss_more),
		cmocka_unit_test(sketches_count_without_bias),
		cmocka_unit_test(an_empty_sketch_is_zero),
		cmocka_unit_test(merged_sketches_are_that_of_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
