/* advise_world.h - a file mapped into a space of either kind, to be advised */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_ADVISE_WORLD_H
#define QUIRE_TESTS_ADVISE_WORLD_H

#include "unit/engine_tools.h"

#ifndef MADV_COLD
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

#define BUDGET 64 /* pages */
#define PAGES (8 * BUDGET)
#define RW (PROT_READ | PROT_WRITE)

static struct quire *quire;
static struct quire_space *space;
static struct test_file file;
static struct quire_object *object, *reader;

static inline void open_all(void)
{
	struct quire_options options = {
		.size = sizeof(options),
		.budget = BUDGET * PAGE,
		.full_wait_ms = 200,
		.flags = QUIRE_NO_REPORT,
		.log = log_nothing,
		.trap = chosen_trap(),
	};

	assert_int_equal(quire_open(&options, &quire), 0);
	make_file(&file, PAGES * PAGE);
	object = open_object(quire, file.path, O_RDWR);
	reader = open_object(quire, file.path, O_RDONLY);
}

static inline int set_up_host(void **state)
{
	(void)state;
	open_all();
	space = quire_host_space(quire);
	return 0;
}

static inline int set_up_soft(void **state)
{
	(void)state;
	open_all();
	assert_int_equal(quire_space_create(quire, NULL, &space), 0);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	if (space != quire_host_space(quire))
		quire_space_close(space);
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_object_close(reader), 0);
	assert_int_equal(quire_close(quire), 0);
	end_file(&file);
	return 0;
}

/* ---- tools ---- */

static inline char *map_with(struct quire_object *of, size_t pages, int prot,
			     int flags)
{
	char *place = quire_mmap(space, NULL, pages * PAGE, prot,
				 flags | (of ? 0 : MAP_ANONYMOUS), of, 0);

	if (place == MAP_FAILED)
		fail_msg("%s", quire_strerror_last());
	return place;
}

static inline unsigned char load(const char *place)
{
	unsigned char byte = 0;

	assert_int_equal(quire_peek(space, place, &byte, 1), 0);
	return byte;
}

static inline void store(char *place, unsigned char byte)
{
	if (quire_poke(space, place, &byte, 1))
		fail_msg("%s", quire_strerror_last());
}

static inline unsigned char in_file(size_t page)
{
	return byte_at(page * PAGE);
}

/* 0, or the errno of a call that returned -1. */
static inline int outcome(int returned)
{
	if (returned && !quire_strerror_last()[0])
		fail_msg("no sentence for: %s", strerror(errno));
	return returned ? errno : 0;
}

static inline int advise(char *place, size_t pages, int advice)
{
	return outcome(quire_madvise(space, place, pages * PAGE, advice));
}

/* How many of the pages are in memory. */
static inline size_t resident(char *place, size_t pages)
{
	unsigned char vector[PAGES];
	size_t count = 0;

	assert_int_equal(quire_mincore(space, place, pages * PAGE, vector), 0);
	for (size_t i = 0; i < pages; i++) {
		assert_true(vector[i] <= 1);
		count += vector[i];
	}
	return count;
}

static inline void touch_all(const char *place, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		load(place + i * PAGE);
}

/* Another file's pages come through the budget, several times over. */
static inline void scan(void)
{
	struct quire_object *other;
	struct test_file second;
	char byte;

	make_file(&second, PAGES * PAGE);
	other = open_object(quire, second.path, O_RDONLY);
	for (uint64_t page = 0; page < PAGES; page++)
		assert_int_equal(
			quire_object_pread(other, &byte, 1, page * PAGE), 1);
	assert_int_equal(quire_object_close(other), 0);
	end_file(&second);
}

#define on_both(test)                                                  \
	cmocka_unit_test_setup_teardown(test, set_up_host, tear_down), \
		cmocka_unit_test_setup_teardown(test, set_up_soft, tear_down)

#endif
