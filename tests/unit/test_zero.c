/* test_zero.c - what is to be written anew is neither read nor trapped for */
/* SPDX-License-Identifier: MIT */
#include "unit/engine_tools.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

#define PAGES 64
#define SIZE (PAGES * PAGE - 1000)
#define SCARCE (16 * PAGE)
#define RW (PROT_READ | PROT_WRITE)

static struct quire *quire;
static struct test_file file;
static struct quire_object *object;

static void begin_with(uint64_t budget)
{
	make_file(&file, SIZE);
	quire = new_engine(budget);
	object = open_object(quire, file.path, O_RDWR);
}

static int set_up(void **state)
{
	(void)state;
	begin_with(0);
	return 0;
}

static int set_up_scarce(void **state)
{
	(void)state;
	begin_with(SCARCE);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), 0);
	end_file(&file);
	return 0;
}

static struct quire_space *host(void)
{
	return quire_host_space(quire);
}

static int zero(uint64_t offset, uint64_t length)
{
	struct quire_range range = { .offset = offset, .length = length };

	return quire_object_zero(object, &range, 1);
}

static void assert_zero(uint64_t offset, uint64_t length)
{
	assert_int_equal(zero(offset, length), 0);
}

/* The file is as it was made, but for zeros there; as the object has it. */
static void assert_zeros_alone(uint64_t offset, uint64_t length)
{
	uint64_t end = offset + length;

	assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), 0);
	for (uint64_t i = 0; i < SIZE; i += i % PAGE == 0 ? 1 : 61) {
		unsigned char wanted = i < offset || i >= end ? byte_at(i) : 0;

		assert_int_equal(byte_of(object, i), wanted);
		assert_int_equal(byte_in_file(file.fd, i), wanted);
	}
	if (length == 0)
		return;
	for (uint64_t i = offset < 2 ? 0 : offset - 2; i < offset + 2; i++)
		assert_int_equal(byte_of(object, i),
				 i < offset ? byte_at(i) : 0);
	for (uint64_t i = end - 2; i < end + 2 && i < SIZE; i++)
		assert_int_equal(byte_of(object, i), i < end ? 0 : byte_at(i));
}

static bool is_shown(void) /* each page that is shown costs a call there */
{
	return !strncmp(quire_trap_mode(quire), "userfaultfd", 11);
}

/* ---- neither a read nor a trap ---- */

static void test_a_list(void **state)
{
	unsigned char *bytes = map_object(quire, object, SIZE, RW);
	struct quire_range list[PAGES / 3];
	uint64_t before, i;

	(void)state;
	for (i = 0; i < PAGES / 3; i++)
		list[i] = (struct quire_range){ .offset = i * 3 * PAGE,
						.length = PAGE };
	assert_int_equal(quire_object_zero(object, list, PAGES / 3), 0);
	before = statistics_of(quire).traps;
	for (i = 0; i < PAGES / 3; i++)
		memset(bytes + list[i].offset, (int)i + 1, PAGE / 2);
	if (is_shown())
		assert_int_equal(statistics_of(quire).traps - before, 0);
	assert_int_equal(statistics_of(quire).pages_read, 0);
	assert_int_equal(statistics_of(quire).dirty, PAGES / 3 * PAGE);
	/* One more trap: who resolves them holds none of the others any more. */
	assert_int_equal(bytes[PAGE], byte_at(PAGE));
	assert_int_equal(quire_msync(host(), bytes, SIZE, MS_SYNC), 0);
	for (i = 0; i < PAGES / 3; i++) {
		assert_int_equal(byte_in_file(file.fd, list[i].offset + 9),
				 i + 1);
		assert_int_equal(
			byte_in_file(file.fd, list[i].offset + PAGE - 9), 0);
		assert_int_equal(byte_in_file(file.fd, list[i].offset + PAGE),
				 byte_at(list[i].offset + PAGE));
	}
	/* They are clean now: the next store is known of. */
	bytes[5] = 77;
	assert_int_equal(statistics_of(quire).dirty, PAGE);
	assert_int_equal(quire_msync(host(), bytes, SIZE, MS_SYNC), 0);
	assert_int_equal(byte_in_file(file.fd, 5), 77);
	assert_int_equal(quire_munmap(host(), bytes, SIZE), 0);
}

static void test_parts_of_pages(void **state)
{
	(void)state;
	assert_zero(PAGE + 100, 5 * PAGE);
	assert_int_equal(statistics_of(quire).pages_read, 2);
	assert_zeros_alone(PAGE + 100, 5 * PAGE);
}

static void test_within_a_page(void **state)
{
	(void)state;
	assert_zero(3 * PAGE + 5, 7);
	assert_zeros_alone(3 * PAGE + 5, 7);
}

static void test_what_is_in_memory(void **state)
{
	unsigned char *bytes = map_object(quire, object, SIZE, RW);

	(void)state;
	assert_int_equal(bytes[2 * PAGE], byte_at(2 * PAGE));
	bytes[4 * PAGE + 8] = 1;
	assert_zero(PAGE, 5 * PAGE);
	for (size_t i = PAGE; i < 6 * PAGE; i++)
		assert_int_equal(bytes[i], 0);
	assert_int_equal(quire_munmap(host(), bytes, SIZE), 0);
	assert_zeros_alone(PAGE, 5 * PAGE);
}

/* ---- borders ---- */

static void test_the_end(void **state)
{
	unsigned char *bytes = map_object(quire, object, SIZE, RW);
	uint64_t last = (PAGES - 1) * PAGE;

	(void)state;
	assert_zero(last, UINT64_MAX);
	assert_zero(SIZE, PAGE);
	assert_zero(UINT64_MAX - 5, UINT64_MAX);
	assert_zero(0, 0);
	assert_int_equal(quire_object_zero(object, NULL, 0), 0);
	assert_int_equal(statistics_of(quire).pages_read, 0);
	bytes[SIZE - 1] = 3;
	assert_int_equal(byte_of(object, SIZE - 1), 3);
	bytes[SIZE - 1] = 0;
	assert_int_equal(quire_munmap(host(), bytes, SIZE), 0);
	assert_zeros_alone(last, SIZE - last);
	assert_int_equal(lseek(file.fd, 0, SEEK_END), SIZE);
}

static void test_more_than_the_budget(void **state)
{
	unsigned char *bytes = map_object(quire, object, SIZE, RW);

	(void)state;
	assert_zero(0, SIZE);
	assert_int_equal(statistics_of(quire).pages_read, 0);
	for (size_t i = 0; i < SIZE; i += PAGE / 2)
		bytes[i] = 5;
	assert_int_equal(quire_msync(host(), bytes, SIZE, MS_SYNC), 0);
	for (size_t i = 0; i < SIZE; i += PAGE / 4)
		assert_int_equal(byte_in_file(file.fd, i),
				 i % (PAGE / 2) ? 0 : 5);
	assert_int_equal(quire_munmap(host(), bytes, SIZE), 0);
}

/* ---- where nobody may store, or its bytes are another's ---- */

static void store(void *argument)
{
	*(volatile unsigned char *)argument = 9;
}

static void assert_no_store(unsigned char *at)
{
	struct quire_fault_report report = { .signal = 0 };

	assert_int_not_equal(quire_guard(host(), store, at, &report), 0);
	assert_int_equal(report.signal, SIGSEGV);
}

static void test_a_mapping_for_loads(void **state)
{
	unsigned char *bytes = map_object(quire, object, SIZE, PROT_READ);

	(void)state;
	assert_zero(PAGE, PAGE);
	assert_no_store(bytes + PAGE);
	assert_int_equal(bytes[PAGE], 0);
	assert_int_equal(quire_mprotect(host(), bytes, SIZE, RW), 0);
	store(bytes + PAGE);
	assert_int_equal(byte_of(object, PAGE), 9);
	assert_int_equal(quire_munmap(host(), bytes, SIZE), 0);
}

/* One that may not be stored to between others that may. */
static void test_several_mappings(void **state)
{
	unsigned char *bytes = map_object(quire, object, SIZE, RW);
	uint64_t before;

	(void)state;
	assert_int_equal(
		quire_mprotect(host(), bytes + 2 * PAGE, PAGE, PROT_READ), 0);
	assert_int_equal(quire_munmap(host(), bytes + 4 * PAGE, PAGE), 0);
	assert_zero(0, 7 * PAGE);
	before = statistics_of(quire).traps;
	for (unsigned i = 0; i < 7; i++)
		if (i != 2 && i != 4)
			store(bytes + i * PAGE);
	if (is_shown())
		assert_int_equal(statistics_of(quire).traps - before, 0);
	assert_no_store(bytes + 2 * PAGE);
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(byte_of(object, i * PAGE),
				 i != 2 && i != 4 ? 9 : 0);
	assert_int_equal(quire_munmap(host(), bytes, SIZE), 0);
}

static void test_a_private_mapping(void **state)
{
	unsigned char *bytes =
		quire_mmap(host(), NULL, SIZE, RW, MAP_PRIVATE, object, 0);

	(void)state;
	assert_ptr_not_equal(bytes, MAP_FAILED);
	bytes[PAGE] = 4;
	assert_zero(0, 3 * PAGE);
	store(bytes);
	assert_int_equal(bytes[PAGE], 4);
	assert_int_equal(bytes[2 * PAGE], 0);
	assert_int_equal(quire_munmap(host(), bytes, SIZE), 0);
	assert_zeros_alone(0, 3 * PAGE);
}

static void test_a_guard(void **state)
{
	unsigned char *bytes = map_object(quire, object, SIZE, RW);

	(void)state;
	if (quire_madvise(host(), bytes + PAGE, PAGE, MADV_GUARD_INSTALL)) {
		assert_int_equal(quire_munmap(host(), bytes, SIZE), 0);
		skip();
	}
	assert_zero(0, 3 * PAGE);
	assert_no_store(bytes + PAGE);
	assert_int_equal(quire_madvise(host(), bytes + PAGE, PAGE,
				       MADV_GUARD_REMOVE),
			 0);
	assert_int_equal(bytes[PAGE], 0);
	assert_int_equal(quire_munmap(host(), bytes, SIZE), 0);
}

/* ---- refused, and failed ---- */

static void test_refused(void **state)
{
	struct quire_object *reader = open_object(quire, file.path, O_RDONLY);
	struct quire_range all = { .offset = 0, .length = SIZE };

	(void)state;
	assert_int_equal(quire_object_zero(reader, &all, 1), -EACCES);
	assert_sentence("for reading only");
	assert_int_equal(quire_object_close(reader), 0);
	assert_int_equal(statistics_of(quire).dirty, 0);
	assert_zeros_alone(SIZE, 0);
}

static void test_what_is_zeros(void **state)
{
	struct quire_range all = { .offset = 0, .length = SIZE };
	struct quire_object *nothing;

	(void)state;
#ifdef __SANITIZE_THREAD__
	skip(); /* it leaves too few addresses for so large an object */
#endif
	nothing = open_object(quire, "/dev/zero", O_RDWR);
	assert_int_equal(quire_object_zero(nothing, &all, 1), 0);
	assert_int_equal(quire_object_close(nothing), 0);
	assert_int_equal(statistics_of(quire).dirty, 0);
}

static ssize_t read_nothing(void *context, void *buffer, size_t length,
			    uint64_t offset)
{
	(void)context;
	(void)buffer;
	(void)length;
	(void)offset;
	return -EIO;
}

/* Its first byte of page 2; the lengths of all writes together. */
static unsigned char written;

static ssize_t write_pages(void *context, const void *buffer, size_t length,
			   uint64_t offset)
{
	(void)context;
	if (offset <= 2 * PAGE && offset + length > 2 * PAGE)
		written = ((const unsigned char *)buffer)[2 * PAGE - offset];
	return (ssize_t)length;
}

/* What cannot be read is zeroed whole, or not at all. */
static void test_what_cannot_be_read(void **state)
{
	static const struct quire_pager_ops ops = {
		.size = sizeof(ops),
		.read = read_nothing,
		.write = write_pages,
	};
	struct quire_range list[] = {
		{ .offset = 2 * PAGE, .length = 2 * PAGE },
		{ .offset = 8 * PAGE, .length = 2 * PAGE + 1 },
		{ .offset = 12 * PAGE, .length = PAGE },
	};
	struct quire_object *broken;
	unsigned char *bytes;

	(void)state;
	assert_int_equal(quire_object_create(quire, "broken", 16 * PAGE, &ops,
					     NULL, NULL, &broken),
			 0);
	bytes = map_object(quire, broken, 16 * PAGE, RW);
	assert_int_equal(quire_object_zero(broken, list, 3), -EIO);
	store(bytes + 2 * PAGE);
	assert_int_equal(byte_of(broken, 3 * PAGE), 0);
	assert_int_equal(byte_of(broken, 9 * PAGE), 0);
	assert_int_equal(quire_object_pread(broken, &written, 1, 10 * PAGE),
			 -EIO);
	assert_int_equal(quire_object_pread(broken, &written, 1, 12 * PAGE),
			 -EIO);
	assert_int_equal(quire_object_sync(broken, 0, 0, MS_SYNC), 0);
	assert_int_equal(written, 9);
	assert_int_equal(quire_munmap(host(), bytes, 16 * PAGE), 0);
	assert_int_equal(quire_object_close(broken), 0);
}

static _Atomic bool middle_read;

static ssize_t read_all(void *context, void *buffer, size_t length,
			uint64_t offset)
{
	(void)context;
	if (offset + length > 32 * PAGE && offset < 200 * PAGE)
		atomic_store(&middle_read, true);
	memset(buffer, 7, length);
	return (ssize_t)length;
}

/* However many they are: none is read but those at the ends. */
static void test_many_pages_are_not_read(void **state)
{
	static const struct quire_pager_ops ops = {
		.size = sizeof(ops),
		.read = read_all,
		.write = write_pages,
	};
	struct quire_range range = { .offset = 100, .length = 200 * PAGE };
	struct quire_object *wide;

	(void)state;
	assert_int_equal(quire_object_create(quire, "wide", 256 * PAGE, &ops,
					     NULL, NULL, &wide),
			 0);
	assert_int_equal(quire_object_zero(wide, &range, 1), 0);
	assert_false(atomic_load(&middle_read));
	for (uint64_t i = 0; i < 200 * PAGE + 200; i += 50)
		assert_int_equal(byte_of(wide, i),
				 i < 100 || i >= 200 * PAGE + 100 ? 7 : 0);
	assert_int_equal(quire_object_close(wide), 0);
}

/* ---- beside others ---- */

struct others {
	struct quire_object *zeroed;
	_Atomic bool ending;
};

static void *zero_always(void *argument)
{
	struct others *others = argument;
	struct quire_range all = { .offset = 0, .length = UINT64_MAX };

	while (!atomic_load(&others->ending))
		assert_int_equal(quire_object_zero(others->zeroed, &all, 1), 0);
	return NULL;
}

static void map_here(unsigned char *bytes, struct quire_object *which)
{
	assert_ptr_equal(quire_mmap(host(), bytes, SIZE, RW,
				    MAP_SHARED | MAP_FIXED, which, 0),
			 bytes);
}

/* What takes the place of pages that become zeros is not taken for them: stores
 * there are known of, and get home. */
static void test_in_anothers_place(void **state)
{
	struct others others = { .ending = false };
	unsigned char *bytes;
	pthread_t zeroing;

	(void)state;
	assert_int_equal(quire_object_create_anonymous(quire, SIZE, NULL,
						       &others.zeroed),
			 0);
	bytes = map_object(quire, others.zeroed, SIZE, RW);
	assert_int_equal(pthread_create(&zeroing, NULL, zero_always, &others),
			 0);
	for (unsigned round = 1; round < 200; round++) {
		map_here(bytes, others.zeroed);
		map_here(bytes, object);
		for (uint64_t i = 0; i < PAGES; i++)
			(void)*(volatile unsigned char *)&bytes[i * PAGE];
		for (uint64_t i = 0; i < PAGES; i++)
			bytes[i * PAGE + 1] = (unsigned char)round;
		assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), 0);
		for (uint64_t i = 0; i < PAGES; i++)
			assert_int_equal(byte_in_file(file.fd, i * PAGE + 1),
					 (unsigned char)round);
	}
	atomic_store(&others.ending, true);
	pthread_join(zeroing, NULL);
	assert_int_equal(quire_munmap(host(), bytes, SIZE), 0);
	assert_int_equal(quire_object_close(others.zeroed), 0);
}

static void *sync_always(void *argument)
{
	struct others *others = argument;

	while (!atomic_load(&others->ending))
		assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), 0);
	return NULL;
}

/* What is shown to be stored to is dirty: no store is lost to a write-back, nor
 * to an eviction. */
static void test_each_store_gets_home(void **state)
{
	unsigned char *bytes = map_object(quire, object, SIZE, RW);
	struct others others = { .ending = false };
	pthread_t syncing;
	uint64_t last = 0, i;

	(void)state;
	assert_int_equal(pthread_create(&syncing, NULL, sync_always, &others),
			 0);
	for (uint64_t round = 1; round <= 30; round++) {
		for (i = 0; i < PAGES; i++) {
			assert_zero(i * PAGE, PAGE);
			bytes[i * PAGE + 3] = (unsigned char)round;
			assert_int_equal(bytes[i * PAGE + 2], 0);
		}
		for (i = 0; i < PAGES; i++)
			assert_int_equal(bytes[i * PAGE + 3],
					 (unsigned char)round);
		last = round;
	}
	atomic_store(&others.ending, true);
	pthread_join(syncing, NULL);
	assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), 0);
	for (i = 0; i < PAGES; i++)
		assert_int_equal(byte_in_file(file.fd, i * PAGE + 3), last);
	assert_int_equal(quire_munmap(host(), bytes, SIZE), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define SCARCELY(name) \
	cmocka_unit_test_setup_teardown(name, set_up_scarce, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_list),
		TEST(test_parts_of_pages),
		TEST(test_within_a_page),
		TEST(test_what_is_in_memory),
		TEST(test_the_end),
		SCARCELY(test_more_than_the_budget),
		TEST(test_a_mapping_for_loads),
		TEST(test_several_mappings),
		TEST(test_a_private_mapping),
		TEST(test_a_guard),
		TEST(test_refused),
		TEST(test_what_is_zeros),
		TEST(test_what_cannot_be_read),
		TEST(test_many_pages_are_not_read),
		TEST(test_in_anothers_place),
		SCARCELY(test_each_store_gets_home),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
