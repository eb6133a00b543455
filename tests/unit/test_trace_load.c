/* test_trace_load.c - bench/policy: traces from files */
/* SPDX-License-Identifier: MIT */
#include "bench/policy/policy.h"

#include "unit/unit.h"

#define COUNT 100000

static char folder[] = "/tmp/quire-trace-XXXXXX";
static char plain[64], packed[64];

static uint32_t page_of(unsigned i)
{
	return i * 2654435761u % 5000;
}

static int set_up(void **state)
{
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(plain, sizeof(plain), "%s/trace", folder);
	snprintf(packed, sizeof(packed), "%s/trace.xz", folder);
	file = fopen(plain, "w");
	assert_non_null(file);
	for (unsigned i = 0; i < COUNT; i++)
		fprintf(file, "%u\n", page_of(i));
	return fclose(file);
}

static int tear_down(void **state)
{
	(void)state;
	unlink(plain);
	unlink(packed);
	return rmdir(folder);
}

/* False: there is no xz. */
static bool pack(void)
{
	char command[128];

	snprintf(command, sizeof(command), "xz -kf %s 2>/dev/null", plain);
	return system(command) == 0;
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void assert_loads(const char *path)
{
	struct trace trace;

	assert_true(trace_load(path, &trace));
	assert_int_equal(trace.length, COUNT);
	assert_int_equal(trace.pages, 5000);
	for (unsigned i = 0; i < COUNT; i++)
		assert_int_equal(trace.page[i], page_of(i));
	trace_free(&trace);
}

static void assert_refused(const char *path)
{
	struct trace trace;

	assert_false(trace_load(path, &trace));
	assert_null(trace.page);
}

static void test_plain(void **state)
{
	(void)state;
	assert_loads(plain);
}

static void test_packed(void **state)
{
	(void)state;
	if (!pack())
		skip();
	assert_loads(packed);
}

/* One byte in the middle is another. */
static void test_damaged(void **state)
{
	FILE *file;
	int byte;

	(void)state;
	if (!pack())
		skip();
	file = fopen(packed, "r+");
	assert_non_null(file);
	fseek(file, 5000, SEEK_SET);
	byte = fgetc(file);
	fseek(file, 5000, SEEK_SET);
	fputc(byte ^ 1, file);
	assert_int_equal(fclose(file), 0);
	assert_refused(packed);
}

static void test_cut_short(void **state)
{
	(void)state;
	if (!pack())
		skip();
	assert_int_equal(truncate(packed, 5000), 0);
	assert_refused(packed);
}

static void test_no_list(void **state)
{
	(void)state;
	write_text(packed, "1\n2\nthree\n");
	assert_refused(packed);
	write_text(packed, "1\n4294967295\n");
	assert_refused(packed);
	write_text(packed, "");
	assert_refused(packed);
	assert_refused("/no/such/file");
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_no_list),
	};

	return cmocka_run_group_tests(all, set_up, tear_down);
}
