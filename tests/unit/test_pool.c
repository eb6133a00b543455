/* test_pool.c - base/pool.h */
/* SPDX-License-Identifier: MIT */
#include "base/pool.h"

#include "unit/unit.h"

#include <stdbool.h>
#include <stdlib.h>

#define ITEMS 3000

/* map() may run in several threads at once. */
static _Atomic size_t mapped_bytes;
static _Atomic size_t chunks;
static bool refuse;

static void *map(size_t bytes)
{
	if (refuse)
		return NULL;
	mapped_bytes += bytes;
	chunks++;
	return calloc(1, bytes);
}

static void unmap(void *chunk, size_t bytes)
{
	mapped_bytes -= bytes;
	chunks--;
	free(chunk);
}

static int create(void **state)
{
	static struct pool pool;

	refuse = false;
	pool_init(&pool, 100, LOCK_RANK_STORE, map, unmap);
	*state = &pool;
	return 0;
}

static int finish(void **state)
{
	pool_finish(*state);
	assert_int_equal(mapped_bytes, 0);
	assert_int_equal(chunks, 0);
	return 0;
}

static bool is_zero(const unsigned char *bytes, size_t count)
{
	while (count > 0 && bytes[count - 1] == 0)
		count--;
	return count == 0;
}

/* Each item is filled by its own byte, so an overlap would show. */
static void test_items_are_apart_and_zero(void **state)
{
	static unsigned char *items[ITEMS];

	for (size_t i = 0; i < ITEMS; i++) {
		items[i] = pool_take(*state);
		assert_non_null(items[i]);
		assert_true(is_zero(items[i], 100));
		memset(items[i], (int)(i % 255 + 1), 100);
	}
	assert_in_range(chunks, 2, ITEMS / 100);
	for (size_t i = 0; i < ITEMS; i++) {
		for (size_t j = 0; j < 100; j++)
			assert_int_equal(items[i][j], i % 255 + 1);
	}
}

/* As whole pages from the host are. */
static void *map_aligned(size_t bytes)
{
	void *memory = aligned_alloc(4096, bytes);

	return memory ? memset(memory, 0, bytes) : NULL;
}

static void unmap_aligned(void *memory, size_t bytes)
{
	(void)bytes;
	free(memory);
}

/* What a size of so many bytes can need. */
static void test_items_are_aligned(void **state)
{
	static const size_t sizes[][2] = { { 1, 8 },    { 88, 8 },
					   { 100, 8 },  { 112, 16 },
					   { 96, 32 },  { 128, 64 },
					   { 768, 64 }, { 1024, 64 } };
	struct pool pool;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		pool_init(&pool, sizes[i][0], LOCK_RANK_STORE, map_aligned,
			  unmap_aligned);
		for (size_t j = 0; j < 200; j++)
			assert_int_equal(
				(uintptr_t)pool_take(&pool) % sizes[i][1], 0);
		pool_finish(&pool);
	}
}

static size_t count_chain(const struct pool_link *first)
{
	size_t count = 0;

	for (; first; first = first->next) {
		assert_true(is_zero((const unsigned char *)(first + 1),
				    100 - sizeof(*first)));
		count++;
	}
	return count;
}

static void test_several_at_once(void **state)
{
	struct pool_link *first = pool_take_several(*state, ITEMS), *second;
	size_t before;

	assert_int_equal(count_chain(first), ITEMS);
	second = pool_take_several(*state, 3);
	assert_int_equal(count_chain(second), 3);
	for (struct pool_link *item = second; item; item = item->next)
		memset(item + 1, 0xff, 100 - sizeof(*item));
	pool_drop_several(*state, second);
	pool_drop_several(*state, NULL);
	pool_drop_several(*state, first);
	before = mapped_bytes;
	first = pool_take_several(*state, ITEMS + 3);
	assert_int_equal(count_chain(first), ITEMS + 3);
	assert_int_equal(mapped_bytes, before);
	/* All or none: what could be taken is there again. */
	refuse = true;
	assert_null(pool_take_several(*state, 10 * ITEMS));
	refuse = false;
	pool_drop_several(*state, first);
	refuse = true;
	first = pool_take_several(*state, ITEMS + 3);
	assert_int_equal(count_chain(first), ITEMS + 3);
	pool_drop_several(*state, first);
}

/* What is provided can be taken when nothing is to be had any more. */
static void test_provided_items(void **state)
{
	assert_true(pool_provide(*state, ITEMS));
	assert_int_equal(chunks, 1);
	refuse = true;
	assert_true(pool_provide(*state, ITEMS));
	for (size_t i = 0; i < ITEMS; i++)
		assert_non_null(pool_take(*state));
	assert_false(pool_provide(*state, 100 * ITEMS));
}

/* Each chunk doubles the pool. */
static void test_few_chunks(void **state)
{
	for (size_t i = 0; i < 100 * ITEMS; i++)
		assert_non_null(pool_take(*state));
	assert_in_range(chunks, 8, 11);
}

static void test_dropped_items_come_again_zeroed(void **state)
{
	unsigned char *first = pool_take(*state);

	assert_non_null(first);
	memset(first, 0xff, 100);
	pool_drop(*state, first);
	for (int i = 0; i < ITEMS; i++) {
		unsigned char *item = pool_take(*state);

		assert_ptr_equal(item, first);
		assert_true(is_zero(item, 100));
		memset(item, 0xff, 100);
		pool_drop(*state, item);
	}
	assert_int_equal(chunks, 1);
}

static void test_no_memory(void **state)
{
	void *item;

	refuse = true;
	assert_null(pool_take(*state));
	refuse = false;
	item = pool_take(*state);
	assert_non_null(item);
	refuse = true;
	assert_non_null(pool_take(*state)); /* the chunk has more */
	refuse = false;
}

static void test_items_larger_than_a_usual_chunk(void **state)
{
	const size_t size = 100000;
	struct pool pool;
	unsigned char *items[20];

	(void)state;
	pool_init(&pool, size, LOCK_RANK_STORE, map, unmap);
	for (size_t i = 0; i < 20; i++) {
		items[i] = pool_take(&pool);
		assert_non_null(items[i]);
		memset(items[i], (int)i, size);
	}
	for (size_t i = 0; i < 20; i++) {
		assert_int_equal(items[i][0], i);
		assert_int_equal(items[i][size - 1], i);
	}
	pool_finish(&pool);
}

struct user {
	struct pool *pool;
	pthread_t thread;
	unsigned char mark;
	bool failed;
};

/* Takes, marks, looks for another's mark, drops. */
static void *use(void *argument)
{
	struct user *user = argument;

	for (int i = 0; i < 20000; i++) {
		unsigned char *item = pool_take(user->pool);

		if (!item || !is_zero(item, 100)) {
			user->failed = true;
			return NULL;
		}
		memset(item, user->mark, 100);
		if (item[0] != user->mark || item[99] != user->mark)
			user->failed = true;
		pool_drop(user->pool, item);
	}
	return NULL;
}

static void test_threads_share_a_pool(void **state)
{
	struct user users[3];

	for (unsigned i = 0; i < 3; i++) {
		users[i] = (struct user){ .pool = *state,
					  .mark = (unsigned char)(i + 1) };
		assert_int_equal(pthread_create(&users[i].thread, NULL, use,
						&users[i]),
				 0);
	}
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(users[i].thread, NULL);
		assert_false(users[i].failed);
	}
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, create, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_items_are_apart_and_zero),
		TEST(test_items_are_aligned),
		TEST(test_several_at_once),
		TEST(test_provided_items),
		TEST(test_few_chunks),
		TEST(test_dropped_items_come_again_zeroed),
		TEST(test_no_memory),
		TEST(test_items_larger_than_a_usual_chunk),
		TEST(test_threads_share_a_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
