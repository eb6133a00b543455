/* test_whole_calls.c - a file is written anew without being read */
/* SPDX-License-Identifier: MIT */
/* Four times as much as fits into the budget. */
#include "unit/engine_tools.h"

#define PAGES 1024
#define SIZE (PAGES * PAGE - 1000)
#define BUDGET (256 * PAGE)

static struct quire *quire;
static struct test_file file;
static struct quire_object *object;
static unsigned char *bytes; /* what the file is to become */

static int set_up(void **state)
{
	(void)state;
	make_file(&file, SIZE);
	bytes = malloc(SIZE);
	assert_non_null(bytes);
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (unsigned char)(i / PAGE * 5 + i % 241 + 3);
	quire = new_engine(BUDGET);
	object = open_object(quire, file.path, O_RDWR);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), 0);
	end_file(&file);
	free(bytes);
	return 0;
}

static void write_bytes(size_t offset, size_t length)
{
	if (length > SIZE - offset)
		length = SIZE - offset;
	assert_int_equal(quire_object_pwrite(object, bytes + offset, length,
					     offset),
			 length);
}

/* In the file, and in the object. */
static void assert_written(void)
{
	unsigned char *there = malloc(SIZE);

	assert_non_null(there);
	assert_int_equal(quire_object_sync(object, 0, SIZE, MS_SYNC), 0);
	assert_int_equal(pread(file.fd, there, SIZE, 0), SIZE);
	assert_memory_equal(there, bytes, SIZE);
	memset(there, 0, SIZE);
	assert_int_equal(quire_object_pread(object, there, SIZE, 0), SIZE);
	assert_memory_equal(there, bytes, SIZE);
	free(there);
}

static void assert_nothing_read(void)
{
	assert_int_equal(statistics_of(quire).pages_read, 0);
}

static void test_in_order(void **state)
{
	(void)state;
	for (size_t at = 0; at < SIZE; at += 64 * PAGE)
		write_bytes(at, 64 * PAGE);
	assert_nothing_read();
	assert_written();
}

static void test_in_any_order(void **state)
{
	uint64_t seed = first_seed(8);

	(void)state;
	for (size_t i = 0; i < PAGES; i++)
		write_bytes((next_random(&seed) % PAGES) * PAGE, PAGE);
	for (size_t i = 0; i < PAGES; i++)
		write_bytes(i * 77 % PAGES * PAGE, PAGE);
	assert_nothing_read();
	assert_written();
}

/* Where it is mapped for reading, however that shows it. */
static void test_beside_a_mapping(void **state)
{
	unsigned char *mapped = map_object(quire, object, SIZE, PROT_READ);
	struct quire_object *reader = open_object(quire, file.path, O_RDONLY);
	unsigned char *read = map_object(quire, reader, SIZE, PROT_READ);
	uint64_t seed = first_seed(9);

	(void)state;
	for (size_t i = 0; i < 2 * PAGES; i++) {
		size_t index = next_random(&seed) % PAGES;

		write_bytes(index * PAGE, PAGE);
		assert_int_equal(mapped[index * PAGE + 9],
				 bytes[index * PAGE + 9]);
		assert_int_equal(read[index * PAGE + 9],
				 bytes[index * PAGE + 9]);
		(void)*(volatile unsigned char
				*)&read[index * 77 % PAGES * PAGE];
	}
	write_bytes(0, SIZE);
	assert_memory_equal(mapped, bytes, SIZE);
	assert_memory_equal(read, bytes, SIZE);
	assert_int_equal(quire_munmap(quire_host_space(quire), mapped, SIZE),
			 0);
	assert_int_equal(quire_munmap(quire_host_space(quire), read, SIZE), 0);
	assert_int_equal(quire_object_close(reader), 0);
	assert_written();
}

/* Of what was there before the end, the page in which that lies. */
static void test_appended(void **state)
{
	struct quire_object_options options = { .size = sizeof(options),
						.capacity = 4 * SIZE };
	struct quire_object *longer;
	uint64_t offset;

	(void)state;
	assert_int_equal(quire_object_close(object), 0);
	assert_return_code(ftruncate(file.fd, 100), errno);
	assert_return_code(pwrite(file.fd, bytes, 100, 0), errno);
	assert_int_equal(quire_object_open(quire, file.path, O_RDWR, &options,
					   &longer),
			 0);
	object = longer;
	for (size_t at = 100; at < SIZE; at += offset) {
		offset = 50 * PAGE + 7;
		if (offset > SIZE - at)
			offset = SIZE - at;
		assert_int_equal(quire_object_append(object, bytes + at, offset,
						     0, NULL),
				 0);
	}
	assert_true(statistics_of(quire).pages_read <= SIZE / (50 * PAGE) + 1);
	assert_written();
}

static void test_for_reading_only(void **state)
{
	struct quire_object *reader = open_object(quire, file.path, O_RDONLY);

	(void)state;
	assert_true(quire_object_pwrite(reader, bytes, PAGE, 0) < 0);
	assert_int_equal(byte_of(reader, 9), byte_at(9));
	assert_int_equal(quire_object_close(reader), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_in_order),         TEST(test_in_any_order),
		TEST(test_beside_a_mapping), TEST(test_appended),
		TEST(test_for_reading_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
