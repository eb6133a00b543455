/* test_preload_settings.c - the server's greeting, and what paths mean */
/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "preload/path.h"
#include "preload/settings.h"

static struct settings settings;

static void parse(const char *text)
{
	memset(&settings, 0, sizeof(settings));
	settings.length = strlen(text);
	memcpy(settings.text, text, settings.length);
	settings_parse(&settings);
}

static void test_least(void **state)
{
	(void)state;
	parse("least 65536\n");
	assert_int_equal(settings.least, 65536);
	assert_false(settings.binds);
	parse("");
	assert_int_equal(settings.least, 0);
	parse("map *.dat\nleast 1048576");
	assert_int_equal(settings.least, 1048576);
	parse("leastwise 5\nunknown\nleast\n");
	assert_int_equal(settings.least, 0);
}

static void test_bindings(void **state)
{
	(void)state;
	parse("least 1\nbind /a/b\nbind /with blank\n");
	assert_true(settings.binds);
	assert_true(settings_is_bound(&settings, "/a/b"));
	assert_true(settings_is_bound(&settings, "/with blank"));
	assert_false(settings_is_bound(&settings, "/a"));
	assert_false(settings_is_bound(&settings, "/a/b/c"));
	assert_false(settings_is_bound(&settings, ""));
	parse("least 1\nmap /a/b\n");
	assert_false(settings_is_bound(&settings, "/a/b"));
}

static void test_patterns(void **state)
{
	(void)state;
	parse("least 1\nbind /a/b.mdb\n");
	assert_true(settings_is_mapped(&settings, "/any"));
	parse("map *.mdb\nleast 1\nmap /a b/[xy]/*\n");
	assert_true(settings_is_mapped(&settings, "/data/of/c.mdb"));
	assert_true(settings_is_mapped(&settings, "/a b/x/.deep/er"));
	assert_false(settings_is_mapped(&settings, "/a b/z/c"));
	assert_false(settings_is_mapped(&settings, "/c.mdb.old"));
	assert_false(settings_is_mapped(&settings, "c"));
	assert_false(settings_is_mapped(&settings, ""));
	parse("map /caf??\n"); /* bytes */
	assert_true(settings_is_mapped(&settings, "/caf\303\251"));
}

/* A greeting of all the bytes that there can be. */
static void test_longest(void **state)
{
	(void)state;
	memset(&settings, 0, sizeof(settings));
	settings.length = sizeof(settings.text) - 1;
	memset(settings.text, 'x', settings.length);
	memcpy(settings.text + settings.length - 7, "\nbind /", 7);
	settings_parse(&settings);
	assert_true(settings_is_bound(&settings, "/"));
}

static void assert_path(const char *folder, const char *path,
			const char *expected)
{
	char result[64];

	assert_true(path_absolute(folder, path, result, sizeof(result)));
	assert_string_equal(result, expected);
}

static void test_paths(void **state)
{
	char result[8];

	(void)state;
	assert_path("/home", "a", "/home/a");
	assert_path("/home", "/a", "/a");
	assert_path("/home/x", "../a", "/home/a");
	assert_path("/", "a//b/./c/", "/a/b/c");
	assert_path("/", "../../a", "/a");
	assert_path("/a", "..", "/");
	assert_path("/a/b", "./../../..", "/");
	assert_true(path_absolute("/", "/123456", result, sizeof(result)));
	assert_false(path_absolute("/", "/1234567", result, sizeof(result)));
	assert_false(path_absolute("/123", "4567", result, sizeof(result)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_least),
		cmocka_unit_test(test_bindings),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
