/* test_cli_explain_script.c - cli/explain_script.h, cli/explain_words.h */
/* SPDX-License-Identifier: MIT */
#include "cli/explain_script.h"
#include "cli/explain_words.h"

#include "unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define A "a = map anonymous private rw pages 4\n"
#define F "file f \"x\"\n"

static struct script script;

static void read_good(const char *text)
{
	int error = script_read(&script, text, strlen(text));

	if (error)
		fail_msg("line %u, column %u: %s", script.line, script.column,
			 script.complaint);
}

/* The last statement of a script that is right. */
static const struct statement *last_of(const char *text)
{
	read_good(text);
	return &script.statements[script.count - 1];
}

static void refuse(const char *text, unsigned int line, unsigned int column,
		   const char *complaint)
{
	assert_int_equal(script_read(&script, text, strlen(text)), -EINVAL);
	if (!strstr(script.complaint, complaint))
		fail_msg("'%s' is not in '%s'", complaint, script.complaint);
	assert_int_equal(script.line, line);
	assert_int_equal(script.column, column);
	script_free(&script);
}

static void test_a_file(void **state)
{
	const struct statement *last =
		last_of("file data.txt \"hello\" size 10000 readonly # one\n");

	(void)state;
	assert_int_equal(last->kind, STATEMENT_FILE);
	assert_string_equal(script.files[last->target], "data.txt");
	assert_string_equal(last->text, "hello");
	assert_int_equal(last->length, 10000);
	assert_true(last->readonly);
	assert_string_equal(last->source,
			    "file data.txt \"hello\" size 10000 readonly");
	script_free(&script);
	last = last_of("file f \"ab\"");
	assert_int_equal(last->length, 2);
	assert_false(last->readonly);
	script_free(&script);
}

static void test_texts(void **state)
{
	const struct statement *last =
		last_of("say \"\"\nfile f \"a\\n\\t\\0\\\\\\\"\\x7f\\xC3#\"");

	(void)state;
	assert_int_equal(last->text_length, 9);
	assert_memory_equal(last->text, "a\n\t\0\\\"\x7f\xc3#", 9);
	script_free(&script);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
	} sizes[] = {
		{ "0", 0 },
		{ "7", 7 },
		{ "010", 10 },
		{ "0x1f", 31 },
		{ "3p", 12288 },
		{ "0x2p", 8192 },
		{ "2k", 2048 },
		{ "2M", 2 << 20 },
		{ "4g", UINT64_C(4) << 30 },
		{ "9223372036854775807", INT64_MAX },
	};
	char text[100];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		snprintf(text, sizeof(text), A "unmap a %s", sizes[i].text);
		assert_int_equal(last_of(text)->length, sizes[i].size);
		script_free(&script);
	}
	refuse(A "unmap a 9223372036854775808", 2, 9, "a length");
	refuse(A "unmap a 99999999999999999999", 2, 9, "a length");
	refuse(A "unmap a 9007199254740992g", 2, 9, "a length");
	refuse(A "unmap a 1pp", 2, 9, "a length");
	refuse(A "unmap a 0x", 2, 9, "a length");
	refuse(A "unmap a 0xg", 2, 9, "a length");
	refuse(A "unmap a -1", 2, 11, "a length");
}

static void test_places(void **state)
{
	const struct statement *last;

	(void)state;
	last = last_of(A "read a + 1p-5");
	assert_int_equal(last->place.mapping, 0);
	assert_int_equal(last->place.base, 4091);
	script_free(&script);
	last = last_of("read 0x10000+16 4");
	assert_int_equal(last->place.mapping, SCRIPT_NOWHERE);
	assert_int_equal(last->place.base, 0x10010);
	assert_int_equal(last->length, 4);
	script_free(&script);
	refuse("read b", 1, 6, "no line above maps 'b'");
	refuse("a = map anonymous private r at a pages 1", 1, 32, "maps 'a'");
	refuse(A "read a+", 2, 8, "the line ends here");
	refuse(A "read +1", 2, 6, "an address");
}

static void test_maps(void **state)
{
	const struct statement *last;

	(void)state;
	last = last_of(F A "m = map f shared rx at a+1p pages 2 offset 3p "
			   "noreplace populate");
	assert_int_equal(last->kind, STATEMENT_MAP);
	assert_string_equal(script.mappings[last->target], "m");
	assert_int_equal(last->file, 0);
	assert_int_equal(last->prot, PROT_READ | PROT_EXEC);
	assert_int_equal(last->flags,
			 MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE);
	assert_int_equal(last->length, 8192);
	assert_int_equal(last->offset, 12288);
	assert_int_equal(last->place.base, 4096);
	script_free(&script);
	/* As long as the file is when it is mapped. */
	assert_int_equal(last_of(F "m = map f private none")->length,
			 UINT64_MAX);
	script_free(&script);
	/* A name may be used again. */
	read_good(A A);
	assert_int_equal(script.mapping_count, 1);
	script_free(&script);
	refuse("m = map anonymous private rw", 1, 29, "pages or length");
	refuse("m = map anonymous rw", 1, 19, "private or shared");
	refuse("m = map anonymous private rr pages 1", 1, 27, "rights");
	refuse("m = map anonymous private rw pages 1 sticky", 1, 38, "a flag");
	refuse("m = read f", 1, 5, "expected map");
	refuse("m = map anonymous private rw pages 0xfffffffffffff1", 1, 30,
	       "too many pages");
}

static void test_calls(void **state)
{
	const struct statement *last;

	(void)state;
	last = last_of(A "protect a 1p none");
	assert_int_equal(last->prot, PROT_NONE);
	script_free(&script);
	last = last_of(A "remap a 1p 8p maymove fixed at 0x10000");
	assert_int_equal(last->length, 4096);
	assert_int_equal(last->new_length, 32768);
	assert_int_equal(last->flags, MREMAP_MAYMOVE | MREMAP_FIXED);
	assert_int_equal(last->to.base, 0x10000);
	script_free(&script);
	last = last_of(A "advise a 4p dontneed");
	assert_int_equal(last->advice, MADV_DONTNEED);
	script_free(&script);
	last = last_of(A "lock a 1p onfault");
	assert_int_equal(last->flags, MLOCK_ONFAULT);
	script_free(&script);
	last = last_of(A "sync a 4p async invalidate");
	assert_int_equal(last->flags, MS_ASYNC | MS_INVALIDATE);
	script_free(&script);
	assert_int_equal(last_of(A "sync a 4p")->flags, MS_SYNC);
	script_free(&script);
	assert_int_equal(last_of(F "resize f 20000")->length, 20000);
	script_free(&script);
	refuse(A "advise a 4p sometimes", 2, 13, "an advice");
	refuse("resize f 1", 1, 8, "a file that a line above");
	refuse(A "remap a 1p", 2, 11, "the line ends here");
}

static void test_accesses(void **state)
{
	const struct statement *last;

	(void)state;
	last = last_of(A "write a 3p \"xy\"");
	assert_int_equal(last->length, 3 * 4096);
	assert_int_equal(last->text_length, 2);
	script_free(&script);
	assert_int_equal(last_of(A "write a \"xy\"")->length, 1);
	script_free(&script);
	assert_int_equal(last_of(A "touch a+3p")->length, 1);
	script_free(&script);
	assert_int_equal(last_of(A "fetch a")->kind, STATEMENT_FETCH);
	script_free(&script);
	assert_int_equal(last_of(A "read a 1p")->length, 4096);
	script_free(&script);
	refuse(A "read a 4097", 2, 8, "at most 4096 bytes");
	refuse(A "write a", 2, 8, "a text in quotes");
}

static void test_processes(void **state)
{
	(void)state;
	read_good(A "fork child\nchild: read a\nchild: fork grandchild\n"
		    "grandchild: read a\nparent: read a");
	assert_int_equal(script.process_count, 3);
	assert_int_equal(script.statements[2].process, 1);
	assert_int_equal(script.statements[3].process, 1);
	assert_int_equal(script.statements[3].target, 2);
	assert_int_equal(script.statements[4].process, 2);
	assert_int_equal(script.statements[5].process, 0);
	assert_string_equal(script.statements[2].source, "child: read a");
	script_free(&script);
	refuse(A "child: read a", 2, 1, "a process");
	refuse("fork parent", 1, 6, "a 'parent' already");
	refuse("fork b\nfork c\nfork d\nfork e\nfork f\nfork g\nfork h\nfork i",
	       8, 6, "there may be 8");
}

static void test_expectations(void **state)
{
	const struct statement *last;

	(void)state;
	last = last_of(A "expect ok");
	assert_int_equal(last->expectation, EXPECT_SUCCESS);
	script_free(&script);
	last = last_of(A "expect ENOMEM");
	assert_int_equal(last->expectation, EXPECT_ERROR);
	assert_int_equal(last->number, ENOMEM);
	script_free(&script);
	last = last_of(A "expect SIGBUS");
	assert_int_equal(last->expectation, EXPECT_SIGNAL);
	assert_int_equal(last->number, SIGBUS);
	assert_int_equal(script.steps, 1);
	script_free(&script);
	last = last_of(A "expect \"\\0\\0\"");
	assert_int_equal(last->expectation, EXPECT_BYTES);
	assert_int_equal(last->text_length, 2);
	script_free(&script);
	refuse(A "expect ESOMETHING", 2, 8, "an error such as");
	refuse("say \"x\"\nexpect ok", 2, 8, "a statement before");
}

static void test_headings(void **state)
{
	(void)state;
	read_good("title \"T\"\nintroduction \"I\"\nbudget 8p\n" A);
	assert_string_equal(script.title, "T");
	assert_string_equal(script.introduction, "I");
	assert_int_equal(script.budget, 32768);
	assert_int_equal(script.count, 1);
	assert_int_equal(script.statements[0].line, 4);
	script_free(&script);
	/* Words of the language may name mappings. */
	read_good("title = map anonymous private r pages 1\nread title");
	script_free(&script);
	refuse("budget 100", 1, 8, "a page at least");
	refuse(A "title \"T\"", 2, 1, "above all statements");
	refuse("", 1, 1, "the script has none");
	refuse("# nothing\n\n", 2, 1, "the script has none");
}

static void test_words(void **state)
{
	char text[600];

	(void)state;
	refuse("read \"a", 1, 8, "a closing quote");
	refuse("say \"\\x4\"", 1, 7, "behind the backslash");
	refuse("say \"\\", 1, 7, "behind the backslash");
	refuse("\x80", 1, 1, "a word");
	refuse("42", 1, 1, "a statement");
	refuse("read", 1, 5, "the line ends here");
	refuse(A "\tread a 1 b", 2, 11, "the end of the line");
	memset(text, ' ', sizeof(text));
	for (size_t i = 0; i < sizeof(text); i += 2)
		text[i] = 'a';
	text[sizeof(text) - 1] = '\0';
	refuse(text, 1, 65, "too many words");
}

/* A byte of the script that is 0 is no end: all of it is read. */
static void test_every_byte_is_read(void **state)
{
	static const char text[] = A "\0";

	(void)state;
	assert_int_equal(script_read(&script, text, sizeof(text)), -EINVAL);
	assert_int_equal(script.line, 2);
	script_free(&script);
}

/* Whatever is cut off or spoilt: refused or read, and nothing else. */
static void test_damaged(void **state)
{
	static const char good[] =
		"title \"T\"\nbudget 8p\n" F A "x = map f shared rw at a "
		"pages 2 fixed\nwrite a+1p 2p \"\\x41\\n\"\nexpect ok\n"
		"fork c\nc: remap a 1p 2p maymove\n";
	char text[sizeof(good)];

	(void)state;
	for (size_t length = 0; length < sizeof(good); length++) {
		int error = script_read(&script, good, length);

		assert_true(error == 0 || error == -EINVAL);
		script_free(&script);
	}
	for (size_t i = 0; i < 32 * sizeof(good); i++) {
		memcpy(text, good, sizeof(good));
		text[i / 32] =
			"\"\\ \n+-:=#0p\0\xff\"a\"\"\"\\\\x:::= \t\n~@!?"[i %
									  32];
		script_read(&script, text, sizeof(good) - 1);
		script_free(&script);
	}
}

static void test_names(void **state)
{
	int value = 0;

	(void)state;
	assert_true(named_value_find(named_advice, "free", &value));
	assert_int_equal(value, MADV_FREE);
	assert_false(named_value_find(named_advice, "FREE", &value));
	assert_string_equal(named_value_name(named_errors, EINVAL), "EINVAL");
	assert_string_equal(named_value_name(named_errors, -1), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_maps),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_accesses),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_expectations),
		cmocka_unit_test(test_headings),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_every_byte_is_read),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
