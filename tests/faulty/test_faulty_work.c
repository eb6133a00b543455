/* test_faulty_work.c - random work over a store that fails, and recovers */
/* SPDX-License-Identifier: MIT */
/*
 * Three threads load, store, read, write and sync; each owns some bytes of
 * each page, as in test_engine_model.  Meanwhile the store fails in one way
 * after the other.  What was refused has not happened; what was not refused
 * is there, and at home once the store is well again.
 */
#include "model/engine_world.h"

#define WORKERS 3u
#define PAGES 40u
#define BUDGET 12u
#define STRIDE ((size_t)64)

#if defined(__SANITIZE_THREAD__)
#define STEPS 40u
#else
#define STEPS 150u
#endif

static const char *const scripts[] = {
	"read every 3 do fail EIO",
	"write every 2 do fail ENOSPC; flush every 2 do fail EIO",
	"any every 4 do fail EAGAIN; any every 3 do short 1024",
	"any every 5 do delay 1; read every 4 do fail ETIMEDOUT",
	"write do fail EIO",
	"any every 2 do fail EIO",
	"read every 2 do short 100; write every 2 do short 100",
	"",
};
#define SCRIPTS (sizeof(scripts) / sizeof(scripts[0]))

struct worker {
	unsigned id;
	uint64_t seed;
	unsigned refused;
};

static struct faulty_object here;
static unsigned char *mapped;
static unsigned char *model;

struct piece {
	uint64_t offset;
	size_t length;
};

static struct piece random_piece(struct worker *worker)
{
	uint64_t group = PAGE / (4 * STRIDE);
	uint64_t page = next_random(&worker->seed) % PAGES;
	uint64_t at = next_random(&worker->seed) % group;
	size_t skip = next_random(&worker->seed) % STRIDE;

	return (struct piece){
		.offset = page * PAGE + (at * 4 + worker->id) * STRIDE + skip,
		.length = 1 + next_random(&worker->seed) % (STRIDE - skip),
	};
}

/* One page's bytes go in as a whole or not at all. */
static void put(struct worker *worker, bool by_address)
{
	struct piece piece = random_piece(worker);
	unsigned char bytes[STRIDE];
	int64_t done;

	memset(bytes, (int)(next_random(&worker->seed) & 0xff), sizeof(bytes));
	if (by_address)
		done = quire_poke(quire_host_space(here.quire),
				  mapped + piece.offset, bytes, piece.length);
	else
		done = quire_object_pwrite(here.handle, bytes, piece.length,
					   piece.offset);
	if (done < 0) {
		worker->refused++;
		return;
	}
	memcpy(model + piece.offset, bytes, piece.length);
}

static void get(struct worker *worker, bool by_address)
{
	struct piece piece = random_piece(worker);
	unsigned char bytes[STRIDE];
	int64_t done;

	if (by_address)
		done = quire_peek(quire_host_space(here.quire),
				  mapped + piece.offset, bytes, piece.length);
	else
		done = quire_object_pread(here.handle, bytes, piece.length,
					  piece.offset);
	if (done < 0) {
		worker->refused++;
		return;
	}
	require(memcmp(bytes, model + piece.offset, piece.length) == 0);
}

static void step(struct worker *worker)
{
	uint64_t which = next_random(&worker->seed) % 9;

	if (which < 2)
		put(worker, true);
	else if (which < 4)
		put(worker, false);
	else if (which < 6)
		get(worker, true);
	else if (which < 8)
		get(worker, false);
	else
		(void)quire_object_sync(here.handle, 0, 0,
					worker->seed & 1 ? MS_SYNC
							 : MS_INVALIDATE);
}

static void *worker_main(void *argument)
{
	for (unsigned i = 0; i < STEPS; i++)
		step(argument);
	return NULL;
}

static void run(struct worker *worker, const char *text)
{
	pthread_t thread[WORKERS];

	script(&here, text);
	for (unsigned i = 0; i < WORKERS; i++)
		thread[i] = thread_of(worker_main, &worker[i]);
	for (unsigned i = 0; i < WORKERS; i++)
		join(thread[i]);
}

static void open_here(uint64_t seed)
{
	struct quire_options options = engine_options(BUDGET);
	struct quire_object_options object = object_options();

	options.full_wait_ms = 10; /* a store that is gone makes all wait */
	options.dirty_percent = 50;
	options.flush_interval_ms = 1;
	options.trap_threads = 1 + seed % 2;
	object.readahead = 4 * QUIRE_PAGE_SIZE;
	here = faulty_object_open(engine_open(&options), PAGES * PAGE, &object);
	mapped = map_shared(&here);
	model = malloc(PAGES * PAGE);
	assert_non_null(model);
	for (size_t i = 0; i < PAGES * PAGE; i++)
		model[i] = home_byte(i);
}

/* The first sync may tell of what failed before. */
static void assert_all_is_home(void)
{
	unsigned char *home = malloc(PAGES * PAGE);
	unsigned char byte;

	assert_non_null(home);
	script(&here, "");
	(void)quire_object_sync(here.handle, 0, 0, MS_SYNC);
	assert_int_equal(quire_object_sync(here.handle, 0, 0, MS_SYNC), 0);
	home_read(&here, home, PAGES * PAGE, 0);
	assert_memory_equal(home, model, PAGES * PAGE);
	for (size_t i = 0; i < PAGES; i++) {
		wait_until(load(here.quire, mapped + i * PAGE, &byte) == 0);
		assert_int_equal(byte, model[i * PAGE]);
	}
	free(home);
}

static void nothing_is_lost_when_the_store_recovers(void **state)
{
	uint64_t seed = first_seed(4711);
	struct worker worker[WORKERS];
	unsigned refused = 0;

	(void)state;
	open_here(seed);
	for (unsigned i = 0; i < WORKERS; i++)
		worker[i] =
			(struct worker){ .id = i, .seed = next_random(&seed) };
	for (unsigned i = 0; i < SCRIPTS; i++)
		run(worker, scripts[i]);
	for (unsigned i = 0; i < WORKERS; i++)
		refused += worker[i].refused;
	assert_true(refused > 0);
	assert_all_is_home();
	assert_true(statistics_of(here.quire).resident_peak <= BUDGET * PAGE);
	unmap(here.quire, mapped, PAGES * PAGE);
	assert_int_equal(quire_object_close(here.handle), 0);
	assert_int_equal(quire_close(here.quire), 0);
	free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_when_the_store_recovers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
