/* test_figures.c - server/figures.h: summary and statistics */
/* SPDX-License-Identifier: MIT */
#include "server/figures.h"

#include "unit/unit.h"

#include <math.h>

static const struct file_facts large = {
	.path = "/data/large",
	.device = 5,
	.inode = 7,
	.size = 100 << 20,
	.mapped_peak = 200 << 20,
	.counts = { .hits = 1000,
		    .misses = 24,
		    .reads = 3,
		    .pages_read = 51200,
		    .resident_peak = 2048,
		    .stalled_ns = 1500000000 },
};

static const struct file_facts small = {
	.path = "/data/small",
	.size = 10,
	.mapped_peak = 10,
	.bound = true,
	.counts = { .misses = 1,
		    .reads = 1,
		    .pages_read = 1,
		    .writes = 1,
		    .pages_written = 1,
		    .stalled_ns = 2000000 },
};

static struct figures start(void)
{
	return (struct figures){
		.engine = { .size = sizeof(struct quire_statistics),
			    .budget = 8 << 20,
			    .resident_peak = 8 << 20 },
		.clients = { .clients_ever = 3 },
	};
}

/* What writer makes of figures, which are freed. */
static char *written(struct figures *figures,
		     void (*writer)(const struct figures *, FILE *))
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	assert_non_null(stream);
	figures_sort(figures);
	writer(figures, stream);
	fclose(stream);
	figures_free(figures);
	return text;
}

static void test_nothing_is_one_line(void **state)
{
	struct figures figures = start();
	char *text = written(&figures, figures_print);

	(void)state;
	assert_string_equal(text, "quire: no file was mapped; budget 8.0M\n");
	free(text);
}

static void test_a_table_with_most_traps_first(void **state)
{
	struct figures figures = start();
	char *text;

	(void)state;
	assert_int_equal(figures_add_file(&figures, &small), 0);
	assert_int_equal(figures_add_file(&figures, &large), 0);
	text = written(&figures, figures_print);
	assert_string_equal(
		text,
		"quire: 2 files mapped, 3 processes; budget 8.0M, at most "
		"8.0M in memory\n"
		"  mapped  in memory  traps  hits  reads  read x  writes  "
		"written  stalled  file\n"
		"    200M       8.0M   1024  1000      3    2.00       0  "
		"      0     1.5s  /data/large\n"
		"      10          0      1     0      1    1.00       1  "
		"   4.0K    2.0ms  /data/small\n");
	free(text);
}

static void test_what_was_not_as_asked_is_told(void **state)
{
	struct figures figures = start();
	char *text;

	(void)state;
	figures.clients.refused = 1;
	assert_int_equal(figures_add_note(&figures, "one \033[2J", 1), 0);
	assert_int_equal(figures_add_note(&figures, "two", 12), 0);
	text = written(&figures, figures_print);
	assert_non_null(strstr(text, "  not as asked: one ?[2J\n"));
	assert_non_null(strstr(text, "  not as asked: two (12 times)\n"));
	assert_non_null(strstr(text, "refused: 1 request that"));
	free(text);
}

static void test_sizes_and_times_stay_narrow(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = {
		{ 0, " 0 " },
		{ 999, " 999 " },
		{ 1000, " 1.0K " },
		{ 10239, " 10K " },
		{ 1048575, " 1.0M " },
		{ UINT64_C(1) << 40, " 1.0T " },
		{ UINT64_C(999) << 50, " 999P " },
	};
	struct figures figures;
	struct file_facts file;
	char *text;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		figures = start();
		file = (struct file_facts){ .path = "/x",
					    .mapped_peak = sizes[i].bytes };
		assert_int_equal(figures_add_file(&figures, &file), 0);
		text = written(&figures, figures_print);
		assert_non_null(strstr(strchr(text, '\n'), sizes[i].text));
		free(text);
	}
}

static void test_many_files_are_not_all_shown(void **state)
{
	struct figures figures = start();
	struct file_facts file = small;
	char path[32];
	char *text;

	(void)state;
	for (int i = 0; i < 30; i++) {
		snprintf(path, sizeof(path), "/many/%02d", i);
		file.path = path;
		assert_int_equal(figures_add_file(&figures, &file), 0);
	}
	text = written(&figures, figures_print);
	assert_non_null(strstr(text, "quire: 30 files"));
	assert_non_null(strstr(text, "/many/24\n"));
	assert_null(strstr(text, "/many/25"));
	assert_non_null(strstr(text, "and 5 files more"));
	free(text);
}

static void test_amplification(void **state)
{
	struct file_facts file = { .size = 1, .counts = { .pages_read = 3 } };

	(void)state;
	assert_true(fabs(figure_amplification(&file) - 3) < 1e-9);
	file.size = 8192;
	assert_true(fabs(figure_amplification(&file) - 1.5) < 1e-9);
	file.size = 0;
	assert_true(isnan(figure_amplification(&file)));
}

static void test_json_has_all_of_it(void **state)
{
	static const char *const parts[] = {
		"\"version\": 1,",
		"\"budget\": 8388608,",
		"\"ever\": 3,",
		"\"path\": \"(other files)\",",
		"\"path\": \"/data/large\",\n      \"device\": 5,",
		"\"bound\": true,",
		"\"read_amplification\": 2,",
		"\"read_amplification\": null,",
		"\"resident_peak\": 8388608,",
		"\"stalled_ns\": 1500000000\n",
		"\"text\": \"why\",\n      \"times\": 2",
	};
	struct figures figures = start();
	struct file_facts rest = { .size = 0 };
	char *text;

	(void)state;
	assert_int_equal(figures_add_file(&figures, &large), 0);
	assert_int_equal(figures_add_file(&figures, &small), 0);
	assert_int_equal(figures_add_file(&figures, &rest), 0);
	assert_int_equal(figures_add_note(&figures, "why", 2), 0);
	text = written(&figures, figures_write_json);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		assert_non_null(strstr(text, parts[i]));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_one_line),
		cmocka_unit_test(test_a_table_with_most_traps_first),
		cmocka_unit_test(test_what_was_not_as_asked_is_told),
		cmocka_unit_test(test_sizes_and_times_stay_narrow),
		cmocka_unit_test(test_many_files_are_not_all_shown),
		cmocka_unit_test(test_amplification),
		cmocka_unit_test(test_json_has_all_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
