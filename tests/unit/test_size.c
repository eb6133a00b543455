/* test_size.c - base/size.h */
/* SPDX-License-Identifier: MIT */
#include "base/size.h"

#include "unit/unit.h"

#include <errno.h>

#define KEPT UINT64_C(12345)

static void expect(const char *text, uint64_t bytes)
{
	uint64_t parsed = KEPT;

	assert_int_equal(size_parse(text, &parsed), 0);
	assert_true(parsed == bytes);
}

/* What is refused leaves the result as it was. */
static void refuse(const char *text, int error)
{
	uint64_t parsed = KEPT;

	assert_int_equal(size_parse(text, &parsed), error);
	assert_true(parsed == KEPT);
}

static void test_plain_numbers(void **state)
{
	(void)state;
	expect("0", 0);
	expect("1", 1);
	expect("007", 7);
	expect("4096", 4096);
	expect("18446744073709551615", UINT64_MAX);
}

static void test_suffixes(void **state)
{
	(void)state;
	expect("1K", UINT64_C(1) << 10);
	expect("64M", UINT64_C(64) << 20);
	expect("3G", UINT64_C(3) << 30);
	expect("2T", UINT64_C(2) << 40);
	expect("0T", 0);
	expect("16777215T", UINT64_C(16777215) << 40);
}

static void test_what_is_no_size(void **state)
{
	(void)state;
	refuse("", -EINVAL);
	refuse("K", -EINVAL);
	refuse("-1", -EINVAL);
	refuse("+1", -EINVAL);
	refuse(" 1", -EINVAL);
	refuse("1 ", -EINVAL);
	refuse("1k", -EINVAL);
	refuse("1KB", -EINVAL);
	refuse("1KK", -EINVAL);
	refuse("1.5G", -EINVAL);
	refuse("0x10", -EINVAL);
}

static void test_what_is_too_large(void **state)
{
	(void)state;
	refuse("18446744073709551616", -ERANGE);
	refuse("99999999999999999999999", -ERANGE);
	refuse("18014398509481984K", -ERANGE);
	refuse("16777216T", -ERANGE);
}

static void test_rounding_to_pages(void **state)
{
	(void)state;
	assert_true(page_round_down(0) == 0);
	assert_true(page_round_down(4095) == 0);
	assert_true(page_round_down(4096) == 4096);
	assert_true(page_round_down(UINT64_MAX) == UINT64_MAX - 4095);
	assert_true(page_round_up(0) == 0);
	assert_true(page_round_up(1) == 4096);
	assert_true(page_round_up(4096) == 4096);
	assert_true(page_round_up(UINT64_MAX - 4095) == UINT64_MAX - 4095);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_numbers),
		cmocka_unit_test(test_suffixes),
		cmocka_unit_test(test_what_is_no_size),
		cmocka_unit_test(test_what_is_too_large),
		cmocka_unit_test(test_rounding_to_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
