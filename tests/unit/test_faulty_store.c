/* test_faulty_store.c - the faulty store of store/store.h */
/* SPDX-License-Identifier: MIT */
#include "unit/store_tools.h"

#include <stdatomic.h>

#define LENGTH (4 * PAGE_SIZE)

static struct store_context with_workers;

/* A faulty store over LENGTH bytes of memory, and a model of the bytes. */
struct bench {
	struct store *store;
	unsigned char *bytes; /* a buffer */
	unsigned char *model;
};

static int open_bench(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	struct store *inner = new_memory_store(LENGTH);

	assert_non_null(bench);
	bench->bytes = new_buffer(LENGTH);
	bench->model = new_buffer(LENGTH);
	fill_random(bench->model, LENGTH, 77);
	assert_int_equal(write_at(inner, bench->model, LENGTH, 0), LENGTH);
	assert_int_equal(faulty_store_create(&with_workers, inner, NULL,
					     &bench->store),
			 0);
	*state = bench;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *bench = *state;

	store_destroy(bench->store);
	free(bench->bytes);
	free(bench->model);
	free(bench);
	return 0;
}

static void set(struct bench *bench, const char *script)
{
	assert_int_equal(faulty_store_script(bench->store, script), 0);
}

static int64_t read_page(struct bench *bench, unsigned page)
{
	return read_at(bench->store, bench->bytes, PAGE_SIZE, page * PAGE_SIZE);
}

static int64_t write_page(struct bench *bench, unsigned page)
{
	return write_at(bench->store, bench->model + page * PAGE_SIZE,
			PAGE_SIZE, page * PAGE_SIZE);
}

/* The whole store, without faults, is as the model. */
static void assert_intact(struct bench *bench)
{
	set(bench, "");
	assert_int_equal(read_at(bench->store, bench->bytes, LENGTH, 0),
			 LENGTH);
	assert_memory_equal(bench->bytes, bench->model, LENGTH);
}

/* One letter for each of count reads of page 0: . is whole, x is -EIO. */
static void assert_reads(struct bench *bench, const char *script,
			 const char *expected)
{
	set(bench, script);
	for (; *expected; expected++)
		assert_int_equal(read_page(bench, 0),
				 *expected == '.' ? (int64_t)PAGE_SIZE : -EIO);
}

static void fail_names_its_error(void **state)
{
	struct bench *bench = *state;

	set(bench, "read do fail EIO; write do fail ENOSPC;"
		   "flush do fail EDQUOT");
	assert_int_equal(read_page(bench, 0), -EIO);
	assert_int_equal(write_page(bench, 0), -ENOSPC);
	assert_int_equal(flush_all(bench->store), -EDQUOT);
	set(bench, "any do fail ETIMEDOUT");
	assert_int_equal(read_page(bench, 0), -ETIMEDOUT);
	assert_int_equal(write_page(bench, 0), -ETIMEDOUT);
	assert_int_equal(flush_all(bench->store), -ETIMEDOUT);
	assert_intact(bench);
}

/* pages 0 1 2 3, the range covers the end of 1 and the start of 2 */
static void ranges_are_half_open(void **state)
{
	struct bench *bench = *state;

	set(bench, "any 8191-8193 do fail EIO");
	assert_int_equal(read_page(bench, 0), PAGE_SIZE);
	assert_int_equal(read_page(bench, 1), -EIO);
	assert_int_equal(write_page(bench, 2), -EIO);
	assert_int_equal(read_page(bench, 3), PAGE_SIZE);
	assert_int_equal(flush_all(bench->store), 0);
	set(bench, "read 4K-8K do fail EIO");
	assert_int_equal(read_page(bench, 0), PAGE_SIZE);
	assert_int_equal(read_page(bench, 1), -EIO);
	assert_int_equal(read_page(bench, 2), PAGE_SIZE);
}

static void conditions_count(void **state)
{
	struct bench *bench = *state;

	assert_reads(bench, "read every 3 do fail EIO", "..x..x..x");
	assert_reads(bench, "read after 2 do fail EIO", "..xxxx");
	assert_reads(bench, "read times 2 do fail EIO", "xx....");
	assert_reads(bench, "read after 1 every 2 times 2 do fail EIO",
		     "..x.x.....");
	assert_reads(bench, "read times 2 after 1 do fail EIO", ".xx...");
	assert_reads(bench, "read after 0 do fail EIO", "xx");
	assert_reads(bench, "write do fail EIO", "..");
	assert_reads(bench, " ;; read\tdo fail EIO ; ", "x");
	/* The second statement counts only what the first lets by. */
	assert_reads(bench, "read every 2 do delay 0; read every 2 do fail EIO",
		     "..x...x");
}

static void the_first_statement_wins(void **state)
{
	struct bench *bench = *state;

	set(bench, "read times 1 do fail ENODATA; read do fail EIO");
	assert_int_equal(read_page(bench, 0), -ENODATA);
	assert_int_equal(read_page(bench, 0), -EIO);
}

static void interruptions_are_tried_again(void **state)
{
	struct bench *bench = *state;

	set(bench, "read times 3 do fail EINTR; write times 3 do fail EAGAIN");
	assert_int_equal(read_page(bench, 1), PAGE_SIZE);
	assert_memory_equal(bench->bytes, bench->model + PAGE_SIZE, PAGE_SIZE);
	assert_int_equal(write_page(bench, 1), PAGE_SIZE);
	set(bench, "read do fail EINTR; any do fail EAGAIN");
	assert_int_equal(read_page(bench, 1), -EINTR);
	assert_int_equal(write_page(bench, 1), -EAGAIN);
	assert_int_equal(flush_all(bench->store), -EAGAIN);
	assert_intact(bench);
}

static void short_transfers_are_carried_on(void **state)
{
	struct bench *bench = *state;

	set(bench, "read do short 1000; write do short 777");
	assert_int_equal(read_at(bench->store, bench->bytes, LENGTH, 0),
			 LENGTH);
	assert_memory_equal(bench->bytes, bench->model, LENGTH);
	fill_random(bench->model, LENGTH, 78);
	assert_int_equal(write_at(bench->store, bench->model, LENGTH, 0),
			 LENGTH);
	assert_intact(bench);
	/* So short that it can be seen: the second step is another one. */
	set(bench, "read times 1 do short 100; read do fail EIO");
	assert_int_equal(read_page(bench, 0), -EIO);
	set(bench, "read times 1 do short 100; read 0-100 do fail EIO");
	assert_int_equal(read_page(bench, 0), PAGE_SIZE);
}

static void no_progress_ends_a_transfer(void **state)
{
	struct bench *bench = *state;

	set(bench, "any times 1 do short 100; any do short 0");
	assert_int_equal(read_page(bench, 0), 100);
	assert_int_equal(write_page(bench, 0), -EIO);
	assert_int_equal(flush_all(bench->store), 0);
	assert_intact(bench);
}

/* Byte by byte, each inside submit: the stack must stay flat. */
static void many_steps_do_not_pile_up(void **state)
{
	const size_t length = 200000;
	unsigned char *bytes = new_buffer(length);
	struct bench *bench = *state;

	assert_int_equal(store_resize(bench->store, length), 0);
	set(bench, "any do short 1");
	assert_int_equal(write_at(bench->store, bytes, length, 0), length);
	assert_int_equal(read_at(bench->store, bytes, length, 0), length);
	free(bytes);
}

static void a_lost_write_says_success(void **state)
{
	unsigned char *other = new_buffer(PAGE_SIZE);
	struct bench *bench = *state;

	set(bench, "write times 1 do lose; flush do lose;"
		   "read 4096-8192 do lose");
	assert_int_equal(write_at(bench->store, other, PAGE_SIZE, 0),
			 PAGE_SIZE);
	assert_int_equal(flush_all(bench->store), 0);
	memset(bench->bytes, 'u', PAGE_SIZE);
	assert_int_equal(read_page(bench, 1), PAGE_SIZE);
	assert_int_equal(bench->bytes[0], 'u');
	assert_intact(bench);
	free(other);
}

/* ---- transfers that end later ---- */

struct late {
	struct store_io io;
	unsigned char *bytes;
	atomic_uint *clock;
	atomic_uint place; /* in the order of ends; 0: not yet */
	int64_t result;
};

static void late_complete(struct store_io *io, int64_t result)
{
	struct late *late = container_of(io, struct late, io);

	late->result = result;
	atomic_store(&late->place, atomic_fetch_add(late->clock, 1) + 1);
}

static void submit_read(struct bench *bench, struct late *late,
			atomic_uint *clock, unsigned page)
{
	memset(late, 0, sizeof(*late));
	late->bytes = new_buffer(PAGE_SIZE);
	late->clock = clock;
	late->io.operation = STORE_READ;
	late->io.offset = page * PAGE_SIZE;
	late->io.iov[0].iov_base = late->bytes;
	late->io.iov[0].iov_len = PAGE_SIZE;
	late->io.iov_count = 1;
	late->io.complete = late_complete;
	store_submit(bench->store, &late->io);
}

static void held_transfers_wait_for_release(void **state)
{
	struct bench *bench = *state;
	atomic_uint clock = 0;
	struct late late[3];

	set(bench, "read 0-8K do hold");
	for (unsigned i = 0; i < 3; i++)
		submit_read(bench, &late[i], &clock, i);
	assert_int_equal(faulty_store_held(bench->store), 2);
	assert_int_equal(late[0].place, 0);
	assert_int_equal(late[2].place, 1);
	set(bench, "read do fail EIO"); /* no longer of interest to these */
	assert_int_equal(faulty_store_release(bench->store), 2);
	assert_int_equal(faulty_store_held(bench->store), 0);
	assert_int_equal(faulty_store_release(bench->store), 0);
	assert_int_equal(late[0].place, 2);
	assert_int_equal(late[1].place, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(late[i].result, PAGE_SIZE);
		assert_memory_equal(late[i].bytes, bench->model + i * PAGE_SIZE,
				    PAGE_SIZE);
		free(late[i].bytes);
	}
}

static void *release(void *argument)
{
	while (faulty_store_held(argument) == 0)
		sched_yield();
	faulty_store_release(argument);
	return NULL;
}

static void a_waiting_caller_is_released(void **state)
{
	struct bench *bench = *state;
	pthread_t thread;

	set(bench, "flush do hold");
	assert_int_equal(pthread_create(&thread, NULL, release, bench->store),
			 0);
	assert_int_equal(flush_all(bench->store), 0);
	pthread_join(thread, NULL);
}

static void delays_end(void **state)
{
	struct bench *bench = *state;
	uint64_t before = clock_now_ns();
	atomic_uint clock = 0;
	struct late late[20];

	set(bench, "read every 3 do delay 5; read every 2 do delay 1;"
		   "read do delay 0");
	for (unsigned i = 0; i < 20; i++)
		submit_read(bench, &late[i], &clock, i % 4);
	while (atomic_load(&clock) < 20)
		sched_yield();
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(late[i].result, PAGE_SIZE);
		assert_memory_equal(late[i].bytes,
				    bench->model + i % 4 * PAGE_SIZE,
				    PAGE_SIZE);
		free(late[i].bytes);
	}
	/* Never early, however slow the machine. */
	assert_true(clock_now_ns() - before >= 5000000);
}

/* ---- scripts ---- */

static void bad_scripts_are_refused(void **state)
{
	static const char *const bad[] = {
		"read",
		"read do",
		"read do explode",
		"read do fail",
		"read do fail EWHATEVER",
		"read do fail EIO again",
		"read do short",
		"read do short many",
		"read do delay",
		"read do delay 3600001",
		"reads do fail EIO",
		"do fail EIO",
		"read 10 do fail EIO",
		"read 10-10 do fail EIO",
		"read 10-5 do fail EIO",
		"read a-b do fail EIO",
		"read 1-2 3-4 do fail EIO",
		"read every do fail EIO",
		"read every 0 do fail EIO",
		"read times 0 do fail EIO",
		"read every 2 every 3 do fail EIO",
		"read after -1 do fail EIO",
		"flush do short 5",
		"flush 0-10 do fail EIO",
		"read every 99999999999999999999999 do fail EIO",
		"read do fail EIO                                            "
		"                                                            "
		"                                                            ",
	};
	struct bench *bench = *state;
	char script[512];

	set(bench, "read do fail ENODATA");
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		error_clear();
		snprintf(script, sizeof(script), "write do lose; %s", bad[i]);
		assert_int_equal(faulty_store_script(bench->store, script),
				 -EINVAL);
		assert_non_null(strstr(error_sentence(), "statement 2"));
	}
	/* The one before is still in force. */
	assert_int_equal(read_page(bench, 0), -ENODATA);
}

static void scripts_have_a_limit(void **state)
{
	static const char statement[] = "write do lose;";
	char script[33 * sizeof(statement)] = "";
	struct bench *bench = *state;

	for (unsigned i = 0; i < 32; i++)
		strcat(script, statement);
	assert_int_equal(faulty_store_script(bench->store, script), 0);
	strcat(script, statement);
	assert_int_equal(faulty_store_script(bench->store, script), -EINVAL);
	assert_non_null(strstr(error_sentence(), "statement 33"));
}

static void a_bad_script_leaves_the_inner_store(void **state)
{
	struct store *inner = new_memory_store(10);
	struct store *store = NULL;

	(void)state;
	assert_int_equal(faulty_store_create(&with_workers, inner, "nonsense",
					     &store),
			 -EINVAL);
	assert_null(store);
	assert_int_equal(size_of_store(inner), 10);
	store_destroy(inner);
}

static void faults_can_be_nested(void **state)
{
	struct bench *bench = *state;
	struct store *outer;

	set(bench, "read every 2 do short 500");
	assert_int_equal(faulty_store_create(&with_workers, bench->store,
					     "read every 2 do short 900;"
					     "read every 4 do delay 1",
					     &outer),
			 0);
	bench->store = outer;
	assert_int_equal(read_at(outer, bench->bytes, LENGTH, 0), LENGTH);
	assert_memory_equal(bench->bytes, bench->model, LENGTH);
}

static void a_destroy_in_flight_is_caught(void *bench)
{
	store_destroy(((struct bench *)bench)->store);
}

static void held_transfers_forbid_the_end(void **state)
{
	struct bench *bench = *state;
	atomic_uint clock = 0;
	struct late late;

	set(bench, "read do hold");
	submit_read(bench, &late, &clock, 0);
	assert_check_fails(a_destroy_in_flight_is_caught, bench,
			   "nothing in flight");
	faulty_store_release(bench->store);
	free(late.bytes);
}

#define test(function) \
	cmocka_unit_test_setup_teardown(function, open_bench, close_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(fail_names_its_error),
		test(ranges_are_half_open),
		test(conditions_count),
		test(the_first_statement_wins),
		test(interruptions_are_tried_again),
		test(short_transfers_are_carried_on),
		test(no_progress_ends_a_transfer),
		test(many_steps_do_not_pile_up),
		test(a_lost_write_says_success),
		test(held_transfers_wait_for_release),
		test(a_waiting_caller_is_released),
		test(delays_end),
		test(bad_scripts_are_refused),
		test(scripts_have_a_limit),
		test(a_bad_script_leaves_the_inner_store),
		test(faults_can_be_nested),
		test(held_transfers_forbid_the_end),
	};
	int failed;

	if (worker_pool_create(2, "test-worker", &with_workers.workers))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	worker_pool_destroy(with_workers.workers);
	return failed;
}
