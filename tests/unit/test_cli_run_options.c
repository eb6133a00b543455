/* test_cli_run_options.c - cli/run_options.h */
/* SPDX-License-Identifier: MIT */
#include "cli/run_options.h"

#include "unit/unit.h"
#undef fail /* cmocka has one of its own */

#include <getopt.h>
#include <stdarg.h>

/* What main.c and help.c give, kept for the tests to look at. */
static char said[256];

int wrong(const struct command *command, const char *format, ...)
{
	va_list arguments;

	(void)command;
	va_start(arguments, format);
	vsnprintf(said, sizeof(said), format, arguments);
	va_end(arguments);
	return EXIT_USAGE;
}

int fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(said, sizeof(said), format, arguments);
	va_end(arguments);
	return EXIT_FAILURE;
}

void help_print(const char *const *lines)
{
	(void)lines;
}

static const struct command command = { .name = "run" };
static struct run_options options; /* large */
static struct arguments arguments;

/* words ends with NULL. */
static bool parse(enum run_kind kind, char **words)
{
	int argc = 0;

	while (words[argc])
		argc++;
	run_options_close(&options);
	memset(&options, 0, sizeof(options));
	arguments = (struct arguments){
		.most = 100,
		.names = "PROGRAM",
		.least = kind == RUN_PROGRAM,
		.program = kind == RUN_PROGRAM,
	};
	said[0] = '\0';
	optind = 0; /* getopt starts anew */
	return run_options_parse(&command, kind, &options, &arguments, argc,
				 words);
}

#define WORDS(...) ((char *[]){ "run", __VA_ARGS__, NULL })

static void test_defaults_are_the_servers_own(void **state)
{
	const struct server_options *server = &options.settings.server;

	(void)state;
	assert_true(parse(RUN_PROGRAM, WORDS("program")));
	assert_true(server->engine.size == sizeof(server->engine));
	assert_true(server->engine.budget == 0);
	assert_true(server->least == 0);
	assert_true(server->glob_count == 0);
	assert_true(server->binding_count == 0);
	assert_false(server->everybody);
	assert_false(options.settings.quiet);
	assert_null(options.socket);
}

static void test_settings_reach_the_server(void **state)
{
	const struct server_options *server = &options.settings.server;

	(void)state;
	assert_true(
		parse(RUN_PROGRAM, WORDS("--budget", "8M", "--least=1", "--map",
					 "*.a", "--map", "*.b", "--bind",
					 "/x=file:1M=", "--quiet", "program")));
	assert_true(server->engine.budget == 8 << 20);
	assert_true(server->least == 1);
	assert_true(server->glob_count == 2);
	assert_string_equal(server->globs[0], "*.a");
	assert_string_equal(server->globs[1], "*.b");
	assert_true(server->binding_count == 1);
	assert_string_equal(server->bindings[0].path, "/x");
	assert_string_equal(server->bindings[0].uri, "file:1M=");
	assert_true(options.settings.quiet);
}

static void test_what_is_bound_is_absolute(void **state)
{
	char folder[4096];
	char expected[4200];

	(void)state;
	assert_non_null(getcwd(folder, sizeof(folder)));
	snprintf(expected, sizeof(expected), "%s/some/x", folder);
	assert_true(parse(RUN_PROGRAM,
			  WORDS("--bind", "some/x=mem:4K", "program")));
	assert_string_equal(options.settings.server.bindings[0].path, expected);
	assert_true(
		parse(RUN_PROGRAM,
		      WORDS("--bind", "./other/..//some/x=mem:4K", "program")));
	assert_string_equal(options.settings.server.bindings[0].path, expected);
	assert_true(parse(RUN_PROGRAM,
			  WORDS("--bind", "//a/./b/../c/=mem:4K", "program")));
	assert_string_equal(options.settings.server.bindings[0].path, "/a/c");
}

static void test_the_programs_options_are_its_own(void **state)
{
	(void)state;
	assert_true(parse(RUN_PROGRAM, WORDS("--quiet", "program", "--budget",
					     "x", "--", "--what")));
	assert_int_equal(arguments.count, 5);
	assert_string_equal(arguments.operands[0], "program");
	assert_string_equal(arguments.operands[1], "--budget");
	assert_string_equal(arguments.operands[4], "--what");
	assert_true(parse(RUN_PROGRAM, WORDS("--", "--quiet")));
	assert_string_equal(arguments.operands[0], "--quiet");
	assert_false(options.settings.quiet);
}

static void expect_wrong(enum run_kind kind, char **words, const char *part)
{
	assert_false(parse(kind, words));
	assert_int_equal(arguments.status, EXIT_USAGE);
	assert_non_null(strstr(said, part));
}

static void test_wrong_lines_name_what_is_wrong(void **state)
{
	(void)state;
	expect_wrong(RUN_PROGRAM, WORDS("--quiet"), "PROGRAM");
	expect_wrong(RUN_PROGRAM, WORDS("--bind", "x", "p"), "'x' is not");
	expect_wrong(RUN_PROGRAM, WORDS("--bind", "=x", "p"), "'=x' is not");
	expect_wrong(RUN_PROGRAM, WORDS("--bind", "x=", "p"), "'x=' is not");
	expect_wrong(RUN_PROGRAM, WORDS("--bind", "x=no:y", "p"),
		     "--bind: no:y: unknown scheme 'no'");
	expect_wrong(RUN_PROGRAM, WORDS("--bind", "x=mem:y", "p"),
		     "'y' is no size");
	expect_wrong(RUN_PROGRAM, WORDS("--map", "", "p"), "empty pattern");
	expect_wrong(RUN_PROGRAM, WORDS("--everybody", "p"), "'--everybody'");
	expect_wrong(RUN_PROGRAM, WORDS("--socket", "s", "--least", "1", "p"),
		     "settings of its own");
	expect_wrong(RUN_SERVER, WORDS("--budget", "-1"), "'-1' is not a size");
}

static void test_a_server_has_a_socket_and_settings(void **state)
{
	(void)state;
	assert_true(parse(RUN_SERVER, WORDS("--socket", "s", "--budget", "1M",
					    "--everybody")));
	assert_string_equal(options.socket, "s");
	assert_true(options.settings.server.everybody);
}

static void test_many_may_be_given_but_not_all_too_many(void **state)
{
	char *words[2 * MOST_TEXTS + 5] = { "run" };
	size_t count = 1;

	(void)state;
	for (size_t i = 0; i < MOST_TEXTS; i++) {
		words[count++] = "--map";
		words[count++] = "x";
	}
	words[count] = "program";
	assert_true(parse(RUN_PROGRAM, words));
	assert_true(options.settings.server.glob_count == MOST_TEXTS);
	words[count++] = "--map";
	words[count++] = "x";
	words[count] = "program";
	expect_wrong(RUN_PROGRAM, words, "more than 256");
}

static void test_files_are_opened_or_none_is(void **state)
{
	char folder[] = "/tmp/quire-options-XXXXXX";
	char good[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(good, sizeof(good), "%s/stats", folder);
	assert_true(parse(RUN_PROGRAM, WORDS("--stats", good, "--report",
					     "/none/report", "program")));
	assert_int_equal(run_options_open(&options), EXIT_FAILURE);
	assert_non_null(strstr(said, "/none/report"));
	assert_null(options.settings.stats);
	assert_true(parse(RUN_PROGRAM, WORDS("--stats", good, "program")));
	assert_int_equal(run_options_open(&options), 0);
	assert_non_null(options.settings.stats);
	assert_null(options.settings.report);
	run_options_close(&options);
	assert_null(options.settings.stats);
	unlink(good);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults_are_the_servers_own),
		cmocka_unit_test(test_settings_reach_the_server),
		cmocka_unit_test(test_what_is_bound_is_absolute),
		cmocka_unit_test(test_the_programs_options_are_its_own),
		cmocka_unit_test(test_wrong_lines_name_what_is_wrong),
		cmocka_unit_test(test_a_server_has_a_socket_and_settings),
		cmocka_unit_test(test_many_may_be_given_but_not_all_too_many),
		cmocka_unit_test(test_files_are_opened_or_none_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
