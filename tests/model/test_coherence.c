/* test_coherence.c - one cache, however one comes in */
/* SPDX-License-Identifier: MIT */
/*
 * In each round every thread stores to its own bytes by one way in, all meet,
 * and every thread looks at all bytes by every way in; then all meet again.
 * The budget is a quarter of the object, so pages come and go all the time.
 *
 *   shared  poke  pinned  copied          shared peek pinned copied private
 *       \    |      |     /       meet       \     |    |      |     /
 *       the pages of one object     =     the same bytes everywhere
 */
#include "model/engine_world.h"

#define THREADS 4u
#define PAGES 24u
#define BUDGET 6u
#define STEP ((size_t)512) /* one byte of each thread in each */

#if defined(__SANITIZE_THREAD__)
#define ROUNDS 6u
#else
#define ROUNDS 24u
#endif

static struct faulty_object here;
static unsigned char *shared;
static unsigned char *private;
static pthread_barrier_t meeting;

/* What thread's byte of a step is after round. */
static unsigned char stamp(unsigned round, unsigned thread, size_t step)
{
	return (unsigned char)(1 + (round * 31 + thread * 7 + step * 3) % 251);
}

static size_t place_of(unsigned thread, size_t step)
{
	return step * STEP + thread * 8;
}

#define STEPS (PAGES * PAGE / STEP)

static void store_pinned(size_t at, unsigned char byte)
{
	struct quire_pin pin;

	require(quire_object_pin(here.handle, at, 1, PROT_READ | PROT_WRITE,
				 &pin) == 0);
	*(unsigned char *)pin.address = byte;
	quire_object_unpin(&pin);
}

static void store_by(unsigned way, size_t at, unsigned char byte)
{
	switch (way % 4) {
	case 0:
		shared[at] = byte;
		break;
	case 1:
		require(store(here.quire, shared + at, byte) == 0);
		break;
	case 2:
		store_pinned(at, byte);
		break;
	default:
		require(quire_object_pwrite(here.handle, &byte, 1, at) == 1);
	}
}

static unsigned char load_pinned(size_t at)
{
	struct quire_pin pin;
	unsigned char byte;

	require(quire_object_pin(here.handle, at, 1, PROT_READ, &pin) == 0);
	byte = *(unsigned char *)pin.address;
	quire_object_unpin(&pin);
	return byte;
}

static unsigned char load_by(unsigned way, size_t at)
{
	unsigned char byte = 0;

	switch (way % 5) {
	case 0:
		return shared[at];
	case 1:
		require(load(here.quire, shared + at, &byte) == 0);
		return byte;
	case 2:
		return load_pinned(at);
	case 3:
		require(quire_object_pread(here.handle, &byte, 1, at) == 1);
		return byte;
	default:
		return private[at]; /* not stored to: it follows */
	}
}

struct thread {
	unsigned id;
	pthread_t thread;
};

static void look(unsigned id, unsigned round)
{
	for (size_t step = 0; step < STEPS; step++)
		for (unsigned other = 0; other < THREADS; other++)
			require(load_by(id + (unsigned)step + other + round,
					place_of(other, step)) ==
				stamp(round, other, step));
}

static void *thread_main(void *argument)
{
	const struct thread *thread = argument;

	for (unsigned round = 1; round <= ROUNDS; round++) {
		for (size_t step = 0; step < STEPS; step++)
			store_by(thread->id + round, place_of(thread->id, step),
				 stamp(round, thread->id, step));
		pthread_barrier_wait(&meeting);
		look(thread->id, round);
		pthread_barrier_wait(&meeting);
	}
	return NULL;
}

static int open_here(void **state)
{
	struct quire_options options = engine_options(BUDGET);
	struct quire_object_options object = object_options();

	(void)state;
	options.flush_interval_ms = 1;
	options.dirty_percent = 50;
	here = faulty_object_open(engine_open(&options), PAGES * PAGE, &object);
	shared = map_shared(&here);
	private = map_object(here.quire, here.handle, PAGES * PAGE,
			     PROT_READ | PROT_WRITE, MAP_PRIVATE);
	return 0;
}

static int close_here(void **state)
{
	(void)state;
	unmap(here.quire, shared, PAGES * PAGE);
	unmap(here.quire, private, PAGES * PAGE);
	assert_int_equal(quire_object_close(here.handle), 0);
	assert_int_equal(quire_close(here.quire), 0);
	return 0;
}

static void every_way_in_sees_every_other(void **state)
{
	struct thread thread[THREADS];
	struct quire_statistics now;

	(void)state;
	assert_int_equal(pthread_barrier_init(&meeting, NULL, THREADS), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		thread[i].id = i;
		thread[i].thread = thread_of(thread_main, &thread[i]);
	}
	for (unsigned i = 0; i < THREADS; i++)
		join(thread[i].thread);
	pthread_barrier_destroy(&meeting);
	now = statistics_of(here.quire);
	assert_true(now.evictions > PAGES); /* it was not all in memory */
	assert_true(now.resident_peak <= now.budget);
	assert_int_equal(quire_object_sync(here.handle, 0, 0, MS_SYNC), 0);
	for (size_t step = 0; step < STEPS; step++)
		assert_int_equal(home_at(&here, place_of(1, step)),
				 stamp(ROUNDS, 1, step));
}

/* Pages leave memory; the program's own copies of them do not. */
static void evict_all(void)
{
	unsigned char byte;

	for (unsigned i = 0; i < PAGES; i++)
		assert_int_equal(
			quire_object_pread(here.handle, &byte, 1, i * PAGE), 1);
	assert_int_equal(quire_object_sync(here.handle, 0, 0,
					   MS_SYNC | MS_INVALIDATE),
			 0);
}

static void private_page_follows_until_it_is_stored_to(void **state)
{
	(void)state;
	assert_int_equal(private[0], home_byte(0));
	shared[0] = 200;
	assert_int_equal(private[0], 200);
	private[1] = 201; /* the copy is made now */
	shared[0] = 202;
	shared[1] = 203;
	assert_int_equal(private[0], 200);
	assert_int_equal(private[1], 201);
	evict_all();
	assert_int_equal(private[0], 200);
	assert_int_equal(private[1], 201);
	assert_int_equal(shared[0], 202);
	assert_int_equal(home_at(&here, 1), 203);
	/* The neighbour is not stored to. */
	shared[PAGE] = 204;
	assert_int_equal(private[PAGE], 204);
}

/* A store is the first thing that happens to the private page. */
static void private_store_takes_the_newest_bytes_along(void **state)
{
	(void)state;
	shared[2 * PAGE] = 210;
	evict_all();
	shared[2 * PAGE + 1] = 211;
	private[2 * PAGE + 2] = 212;
	assert_int_equal(private[2 * PAGE], 210);
	assert_int_equal(private[2 * PAGE + 1], 211);
	assert_int_equal(shared[2 * PAGE + 2], home_byte(2 * PAGE + 2));
	evict_all();
	assert_int_equal(home_at(&here, 2 * PAGE + 2), home_byte(2 * PAGE + 2));
	assert_int_equal(private[2 * PAGE + 2], 212);
}

static void many_private_copies_are_outside_the_budget(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PAGES; i++)
	private[i * PAGE] = (unsigned char)(100 + i);
	for (unsigned i = 0; i < PAGES; i++) {
		assert_int_equal(private[i * PAGE], 100 + i);
		assert_int_equal(shared[i * PAGE], home_byte(i * PAGE));
	}
	assert_true(statistics_of(here.quire).resident_peak <= BUDGET * PAGE);
	assert_int_equal(statistics_of(here.quire).dirty, 0);
}

static void two_mappings_of_one_page_are_one(void **state)
{
	unsigned char *again = map_shared(&here);

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		unsigned char *one = i % 2 ? shared : again;
		unsigned char *two = i % 2 ? again : shared;
		size_t at = i % PAGES * PAGE + i;

		one[at] = (unsigned char)i;
		if (i % 3 == 0)
			assert_int_equal(quire_object_sync(here.handle, 0, 0,
							   MS_SYNC),
					 0);
		assert_int_equal(two[at], (unsigned char)i);
		two[at]++;
		assert_int_equal(one[at], (unsigned char)(i + 1));
	}
	unmap(here.quire, again, PAGES * PAGE);
}

#define plain(test) cmocka_unit_test_setup_teardown(test, open_here, close_here)

int main(void)
{
	const struct CMUnitTest tests[] = {
		plain(every_way_in_sees_every_other),
		plain(private_page_follows_until_it_is_stored_to),
		plain(private_store_takes_the_newest_bytes_along),
		plain(many_private_copies_are_outside_the_budget),
		plain(two_mappings_of_one_page_are_one),
	};

	alarm(200);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
