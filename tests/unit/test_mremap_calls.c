/* test_mremap_calls.c - quire_mremap: bytes stay with what they were stored to */
/* SPDX-License-Identifier: MIT */
/*
 * Each test runs on the host's space, where the kernel moves and private memory
 * stands on objects, and on one of the software MMU.
 */
#include "unit/engine_tools.h"

#include <pthread.h>
#include <stdatomic.h>

#define RW (PROT_READ | PROT_WRITE)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#define MOVE MREMAP_MAYMOVE
#define TO (MREMAP_MAYMOVE | MREMAP_FIXED)
#define LEAVE (MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)

static struct quire *quire;
static struct quire_space *space;
static struct test_file file;
static struct quire_object *object;

static int set_up(void **state)
{
	(void)state;
	quire = new_engine(64 * PAGE);
	space = quire_host_space(quire);
	make_file(&file, 16 * PAGE);
	object = open_object(quire, file.path, O_RDWR);
	return 0;
}

static int set_up_soft(void **state)
{
	set_up(state);
	assert_int_equal(quire_space_create(quire, NULL, &space), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (space != quire_host_space(quire))
		quire_space_close(space);
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), 0);
	end_file(&file);
	return 0;
}

/* ---- steps ---- */

static char *map(size_t pages, int flags)
{
	void *address = quire_mmap(space, NULL, pages * PAGE, RW, flags,
				   flags & MAP_ANONYMOUS ? NULL : object, 0);

	if (address == MAP_FAILED)
		fail_msg("%s", quire_strerror_last());
	return address;
}

/* A range of addresses that nothing is mapped in. */
static char *free_range(size_t pages)
{
	char *address = map(pages, ANONYMOUS);

	assert_int_equal(quire_munmap(space, address, pages * PAGE), 0);
	return address;
}

static char *remap(char *from, size_t old, size_t new, int flags, char *to)
{
	void *address =
		quire_mremap(space, from, old * PAGE, new *PAGE, flags, to);

	if (address == MAP_FAILED)
		fail_msg("%s", quire_strerror_last());
	return address;
}

static unsigned char load(const char *address)
{
	unsigned char byte = 0;

	if (quire_peek(space, address, &byte, 1))
		fail_msg("%s", quire_strerror_last());
	return byte;
}

static void store(char *address, int value)
{
	unsigned char byte = (unsigned char)value;

	if (quire_poke(space, address, &byte, 1))
		fail_msg("%s", quire_strerror_last());
}

/* One byte a page: value, value + 1, ... */
static void store_pages(char *address, size_t pages, int value)
{
	for (size_t i = 0; i < pages; i++)
		store(address + i * PAGE, value + (int)i);
}

static void assert_pages(const char *address, size_t pages, int value)
{
	for (size_t i = 0; i < pages; i++)
		assert_int_equal(load(address + i * PAGE), value + (int)i);
}

static void assert_zeros(const char *address, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		assert_int_equal(load(address + i * PAGE), 0);
}

static void assert_gone(const char *address)
{
	unsigned char byte;

	assert_int_equal(quire_peek(space, address, &byte, 1), -EFAULT);
}

/* ---- tests ---- */

static void test_errors(void **state)
{
	char *memory = map(4, ANONYMOUS);

	(void)state;
	assert_ptr_equal(quire_mremap(space, memory + 1, PAGE, PAGE, 0, NULL),
			 MAP_FAILED);
	assert_int_equal(errno, EINVAL);
	assert_true(quire_strerror_last()[0]);
	assert_ptr_equal(quire_mremap(space, memory, 5 * PAGE, 6 * PAGE, MOVE,
				      NULL),
			 MAP_FAILED);
	assert_int_equal(errno, EFAULT);
	assert_ptr_equal(quire_mremap(space, memory, 0, PAGE, MOVE, NULL),
			 MAP_FAILED);
	assert_int_equal(errno, EINVAL);
	assert_ptr_equal(quire_mremap(space, memory, 2 * PAGE, 3 * PAGE, 0,
				      NULL),
			 MAP_FAILED);
	assert_int_equal(errno, ENOMEM);
	assert_ptr_equal(quire_mremap(space, memory, 4 * PAGE, (size_t)1 << 46,
				      MOVE, NULL),
			 MAP_FAILED);
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(quire_munmap(space, memory, 4 * PAGE), 0);
}

/* Up and down in place, and what comes back is zeros. */
static void test_in_place(void **state)
{
	char *memory = map(8, ANONYMOUS);

	(void)state;
	store_pages(memory, 8, 10);
	assert_ptr_equal(remap(memory, 8, 3, 0, NULL), memory);
	assert_gone(memory + 3 * PAGE);
	assert_ptr_equal(remap(memory, 3, 6, 0, NULL), memory);
	assert_pages(memory, 3, 10);
	assert_zeros(memory + 3 * PAGE, 3);
	store_pages(memory + 3 * PAGE, 3, 20);
	assert_pages(memory, 3, 10);
	assert_int_equal(quire_munmap(space, memory, 6 * PAGE), 0);
}

static void test_moves(void **state)
{
	char *to = free_range(8);
	char *memory = map(4, ANONYMOUS);
	char *other;

	(void)state;
	store_pages(memory, 4, 10);
	to = remap(memory, 4, 4, TO, to - 64 * PAGE);
	assert_gone(memory);
	assert_pages(to, 4, 10);
	/* what comes to the old place has pages of its own */
	other = quire_mmap(space, memory, 4 * PAGE, RW, ANONYMOUS | MAP_FIXED,
			   NULL, 0);
	assert_ptr_equal(other, memory);
	assert_zeros(memory, 4);
	store_pages(memory, 4, 50);
	assert_pages(to, 4, 10);
	assert_int_equal(quire_munmap(space, to, 4 * PAGE), 0);
	assert_pages(memory, 4, 50);
	assert_int_equal(quire_munmap(space, memory, 4 * PAGE), 0);
}

/* As realloc() does, with a neighbour that is always in the way. */
static void test_grows_and_grows(void **state)
{
	char *memory = map(1, ANONYMOUS);

	(void)state;
	store(memory, 10);
	for (size_t pages = 1; pages < 24; pages++) {
		char *guard = quire_mmap(space, memory + pages * PAGE, PAGE,
					 PROT_NONE,
					 ANONYMOUS | MAP_FIXED_NOREPLACE, NULL,
					 0);

		memory = remap(memory, pages, pages + 1, MOVE, NULL);
		if (guard != MAP_FAILED)
			quire_munmap(space, guard, PAGE);
		assert_zeros(memory + pages * PAGE, 1);
		store(memory + pages * PAGE, 10 + (int)pages);
		assert_pages(memory, pages + 1, 10);
	}
	/* and back to a part of it */
	memory = remap(memory, 24, 5, 0, NULL);
	assert_pages(memory, 5, 10);
	assert_gone(memory + 5 * PAGE);
	assert_int_equal(quire_munmap(space, memory, 5 * PAGE), 0);
}

static void test_leaves(void **state)
{
	char *to = free_range(8) - 64 * PAGE;
	char *memory = map(6, ANONYMOUS);

	(void)state;
	store_pages(memory, 6, 10);
	assert_ptr_equal(remap(memory + PAGE, 4, 4, LEAVE, to), to);
	assert_pages(to, 4, 11);
	assert_zeros(memory + PAGE, 4);
	assert_int_equal(load(memory), 10);
	assert_int_equal(load(memory + 5 * PAGE), 15);
	store_pages(memory + PAGE, 4, 40);
	assert_pages(to, 4, 11);
	/* over what was left */
	assert_ptr_equal(remap(to, 4, 4, TO, memory + PAGE), memory + PAGE);
	assert_pages(memory, 6, 10);
	assert_int_equal(quire_munmap(space, memory, 6 * PAGE), 0);
}

static void test_shared_file(void **state)
{
	char *memory = map(8, MAP_SHARED);
	char *to = free_range(16) - 64 * PAGE;
	char *twin;

	(void)state;
	store(memory + 2 * PAGE, 99);
	assert_ptr_equal(remap(memory + 2 * PAGE, 2, 4, TO, to), to);
	assert_int_equal(load(to), 99);
	assert_int_equal(load(to + 3 * PAGE), byte_at(5 * PAGE));
	assert_gone(memory + 3 * PAGE);
	assert_int_equal(load(memory + 4 * PAGE), byte_at(4 * PAGE));
	/* two show the same bytes */
	twin = remap(to, 0, 4, MOVE, NULL);
	store(twin + PAGE, 77);
	assert_int_equal(load(to + PAGE), 77);
	assert_int_equal(byte_of(object, 3 * PAGE), 77);
	/* the write-back finds both: a store after it is seen by the next */
	assert_int_equal(quire_msync(space, twin, 4 * PAGE, MS_SYNC), 0);
	store(to + PAGE, 78);
	assert_int_equal(quire_msync(space, twin, 4 * PAGE, MS_SYNC), 0);
	assert_int_equal(byte_in_file(file.fd, 3 * PAGE), 78);
	assert_int_equal(quire_munmap(space, twin, 4 * PAGE), 0);
	assert_int_equal(quire_munmap(space, to, 4 * PAGE), 0);
	assert_int_equal(quire_munmap(space, memory, 8 * PAGE), 0);
}

/* Copies go along, and what was not stored to is still the file's. */
static void test_private_file(void **state)
{
	char *memory = map(4, MAP_PRIVATE);
	char *to = free_range(8) - 64 * PAGE;

	(void)state;
	store(memory + PAGE, 99);
	assert_int_equal(load(memory + 2 * PAGE), byte_at(2 * PAGE));
	assert_ptr_equal(remap(memory, 4, 6, TO, to), to);
	assert_gone(memory);
	assert_int_equal(load(to), byte_at(0));
	assert_int_equal(load(to + PAGE), 99);
	assert_int_equal(load(to + 2 * PAGE), byte_at(2 * PAGE));
	assert_int_equal(load(to + 5 * PAGE), byte_at(5 * PAGE));
	store(to + 5 * PAGE, 98);
	assert_int_equal(byte_of(object, PAGE), byte_at(PAGE));
	assert_int_equal(byte_of(object, 5 * PAGE), byte_at(5 * PAGE));
	/* what stays is the file's again */
	memory = to - 64 * PAGE;
	assert_ptr_equal(remap(to, 6, 6, LEAVE, memory), memory);
	assert_int_equal(load(to + PAGE), byte_at(PAGE));
	assert_int_equal(load(memory + PAGE), 99);
	assert_int_equal(quire_munmap(space, to, 6 * PAGE), 0);
	assert_int_equal(quire_munmap(space, memory, 6 * PAGE), 0);
}

/* On the host: what the kernel has in several parts is one mapping here. */
static char *map_split(void)
{
	char *memory = map(8, MAP_PRIVATE);

	assert_int_equal(
		quire_mprotect(space, memory + 3 * PAGE, PAGE, PROT_READ), 0);
	store(memory + 2 * PAGE, 99);
	store(memory + 5 * PAGE, 98);
	assert_int_equal(quire_mprotect(space, memory + 3 * PAGE, PAGE, RW), 0);
	return memory;
}

static void assert_split(const char *memory, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		assert_int_equal(load(memory + i * PAGE),
				 i == 2   ? 99
				 : i == 5 ? 98
					  : byte_at(i * PAGE));
}

static void test_split_private_file(void **state)
{
	char *to = free_range(16) - 64 * PAGE;
	char *memory = map_split(), *other;

	(void)state;
	assert_ptr_equal(remap(memory, 8, 8, TO, to), to);
	assert_gone(memory);
	assert_split(to, 8);
	assert_ptr_equal(remap(to, 8, 12, TO, memory - 128 * PAGE),
			 memory - 128 * PAGE);
	memory -= 128 * PAGE;
	assert_split(memory, 12);
	store(memory + 11 * PAGE, 97);
	/* and shorter */
	assert_ptr_equal(remap(memory, 12, 7, TO, to), to);
	assert_gone(memory + 8 * PAGE);
	assert_gone(to + 7 * PAGE);
	assert_split(to, 7);
	/* what stays is the file's again */
	other = remap(to, 7, 7, LEAVE, memory);
	assert_split(other, 7);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(load(to + i * PAGE), byte_at(i * PAGE));
	assert_int_equal(quire_munmap(space, to, 7 * PAGE), 0);
	assert_int_equal(quire_munmap(space, other, 7 * PAGE), 0);
}

/* Where the space would go if nobody were there. */
static void stranger_in_the_way(int flags)
{
	char *above = map(1, ANONYMOUS); /* no growth in place */
	char *place, *memory = map(4, flags), *stranger;

	store(memory + 2 * PAGE, 99);
	place = remap(memory, 4, 8, MOVE, NULL);
	assert_int_equal(quire_munmap(space, place, 8 * PAGE), 0);
	memory = quire_mmap(space, memory, 4 * PAGE, RW, flags | MAP_FIXED,
			    object, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	store(memory + 2 * PAGE, 99);
	stranger = mmap(place + PAGE, PAGE, RW, ANONYMOUS | MAP_FIXED_NOREPLACE,
			-1, 0);
	assert_ptr_equal(stranger, place + PAGE);
	stranger[0] = 42;
	place = remap(memory, 4, 8, MOVE, NULL);
	assert_true(stranger < place || stranger >= place + 8 * PAGE);
	assert_int_equal(stranger[0], 42);
	assert_int_equal(load(place + 2 * PAGE), 99);
	assert_int_equal(load(place + 7 * PAGE), byte_at(7 * PAGE));
	assert_gone(memory);
	assert_int_equal(quire_munmap(space, place, 8 * PAGE), 0);
	assert_int_equal(munmap(stranger, PAGE), 0);
	assert_int_equal(quire_munmap(space, above, PAGE), 0);
}

static void test_stranger_in_the_way(void **state)
{
	(void)state;
	stranger_in_the_way(MAP_PRIVATE);
	stranger_in_the_way(MAP_SHARED);
}

/* More than the budget goes along: what had left memory comes back. */
static void test_more_than_the_budget(void **state)
{
	char *memory = map(100, ANONYMOUS);
	char *to = free_range(100) - 256 * PAGE;

	(void)state;
	store_pages(memory, 100, 1);
	assert_ptr_equal(remap(memory, 100, 100, TO, to), to);
	assert_pages(to, 100, 1);
	to = remap(to, 100, 120, MOVE, NULL);
	assert_pages(to, 100, 1);
	assert_zeros(to + 100 * PAGE, 20);
	assert_int_equal(quire_munmap(space, to, 120 * PAGE), 0);
}

/* ---- somebody stores all the time ---- */

#define STORED_PAGES 100 /* more than the budget has */

struct storer {
	pthread_t thread;
	char *places[2]; /* where the memory is, by turns */
	atomic_bool stop;
	unsigned char last[STORED_PAGES]; /* that was stored */
};

/* Where it is not at the moment, nothing can be stored. */
static void *keep_storing(void *argument)
{
	struct storer *storer = argument;
	uint64_t seed = 1;

	while (!atomic_load(&storer->stop)) {
		size_t page = next_random(&seed) % STORED_PAGES;
		char *place = storer->places[next_random(&seed) % 2];
		unsigned char byte = (unsigned char)next_random(&seed);
		int error = quire_poke(space, place + page * PAGE, &byte, 1);

		if (!error)
			storer->last[page] = byte;
		else if (error != -EFAULT)
			return storer;
	}
	return NULL;
}

static void move_and_store(char *memory, char *other)
{
	struct storer storer = { .places = { memory, other } };
	void *failed;

	for (size_t i = 0; i < STORED_PAGES; i++)
		storer.last[i] = load(memory + i * PAGE);
	assert_int_equal(
		pthread_create(&storer.thread, NULL, keep_storing, &storer), 0);
	for (unsigned i = 0; i < 100; i++)
		remap(storer.places[i % 2], STORED_PAGES, STORED_PAGES, TO,
		      storer.places[(i + 1) % 2]);
	atomic_store(&storer.stop, true);
	assert_int_equal(pthread_join(storer.thread, &failed), 0);
	assert_null(failed);
	for (size_t i = 0; i < STORED_PAGES; i++)
		assert_int_equal(load(memory + i * PAGE), storer.last[i]);
	assert_int_equal(quire_munmap(space, memory, STORED_PAGES * PAGE), 0);
}

static void test_no_store_is_lost(void **state)
{
	char *memory = map(STORED_PAGES, ANONYMOUS);

	(void)state;
	move_and_store(memory, memory - 256 * PAGE);
	assert_int_equal(quire_object_resize(object, STORED_PAGES * PAGE), 0);
	memory = map(STORED_PAGES, MAP_SHARED);
	move_and_store(memory, memory - 256 * PAGE);
	memory = map(STORED_PAGES, MAP_PRIVATE);
	move_and_store(memory, memory - 256 * PAGE);
}

#define TEST_BOTH(test)                                           \
	{ #test, test, set_up, tear_down, NULL },                 \
	{                                                         \
#test "_soft", test, set_up_soft, tear_down, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_BOTH(test_errors),
		TEST_BOTH(test_in_place),
		TEST_BOTH(test_moves),
		TEST_BOTH(test_grows_and_grows),
		TEST_BOTH(test_leaves),
		TEST_BOTH(test_shared_file),
		TEST_BOTH(test_private_file),
		{ "test_split_private_file", test_split_private_file, set_up,
		  tear_down, NULL },
		{ "test_stranger_in_the_way", test_stranger_in_the_way, set_up,
		  tear_down, NULL },
		TEST_BOTH(test_more_than_the_budget),
		TEST_BOTH(test_no_store_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
