/* test_json.c - base/json.h */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include "unit/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct page {
	struct json json;
	char *text;
	size_t size;
};

static void page_open(struct page *page)
{
	memset(page, 0, sizeof(*page));
	page->json.stream = open_memstream(&page->text, &page->size);
	assert_non_null(page->json.stream);
}

static void page_expect(struct page *page, const char *text)
{
	assert_int_equal(fclose(page->json.stream), 0);
	assert_string_equal(page->text, text);
	free(page->text);
}

static void expect_text(const char *value, const char *text)
{
	struct page page;

	page_open(&page);
	json_string(&page.json, NULL, value);
	page_expect(&page, text);
}

static void test_values(void **state)
{
	struct page page;

	(void)state;
	page_open(&page);
	json_object_begin(&page.json, NULL);
	json_integer(&page.json, "count", UINT64_MAX);
	json_number(&page.json, "rate", 1.5);
	json_number(&page.json, "no rate", INFINITY);
	json_boolean(&page.json, "yes", true);
	json_boolean(&page.json, "no", false);
	json_string(&page.json, "name", "x");
	json_object_end(&page.json);
	page_expect(&page, "{\n"
			   "  \"count\": 18446744073709551615,\n"
			   "  \"rate\": 1.5,\n"
			   "  \"no rate\": null,\n"
			   "  \"yes\": true,\n"
			   "  \"no\": false,\n"
			   "  \"name\": \"x\"\n"
			   "}\n");
}

static void test_nesting(void **state)
{
	struct page page;

	(void)state;
	page_open(&page);
	json_object_begin(&page.json, NULL);
	json_array_begin(&page.json, "empty");
	json_array_end(&page.json);
	json_array_begin(&page.json, "two");
	json_integer(&page.json, NULL, 1);
	json_object_begin(&page.json, NULL);
	json_object_end(&page.json);
	json_array_end(&page.json);
	json_integer(&page.json, "after", 2);
	json_object_end(&page.json);
	page_expect(&page, "{\n"
			   "  \"empty\": [],\n"
			   "  \"two\": [\n"
			   "    1,\n"
			   "    {}\n"
			   "  ],\n"
			   "  \"after\": 2\n"
			   "}\n");
}

static void test_escapes(void **state)
{
	(void)state;
	expect_text("", "\"\"");
	expect_text("a\"b\\c", "\"a\\\"b\\\\c\"");
	expect_text("\n\t\x1f", "\"\\u000a\\u0009\\u001f\"");
	expect_text("\x7f", "\"\x7f\"");
}

static void test_utf8_is_kept(void **state)
{
	(void)state;
	expect_text("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		    "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
	expect_text("\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\"");
}

#define BAD "\\ufffd"

static void test_what_is_no_utf8_is_replaced(void **state)
{
	(void)state;
	expect_text("\xff", "\"" BAD "\"");
	expect_text("\x80", "\"" BAD "\"");
	/* cut off */
	expect_text("\xc3", "\"" BAD "\"");
	expect_text("\xe2\x82", "\"" BAD BAD "\"");
	expect_text("\xe2\x82x", "\"" BAD BAD "x\"");
	/* a longer form than needed, a surrogate, above the last character */
	expect_text("\xc0\xaf", "\"" BAD BAD "\"");
	expect_text("\xe0\x80\xaf", "\"" BAD BAD BAD "\"");
	expect_text("\xed\xa0\x80", "\"" BAD BAD BAD "\"");
	expect_text("\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_utf8_is_kept),
		cmocka_unit_test(test_what_is_no_utf8_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
