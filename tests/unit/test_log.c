/* test_log.c - base/log.h */
/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "unit/unit.h"

#include <errno.h>

struct lines {
	int count;
	int level;
	char last[2048];
};

static void keep(void *context, int level, const char *line)
{
	struct lines *lines = context;

	lines->count++;
	lines->level = level;
	snprintf(lines->last, sizeof(lines->last), "%s", line);
	errno = EBADF; /* a sink may change it */
}

static void test_sink_gets_level_and_line(void **state)
{
	struct lines lines = { 0 };
	const struct log log = { keep, &lines, LOG_WARNING };

	(void)state;
	log_line(&log, LOG_WARNING, "page %d", 3);
	assert_int_equal(lines.count, 1);
	assert_int_equal(lines.level, LOG_WARNING);
	assert_string_equal(lines.last, "page 3");
	log_line(&log, LOG_ERROR, "worse");
	assert_int_equal(lines.count, 2);
	assert_int_equal(lines.level, LOG_ERROR);
}

static void test_less_severe_lines_are_dropped(void **state)
{
	struct lines lines = { 0 };
	const struct log log = { keep, &lines, LOG_WARNING };

	(void)state;
	log_line(&log, LOG_INFO, "chatter");
	log_line(&log, LOG_DEBUG, "more");
	assert_int_equal(lines.count, 0);
}

static void test_long_line_is_cut(void **state)
{
	struct lines lines = { 0 };
	const struct log log = { keep, &lines, LOG_ERROR };
	char text[1500];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_line(&log, LOG_ERROR, "%s", text);
	assert_int_equal(strlen(lines.last), 1023);
}

static void test_errno_survives(void **state)
{
	struct lines lines = { 0 };
	const struct log log = { keep, &lines, LOG_ERROR };

	(void)state;
	errno = EAGAIN;
	log_line(&log, LOG_ERROR, "a line");
	assert_int_equal(errno, EAGAIN);
}

static void log_to_default(void *argument)
{
	const struct log log = { NULL, NULL, LOG_INFO };

	log_line(&log, LOG_INFO, "%s", (const char *)argument);
	log_line(&log, LOG_DEBUG, "not this");
}

static void test_default_is_standard_error(void **state)
{
	struct child_end end;
	char text[] = "disk is slow";

	(void)state;
	run_in_child(log_to_default, text, &end);
	assert_true(WIFEXITED(end.status));
	assert_string_equal(end.text, "quire: disk is slow\n");
}

static void test_default_line_is_cut_but_ends(void **state)
{
	struct child_end end;
	char text[1500];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	run_in_child(log_to_default, text, &end);
	assert_true(WIFEXITED(end.status));
	assert_int_equal(strlen(end.text), strlen("quire: ") + 1023 + 1);
	assert_int_equal(end.text[strlen(end.text) - 1], '\n');
}

static void log_to_closed(void *argument)
{
	close(STDERR_FILENO);
	errno = EAGAIN;
	log_to_default(argument);
	if (errno != EAGAIN)
		_exit(1);
}

static void test_closed_standard_error_loses_the_line_only(void **state)
{
	char text[] = "lost";

	(void)state;
	assert_survives(log_to_closed, text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sink_gets_level_and_line),
		cmocka_unit_test(test_less_severe_lines_are_dropped),
		cmocka_unit_test(test_long_line_is_cut),
		cmocka_unit_test(test_errno_survives),
		cmocka_unit_test(test_default_is_standard_error),
		cmocka_unit_test(test_default_line_is_cut_but_ends),
		cmocka_unit_test(
			test_closed_standard_error_loses_the_line_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
