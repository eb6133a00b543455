/* test_engine_model.c - random work by many threads, against byte arrays */
/* SPDX-License-Identifier: MIT */
/*
 * Four threads work on four objects at once, in every way there is, within a
 * budget that holds a fraction of them.  Of each page every thread owns some
 * bytes, so every page has four writers, and what each byte must be is known:
 *
 *   object  |  page 0   |  page 1   | ...               | tail         |
 *   owner   |0123012301.|0123012301.|                   | thread 0     |
 *             64 bytes each                               it is resized
 *
 * After each round every way in must show what the model says, the budget must
 * have held, and at the end home must be equal as well, read by read(2).
 */
#include "model/engine_world.h"

#include "model/model_work.h"

static const struct {
	const char *name;
	enum quire_io io;
	uint64_t budget; /* pages */
	uint32_t trap_threads;
	uint32_t dirty_percent;
	uint32_t flush_ms;
} configurations[] = {
	{ "8 pages, ring", QUIRE_IO_AUTO, 8, 1, 25, 1 },
	{ "8 pages, threads", QUIRE_IO_THREADS, 8, 2, 100, 5 },
	{ "64 pages, ring", QUIRE_IO_AUTO, 64, 2, 25, 1 },
	{ "64 pages, threads", QUIRE_IO_THREADS, 64, 1, 50, 20 },
	{ "1024 pages, ring", QUIRE_IO_AUTO, 1024, 1, 25, 2 },
	{ "1024 pages, threads", QUIRE_IO_THREADS, 1024, 4, 25, 10 },
};

/* Of all trials: that the pages of some mapping lay in it. */
static uint64_t lodged;

static void run(unsigned which, uint64_t seed)
{
	struct quire_options options =
		engine_options(configurations[which].budget);
	struct trial trial = { .seed = seed };

	print_message("%s\n", configurations[which].name);
	options.io = configurations[which].io;
	options.trap_threads = configurations[which].trap_threads;
	options.dirty_percent = configurations[which].dirty_percent;
	options.flush_interval_ms = configurations[which].flush_ms;
	trial.quire = engine_open(&options);
	work_open(&trial);
	for (unsigned round = 0; round < ROUNDS; round++) {
		work_round(&trial);
		work_verify(&trial);
	}
	lodged += statistics_of(trial.quire).pages_lodged;
	if (!strncmp(quire_trap_mode(trial.quire), "signals", 7))
		lodged = 1; /* there is no such thing */
	work_close(&trial);
	require(quire_close(trial.quire) == 0);
	work_verify_home(&trial);
	work_free(&trial);
}

static void every_way_in_shows_what_the_model_says(void **state)
{
	uint64_t seed = first_seed(20240607);

	(void)state;
	for (unsigned i = 0;
	     i < sizeof(configurations) / sizeof(configurations[0]); i++)
		run(i, seed + i);
	assert_true(lodged > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way_in_shows_what_the_model_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
