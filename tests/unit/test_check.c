/* test_check.c - base/check.h */
/* SPDX-License-Identifier: MIT */
#include "base/check.h"

#include "unit/unit.h"

static void expect_two(void *argument)
{
	int *one = argument;

	check(*one == 2, "invariant 3: two");
}

static void expect_one(void *argument)
{
	int *one = argument;

	check(*one == 1, "invariant 3: one");
}

static void fail_at_length(void *argument)
{
	check_failed(argument, "file.c", 7);
}

static void test_failure_says_where_and_aborts(void **state)
{
	struct child_end end;
	int one = 1;

	(void)state;
	run_in_child(expect_two, &one, &end);
	assert_true(WIFSIGNALED(end.status));
	assert_int_equal(WTERMSIG(end.status), SIGABRT);
	assert_ptr_equal(strstr(end.text, "quire: "), end.text);
	assert_non_null(strstr(end.text, "test_check.c:11: "));
	assert_non_null(strstr(end.text, "invariant 3: two [*one == 2]\n"));
}

static void test_success_is_silent(void **state)
{
	int one = 1;

	(void)state;
	assert_survives(expect_one, &one);
}

static void test_long_text_stays_one_line(void **state)
{
	char text[1000];
	struct child_end end;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	run_in_child(fail_at_length, text, &end);
	assert_int_equal(WTERMSIG(end.status), SIGABRT);
	assert_int_equal(strchr(end.text, '\n') - end.text, 510);
}

static void test_debug_check_follows_the_build(void **state)
{
	int evaluated = 0;

	(void)state;
	debug_check(++evaluated, "evaluated in debug builds only");
#ifdef QUIRE_DEBUG
	assert_int_equal(evaluated, 1);
#else
	assert_int_equal(evaluated, 0);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failure_says_where_and_aborts),
		cmocka_unit_test(test_success_is_silent),
		cmocka_unit_test(test_long_text_stays_one_line),
		cmocka_unit_test(test_debug_check_follows_the_build),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
