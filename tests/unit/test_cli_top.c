/* test_cli_top.c - cli/top.h: what is asked, and what a frame shows */
/* SPDX-License-Identifier: MIT */
#include "cli/top.h"

#include "cli/peer.h"
#include "unit/unit.h"

#include <errno.h>
#include <stdlib.h>

/* ---- a process of two engines, in place of peer.c ---- */

static int answer_error;       /* to the question that begins with */
static char answer_error_to;   /* this letter */
static const char *files_text; /* of engine 0 */

#define HEADING                                                         \
	"fields\tname\tmapped\tresident\tresident_peak\thits\tmisses\t" \
	"reads\tpages_read\twrites\tpages_written\tevictions\t"         \
	"stalled_ns\tdirty\n"

int peer_query(pid_t pid, const char *question,
	       void (*each)(void *context, unsigned int engine, char *text),
	       void *context, unsigned int *engine)
{
	assert_int_equal(pid, 77);
	for (*engine = 0; *engine < 2; ++*engine) {
		if (*engine == 1 && question[0] == answer_error_to)
			return answer_error;
		if (question[0] == 's')
			each(context, *engine,
			     strdup("budget 1048576\nresident 524288\n"
				    "traps 100\nsomething 5\nno number\n\n"));
		else
			each(context, *engine,
			     strdup(*engine ? HEADING : files_text));
	}
	return 0;
}

#define TWO_FILES                                                              \
	HEADING "file\t/b\t8192\t2\t3\t40\t5\t6\t7\t8\t9\t10\t1500000000\t1\n" \
		"file\t/a\t4096\t1\t3\t50\t5\t6\t7\t8\t9\t10\t0\t0\n"

static int set_up(void **state)
{
	(void)state;
	answer_error_to = 0;
	files_text = TWO_FILES;
	return 0;
}

static void ask(struct top_sample *sample)
{
	unsigned int engine;

	*sample = (struct top_sample){ .engines = 0 };
	assert_int_equal(top_ask(77, sample, &engine), 0);
}

static void engines_are_added_up(void **state)
{
	struct top_sample sample;

	(void)state;
	ask(&sample);
	assert_int_equal(sample.engines, 2);
	assert_int_equal(sample.count[TOP_BUDGET], 2097152);
	assert_int_equal(sample.count[TOP_RESIDENT], 1048576);
	assert_int_equal(sample.count[TOP_TRAPS], 200);
	assert_int_equal(sample.count[TOP_HITS], 0);
	top_forget(&sample);
}

static void a_files_fields_are_its_columns(void **state)
{
	const struct top_file *file;
	struct top_sample sample;

	(void)state;
	ask(&sample);
	assert_int_equal(sample.files, 2);
	file = &sample.file[0];
	assert_string_equal(file->path, "/b");
	assert_int_equal(file->value[TOP_FILE_MAPPED], 8192);
	assert_int_equal(file->value[TOP_FILE_RESIDENT], 2 * 4096);
	assert_int_equal(file->value[TOP_FILE_HITS], 40);
	assert_int_equal(file->value[TOP_FILE_MISSES], 5);
	assert_int_equal(file->value[TOP_FILE_READ], 7 * 4096);
	assert_int_equal(file->value[TOP_FILE_WRITTEN], 9 * 4096);
	assert_int_equal(file->value[TOP_FILE_EVICTED], 10 * 4096);
	assert_int_equal(file->value[TOP_FILE_STALLED_NS], 1500000000);
	assert_int_equal(file->value[TOP_FILE_DIRTY], 4096);
	top_forget(&sample);
}

static void lines_that_are_not_understood_are_passed_over(void **state)
{
	struct top_sample sample;

	(void)state;
	files_text = "file\n"
		     "file\t/short\t1\t2\n"
		     "file\t/words\ta\tb\tc\td\te\tf\tg\th\ti\tj\tk\tl\n"
		     "\n\t\t\t\n"
		     "file\t/more\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10\t11\t12\t13\n"
		     "file\t/end\t1\t2\t3";
	ask(&sample);
	assert_int_equal(sample.files, 1);
	assert_string_equal(sample.file[0].path, "/more");
	top_forget(&sample);
}

static void an_error_leaves_nothing(void **state)
{
	struct top_sample sample = { .engines = 0 };
	unsigned int engine = 9;

	(void)state;
	answer_error = -EPIPE;
	answer_error_to = 's';
	assert_int_equal(top_ask(77, &sample, &engine), -EPIPE);
	assert_int_equal(engine, 1);
	answer_error_to = 'f';
	assert_int_equal(top_ask(77, &sample, &engine), -EPIPE);
	assert_null(sample.file);
	assert_int_equal(sample.files, 0);
	assert_int_equal(sample.engines, 0);
}

/* ---- sorting ---- */

static void keys_name_columns(void **state)
{
	enum top_column column = TOP_FILE_DIRTY;

	(void)state;
	assert_true(top_key('m', &column));
	assert_int_equal(column, TOP_FILE_MAPPED);
	assert_true(top_key('p', &column));
	assert_int_equal(column, TOP_FILE_PATH);
	assert_false(top_key('x', &column));
	assert_false(top_key(-1, &column));
	assert_int_equal(column, TOP_FILE_PATH);
}

static void the_greatest_comes_first(void **state)
{
	struct top_sample sample;

	(void)state;
	ask(&sample);
	top_sort(&sample, TOP_FILE_HITS);
	assert_string_equal(sample.file[0].path, "/a");
	top_sort(&sample, TOP_FILE_RESIDENT);
	assert_string_equal(sample.file[0].path, "/b");
	top_sort(&sample, TOP_FILE_PATH);
	assert_string_equal(sample.file[0].path, "/a");
	top_sort(&sample, TOP_FILE_READ); /* equal: by path */
	assert_string_equal(sample.file[0].path, "/a");
	top_forget(&sample);
}

/* ---- frames ---- */

static char *frame(const struct top_view *view, const struct top_sample *before,
		   const struct top_sample *sample)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	top_frame(view, before, sample, stream);
	fclose(stream);
	assert_non_null(text);
	return text;
}

static void a_frame_shows_counts_and_files(void **state)
{
	const struct top_view view = { .pid = 77, .sorted = TOP_FILE_READ };
	struct top_sample sample;
	char *text;

	(void)state;
	ask(&sample);
	text = frame(&view, NULL, &sample);
	assert_non_null(strstr(text, "process 77, engines: 2, files: 2\n"));
	assert_non_null(strstr(text, "resident  [###############............"
				     "...] 1.0M of 2.0M\n"));
	assert_non_null(strstr(text, "a second  traps -  hits -"));
	assert_non_null(strstr(text, "in all    traps 200  hits 0"));
	assert_non_null(strstr(text, " *READ "));
	assert_null(strstr(text, "*PATH"));
	assert_non_null(strstr(text, "     1.50s  /b\n"));
	free(text);
	top_forget(&sample);
}

/* 200 traps more, and 4 MiB read, in two seconds. */
static void rates_are_those_of_a_second(void **state)
{
	const struct top_view view = { .pid = 77 };
	struct top_sample before = { .time_ns = 1000000000, .engines = 1 };
	struct top_sample sample = { .time_ns = 3000000000, .engines = 1 };
	char *text;

	(void)state;
	before.count[TOP_TRAPS] = 100;
	sample.count[TOP_TRAPS] = 300;
	sample.count[TOP_PAGES_READ] = 1024;
	before.count[TOP_HITS] = 7; /* another engine: fewer than before */
	text = frame(&view, &before, &sample);
	assert_non_null(strstr(text, "a second  traps 100  hits -  misses 0  "
				     "read 2.0M"));
	free(text);
}

static void a_frame_fits_its_screen(void **state)
{
	struct top_view view = { .pid = 77, .width = 20, .height = 9 };
	struct top_sample sample;
	unsigned lines = 0;
	char *text;

	(void)state;
	ask(&sample);
	text = frame(&view, NULL, &sample);
	for (char *rest = text, *line; (line = strsep(&rest, "\n")) && *rest;
	     lines++)
		assert_true(strlen(line) <= 20);
	assert_true(lines <= 9);
	free(text);
	view.height = 1; /* no room for any file */
	text = frame(&view, NULL, &sample);
	assert_null(strstr(text, "8.0K"));
	free(text);
	top_forget(&sample);
}

/* 80 columns: five numbers and the one that rules, and the end of the path. */
static void a_narrow_frame_shows_paths(void **state)
{
	static char path[] = "/a/folder/of/which/the/name/is/very/long/indeed";
	struct top_view view = { .pid = 77,
				 .width = 80,
				 .sorted = TOP_FILE_STALLED_NS };
	struct top_file file = { .path = path };
	const struct top_sample sample = { .file = &file, .files = 1 };
	char *text = frame(&view, NULL, &sample);

	(void)state;
	assert_non_null(strstr(text, "   EVICTED  *STALLED  PATH\n"));
	assert_null(strstr(text, "DIRTY"));
	assert_non_null(strstr(text, "  ...ery/long/indeed\n"));
	free(text);
	view.width = 0;
	text = frame(&view, NULL, &sample);
	assert_non_null(strstr(text, "DIRTY"));
	assert_non_null(strstr(text, path));
	free(text);
}

static void nothing_is_a_frame_too(void **state)
{
	const struct top_view view = { .pid = 77 };
	const struct top_sample sample = { .engines = 0 };
	char *text;

	(void)state;
	text = frame(&view, &sample, &sample);
	assert_non_null(strstr(text, "0 of 0\n"));
	free(text);
}

#define TOP(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TOP(engines_are_added_up),
		TOP(a_files_fields_are_its_columns),
		TOP(lines_that_are_not_understood_are_passed_over),
		TOP(an_error_leaves_nothing),
		TOP(keys_name_columns),
		TOP(the_greatest_comes_first),
		TOP(a_frame_shows_counts_and_files),
		TOP(rates_are_those_of_a_second),
		TOP(a_frame_fits_its_screen),
		TOP(a_narrow_frame_shows_paths),
		TOP(nothing_is_a_frame_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
