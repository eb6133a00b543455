/* test_direct_pager.c - pager/pager.h: page i is bytes from i * 4096 on */
/* SPDX-License-Identifier: MIT */
#include "unit/object_world.h"

#define SIZE (3 * PAGE_SIZE + 100)

static struct staging_pool pool;

struct bench {
	struct store *home;
	struct store *faulty;
	struct pager *pager;
	struct staging *staging;
	unsigned char *bytes;
};

struct transfer {
	struct pager_io io;
	_Atomic bool done;
	int error;
};

static int open_bench(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	staging_pool_init(&pool, false);
	bench->home = new_home(SIZE);
	assert_int_equal(faulty_store_create(NULL, bench->home, NULL,
					     &bench->faulty),
			 0);
	assert_int_equal(direct_pager_create(bench->faulty, &bench->pager), 0);
	bench->staging = staging_take(&pool, 8);
	assert_non_null(bench->staging);
	bench->bytes = bench->staging->bytes;
	memset(bench->bytes, 0xee, bench->staging->pages << PAGE_SHIFT);
	*state = bench;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *bench = *state;

	staging_drop(&pool, bench->staging);
	pager_destroy(bench->pager);
	staging_pool_finish(&pool);
	free(bench);
	return 0;
}

static void complete(struct pager_io *io, int error)
{
	struct transfer *transfer = container_of(io, struct transfer, io);

	transfer->error = error;
	atomic_store(&transfer->done, true);
}

static int run(struct bench *bench, enum pager_operation operation,
	       uint64_t index, uint64_t length)
{
	struct transfer transfer = {
		.io = { .operation = operation,
			.index = index,
			.length = length,
			.staging = bench->staging,
			.complete = complete },
	};

	pager_submit(bench->pager, &transfer.io);
	while (!atomic_load(&transfer.done))
		sched_yield();
	return transfer.error;
}

static void set(struct bench *bench, const char *script)
{
	assert_int_equal(faulty_store_script(bench->faulty, script), 0);
}

static void assert_bytes(struct bench *bench, uint64_t offset, uint64_t length)
{
	for (uint64_t i = 0; i < length; i++)
		assert_int_equal(bench->bytes[i], byte_at(offset + i));
}

static void assert_filled(struct bench *bench, uint64_t from, uint64_t to,
			  unsigned char byte)
{
	for (uint64_t i = from; i < to; i++)
		assert_int_equal(bench->bytes[i], byte);
}

static void test_read(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(run(bench, PAGER_READ, 1, 2 * PAGE_SIZE), 0);
	assert_bytes(bench, PAGE_SIZE, 2 * PAGE_SIZE);
	assert_filled(bench, 2 * PAGE_SIZE, 3 * PAGE_SIZE, 0xee);
}

/* Invariant 5: zeros past the end. */
static void test_the_tail_is_zeros(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(run(bench, PAGER_READ, 2, PAGE_SIZE + 100), 0);
	assert_bytes(bench, 2 * PAGE_SIZE, PAGE_SIZE + 100);
	assert_filled(bench, PAGE_SIZE + 100, 2 * PAGE_SIZE, 0);
	assert_filled(bench, 2 * PAGE_SIZE, 3 * PAGE_SIZE, 0xee);
}

/* The store goes on where the object ends: that is nobody's to see. */
static void test_the_store_is_longer(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(run(bench, PAGER_READ, 0, 10), 0);
	assert_bytes(bench, 0, 10);
	assert_filled(bench, 10, PAGE_SIZE, 0);
}

static void test_the_store_is_shorter(void **state)
{
	struct bench *bench = *state;

	/* Cut inside a page: zeros from there, as the kernel would show it. */
	assert_int_equal(store_resize(bench->home, PAGE_SIZE + 5), 0);
	assert_int_equal(run(bench, PAGER_READ, 0, 2 * PAGE_SIZE), 0);
	assert_bytes(bench, 0, PAGE_SIZE + 5);
	assert_filled(bench, PAGE_SIZE + 5, 2 * PAGE_SIZE, 0);
	/* A whole page is missing. */
	assert_int_equal(run(bench, PAGER_READ, 1, 2 * PAGE_SIZE), -ENODATA);
	assert_int_equal(run(bench, PAGER_READ, 2, 1), -ENODATA);
	assert_int_equal(store_resize(bench->home, PAGE_SIZE), 0);
	assert_int_equal(run(bench, PAGER_READ, 0, PAGE_SIZE), 0);
	assert_int_equal(run(bench, PAGER_READ, 1, 1), -ENODATA);
	assert_int_equal(store_resize(bench->home, 0), 0);
	assert_int_equal(run(bench, PAGER_READ, 0, 1), -ENODATA);
}

static void test_write(void **state)
{
	struct bench *bench = *state;
	unsigned char byte;

	assert_int_equal(run(bench, PAGER_WRITE, 1, PAGE_SIZE + 7), 0);
	for (uint64_t i = 0; i < SIZE; i++) {
		bool written = i >= PAGE_SIZE && i < 2 * PAGE_SIZE + 7;

		assert_int_equal(read_at(bench->home, &byte, 1, i), 1);
		assert_int_equal(byte, written ? 0xee : byte_at(i));
	}
	/* Exactly to the end: the store does not grow. */
	assert_int_equal(run(bench, PAGER_WRITE, 3, 100), 0);
	assert_int_equal(size_of_store(bench->home), SIZE);
}

static void test_errors_are_handed_on(void **state)
{
	struct bench *bench = *state;

	set(bench, "read do fail EIO; write do fail ENOSPC;"
		   "flush do fail EDQUOT");
	assert_int_equal(run(bench, PAGER_READ, 0, PAGE_SIZE), -EIO);
	assert_int_equal(run(bench, PAGER_WRITE, 0, PAGE_SIZE), -ENOSPC);
	assert_int_equal(run(bench, PAGER_FLUSH, 0, 0), -EDQUOT);
	assert_int_equal(pager_flush(bench->pager), -EDQUOT);
}

static void test_short_transfers_are_carried_on(void **state)
{
	struct bench *bench = *state;

	set(bench, "read times 2 do short 1000; write times 2 do short 512");
	assert_int_equal(run(bench, PAGER_READ, 0, PAGE_SIZE), 0);
	assert_bytes(bench, 0, PAGE_SIZE);
	bench->bytes[PAGE_SIZE - 1] = 0x77;
	assert_int_equal(run(bench, PAGER_WRITE, 2, PAGE_SIZE), 0);
	assert_int_equal(
		read_at(bench->home, bench->bytes, 1, 3 * PAGE_SIZE - 1), 1);
	assert_int_equal(bench->bytes[0], 0x77);
}

static void *flush_it(void *argument)
{
	struct bench *bench = argument;

	return (void *)(intptr_t)pager_flush(bench->pager);
}

/* pager_flush() waits for the store's answer, which comes by a thread. */
static void test_flush_waits(void **state)
{
	struct bench *bench = *state;
	pthread_t thread;
	void *result;

	set(bench, "flush do hold");
	thread = start_thread(flush_it, bench);
	while (faulty_store_held(bench->faulty) == 0)
		sched_yield();
	assert_int_equal(faulty_store_release(bench->faulty), 1);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_null(result);
}

static void test_resize_and_allocate(void **state)
{
	struct bench *bench = *state;

	assert_true(bench->pager->writable);
	assert_int_equal(pager_resize(bench->pager, 10), 0);
	assert_int_equal(size_of_store(bench->home), 10);
	assert_int_equal(pager_allocate(bench->pager, 0, PAGE_SIZE), 0);
	assert_int_equal(size_of_store(bench->home), PAGE_SIZE);
	assert_int_equal(pager_allocate(bench->pager, 0, 0), -EINVAL);
	pager_destroy(NULL);
}

/* A child does not inherit the buffers, and may start no thread. */
static struct bench *bench_in_child(void)
{
	static struct bench bench;

	staging_pool_init(&pool, false);
	direct_pager_create(new_memory_store(SIZE), &bench.pager);
	bench.staging = staging_take(&pool, 8);
	return &bench;
}

static void write_read_only(void *argument)
{
	struct bench *bench = bench_in_child();

	(void)argument;
	bench->pager->writable = false;
	run(bench, PAGER_WRITE, 0, 1);
}

#ifdef QUIRE_DEBUG
static void read_too_much(void *argument)
{
	struct bench *bench = bench_in_child();

	(void)argument;
	run(bench, PAGER_READ, 0, (bench->staging->pages << PAGE_SHIFT) + 1);
}
#endif

static void test_checks(void **state)
{
	(void)state;
	assert_check_fails(write_read_only, NULL, "read-only");
#ifdef QUIRE_DEBUG
	assert_check_fails(read_too_much, NULL, "fits");
#endif
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_read),
		TEST(test_the_tail_is_zeros),
		TEST(test_the_store_is_longer),
		TEST(test_the_store_is_shorter),
		TEST(test_write),
		TEST(test_errors_are_handed_on),
		TEST(test_short_transfers_are_carried_on),
		TEST(test_flush_waits),
		TEST(test_resize_and_allocate),
		TEST(test_checks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
