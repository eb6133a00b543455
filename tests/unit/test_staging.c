/* test_staging.c - pager/staging.h: the buffers that pages pass through */
/* SPDX-License-Identifier: MIT */
#include "pager/staging.h"

#include "unit/unit.h"

#include <pthread.h>

static struct staging_pool pool;

static bool huge;

static int open_pool(void **state)
{
	(void)state;
	staging_pool_init(&pool, huge);
	return 0;
}

static int close_pool(void **state)
{
	(void)state;
	staging_pool_finish(&pool);
	return 0;
}

static struct staging *take(uint64_t count)
{
	struct staging *staging = staging_take(&pool, count);

	assert_non_null(staging);
	assert_int_equal((uintptr_t)staging->bytes % PAGE_SIZE, 0);
	return staging;
}

static void test_the_size_fits(void **state)
{
	const uint64_t sizes[][2] = { { 1, 1 },    { 2, 16 },    { 16, 16 },
				      { 17, 256 }, { 256, 256 }, { 999, 256 } };

	(void)state;
	for (int i = 0; i < 6; i++) {
		struct staging *staging = take(sizes[i][0]);

		assert_int_equal(staging->pages, sizes[i][1]);
		memset(staging->bytes, 0xa5, staging->pages << PAGE_SHIFT);
		staging_drop(&pool, staging);
	}
}

/* The one that is hot still is taken first. */
static void test_the_last_one_is_the_next(void **state)
{
	struct staging *one = take(1), *two = take(1);

	(void)state;
	assert_ptr_not_equal(one->bytes, two->bytes);
	staging_drop(&pool, one);
	staging_drop(&pool, two);
	assert_ptr_equal(take(1), two);
	assert_ptr_equal(take(1), one);
	staging_drop(&pool, one);
	staging_drop(&pool, two);
}

#define MANY 300

static void drop_all(struct staging **taken)
{
	for (int i = 0; i < MANY; i++)
		staging_drop(&pool, taken[i]);
}

/*
 * Large ones are few: who comes late gets one of 16 pages, of which there are
 * as many as can be filled.
 */
static void test_smaller_when_large_ones_are_out(void **state)
{
	struct staging *taken[MANY];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		taken[i] = take(256);
		if (i > 0)
			assert_true(taken[i]->pages <= taken[i - 1]->pages);
	}
	assert_int_equal(taken[0]->pages, 256);
	assert_int_equal(taken[MANY - 1]->pages, 16);
	staging_drop(&pool, taken[0]);
	taken[0] = take(200);
	assert_int_equal(taken[0]->pages, 256);
	drop_all(taken);
}

/* Who would leave most of it empty gets one page, however many there are. */
static void test_one_page_when_it_would_be_empty(void **state)
{
	struct staging *taken[MANY];

	(void)state;
	for (int i = 0; i < MANY; i++)
		taken[i] = take(15);
	assert_int_equal(taken[0]->pages, 16);
	assert_int_equal(taken[MANY - 1]->pages, 1);
	drop_all(taken);
}

static void lose_one(void *argument)
{
	(void)argument;
	staging_pool_init(&pool,
			  huge); /* a child does not inherit the buffers */
	staging_take(&pool, 1);
	staging_pool_finish(&pool);
}

static void test_all_must_come_back(void **state)
{
	(void)state;
	assert_check_fails(lose_one, NULL, "came back");
}

/* No buffer is lent to two. */
static void *use_buffers(void *argument)
{
	unsigned char mark = (unsigned char)(uintptr_t)argument;

	for (unsigned i = 0; i < 3000; i++) {
		struct staging *staging = staging_take(&pool, 1 + i % 20);
		unsigned char *bytes;

		if (!staging)
			return argument;
		bytes = staging->bytes;
		bytes[0] = mark;
		bytes[(staging->pages << PAGE_SHIFT) - 1] = mark;
		if (bytes[0] != mark ||
		    bytes[(staging->pages << PAGE_SHIFT) - 1] != mark)
			return argument;
		staging_drop(&pool, staging);
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[3];
	void *failed;

	(void)state;
	for (uintptr_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_buffers,
						(void *)(i + 1)),
				 0);
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

#define HUGE_BYTES (UINT64_C(2) << 20)

/* Two of 256 pages, and many of 16, are one huge page. */
static void test_parts_of_huge_pages(void **state)
{
	struct staging *large[2] = { take(256), take(256) };
	struct staging *taken[MANY];

	(void)state;
	if (huge)
		assert_int_equal((uintptr_t)large[0]->bytes / HUGE_BYTES,
				 (uintptr_t)large[1]->bytes / HUGE_BYTES);
	for (int i = 0; i < 2; i++)
		memset(large[i]->bytes, i, large[i]->pages << PAGE_SHIFT);
	for (int i = 0; i < MANY; i++) {
		taken[i] = take(16);
		memset(taken[i]->bytes, 2 + i % 100, 16 << PAGE_SHIFT);
	}
	for (int i = 0; i < MANY; i++) {
		const unsigned char *bytes = taken[i]->bytes;

		assert_int_equal(bytes[0], 2 + i % 100);
		assert_int_equal(bytes[(16 << PAGE_SHIFT) - 1], 2 + i % 100);
		if (huge && i % 32)
			assert_int_equal((uintptr_t)bytes / HUGE_BYTES,
					 (uintptr_t)taken[i - 1]->bytes /
						 HUGE_BYTES);
	}
	for (int i = 0; i < 2; i++) {
		const unsigned char *bytes = large[i]->bytes;

		assert_int_equal(bytes[0], i);
		assert_int_equal(bytes[(256 << PAGE_SHIFT) - 1], i);
		staging_drop(&pool, large[i]);
	}
	drop_all(taken);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_pool, close_pool)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_size_fits),
		TEST(test_the_last_one_is_the_next),
		TEST(test_smaller_when_large_ones_are_out),
		TEST(test_one_page_when_it_would_be_empty),
		TEST(test_all_must_come_back),
		TEST(test_threads),
		TEST(test_parts_of_huge_pages),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	huge = true;
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
