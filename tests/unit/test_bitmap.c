/* test_bitmap.c - base/bitmap.h against a naive set */
/* SPDX-License-Identifier: MIT */
#include "base/bitmap.h"

#include "unit/unit.h"

#include <stdlib.h>
#include <sys/mman.h>

struct pair {
	struct bitmap bitmap;
	void *memory;
	bool *naive;
	uint64_t bits;
};

static void pair_create(struct pair *pair, uint64_t bits)
{
	pair->bits = bits;
	pair->memory = calloc(1, bitmap_bytes(bits) + 1);
	pair->naive = calloc(bits + 1, sizeof(*pair->naive));
	assert_non_null(pair->memory);
	assert_non_null(pair->naive);
	bitmap_init(&pair->bitmap, bits, pair->memory);
}

static void pair_destroy(struct pair *pair)
{
	free(pair->memory);
	free(pair->naive);
}

static uint64_t naive_next(const struct pair *pair, uint64_t from)
{
	for (uint64_t i = from; i < pair->bits; i++) {
		if (pair->naive[i])
			return i;
	}
	return BITMAP_NONE;
}

static void compare(const struct pair *pair)
{
	for (uint64_t i = 0; i < pair->bits; i++) {
		assert_int_equal(bitmap_test(&pair->bitmap, i), pair->naive[i]);
		assert_true(bitmap_next(&pair->bitmap, i) ==
			    naive_next(pair, i));
	}
	assert_true(bitmap_next(&pair->bitmap, pair->bits) == BITMAP_NONE);
	assert_true(bitmap_next(&pair->bitmap, UINT64_MAX) == BITMAP_NONE);
}

static void random_step(struct pair *pair, uint64_t *seed, unsigned set_percent)
{
	uint64_t bit = next_random(seed) % pair->bits;
	bool set = next_random(seed) % 100 < set_percent;

	pair->naive[bit] = set;
	if (set)
		bitmap_set(&pair->bitmap, bit);
	else
		bitmap_clear(&pair->bitmap, bit);
}

static void run_random(uint64_t bits, unsigned set_percent)
{
	uint64_t seed = first_seed(bits * 100 + set_percent + 1);
	struct pair pair;

	pair_create(&pair, bits);
	for (int round = 0; round < 8; round++) {
		for (uint64_t i = 0; i < bits; i++)
			random_step(&pair, &seed, set_percent);
		compare(&pair);
	}
	pair_destroy(&pair);
}

static void test_random_against_naive(void **state)
{
	/* Around the borders of words and of levels. */
	static const uint64_t sizes[] = { 1,    2,    63,   64,   65,
					  127,  128,  4095, 4096, 4097,
					  4160, 5000, 8192 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		run_random(sizes[i], 50);
		run_random(sizes[i], 2);
	}
}

static void test_empty_bitmap(void **state)
{
	struct bitmap bitmap;

	(void)state;
	assert_int_equal(bitmap_bytes(0), 0);
	bitmap_init(&bitmap, 0, NULL);
	assert_true(bitmap_next(&bitmap, 0) == BITMAP_NONE);
}

static void test_bytes_of_all_levels(void **state)
{
	(void)state;
	assert_int_equal(bitmap_bytes(1), 8);
	assert_int_equal(bitmap_bytes(64), 8);
	assert_int_equal(bitmap_bytes(65), 8 * (2 + 1));
	assert_int_equal(bitmap_bytes(4096), 8 * (64 + 1));
	assert_int_equal(bitmap_bytes(4097), 8 * (65 + 2 + 1));
}

/* 2^38 bits are 32 GiB and a half of address space, a few pages touched. */
static void test_huge_and_sparse(void **state)
{
	const uint64_t bits = UINT64_C(1) << 38;
	const uint64_t members[] = { 5, UINT64_C(1) << 30, bits - 1 };
	struct bitmap bitmap;
	size_t bytes = bitmap_bytes(bits);
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)state;
	assert_ptr_not_equal(memory, MAP_FAILED);
	bitmap_init(&bitmap, bits, memory);
	for (size_t i = 0; i < 3; i++)
		bitmap_set(&bitmap, members[i]);
	assert_true(bitmap_next(&bitmap, 0) == members[0]);
	assert_true(bitmap_next(&bitmap, 6) == members[1]);
	assert_true(bitmap_next(&bitmap, members[1] + 1) == members[2]);
	bitmap_clear(&bitmap, members[1]);
	assert_true(bitmap_next(&bitmap, 6) == members[2]);
	bitmap_clear(&bitmap, members[2]);
	assert_true(bitmap_next(&bitmap, 6) == BITMAP_NONE);
	munmap(memory, bytes);
}

/* Else clearing what was never set would cost memory. */
static void test_clearing_no_member_writes_nothing(void **state)
{
	const uint64_t bits = 100000;
	struct bitmap bitmap;
	void *memory = mmap(NULL, bitmap_bytes(bits), PROT_READ,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(memory, MAP_FAILED);
	bitmap_init(&bitmap, bits, memory);
	bitmap_clear(&bitmap, 0);
	bitmap_clear(&bitmap, bits - 1);
	assert_true(bitmap_next(&bitmap, 0) == BITMAP_NONE);
	munmap(memory, bitmap_bytes(bits));
}

#ifdef QUIRE_DEBUG
static void set_outside(void *argument)
{
	bitmap_set(argument, 64);
}

static void test_bit_outside_fails(void **state)
{
	uint64_t word = 0;
	struct bitmap bitmap;

	(void)state;
	bitmap_init(&bitmap, 64, &word);
	assert_check_fails(set_outside, &bitmap, "bit in its bitmap");
}
#endif

/* The levels above, and what is behind the members, as they may be. */
static void test_members_are_restored(void **state)
{
	static const uint64_t members[] = { 0, 1, 63, 64, 65, 4095, 9000 };
	uint64_t seed = 7;
	struct pair pair;

	(void)state;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		size_t kept = bitmap_member_bytes(members[i]);

		pair_create(&pair, 9000);
		for (int j = 0; j < 300; j++)
			random_step(&pair, &seed, 90);
		for (uint64_t j = members[i]; j < 9000; j++)
			pair.naive[j] = false;
		memset((char *)pair.memory + kept, 0,
		       bitmap_bytes(9000) - kept);
		bitmap_restore(&pair.bitmap, members[i]);
		compare(&pair);
		random_step(&pair, &seed, 90);
		compare(&pair);
		pair_destroy(&pair);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_against_naive),
		cmocka_unit_test(test_empty_bitmap),
		cmocka_unit_test(test_members_are_restored),
		cmocka_unit_test(test_bytes_of_all_levels),
		cmocka_unit_test(test_huge_and_sparse),
		cmocka_unit_test(test_clearing_no_member_writes_nothing),
#ifdef QUIRE_DEBUG
		cmocka_unit_test(test_bit_outside_fails),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
