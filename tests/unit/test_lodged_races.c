/* test_lodged_races.c - pages that lodge, while others come, go and look */
/* SPDX-License-Identifier: MIT */
#include "unit/lodged_world.h"

static void test_readers_while_pages_leave(void **state)
{
	struct reader readers[4];

	(void)state;
	start_readers(readers, 4, bytes, SIZE, 5000);
	end_readers(readers, 4);
	assert_int_not_equal(statistics_of(quire).evictions, 0);
	assert_true(statistics_of(quire).resident_peak <= FEW * PAGE);
}

/* Others copy, pin and store meanwhile: each brings pages home. */
static void test_readers_while_others_want_it(void **state)
{
	struct quire_object *writable = open_for_writing();
	struct reader readers[3];
	struct quire_pin pin;
	unsigned char copy[PAGE], *other;

	(void)state;
	start_readers(readers, 3, bytes, SIZE, 5000);
	for (size_t i = 0; i < 2000; i++) {
		size_t page = i * 29 % PAGES;

		assert_int_equal(quire_object_pread(object, copy, PAGE,
						    page * PAGE),
				 PAGE);
		assert_same(copy, page, 1);
		page = i * 31 % PAGES;
		assert_int_equal(quire_object_pin(object, page * PAGE, PAGE,
						  PROT_READ, &pin),
				 0);
		assert_same(pin.address, page, 1);
		quire_object_unpin(&pin);
		assert_int_equal(quire_object_pwrite(writable, copy + 7, 1,
						     i * 29 % PAGES * PAGE + 7),
				 1);
		if (i % 50)
			continue;
		other = map_object(quire, object, SIZE, PROT_READ);
		assert_same(other, 0, PAGES);
		assert_int_equal(quire_munmap(host, other, SIZE), 0);
	}
	end_readers(readers, 3);
	assert_int_equal(quire_object_close(writable), 0);
}

/*
 * Pages leave mappings that come and go, and what takes their place at once is
 * a stranger's.
 */
static void test_what_comes_after_is_not_dropped(void **state)
{
	struct reader readers[2];

	(void)state;
	start_readers(readers, 2, bytes, SIZE, 5000);
	for (unsigned round = 0; round < 100; round++) {
		struct quire_object *mine =
			open_object(quire, file.path, O_RDONLY);
		unsigned char *own = map_object(quire, mine, SIZE, PROT_READ);

		for (size_t i = 0; i < PAGES; i += 3)
			assert_int_equal(load(own + i * PAGE + 7),
					 byte_at(i * PAGE + 7));
		if (round % 2)
			assert_int_equal(quire_object_close(mine), 0);
		assert_int_equal(quire_munmap(host, own, SIZE), 0);
		assert_true(be_a_stranger(own, SIZE));
		if (round % 2 == 0)
			assert_int_equal(quire_object_close(mine), 0);
	}
	end_readers(readers, 2);
}

/* Another file, mapped once, comes and goes while its pages leave. */
static void test_a_lone_mapping_comes_and_goes(void **state)
{
	struct test_file second;
	struct reader readers[2];

	(void)state;
	make_file(&second, SIZE);
	start_readers(readers, 2, bytes, SIZE, 5000);
	for (unsigned round = 0; round < 100; round++) {
		struct quire_object *mine =
			open_object(quire, second.path, O_RDONLY);
		unsigned char *own = map_object(quire, mine, SIZE, PROT_READ);
		size_t part = (round % 4 + 1) * SIZE / 4;

		assert_same(own, 0, PAGES);
		if (part < SIZE)
			assert_int_equal(
				quire_munmap(host, own + part, SIZE - part), 0);
		assert_same(own, 0, part / PAGE);
		assert_int_equal(quire_munmap(host, own, part), 0);
		assert_true(be_a_stranger(own, SIZE));
		assert_int_equal(quire_object_close(mine), 0);
	}
	end_readers(readers, 2);
	end_file(&second);
}

static void look_around(struct quire_object *mine, uint64_t *seed)
{
	unsigned char *own =
		quire_mmap(host, NULL, SIZE, PROT_READ, MAP_SHARED, mine, 0);
	bool whole = next_random(seed) % 2;

	need(own != MAP_FAILED);
	if (next_random(seed) % 2)
		need(quire_madvise(host, own, SIZE, MADV_RANDOM) == 0);
	for (unsigned i = 0; i < 20; i++) {
		size_t at = next_random(seed) % SIZE;

		need(load(own + at) == byte_at(at));
	}
	if (!whole)
		need(quire_munmap(host, own + SIZE / 2, SIZE / 2) == 0);
	for (size_t at = 5; at < SIZE / 2; at += 3 * PAGE)
		need(load(own + at) == byte_at(at));
	need(quire_munmap(host, own, whole ? SIZE : SIZE / 2) == 0);
	be_a_stranger(own, SIZE);
}

static void *look_around_main(void *argument)
{
	uint64_t seed = (uint64_t)(uintptr_t)argument;

	for (unsigned i = 0; i < 300; i++)
		look_around(object, &seed);
	return NULL;
}

/* Some of the pages are in the memfd, and some leave from between them. */
static void *copy_main(void *argument)
{
	uint64_t seed = (uint64_t)(uintptr_t)argument;
	unsigned char copy[2 * PAGE];

	while (!atomic_load(&stop)) {
		size_t page = next_random(&seed) % (PAGES - 1);

		need(quire_object_pread(object, copy, sizeof(copy),
					page * PAGE) == sizeof(copy));
		need(copy[7] == byte_at(page * PAGE + 7));
		need(copy[PAGE + 7] == byte_at((page + 1) * PAGE + 7));
		need(quire_object_sync(object, page * PAGE, PAGE,
				       MS_INVALIDATE) == 0);
	}
	return NULL;
}

static void test_many_mappings_at_once(void **state)
{
	pthread_t looker[3], copier;

	(void)state;
	atomic_store(&stop, false);
	copier = start_thread(copy_main, (void *)7);
	for (uintptr_t i = 0; i < 3; i++)
		looker[i] = start_thread(look_around_main, (void *)(i + 1));
	for (unsigned i = 0; i < 3; i++)
		pthread_join(looker[i], NULL);
	atomic_store(&stop, true);
	pthread_join(copier, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		narrow(test_readers_while_pages_leave),
		narrow(test_readers_while_others_want_it),
		narrow(test_what_comes_after_is_not_dropped),
		narrow(test_a_lone_mapping_comes_and_goes),
		ample(test_many_mappings_at_once),
		narrow(test_many_mappings_at_once),
	};

	alarm(300); /* a thread that sleeps for ever fails the test */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
