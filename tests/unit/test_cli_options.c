/* test_cli_options.c - cli/options.h */
/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include "unit/unit.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What main.c and help.c give, kept for the tests to look at. */
static char said[256];
static bool helped;

int wrong(const struct command *command, const char *format, ...)
{
	va_list arguments;

	(void)command;
	va_start(arguments, format);
	vsnprintf(said, sizeof(said), format, arguments);
	va_end(arguments);
	return EXIT_USAGE;
}

void help_print(const char *const *lines)
{
	(void)lines;
	helped = true;
}

struct values {
	bool flag;
	uint64_t size;
	uint64_t budget;
	uint32_t count;
	struct texts texts;
};

static const struct command command = { .name = "try" };

/* words ends with NULL.  What comes out is in *values and *arguments. */
static bool parse(struct arguments *arguments, struct values *values,
		  char **words)
{
	const struct option_rule rules[] = {
		{ "flag", OPTION_FLAG, &values->flag, 0 },
		{ "size", OPTION_SIZE, &values->size, 0 },
		{ "budget", OPTION_BUDGET, &values->budget, 0 },
		{ "count", OPTION_COUNT, &values->count, 9 },
		{ "text", OPTION_TEXTS, &values->texts, 0 },
	};
	int argc = 0;
	bool go_on;

	while (words[argc])
		argc++;
	*values = (struct values){ 0 };
	*arguments = (struct arguments){
		.rules = rules,
		.rule_count = 5,
		.least = 1,
		.most = 2,
		.names = "FILE [FILE]",
	};
	said[0] = '\0';
	helped = false;
	optind = 0; /* getopt starts anew */
	go_on = options_parse(&command, arguments, argc, words);
	arguments->rules = NULL;
	return go_on;
}

#define WORDS(...) ((char *[]){ "try", __VA_ARGS__, NULL })

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "3K", 3 << 10 },
		{ "64m", 64 << 20 },
		{ "2G", UINT64_C(2) << 30 },
		{ "5T", UINT64_C(5) << 40 },
		{ "18446744073709551615", UINT64_MAX },
	};
	static const char *const bad[] = {
		"",
		"K",
		"x",
		"1X",
		"1KB",
		"-1",
		"+1",
		" 1",
		"1 ",
		"1.5M",
		"18446744073709551616",
		"16777216T",
	};
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(size_read(good[i].text, &bytes));
		assert_true(bytes == good[i].bytes);
	}
	bytes = 77;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(size_read(bad[i], &bytes));
	assert_true(bytes == 77);
}

static void test_budgets(void **state)
{
	struct arguments arguments;
	struct values values;

	(void)state;
	assert_true(parse(&arguments, &values, WORDS("a", "--budget", "4096")));
	assert_int_equal(values.budget, 4096);
	assert_false(parse(&arguments, &values, WORDS("a", "--budget", "0")));
	assert_int_equal(arguments.status, EXIT_USAGE);
	assert_non_null(strstr(said, "a budget of 0 bytes"));
	assert_false(parse(&arguments, &values, WORDS("a", "--budget", "1")));
	assert_non_null(strstr(said, "a budget of 1 byte is"));
	assert_false(parse(&arguments, &values, WORDS("a", "--budget", "x")));
	assert_non_null(strstr(said, "is not a size"));
}

static void test_counts(void **state)
{
	static const char *const bad[] = { "",  "0",  "10", "-1",
					   "x", "1x", " 1", "4294967297" };
	uint32_t count = 0;

	(void)state;
	assert_true(count_read("1", 9, &count));
	assert_int_equal(count, 1);
	assert_true(count_read("9", 9, &count));
	assert_int_equal(count, 9);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(count_read(bad[i], 9, &count));
	assert_int_equal(count, 9);
}

static void test_options_and_operands_in_any_order(void **state)
{
	struct arguments arguments;
	struct values values;

	(void)state;
	assert_true(
		parse(&arguments, &values,
		      WORDS("a", "--size", "2K", "b", "--flag", "--count=3")));
	assert_true(values.flag);
	assert_true(values.size == 2048);
	assert_int_equal(values.count, 3);
	assert_int_equal(arguments.count, 2);
	assert_string_equal(arguments.operands[0], "a");
	assert_string_equal(arguments.operands[1], "b");
	assert_string_equal(said, "");
}

static void test_two_dashes_end_the_options(void **state)
{
	struct arguments arguments;
	struct values values;

	(void)state;
	assert_true(parse(&arguments, &values, WORDS("--", "--flag")));
	assert_false(values.flag);
	assert_string_equal(arguments.operands[0], "--flag");
}

static void test_texts_add_up(void **state)
{
	struct arguments arguments;
	struct values values;

	(void)state;
	assert_true(parse(&arguments, &values,
			  WORDS("--text", "x", "a", "--text=--flag")));
	assert_int_equal(values.texts.count, 2);
	assert_string_equal(values.texts.text[0], "x");
	assert_string_equal(values.texts.text[1], "--flag");
	assert_false(values.flag);
}

static void expect_wrong(char **words, const char *part)
{
	struct arguments arguments;
	struct values values;

	assert_false(parse(&arguments, &values, words));
	assert_int_equal(arguments.status, EXIT_USAGE);
	assert_non_null(strstr(said, part));
}

static void test_wrong_lines_name_what_is_wrong(void **state)
{
	(void)state;
	expect_wrong(WORDS("a", "--what"), "'--what'");
	expect_wrong(WORDS("a", "-w"), "'-w'");
	expect_wrong(WORDS("a", "--size"), "'--size' needs a value");
	expect_wrong(WORDS("a", "--flag=1"), "'--flag=1' takes no value");
	expect_wrong(WORDS("a", "--size=x"), "'x' is not a size");
	expect_wrong(WORDS("a", "--count=10"), "'10' is not a number from 1");
	expect_wrong(WORDS("--flag"), "FILE [FILE]");
	expect_wrong(WORDS("a", "b", "c"), "FILE [FILE]");
}

static void test_help_comes_before_all_else(void **state)
{
	struct arguments arguments;
	struct values values;

	(void)state;
	assert_false(parse(&arguments, &values, WORDS("--help")));
	assert_int_equal(arguments.status, 0);
	assert_true(helped);
	assert_false(parse(&arguments, &values, WORDS("a", "-h", "--what")));
	assert_int_equal(arguments.status, 0);
	assert_true(helped);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_budgets),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_options_and_operands_in_any_order),
		cmocka_unit_test(test_two_dashes_end_the_options),
		cmocka_unit_test(test_texts_add_up),
		cmocka_unit_test(test_wrong_lines_name_what_is_wrong),
		cmocka_unit_test(test_help_comes_before_all_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
