/* test_cli_preload.c - cli/preload.h */
/* SPDX-License-Identifier: MIT */
#include "cli/preload.h"

#include "unit/unit.h"
#undef fail /* cmocka has one of its own */

#include <limits.h>
#include <stdarg.h>

#define LIBRARY "libquire-preload.so"

static char said[8192];

int fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(said, sizeof(said), format, arguments);
	va_end(arguments);
	return EXIT_FAILURE;
}

static void expect_without(const char *list, const char *expected)
{
	char *left = preload_without(list);

	assert_non_null(left);
	assert_string_equal(left, expected);
	free(left);
}

static void test_our_library_leaves_the_list(void **state)
{
	(void)state;
	expect_without("", "");
	expect_without("/a/" LIBRARY, "");
	expect_without(LIBRARY, "");
	expect_without("/a/" LIBRARY ":/b/c.so", "/b/c.so");
	expect_without("/b/c.so /a/" LIBRARY "  d.so", "/b/c.so:d.so");
	expect_without("/a/" LIBRARY ":/b/" LIBRARY, "");
}

static void test_others_of_a_like_name_stay(void **state)
{
	(void)state;
	expect_without("/a/my" LIBRARY, "/a/my" LIBRARY);
	expect_without("/" LIBRARY "/b.so", "/" LIBRARY "/b.so");
}

static void test_the_library_comes_first(void **state)
{
	(void)state;
	unsetenv("LD_PRELOAD");
	assert_int_equal(preload_environment("/a.so", "/s"), 0);
	assert_string_equal(getenv("LD_PRELOAD"), "/a.so");
	assert_string_equal(getenv("QUIRE_SOCKET"), "/s");
	assert_int_equal(preload_environment("/b.so", "/t"), 0);
	assert_string_equal(getenv("LD_PRELOAD"), "/b.so:/a.so");
	assert_string_equal(getenv("QUIRE_SOCKET"), "/t");
	unsetenv("LD_PRELOAD");
	unsetenv("QUIRE_SOCKET");
}

/* A library at folder/name; found as path says, or refused with the words. */
static void try_library(const char *folder, const char *name, const char *words)
{
	char library[256];
	char path[PATH_MAX] = "";
	FILE *file;

	snprintf(library, sizeof(library), "%s/%s", folder, name);
	file = fopen(library, "w");
	assert_non_null(file);
	fclose(file);
	setenv("QUIRE_PRELOAD", library, 1);
	said[0] = '\0';
	if (words) {
		assert_int_equal(preload_find(path, sizeof(path)),
				 EXIT_FAILURE);
		assert_non_null(strstr(said, words));
	} else {
		assert_int_equal(preload_find(path, sizeof(path)), 0);
		assert_string_equal(path, library);
	}
	unlink(library);
}

static void test_it_is_where_the_environment_says(void **state)
{
	char folder[] = "/tmp/quire-preload-XXXXXX";
	char path[PATH_MAX];

	(void)state;
	assert_non_null(mkdtemp(folder));
	try_library(folder, "x.so", NULL);
	try_library(folder, "x y.so", "a blank or a colon");
	try_library(folder, "x:y.so", "a blank or a colon");
	setenv("QUIRE_PRELOAD", folder, 1);
	rmdir(folder);
	assert_int_equal(preload_find(path, sizeof(path)), EXIT_FAILURE);
	assert_non_null(strstr(said, "No such file"));
	unsetenv("QUIRE_PRELOAD");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_our_library_leaves_the_list),
		cmocka_unit_test(test_others_of_a_like_name_stay),
		cmocka_unit_test(test_the_library_comes_first),
		cmocka_unit_test(test_it_is_where_the_environment_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
