/* test_cli_page_order.c - cli/page_order.h */
/* SPDX-License-Identifier: MIT */
#include "cli/page_order.h"

#include "unit/unit.h"

#include <stdlib.h>

/* Each number below count, and each once. */
static void expect_permutation(uint64_t count)
{
	unsigned char *seen = calloc(count, 1);
	struct page_order order;

	assert_non_null(seen);
	page_order_init(&order, count);
	for (uint64_t position = 0; position < count; position++) {
		uint64_t number = page_order_at(&order, position);

		assert_true(number < count);
		assert_int_equal(seen[number]++, 0);
	}
	free(seen);
}

static void test_every_page_once(void **state)
{
	(void)state;
	for (uint64_t count = 1; count <= 300; count++)
		expect_permutation(count);
	/* around powers of four, where the network grows */
	expect_permutation(65535);
	expect_permutation(65536);
	expect_permutation(65537);
	expect_permutation(262145);
}

static void test_the_order_is_not_sequential(void **state)
{
	uint64_t neighbours = 0;
	struct page_order order;

	(void)state;
	page_order_init(&order, 10000);
	for (uint64_t position = 1; position < 10000; position++) {
		uint64_t before = page_order_at(&order, position - 1);
		uint64_t number = page_order_at(&order, position);

		neighbours += number == before + 1;
	}
	/* one is what chance gives */
	assert_true(neighbours < 20);
}

static void test_counts_that_no_table_could_hold(void **state)
{
	uint64_t count = UINT64_C(1) << 52; /* pages of 2^64 bytes */
	struct page_order order;

	(void)state;
	page_order_init(&order, count);
	for (uint64_t i = 0; i < 1000; i++) {
		assert_true(page_order_at(&order, i) < count);
		assert_true(page_order_at(&order, count - 1 - i) < count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_page_once),
		cmocka_unit_test(test_the_order_is_not_sequential),
		cmocka_unit_test(test_counts_that_no_table_could_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
