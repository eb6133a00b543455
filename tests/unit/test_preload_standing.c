/* test_preload_standing.c - writes that are begun by a word: whose place is whose */
/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "preload/standing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- a client without a server ---- */

static uint64_t generation;

bool client_ready(void)
{
	return true;
}

int client_process(void)
{
	return getpid();
}

uint64_t client_generation(void)
{
	return generation;
}

void call_drop(struct call *call, int keep)
{
	while (call->got_count > keep)
		close(call->got[--call->got_count]);
}

/* ---- and what the server would say ---- */

static int memory;
static struct standing_words *words;
static uint64_t last_id;
static const struct look file = { .inode = 7, .device = 3 };
static const struct look other = { .inode = 8, .device = 3 };

static void make_words(void)
{
	memory = memfd_create("words", MFD_CLOEXEC);
	assert_return_code(memory, errno);
	assert_int_equal(ftruncate(memory, sizeof(*words)), 0);
	words = mmap(NULL, sizeof(*words), PROT_READ | PROT_WRITE, MAP_SHARED,
		     memory, 0);
	assert_ptr_not_equal(words, MAP_FAILED);
}

static void drop_words(void)
{
	munmap(words, sizeof(*words));
	close(memory);
}

static int begin_test(void **state)
{
	(void)state;
	standing_after_fork();
	generation = 0;
	make_words();
	return 0;
}

static int end_test(void **state)
{
	(void)state;
	drop_words();
	return 0;
}

static bool begin(struct begun *begun, const struct look *look)
{
	return standing_begin(begun, look, 0, 1);
}

/* As any; that one is given up with it; 0: none. */
static void begin_as_any(struct begun *begun, const struct look *look,
			 uint64_t given_up)
{
	assert_false(begin(begun, look));
	assert_int_equal(begun->given_up, given_up);
	assert_in_range(begun->place, 0, STANDING_WORDS - 1);
}

/* memory_fd is what the server gives of its words. */
static void end_with(struct begun *begun, const struct look *look, bool stands,
		     int memory_fd)
{
	struct call call = { .reply.flags = 0 };

	standing_ask(begun, look, &call);
	if (begun->place >= 0) {
		assert_true(call.request.flags & WRITE_STAND);
		assert_int_equal(call.request.advice, begun->place);
	}
	if (stands) {
		call.reply.flags = REPLY_STANDS;
		call.reply.id = ++last_id;
		if (call.request.flags & WRITE_WANTS_WORDS)
			call.got[call.got_count++] = dup(memory_fd);
		atomic_store(&words->word[begun->place], STANDING_IDLE);
	}
	standing_end(begun, look, &call);
	begun->id = (int64_t)call.reply.id;
}

static void end(struct begun *begun, const struct look *look, bool stands)
{
	end_with(begun, look, stands, memory);
}

/* count of them at once, which all stand then. */
static void stand(struct begun *begun, unsigned count, const struct look *look)
{
	for (unsigned i = 0; i < count; i++)
		begin_as_any(&begun[i], look, 0);
	for (unsigned i = 0; i < count; i++)
		end(&begun[i], look, true);
}

static void take_away(const struct begun *begun)
{
	atomic_store(&words->word[begun->place], STANDING_NONE);
}

static void must_take(struct begun *begun, const struct begun *standing)
{
	assert_true(begin(begun, &file));
	assert_int_equal(begun->id, standing->id);
	assert_int_equal(begun->place, standing->place);
	assert_int_equal(begun->given_up, 0);
	assert_int_equal(atomic_load(&words->word[begun->place]),
			 standing_word(0, 1));
}

/* ---- tests ---- */

static void test_one_after_the_other(void **state)
{
	struct begun one, next;

	(void)state;
	stand(&one, 1, &file);
	for (unsigned i = 0; i < 3; i++) {
		must_take(&next, &one);
		end(&next, &file, true);
		one = next;
	}
	begin_as_any(&next, &other, 0);
	assert_int_not_equal(next.place, one.place);
	end(&next, &other, false);
	must_take(&next, &one);
	end(&next, &file, false);
	/* The server knows that it is over. */
	begin_as_any(&next, &file, 0);
}

/* The one that is over is not forgotten over the one that stands. */
static void test_one_over_beside_one_that_stands(void **state)
{
	struct begun begun[2], next, beside;

	(void)state;
	stand(begun, 2, &file);
	take_away(&begun[0]);
	for (unsigned i = 0; i < 3; i++) {
		must_take(&next, &begun[1]);
		end(&next, &file, true);
		begun[1] = next;
	}
	must_take(&next, &begun[1]);
	begin_as_any(&beside, &file, (uint64_t)begun[0].id);
	assert_int_equal(beside.place, begun[0].place); /* it is free now */
	end(&beside, &file, true);
	end(&next, &file, true);
}

/* So all of them can stand again. */
static void test_no_place_is_lost(void **state)
{
	struct begun begun[STANDING_WORDS], next, again[STANDING_WORDS];
	struct call call = { .reply.flags = 0 };

	(void)state;
	stand(begun, STANDING_WORDS, &file);
	for (unsigned i = 0; i < STANDING_WORDS - 1; i++)
		take_away(&begun[i]);
	for (unsigned i = 0; i < STANDING_WORDS; i++) {
		must_take(&next, &begun[STANDING_WORDS - 1]);
		end(&next, &file, true);
		begun[STANDING_WORDS - 1] = next;
	}
	must_take(&next, &begun[STANDING_WORDS - 1]);
	for (unsigned i = 0; i < STANDING_WORDS - 1; i++)
		begin_as_any(&again[i], i % 2 ? &file : &other,
			     (uint64_t)begun[i].id);
	/* All are in use: one more has none, and asks for none. */
	assert_false(begin(&again[STANDING_WORDS - 1], &file));
	assert_int_equal(again[STANDING_WORDS - 1].place, -1);
	standing_ask(&again[STANDING_WORDS - 1], &file, &call);
	assert_int_equal(call.request.flags, 0);
}

/* BEGIN failed; whether the server has heard it nobody knows. */
static void test_a_begin_that_fails(void **state)
{
	struct begun one, next;

	(void)state;
	stand(&one, 1, &file);
	take_away(&one);
	for (unsigned i = 0; i < 3; i++) {
		begin_as_any(&next, &file, (uint64_t)one.id);
		standing_free(&next);
	}
	begin_as_any(&next, &file, (uint64_t)one.id);
	end(&next, &file, false);
	begin_as_any(&next, &file, 0);
	standing_free(&next);
	begin_as_any(&next, &file, 0);
}

static void test_another_server(void **state)
{
	struct begun begun[2], next;

	(void)state;
	stand(begun, 2, &file);
	generation++;
	drop_words();
	make_words();
	begin_as_any(&next, &file, (uint64_t)begun[0].id);
	end(&next, &file, true);
	begun[0] = next;
	must_take(&next, &begun[0]);
	begin_as_any(&next, &file, (uint64_t)begun[1].id);
}

/* It stands by a word that cannot be had. */
static void test_where_words_cannot_be_mapped(void **state)
{
	struct begun one, next;
	int nothing = memfd_create("nothing", MFD_CLOEXEC);
	int readable;
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", nothing);
	readable = open(path, O_RDONLY | O_CLOEXEC);
	begin_as_any(&one, &file, 0);
	end_with(&one, &file, true, readable);
	close(readable);
	close(nothing);
	begin_as_any(&next, &file, (uint64_t)one.id);
	end(&next, &file, true);
	must_take(&one, &next);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, end_test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_after_the_other),
		TEST(test_one_over_beside_one_that_stands),
		TEST(test_no_place_is_lost),
		TEST(test_a_begin_that_fails),
		TEST(test_another_server),
		TEST(test_where_words_cannot_be_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
