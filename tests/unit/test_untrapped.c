/* test_untrapped.c - the kernel shows what is in memory: what is only read */
/* SPDX-License-Identifier: MIT */
#include "unit/random_readers.h"

#define PAGES 256
#define SIZE (PAGES * PAGE)
#define FEW 32 /* pages of a budget */
#define RW (PROT_READ | PROT_WRITE)

static struct quire *quire;
static struct quire_space *host;
static struct test_file file;
static struct quire_object *object;

static void begin(uint64_t budget)
{
	make_file(&file, SIZE);
	quire = new_engine(budget);
	host = quire_host_space(quire);
	object = open_object(quire, file.path, O_RDWR);
}

static void end(void)
{
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), 0);
	end_file(&file);
}

static unsigned char *map_for_reading(bool at_random)
{
	unsigned char *bytes = map_object(quire, object, SIZE, PROT_READ);

	if (at_random)
		assert_int_equal(quire_madvise(host, bytes, SIZE, MADV_RANDOM),
				 0);
	return bytes;
}

static bool kernel_shows(void)
{
	return strncmp(quire_trap_mode(quire), "userfaultfd", 11) == 0;
}

/* How many traps it takes to read them all.  One more is not wrong: what the
 * kernel does to end an earlier engine's ring interrupts a thread that waits,
 * and it traps again. */
static uint64_t traps_of(const unsigned char *bytes, size_t first, size_t count)
{
	uint64_t before = statistics_of(quire).traps;

	for (size_t i = first; i < first + count; i++)
		assert_int_equal(load(bytes + i * PAGE + 7),
				 byte_at(i * PAGE + 7));
	return statistics_of(quire).traps - before;
}

static void bring_into_memory(size_t first, size_t count)
{
	static unsigned char copy[SIZE];

	assert_int_equal(quire_object_pread(object, copy, count * PAGE,
					    first * PAGE),
			 (ssize_t)(count * PAGE));
}

/* ---- what traps ---- */

static void test_what_is_absent_traps_once(void **state)
{
	unsigned char *bytes;

	(void)state;
	begin(0);
	bytes = map_for_reading(true);
	assert_true(traps_of(bytes, 0, 16) >= 16);
	assert_int_equal(traps_of(bytes, 0, 16), 0);
	bring_into_memory(64, 32);
	if (kernel_shows())
		assert_int_equal(traps_of(bytes, 64, 32), 0);
	assert_true(traps_of(bytes, 96, 1) >= 1);
	quire_munmap(host, bytes, SIZE);
	end();
}

/* How it is read tells what to read ahead: so all touches are to be seen. */
static void test_without_advice_touches_are_seen(void **state)
{
	unsigned char *bytes;

	(void)state;
	begin(0);
	bytes = map_for_reading(false);
	assert_int_not_equal(traps_of(bytes, 200, 1), 0);
	bring_into_memory(64, 32);
	assert_int_not_equal(traps_of(bytes, 64, 32), 0);
	assert_int_equal(quire_madvise(host, bytes, SIZE, MADV_RANDOM), 0);
	bring_into_memory(128, 32);
	assert_int_not_equal(traps_of(bytes, 128, 32), 0);
	quire_munmap(host, bytes, SIZE);
	end();
}

static void test_advice_is_taken_back(void **state)
{
	unsigned char *bytes;

	(void)state;
	begin(0);
	bytes = map_for_reading(true);
	assert_true(traps_of(bytes, 0, 4) >= 4);
	assert_int_equal(quire_madvise(host, bytes, SIZE, MADV_NORMAL), 0);
	assert_int_not_equal(traps_of(bytes, 200, 1), 0);
	bring_into_memory(64, 32);
	assert_int_not_equal(traps_of(bytes, 64, 32), 0);
	quire_munmap(host, bytes, SIZE);
	end();
}

/* ---- stores ---- */

static void store_into(unsigned char *bytes, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++)
		bytes[i * PAGE + 9] = (unsigned char)(i + 3);
}

static void assert_stored(size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++)
		assert_int_equal(byte_in_file(file.fd, i * PAGE + 9),
				 (unsigned char)(i + 3));
}

/* What the kernel has shown must not take a store that nobody hears of. */
static void test_stores_are_seen_once_they_may_be(void **state)
{
	unsigned char *bytes;
	uint64_t before;

	(void)state;
	begin(0);
	bytes = map_for_reading(true);
	bring_into_memory(0, 64);
	traps_of(bytes, 0, 64);
	assert_int_equal(quire_mprotect(host, bytes, 32 * PAGE, RW), 0);
	before = statistics_of(quire).traps;
	store_into(bytes, 0, 32);
	assert_true(statistics_of(quire).traps - before >= 32);
	assert_int_equal(quire_msync(host, bytes, SIZE, MS_SYNC), 0);
	assert_stored(0, 32);
	/* And again: they are protected now. */
	before = statistics_of(quire).traps;
	bytes[5 * PAGE + 9] = 1;
	assert_true(statistics_of(quire).traps - before >= 1);
	/* The other part, joined to what may be stored to already. */
	assert_int_equal(quire_mprotect(host, bytes, SIZE, RW), 0);
	store_into(bytes, 32, 32);
	assert_int_equal(quire_msync(host, bytes, SIZE, MS_SYNC), 0);
	assert_stored(32, 32);
	quire_munmap(host, bytes, SIZE);
	end();
}

static void test_writable_and_back(void **state)
{
	unsigned char *bytes;

	(void)state;
	begin(FEW * PAGE);
	bytes = map_for_reading(true);
	for (int round = 0; round < 3; round++) {
		traps_of(bytes, 0, 64);
		assert_int_equal(quire_mprotect(host, bytes, SIZE, RW), 0);
		store_into(bytes, 0, 64);
		assert_int_equal(quire_mprotect(host, bytes, SIZE, PROT_READ),
				 0);
	}
	assert_int_equal(quire_msync(host, bytes, SIZE, MS_SYNC), 0);
	assert_stored(0, 64);
	quire_munmap(host, bytes, SIZE);
	end();
}

/* Stored to through another mapping, and by a copy. */
static void test_stores_elsewhere_are_shown(void **state)
{
	unsigned char *bytes, *writable, byte = 99;

	(void)state;
	begin(FEW * PAGE);
	bytes = map_for_reading(true);
	writable = map_object(quire, object, SIZE, RW);
	traps_of(bytes, 0, PAGES);
	for (size_t i = 0; i < PAGES; i++) {
		writable[i * PAGE + 9] = (unsigned char)(i + 3);
		assert_int_equal(load(bytes + i * PAGE + 9),
				 (unsigned char)(i + 3));
	}
	assert_int_equal(quire_object_pwrite(object, &byte, 1, 9), 1);
	assert_int_equal(load(bytes + 9), 99);
	quire_munmap(host, bytes, SIZE);
	quire_munmap(host, writable, SIZE);
	end();
}

static void test_a_cut_is_seen(void **state)
{
	unsigned char *bytes;

	(void)state;
	begin(0);
	bytes = map_for_reading(true);
	traps_of(bytes, 0, 16);
	assert_int_equal(quire_object_resize(object, 8 * PAGE + 100), 0);
	assert_int_equal(load(bytes + 8 * PAGE + 99), byte_at(8 * PAGE + 99));
	assert_int_equal(load(bytes + 8 * PAGE + 100), 0);
	assert_int_equal(quire_object_resize(object, SIZE), 0);
	for (size_t i = 9; i < 32; i++)
		assert_int_equal(load(bytes + i * PAGE + 7), 0);
	quire_munmap(host, bytes, SIZE);
	end();
}

/* ---- what cannot be read ---- */

static _Atomic int read_error;

static ssize_t read_or_fail(void *context, void *buffer, size_t length,
			    uint64_t offset)
{
	(void)context;
	(void)offset;
	if (atomic_load(&read_error))
		return atomic_load(&read_error);
	memset(buffer, 7, length);
	return (ssize_t)length;
}

static void load_first(void *argument)
{
	(void)load(argument);
}

/* Refused, and shown again once it can be read. */
static void test_a_page_that_cannot_be_read(void **state)
{
	const struct quire_pager_ops ops = { .size = sizeof(ops),
					     .read = read_or_fail };
	struct quire_fault_report report;
	struct quire_object *pages;
	unsigned char *bytes;

	(void)state;
	begin(0);
	assert_int_equal(quire_object_create(quire, "pages", 4 * PAGE, &ops,
					     NULL, NULL, &pages),
			 0);
	bytes = map_object(quire, pages, 4 * PAGE, PROT_READ);
	assert_int_equal(quire_madvise(host, bytes, 4 * PAGE, MADV_RANDOM), 0);
	assert_int_equal(load(bytes), 7);
	atomic_store(&read_error, -EIO);
	assert_int_equal(quire_guard(host, load_first, bytes + PAGE, &report),
			 -EIO);
	assert_int_equal(load(bytes), 7);
	atomic_store(&read_error, 0);
	while (quire_guard(host, load_first, bytes + PAGE, &report))
		sched_yield();
	assert_int_equal(load(bytes + PAGE), 7);
	assert_int_equal(load(bytes + 2 * PAGE), 7);
	quire_munmap(host, bytes, 4 * PAGE);
	assert_int_equal(quire_object_close(pages), 0);
	end();
}

/* ---- while pages leave ---- */

static void test_readers_while_pages_leave(void **state)
{
	struct reader reader[4];
	unsigned char *bytes;

	(void)state;
	begin(FEW * PAGE);
	bytes = map_for_reading(true);
	start_readers(reader, 4, bytes, SIZE, 20000);
	end_readers(reader, 4);
	assert_int_not_equal(statistics_of(quire).evictions, 0);
	quire_munmap(host, bytes, SIZE);
	end();
}

/*
 * Pages that leave are dropped from where the object is mapped.  What takes the
 * addresses after munmap(), or stands in its place by MAP_FIXED, is not its.
 */
static void test_what_comes_after_is_not_dropped(void **state)
{
	struct reader reader[3];
	unsigned char *bytes;

	(void)state;
	begin(FEW * PAGE);
	bytes = map_for_reading(true);
	start_readers(reader, 3, bytes, SIZE, 20000);
	for (unsigned round = 0; round < 200; round++) {
		unsigned char *own = map_for_reading(true);

		for (size_t i = 0; i < PAGES; i += 17)
			assert_int_equal(load(own + i * PAGE + 7),
					 byte_at(i * PAGE + 7));
		assert_int_equal(quire_munmap(host, own, SIZE), 0);
		assert_true(be_a_stranger(own, SIZE));
	}
	end_readers(reader, 3);
	quire_munmap(host, bytes, SIZE);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_absent_traps_once),
		cmocka_unit_test(test_without_advice_touches_are_seen),
		cmocka_unit_test(test_advice_is_taken_back),
		cmocka_unit_test(test_stores_are_seen_once_they_may_be),
		cmocka_unit_test(test_writable_and_back),
		cmocka_unit_test(test_stores_elsewhere_are_shown),
		cmocka_unit_test(test_a_cut_is_seen),
		cmocka_unit_test(test_a_page_that_cannot_be_read),
		cmocka_unit_test(test_readers_while_pages_leave),
		cmocka_unit_test(test_what_comes_after_is_not_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
