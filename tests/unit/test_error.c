/* test_error.c - base/error.h */
/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include "unit/unit.h"

#include <errno.h>
#include <pthread.h>

static int clear(void **state)
{
	(void)state;
	error_clear();
	return 0;
}

static void test_no_sentence_at_first(void **state)
{
	(void)state;
	assert_string_equal(error_sentence(), "");
}

static void test_say_keeps_sentence_and_returns_error(void **state)
{
	(void)state;
	assert_int_equal(error_say(-EINVAL, "page %d of %s", 7, "a"), -EINVAL);
	assert_string_equal(error_sentence(), "page 7 of a");
	assert_int_equal(error_say(-EIO, "second"), -EIO);
	assert_string_equal(error_sentence(), "second");
}

static void test_say_first_keeps_the_first(void **state)
{
	(void)state;
	assert_int_equal(error_say_first(-EIO, "first %d", 1), -EIO);
	assert_int_equal(error_say_first(-EBUSY, "second"), -EBUSY);
	assert_string_equal(error_sentence(), "first 1");
	error_clear();
	assert_string_equal(error_sentence(), "");
	error_say_first(-EIO, "third");
	assert_string_equal(error_sentence(), "third");
}

static void test_long_sentence_is_cut(void **state)
{
	char text[1000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	error_say(-EINVAL, "%s", text);
	assert_int_equal(strlen(error_sentence()), 511);
}

static void test_sentence_may_quote_the_old_one(void **state)
{
	(void)state;
	error_say(-EIO, "disk gone");
	error_say(-EIO, "sync: %s", error_sentence());
	assert_string_equal(error_sentence(), "sync: disk gone");
}

static void *say_in_other_thread(void *argument)
{
	(void)argument;
	if (error_sentence()[0])
		return NULL;
	error_say(-EIO, "other");
	return strcmp(error_sentence(), "other") ? NULL : (void *)1;
}

static void test_each_thread_has_its_own(void **state)
{
	pthread_t thread;
	void *result;

	(void)state;
	error_say(-EIO, "mine");
	assert_int_equal(
		pthread_create(&thread, NULL, say_in_other_thread, NULL), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_non_null(result);
	assert_string_equal(error_sentence(), "mine");
}

#define TEST(test) cmocka_unit_test_setup(test, clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_sentence_at_first),
		TEST(test_say_keeps_sentence_and_returns_error),
		TEST(test_say_first_keeps_the_first),
		TEST(test_long_sentence_is_cut),
		TEST(test_sentence_may_quote_the_old_one),
		TEST(test_each_thread_has_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
