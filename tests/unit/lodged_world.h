/* lodged_world.h - a file that is opened and mapped for reading alone */
/* SPDX-License-Identifier: MIT */
/*
 * However its pages lie in memory, whoever looks sees the same bytes, and nothing
 * that is not the mapping's is ever dropped.
 */
#ifndef QUIRE_TESTS_LODGED_WORLD_H
#define QUIRE_TESTS_LODGED_WORLD_H

#include "unit/random_readers.h"

#include <sys/mman.h>

#define PAGES 64
#define SIZE (PAGES * PAGE)
#define FEW 16 /* pages of a small budget */
#define RW (PROT_READ | PROT_WRITE)

static struct quire *quire;
static struct quire_space *host;
static struct test_file file;
static struct quire_object *object;
static unsigned char *bytes;

static inline bool lodges(void)
{
	return strncmp(quire_trap_mode(quire), "userfaultfd", 11) == 0;
}

static inline void begin(uint64_t budget)
{
	make_file(&file, SIZE);
	quire = new_engine(budget);
	host = quire_host_space(quire);
	object = open_object(quire, file.path, O_RDONLY);
	bytes = map_object(quire, object, SIZE, PROT_READ);
}

/* Each page traps, and is read by itself. */
static inline int open_ample(void **state)
{
	(void)state;
	begin(0);
	return quire_madvise(host, bytes, SIZE, MADV_RANDOM);
}

/* Windows are read ahead, and the first page of each is not shown. */
static inline int open_narrow(void **state)
{
	(void)state;
	begin(FEW * PAGE);
	return 0;
}

static inline int close_engine(void **state)
{
	(void)state;
	if (bytes)
		assert_int_equal(quire_munmap(host, bytes, SIZE), 0);
	if (object)
		assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), 0);
	end_file(&file);
	return 0;
}

static inline void assert_same(const unsigned char *from, size_t first,
			       size_t count)
{
	for (size_t i = first * PAGE + 7; i < (first + count) * PAGE; i += PAGE)
		assert_int_equal(load(from + i - first * PAGE), byte_at(i));
}

static inline void read_all(void)
{
	assert_same(bytes, 0, PAGES);
}

static inline uint64_t pages_read(void)
{
	return statistics_of(quire).pages_read;
}

static inline uint64_t lodged(void)
{
	return statistics_of(quire).pages_lodged;
}

static inline uint64_t brought_home(void)
{
	return statistics_of(quire).pages_brought_home;
}

static inline struct quire_object *open_for_writing(void)
{
	return open_object(quire, file.path, O_RDWR);
}

#define ample(test) \
	cmocka_unit_test_setup_teardown(test, open_ample, close_engine)
#define narrow(test) \
	cmocka_unit_test_setup_teardown(test, open_narrow, close_engine)

#endif
