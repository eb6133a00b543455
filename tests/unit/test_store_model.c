/* test_store_model.c - store/store.h: every store against a model */
/* SPDX-License-Identifier: MIT */
#include "unit/store_kinds.h"

/*
 * Odd places and lengths, aligned ones between them: what took the one path
 * of a file must be seen by the other.
 */
static void transfers_agree_with_a_model(void **state)
{
	const size_t length = 64 * 1024;
	struct store *store = new_store(length);
	unsigned char *model = new_buffer(length);
	unsigned char *bytes = new_buffer(length);
	uint64_t seed = first_seed(42);

	(void)state;
	for (unsigned i = 0; i < 600; i++) {
		uint64_t offset = next_random(&seed) % length;
		uint64_t count = next_random(&seed) % (length - offset) + 1;

		if (next_random(&seed) % 2) {
			offset &= ~PAGE_MASK;
			count = (count & ~PAGE_MASK) + PAGE_SIZE;
			if (count > length - offset)
				count = length - offset;
		}
		if (next_random(&seed) % 2) {
			fill_random(bytes, count, i + 1);
			memcpy(model + offset, bytes, count);
			assert_int_equal(write_at(store, bytes, count, offset),
					 count);
		} else {
			assert_int_equal(read_at(store, bytes, count, offset),
					 count);
			assert_memory_equal(bytes, model + offset, count);
		}
	}
	free(model);
	free(bytes);
	store_destroy(store);
}

/* ---- many at once ---- */

#define THREADS 4
#define FLIGHTS 32
#define FLIGHT_BYTES 6000

struct flight {
	struct store_io io;
	struct crew *crew;
	int64_t result;
	atomic_uint ends;
};

struct crew {
	pthread_t thread;
	struct store *store;
	unsigned char *bytes;
	uint64_t offset;
	struct lock lock;
	struct condition landed;
	unsigned in_flight; /* [lock] */
	struct flight flights[FLIGHTS];
};

static void land(struct store_io *io, int64_t result)
{
	struct flight *flight = container_of(io, struct flight, io);
	struct crew *crew = flight->crew;

	atomic_fetch_add(&flight->ends, 1);
	flight->result = result;
	lock_take(&crew->lock);
	crew->in_flight--;
	condition_wake_all(&crew->landed);
	lock_drop(&crew->lock);
}

static void fly(struct crew *crew, enum store_operation operation)
{
	crew->in_flight = FLIGHTS;
	for (unsigned i = 0; i < FLIGHTS; i++) {
		struct flight *flight = &crew->flights[i];

		flight->crew = crew;
		flight->io.operation = operation;
		flight->io.offset = crew->offset + (uint64_t)i * FLIGHT_BYTES;
		flight->io.iov[0].iov_base = crew->bytes + i * FLIGHT_BYTES;
		flight->io.iov[0].iov_len = FLIGHT_BYTES;
		flight->io.iov_count = 1;
		flight->io.complete = land;
		store_submit(crew->store, &flight->io);
	}
	lock_take(&crew->lock);
	while (crew->in_flight > 0)
		condition_wait(&crew->landed, &crew->lock);
	lock_drop(&crew->lock);
}

/* No asserts here: cmocka's are for the thread that runs the test. */
static void *crew_main(void *argument)
{
	struct crew *crew = argument;
	size_t length = FLIGHTS * FLIGHT_BYTES;

	fill_random(crew->bytes, length, crew->offset + 1);
	fly(crew, STORE_WRITE);
	memset(crew->bytes, 0, length);
	fly(crew, STORE_READ);
	return NULL;
}

static void check_crew(const struct crew *crew)
{
	size_t length = FLIGHTS * FLIGHT_BYTES;
	unsigned char *expected = new_buffer(length);

	fill_random(expected, length, crew->offset + 1);
	assert_memory_equal(expected, crew->bytes, length);
	free(expected);
	for (unsigned i = 0; i < FLIGHTS; i++) {
		assert_int_equal(crew->flights[i].result, FLIGHT_BYTES);
		assert_int_equal(atomic_load(&crew->flights[i].ends), 2);
	}
}

static void many_transfers_of_many_threads(void **state)
{
	static struct crew crews[THREADS];
	const size_t length = FLIGHTS * FLIGHT_BYTES;
	struct store *store = new_store(THREADS * length);

	(void)state;
	memset(crews, 0, sizeof(crews));
	for (unsigned i = 0; i < THREADS; i++) {
		lock_init(&crews[i].lock, LOCK_RANK_STORE);
		condition_init(&crews[i].landed);
		crews[i].store = store;
		crews[i].offset = i * length;
		crews[i].bytes = new_buffer(length);
		assert_int_equal(pthread_create(&crews[i].thread, NULL,
						crew_main, &crews[i]),
				 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(crews[i].thread, NULL);
	for (unsigned i = 0; i < THREADS; i++) {
		check_crew(&crews[i]);
		free(crews[i].bytes);
		condition_finish(&crews[i].landed);
		lock_finish(&crews[i].lock);
	}
	store_destroy(store);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(transfers_agree_with_a_model),
	cmocka_unit_test(many_transfers_of_many_threads),
};

static int run_group(void)
{
	return cmocka_run_group_tests_name(kind->name, tests, NULL, NULL);
}

int main(void)
{
	return run_kinds(run_group);
}
