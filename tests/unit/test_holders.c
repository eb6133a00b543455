/* test_holders.c - several who hold one file, or all of the budget */
/* SPDX-License-Identifier: MIT */
#include "quire/quire.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define PAGE QUIRE_PAGE_SIZE
#define PAGES 64
#define OPENS 200

static char path[] = "/var/tmp/quire-test-holders-XXXXXX";
static struct quire *quire;

static void quiet(void *context, enum quire_log_level level, const char *line)
{
	(void)context;
	(void)level;
	(void)line;
}

static void open_engine(uint32_t dirty_percent)
{
	struct quire_options options = {
		.size = sizeof(options),
		.budget = 16 * PAGE,
		.dirty_percent = dirty_percent,
		.full_wait_ms = 200,
		.flags = QUIRE_NO_REPORT,
		.log = quiet,
	};

	assert_int_equal(quire_open(&options, &quire), 0);
}

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0 || ftruncate(fd, (off_t)PAGES * PAGE))
		return -1;
	return close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static struct quire_object *open_file(void)
{
	struct quire_object *object;

	assert_int_equal(quire_object_open(quire, path, O_RDWR, NULL, &object),
			 0);
	return object;
}

/* ---- one file is one object ---- */

static pthread_barrier_t start;
static struct quire_object *opened[2];

static void *open_one(void *argument)
{
	struct quire_object **object = argument;

	pthread_barrier_wait(&start);
	*object = open_file();
	return NULL;
}

static void open_both_at_once(void)
{
	pthread_t thread[2];

	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, open_one,
						&opened[i]),
				 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
}

static void test_opened_at_once_it_is_one_object(void **state)
{
	(void)state;
	open_engine(50);
	pthread_barrier_init(&start, NULL, 2);
	for (int i = 0; i < OPENS; i++) {
		char byte = (char)i, seen = (char)(i + 1);

		open_both_at_once();
		assert_int_equal(quire_object_pwrite(opened[0], &byte, 1, 7),
				 1);
		assert_int_equal(quire_object_pread(opened[1], &seen, 1, 7), 1);
		assert_int_equal(seen, byte);
		assert_int_equal(quire_object_close(opened[0]), 0);
		assert_int_equal(quire_object_close(opened[1]), 0);
	}
	pthread_barrier_destroy(&start);
	assert_int_equal(quire_close(quire), 0);
}

/* ---- pages that are written again and again are no progress ---- */

static void hold_and_ask(uint32_t dirty_percent, size_t held, int access,
			 int expected)
{
	struct quire_pin pin, more;
	struct quire_object *object;

	open_engine(dirty_percent);
	object = open_file();
	assert_int_equal(quire_object_pin(object, 0, held * PAGE,
					  PROT_READ | PROT_WRITE, &pin),
			 0);
	assert_int_equal(quire_object_pin(object, 40 * PAGE, PAGE, access,
					  &more),
			 expected);
	quire_object_unpin(&pin);
	assert_int_equal(
		quire_object_pin(object, 40 * PAGE, PAGE, access, &more), 0);
	quire_object_unpin(&more);
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), 0);
}

static void test_a_budget_pinned_for_writing_refuses(void **state)
{
	(void)state;
	hold_and_ask(100, 16, PROT_READ, -ENOMEM);
}

static void test_a_bound_pinned_for_writing_refuses(void **state)
{
	(void)state;
	hold_and_ask(50, 8, PROT_READ | PROT_WRITE, -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opened_at_once_it_is_one_object),
		cmocka_unit_test(test_a_budget_pinned_for_writing_refuses),
		cmocka_unit_test(test_a_bound_pinned_for_writing_refuses),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, make_file, remove_file);
}
