/* test_copy.c - object/copy.c: bytes copied in and out */
/* SPDX-License-Identifier: MIT */
#include "unit/object_world.h"

#include "quire/quire.h"

#include <fcntl.h>
#include <sys/mman.h>

#define PAGES 40
#define SIZE (PAGES * PAGE_SIZE - 100)

static struct object_world *world;
static struct thing thing;

static int open_world(void **state)
{
	(void)state;
	world = world_open(64);
	thing = thing_of(world, SIZE);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	thing_end(&thing);
	world_close(world);
	return 0;
}

static void assert_no_pins(void)
{
	for (uint64_t i = 0; i < PAGES; i++)
		assert_false(
			word_pinned(atomic_load(object_word(thing.object, i))));
}

static void test_copy_out(void **state)
{
	const uint64_t places[][2] = {
		{ 0, 1 },        { 5, 100 },
		{ 4095, 2 },     { 4096, 4096 },
		{ 100, 70000 },  { 0, SIZE },
		{ SIZE - 1, 1 }, { 3 * PAGE_SIZE - 7, 17 * PAGE_SIZE + 14 },
	};
	unsigned char *bytes = new_buffer(SIZE);

	(void)state;
	for (int i = 0; i < 8; i++) {
		memset(bytes, 0xee, SIZE);
		assert_int_equal(object_copy_out(thing.object, bytes,
						 places[i][1], places[i][0]),
				 places[i][1]);
		for (uint64_t k = 0; k < places[i][1]; k++)
			assert_int_equal(bytes[k], byte_at(places[i][0] + k));
		if (places[i][1] < SIZE)
			assert_int_equal(bytes[places[i][1]], 0xee);
	}
	assert_no_pins();
	assert_int_equal(object_dirty_pages(thing.object), 0);
	free(bytes);
}

/* A model of bytes, and random copies in and out. */
static void test_copies_in(void **state)
{
	unsigned char *model = new_buffer(SIZE), *bytes = new_buffer(SIZE);
	uint64_t seed = first_seed(11);

	(void)state;
	for (uint64_t i = 0; i < SIZE; i++)
		model[i] = byte_at(i);
	for (int i = 0; i < 200; i++) {
		uint64_t offset = next_random(&seed) % SIZE;
		uint64_t length =
			next_random(&seed) % (i % 10 ? 5000 : SIZE - offset);

		if (length > SIZE - offset)
			length = SIZE - offset;
		fill_random(model + offset, length, seed);
		assert_int_equal(object_copy_in(thing.object, model + offset,
						length, offset),
				 length);
	}
	assert_int_equal(object_copy_out(thing.object, bytes, SIZE, 0), SIZE);
	assert_memory_equal(bytes, model, SIZE);
	assert_no_pins();
	assert_true(object_dirty_pages(thing.object) > 0);
	free(model);
	free(bytes);
}

static void test_across_the_end(void **state)
{
	unsigned char *bytes = new_buffer(3 * PAGE_SIZE);

	(void)state;
	assert_int_equal(object_copy_out(thing.object, bytes, 500, SIZE - 50),
			 50);
	assert_int_equal(object_copy_in(thing.object, bytes, 2 * PAGE_SIZE,
					SIZE - PAGE_SIZE),
			 PAGE_SIZE);
	assert_int_equal(object_copy_out(thing.object, bytes, 1, SIZE), 0);
	assert_int_equal(object_copy_in(thing.object, bytes, 1, SIZE), 0);
	assert_int_equal(object_copy_out(thing.object, bytes, 9, UINT64_MAX),
			 0);
	assert_int_equal(object_copy_out(thing.object, bytes, 0, 0), 0);
	assert_int_equal(object_size(thing.object), SIZE);
	/* Nothing went into the tail of the last page. */
	assert_int_equal(memory_file_read(object_memory(thing.object), bytes,
					  100, SIZE),
			 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(bytes[i], 0);
	free(bytes);
}

/* A buffer that ends after 16 pages, and its end. */
static unsigned char *new_short_buffer(void)
{
	unsigned char *bytes = mmap(NULL, 17 * PAGE_SIZE,
				    PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(bytes, MAP_FAILED);
	assert_int_equal(mprotect(bytes + 16 * PAGE_SIZE, PAGE_SIZE, PROT_NONE),
			 0);
	return bytes;
}

static void test_a_bad_buffer(void **state)
{
	unsigned char *bytes = new_short_buffer();
	void *bad = bytes + 16 * PAGE_SIZE;

	(void)state;
	assert_int_equal(object_copy_out(thing.object, bad, 10, 0), -EFAULT);
	assert_int_equal(object_copy_in(thing.object, bad, 10, 0), -EFAULT);
	assert_int_equal(object_byte(thing.object, 0), byte_at(0));
	assert_no_pins();
	/* As far as it is good. */
	assert_int_equal(object_copy_out(thing.object, bytes, 17 * PAGE_SIZE,
					 0),
			 16 * PAGE_SIZE);
	assert_no_pins();
	munmap(bytes, 17 * PAGE_SIZE);
}

static void test_a_page_that_cannot_be_read(void **state)
{
	unsigned char *bytes = new_buffer(SIZE);

	(void)state;
	set_script(&thing, "read 80K-84K do fail EIO"); /* page 20 */
	assert_int_equal(object_copy_out(thing.object, bytes, 10, 81 << 10),
			 -EIO);
	assert_int_equal(object_copy_out(thing.object, bytes, SIZE, 0),
			 16 * PAGE_SIZE);
	assert_int_equal(object_copy_in(thing.object, bytes, 10, 81 << 10),
			 -EIO);
	assert_no_pins();
	free(bytes);
}

static void test_a_budget_of_one_page(void **state)
{
	struct object_world *small = world_open(1);
	struct thing other = thing_of(small, 5 * PAGE_SIZE);
	unsigned char *bytes = new_buffer(5 * PAGE_SIZE);

	(void)state;
	assert_int_equal(object_copy_out(other.object, bytes, 5 * PAGE_SIZE, 0),
			 5 * PAGE_SIZE);
	for (uint64_t i = 0; i < 5 * PAGE_SIZE; i++)
		assert_int_equal(bytes[i], byte_at(i));
	assert_int_equal(small->cache.charged_peak, 1);
	free(bytes);
	thing_end(&other);
	world_close(small);
}

/* ---- buffers that may trap ---- */

/* While the buffer may trap, nothing is held. */
static int copy_unpinned(void *context, void *to, const void *from,
			 size_t length, bool to_managed)
{
	(void)context;
	(void)to_managed;
	assert_no_pins();
	atomic_fetch_add(&world->copies, 1);
	memcpy(to, from, length);
	return 0;
}

static void test_a_managed_buffer(void **state)
{
	unsigned char *bytes = new_buffer(SIZE);

	(void)state;
	atomic_store(&world->managed, true);
	world->host.copy = copy_unpinned;
	assert_int_equal(object_copy_out(thing.object, bytes, SIZE - 5, 5),
			 SIZE - 5);
	for (uint64_t i = 5; i < SIZE; i++)
		assert_int_equal(bytes[i - 5], byte_at(i));
	assert_true(atomic_load(&world->copies) > 0);
	fill_random(bytes, SIZE, 5);
	assert_int_equal(object_copy_in(thing.object, bytes, SIZE, 0), SIZE);
	atomic_store(&world->managed, false);
	for (uint64_t i = 0; i < SIZE; i += 777)
		assert_int_equal(object_byte(thing.object, i), bytes[i]);
	free(bytes);
}

static void test_a_managed_buffer_that_fails(void **state)
{
	unsigned char byte = 1;

	(void)state;
	atomic_store(&world->managed, true);
	atomic_store(&world->copy_error, -EFAULT);
	assert_int_equal(object_copy_out(thing.object, &byte, 1, 0), -EFAULT);
	assert_int_equal(object_copy_in(thing.object, &byte, 1, 0), -EFAULT);
	assert_no_pins();
	assert_int_equal(object_dirty_pages(thing.object), 0);
}

/* The first time, the object is cut: its size was looked at already. */
static int cut_and_copy(void *context, void *to, const void *from,
			size_t length, bool to_managed)
{
	(void)context;
	(void)to_managed;
	if (object_size(thing.object) == SIZE)
		assert_int_equal(object_resize(thing.object, 4 * PAGE_SIZE), 0);
	memcpy(to, from, length);
	return 0;
}

static void test_a_cut_meanwhile(void **state)
{
	unsigned char *bytes = new_buffer(SIZE);

	(void)state;
	atomic_store(&world->managed, true);
	world->host.copy = cut_and_copy;
	assert_int_equal(object_copy_in(thing.object, bytes, SIZE, 100),
			 4 * PAGE_SIZE - 100);
	assert_int_equal(object_resize(thing.object, SIZE), 0);
	assert_int_equal(object_copy_in(thing.object, bytes, 10, 50000), 0);
	assert_no_pins();
	free(bytes);
}

/*
 * An object copied into memory where another is mapped, and into itself, with
 * a budget that holds a part of it: each copy traps in the middle.
 */
static void test_mapped_memory_of_an_engine(void **state)
{
	struct quire_options options = { .size = sizeof(options),
					 .budget = 24 * PAGE_SIZE,
					 .flags = QUIRE_NO_REPORT };
	uint64_t length = 64 * PAGE_SIZE;
	unsigned char *model = new_buffer(length), *mapped;
	struct quire_object *from, *to;
	struct quire *quire;

	(void)state;
	fill_random(model, length, 9);
	assert_int_equal(quire_open(&options, &quire), 0);
	assert_int_equal(
		quire_object_open(quire, "mem:256K", O_RDWR, NULL, &from), 0);
	assert_int_equal(
		quire_object_open(quire, "mem:256K", O_RDWR, NULL, &to), 0);
	mapped = quire_mmap(quire_host_space(quire), NULL, length,
			    PROT_READ | PROT_WRITE, MAP_SHARED, to, 0);
	assert_ptr_not_equal(mapped, MAP_FAILED);
	assert_int_equal(quire_object_pwrite(from, model, length, 0), length);
	assert_int_equal(quire_object_pread(from, mapped, length, 0), length);
	assert_memory_equal(mapped, model, length);
	/* Out of mapped memory, and out of its own. */
	assert_int_equal(quire_object_pwrite(to, mapped, length / 2,
					     length / 2),
			 length / 2);
	assert_memory_equal(mapped + length / 2, model, length / 2);
	assert_int_equal(quire_munmap(quire_host_space(quire), mapped, length),
			 0);
	assert_int_equal(quire_object_close(from), 0);
	assert_int_equal(quire_object_close(to), 0);
	assert_int_equal(quire_close(quire), 0);
	free(model);
}

/* ---- all at once ---- */

static void *copy_often(void *argument)
{
	uint64_t seed = (uintptr_t)argument;
	unsigned char bytes[6000];
	intptr_t failed = 0;

	for (int i = 0; i < 300; i++) {
		uint64_t offset = next_random(&seed) % (SIZE - sizeof(bytes));

		if (object_copy_out(thing.object, bytes, sizeof(bytes),
				    offset) != sizeof(bytes))
			failed++;
		for (unsigned k = 0; k < sizeof(bytes); k += 61)
			if (bytes[k] != byte_at(offset + k))
				failed++;
		object_invalidate(thing.object, next_random(&seed) % PAGES, 9);
	}
	return (void *)failed;
}

static void test_threads(void **state)
{
	pthread_t threads[3];

	(void)state;
	for (uintptr_t i = 0; i < 3; i++)
		threads[i] = start_thread(copy_often, (void *)(i + 1));
	for (int i = 0; i < 3; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_no_pins();
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_copy_out),
		TEST(test_copies_in),
		TEST(test_across_the_end),
		TEST(test_a_bad_buffer),
		TEST(test_a_page_that_cannot_be_read),
		TEST(test_a_budget_of_one_page),
		TEST(test_a_managed_buffer),
		TEST(test_a_managed_buffer_that_fails),
		TEST(test_a_cut_meanwhile),
		TEST(test_mapped_memory_of_an_engine),
		TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
