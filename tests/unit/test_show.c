/* test_show.c - what was announced is shown before it is touched */
/* SPDX-License-Identifier: MIT */
#include "unit/engine_tools.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

#define PAGES 32
#define SIZE (PAGES * PAGE)
#define RW (PROT_READ | PROT_WRITE)

static struct quire *quire;
/* Never stored to: a read of it ends inside the call that begins it. */
static struct quire_object *zeros;

static int set_up(void **state)
{
	(void)state;
	quire = new_engine(0);
	assert_int_equal(
		quire_object_create_anonymous(quire, SIZE, NULL, &zeros), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(quire_object_close(zeros), 0);
	assert_int_equal(quire_close(quire), 0);
	return 0;
}

static struct quire_space *host(void)
{
	return quire_host_space(quire);
}

static void announce(struct quire_object *object, uint64_t first,
		     uint64_t pages)
{
	struct quire_range range = { .offset = first * PAGE,
				     .length = pages * PAGE };

	assert_true(quire_object_prefetch(object, &range, 1) >= 0);
}

/* How many traps it takes to touch the pages. */
static uint64_t touched(const volatile unsigned char *bytes, uint64_t pages)
{
	uint64_t before = statistics_of(quire).traps;

	for (uint64_t i = 0; i < pages; i++)
		assert_int_equal(bytes[i * PAGE], 0);
	return statistics_of(quire).traps - before;
}

static void skip_unless_shown(void)
{
	if (strncmp(quire_trap_mode(quire), "userfaultfd", 11) != 0)
		skip(); /* each page that is shown costs a call there */
}

static void test_no_trap(void **state)
{
	unsigned char *bytes;

	(void)state;
	skip_unless_shown();
	bytes = map_object(quire, zeros, SIZE, RW);
	announce(zeros, 3, 5);
	assert_int_equal(touched(bytes + 3 * PAGE, 5), 0);
	assert_int_not_equal(touched(bytes + 8 * PAGE, 1), 0);
	quire_munmap(host(), bytes, SIZE);
}

/* Shown is not writable: a store is known of, and gets home. */
static void test_stores_trap(void **state)
{
	unsigned char *bytes;
	uint64_t before;

	(void)state;
	skip_unless_shown();
	bytes = map_object(quire, zeros, SIZE, RW);
	announce(zeros, 0, 2);
	before = statistics_of(quire).write_traps;
	bytes[PAGE + 7] = 9;
	assert_int_equal(statistics_of(quire).write_traps - before, 1);
	assert_int_equal(statistics_of(quire).dirty, PAGE);
	assert_int_equal(byte_of(zeros, PAGE + 7), 9);
	quire_munmap(host(), bytes, SIZE);
}

static void test_a_private_mapping(void **state)
{
	unsigned char *bytes;

	(void)state;
	bytes = quire_mmap(host(), NULL, SIZE, RW, MAP_PRIVATE, zeros, 0);
	assert_ptr_not_equal(bytes, MAP_FAILED);
	announce(zeros, 0, 2);
	bytes[7] = 9;
	assert_int_equal(bytes[7], 9);
	assert_int_equal(byte_of(zeros, 7), 0);
	quire_munmap(host(), bytes, SIZE);
}

/* Only what is mapped, and may be loaded from. */
static void test_parts(void **state)
{
	unsigned char *bytes, *closed;

	(void)state;
	skip_unless_shown();
	announce(zeros, 0, 2);
	bytes = quire_mmap(host(), NULL, 4 * PAGE, PROT_READ, MAP_SHARED, zeros,
			   4 * PAGE);
	assert_ptr_not_equal(bytes, MAP_FAILED);
	closed =
		quire_mmap(host(), NULL, SIZE, PROT_NONE, MAP_SHARED, zeros, 0);
	assert_ptr_not_equal(closed, MAP_FAILED);
	/* From the mapping's beginning to behind its end. */
	announce(zeros, 4, 10);
	assert_int_equal(touched(bytes, 4), 0);
	/* Behind the object's end. */
	announce(zeros, PAGES - 1, 10);
	announce(zeros, PAGES * 2, 1);
	assert_int_equal(quire_mprotect(host(), closed, SIZE, PROT_READ), 0);
	touched(closed, PAGES);
	quire_munmap(host(), bytes, 4 * PAGE);
	quire_munmap(host(), closed, SIZE);
}

static void load(void *argument)
{
	(void)*(volatile unsigned char *)argument;
}

/* A guard stays, whatever comes behind it. */
static void test_a_guard(void **state)
{
	struct quire_fault_report report = { .signal = 0 };
	unsigned char *bytes;

	(void)state;
	bytes = map_object(quire, zeros, SIZE, RW);
	if (quire_madvise(host(), bytes + 2 * PAGE, PAGE, MADV_GUARD_INSTALL)) {
		quire_munmap(host(), bytes, SIZE);
		skip();
	}
	announce(zeros, 0, 5);
	assert_int_not_equal(
		quire_guard(host(), load, bytes + 2 * PAGE, &report), 0);
	assert_int_equal(report.signal, SIGSEGV);
	assert_int_equal(quire_madvise(host(), bytes + 2 * PAGE, PAGE,
				       MADV_GUARD_REMOVE),
			 0);
	touched(bytes, 5);
	quire_munmap(host(), bytes, SIZE);
}

/* ---- what is read for a touch ---- */

#define FILE_PAGES 4096 /* several of the widest windows */

/* One trap for a page that is absent, and none for what comes with it. */
static void test_what_is_read_is_shown(void **state)
{
	struct test_file file;
	struct quire_object *object;
	unsigned char *bytes;
	uint64_t before, traps;

	(void)state;
	skip_unless_shown();
	make_file(&file, FILE_PAGES * PAGE);
	object = open_object(quire, file.path, O_RDWR);
	bytes = map_object(quire, object, FILE_PAGES * PAGE, RW);
	before = statistics_of(quire).traps;
	for (uint64_t i = 5; i < FILE_PAGES; i += 1000)
		assert_int_equal(bytes[i * PAGE], byte_at(i * PAGE));
	traps = statistics_of(quire).traps - before;
	/* The kernel tells of a trap once more if its thread was disturbed. */
	assert_true(traps >= 5 && traps < 2 * 5);
	/* A store that reads first is known of. */
	bytes[100 * PAGE] = (unsigned char)~byte_at(100 * PAGE);
	assert_int_equal(statistics_of(quire).dirty, PAGE);
	/* Nor is one lost to what was shown by a load. */
	bytes[5 * PAGE] = (unsigned char)~byte_at(5 * PAGE);
	assert_int_equal(statistics_of(quire).dirty, 2 * PAGE);
	quire_munmap(host(), bytes, FILE_PAGES * PAGE);
	assert_int_equal(quire_object_close(object), 0);
	end_file(&file);
}

/* A reader traps at the first page of a window: so its next one is asked for. */
static void test_a_scan(void **state)
{
	struct test_file file;
	struct quire_object *object;
	unsigned char *bytes;
	uint64_t before;

	(void)state;
	make_file(&file, FILE_PAGES * PAGE);
	object = open_object(quire, file.path, O_RDWR);
	bytes = map_object(quire, object, FILE_PAGES * PAGE, PROT_READ);
	assert_int_equal(quire_madvise(host(), bytes, FILE_PAGES * PAGE,
				       MADV_SEQUENTIAL),
			 0);
	before = statistics_of(quire).traps;
	for (uint64_t i = 0; i < FILE_PAGES * PAGE; i++)
		if (bytes[i] != byte_at(i))
			fail_msg("byte %ju", (uintmax_t)i);
	assert_true(statistics_of(quire).traps - before < FILE_PAGES / 16);
	assert_int_equal(statistics_of(quire).pages_ahead_unused, 0);
	quire_munmap(host(), bytes, FILE_PAGES * PAGE);
	assert_int_equal(quire_object_close(object), 0);
	end_file(&file);
}

/* ---- beside changes of what is mapped ---- */

#define ROUNDS 200

struct pair {
	struct test_file file[2];
	struct quire_object *object[2];
	_Atomic bool ending;
};

static void *announce_always(void *argument)
{
	struct pair *pair = argument;

	while (!atomic_load(&pair->ending))
		for (unsigned i = 0; i < 2; i++)
			announce(pair->object[i], 0, PAGES);
	return NULL;
}

/*
 * Two objects take turns at one address, and their pages come and go: never
 * does one's page stand in the place of the other's.
 */
static void test_never_in_anothers_place(void **state)
{
	struct pair pair = { .ending = false };
	pthread_t announcing;
	unsigned char *bytes;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		make_file(&pair.file[i], (PAGES + i) * PAGE);
		pair.object[i] = open_object(quire, pair.file[i].path, O_RDWR);
	}
	bytes = map_object(quire, pair.object[0], SIZE, PROT_READ);
	assert_int_equal(
		pthread_create(&announcing, NULL, announce_always, &pair), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned which = round % 2; /* and one page further on */

		assert_ptr_equal(quire_mmap(host(), bytes, SIZE, PROT_READ,
					    MAP_SHARED | MAP_FIXED,
					    pair.object[which], which * PAGE),
				 bytes);
		for (uint64_t i = 0; i < PAGES; i++)
			assert_int_equal(bytes[i * PAGE],
					 byte_at((i + which) * PAGE));
		assert_int_equal(quire_msync(host(), bytes, SIZE,
					     MS_SYNC | MS_INVALIDATE),
				 0);
	}
	atomic_store(&pair.ending, true);
	pthread_join(announcing, NULL);
	quire_munmap(host(), bytes, SIZE);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(quire_object_close(pair.object[i]), 0);
		end_file(&pair.file[i]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_trap),
		TEST(test_stores_trap),
		TEST(test_a_private_mapping),
		TEST(test_parts),
		TEST(test_a_guard),
		TEST(test_what_is_read_is_shown),
		TEST(test_a_scan),
		TEST(test_never_in_anothers_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
