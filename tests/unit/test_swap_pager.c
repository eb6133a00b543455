/* test_swap_pager.c - pager/swap_pager.c: what was never written is zeros */
/* SPDX-License-Identifier: MIT */
#include "unit/object_world.h"
#include "unit/refuse_maps.h"

#define PAGES UINT64_C(16)

static struct staging_pool pool;
static struct store *home, *faulty;
static struct pager *pager;
static struct staging *staging;
static unsigned char *bytes;

struct transfer {
	struct pager_io io;
	_Atomic bool done;
	int error;
};

static int open_bench(void **state)
{
	(void)state;
	staging_pool_init(&pool, false);
	home = new_memory_store(PAGES * PAGE_SIZE);
	assert_int_equal(faulty_store_create(NULL, home, NULL, &faulty), 0);
	assert_int_equal(swap_pager_create(faulty, PAGES, &pager), 0);
	staging = staging_take(&pool, PAGES);
	assert_non_null(staging);
	bytes = staging->bytes;
	memset(bytes, 0xee, PAGES * PAGE_SIZE);
	return 0;
}

static int close_bench(void **state)
{
	(void)state;
	staging_drop(&pool, staging);
	pager_destroy(pager);
	staging_pool_finish(&pool);
	return 0;
}

static void complete(struct pager_io *io, int error)
{
	struct transfer *transfer = container_of(io, struct transfer, io);

	transfer->error = error;
	atomic_store(&transfer->done, true);
}

static int run(enum pager_operation operation, uint64_t index, uint64_t length)
{
	struct transfer transfer = {
		.io = { .operation = operation,
			.index = index,
			.length = length,
			.staging = staging,
			.complete = complete },
	};

	pager_submit(pager, &transfer.io);
	while (!atomic_load(&transfer.done))
		sched_yield();
	return transfer.error;
}

static void set(const char *script)
{
	assert_int_equal(faulty_store_script(faulty, script), 0);
}

/* Pages from index on, each filled with its letter; '.': zeros. */
static void write_letters(uint64_t index, const char *letters)
{
	size_t count = strlen(letters);

	for (size_t i = 0; i < count; i++)
		memset(bytes + i * PAGE_SIZE, letters[i], PAGE_SIZE);
	assert_int_equal(run(PAGER_WRITE, index, count * PAGE_SIZE), 0);
}

static void assert_reads(uint64_t index, const char *letters)
{
	size_t count = strlen(letters);

	memset(bytes, 0xee, PAGES * PAGE_SIZE);
	assert_int_equal(run(PAGER_READ, index, count * PAGE_SIZE), 0);
	for (size_t i = 0; i < count * PAGE_SIZE; i++) {
		char letter = letters[i / PAGE_SIZE];

		assert_int_equal(bytes[i], letter == '.' ? 0 : letter);
	}
}

/* The store is not asked: it would refuse. */
static void test_never_written_is_zeros_without_the_store(void **state)
{
	(void)state;
	set("any do fail EIO");
	assert_reads(0, "................");
	assert_int_equal(run(PAGER_FLUSH, 0, 0), 0);
}

static void test_runs_of_both_kinds(void **state)
{
	(void)state;
	write_letters(3, "abc");
	write_letters(8, "h");
	/* What stands in the store elsewhere is nobody's. */
	memset(bytes, 'x', PAGE_SIZE);
	assert_int_equal(write_at(home, bytes, PAGE_SIZE, 6 * PAGE_SIZE),
			 PAGE_SIZE);
	assert_reads(0, "...abc..h.......");
	assert_reads(4, "bc..h");
	assert_reads(3, "abc");
	/* Only from the first written page to the last. */
	set("read 0-12288 do fail EIO; read 36864-65536 do fail EIO");
	assert_reads(0, "...abc..h.......");
}

static void test_a_partial_last_page(void **state)
{
	(void)state;
	memset(bytes, 'q', 2 * PAGE_SIZE);
	assert_int_equal(run(PAGER_WRITE, 0, PAGE_SIZE + 10), 0);
	memset(bytes, 0xee, PAGES * PAGE_SIZE);
	assert_int_equal(run(PAGER_READ, 0, PAGE_SIZE + 10), 0);
	for (size_t i = 0; i < 2 * PAGE_SIZE; i++)
		assert_int_equal(bytes[i], i < PAGE_SIZE + 10 ? 'q' : 0);
}

/* As a swap file that is as long as what was written of it. */
static void test_a_store_shorter_than_the_object(void **state)
{
	(void)state;
	write_letters(0, "ab");
	assert_int_equal(store_resize(home, PAGE_SIZE + 100), 0);
	memset(bytes, 0xee, PAGES * PAGE_SIZE);
	assert_int_equal(run(PAGER_READ, 0, 4 * PAGE_SIZE), 0);
	for (size_t i = 0; i < 4 * PAGE_SIZE; i++)
		assert_int_equal(bytes[i], i < PAGE_SIZE         ? 'a'
					   : i < PAGE_SIZE + 100 ? 'b'
								 : 0);
	/* A page that was written, and is gone. */
	assert_int_equal(store_resize(home, PAGE_SIZE), 0);
	assert_int_equal(run(PAGER_READ, 0, 4 * PAGE_SIZE), -ENODATA);
	assert_reads(0, "a");
}

static void test_discard(void **state)
{
	(void)state;
	write_letters(2, "abcdef");
	assert_int_equal(pager_discard(pager, 3, 2), 0);
	assert_reads(2, "a..def");
	/* The room is given back as well. */
	assert_int_equal(read_at(home, bytes, 1, 3 * PAGE_SIZE), 1);
	assert_int_equal(bytes[0], 0);
	assert_int_equal(pager_discard(pager, 0, UINT64_MAX), 0);
	assert_reads(0, "................");
	assert_int_equal(pager_discard(pager, PAGES + 5, 1), 0);
	write_letters(3, "z");
	assert_reads(2, ".z.");
}

/* The bits alone say what is zeros. */
static void test_discard_of_a_store_that_cannot(void **state)
{
	(void)state;
	write_letters(0, "ab");
	home->writable = false; /* refuses all from now on */
	assert_int_equal(pager_discard(pager, 0, 1), 0);
	home->writable = true;
	assert_int_equal(read_at(home, bytes, 1, 0), 1);
	assert_int_equal(bytes[0], 'a');
	assert_reads(0, ".b");
	assert_true(pager->forgets);
}

static void test_errors_of_the_store(void **state)
{
	(void)state;
	set("write do fail ENOSPC");
	assert_int_equal(run(PAGER_WRITE, 0, PAGE_SIZE), -ENOSPC);
	/* Not written, so zeros. */
	assert_reads(0, ".");
	set(NULL);
	write_letters(0, "ab");
	set("read do fail EIO");
	assert_int_equal(run(PAGER_READ, 0, 2 * PAGE_SIZE), -EIO);
	assert_reads(2, "..");
}

static void test_resize(void **state)
{
	(void)state;
	write_letters(0, "abcd");
	assert_int_equal(pager_resize(pager, 2 * PAGE_SIZE + 5), 0);
	assert_int_equal(size_of_store(home), 2 * PAGE_SIZE + 5);
	assert_int_equal(pager_resize(pager, 8 * PAGE_SIZE), 0);
	memset(bytes, 0xee, PAGES * PAGE_SIZE);
	assert_int_equal(run(PAGER_READ, 2, 2 * PAGE_SIZE), 0);
	for (size_t i = 0; i < 2 * PAGE_SIZE; i++)
		assert_int_equal(bytes[i], i < 5 ? 'c' : 0);
	assert_int_equal(pager_resize(pager, PAGES * PAGE_SIZE + 1), -EFBIG);
	/* Refused by the store: nothing is forgotten. */
	home->writable = false;
	assert_int_equal(pager_resize(pager, 0), -EACCES);
	home->writable = true;
	assert_reads(0, "ab");
	assert_int_equal(pager_allocate(pager, 0, 8 * PAGE_SIZE), 0);
}

/* More than one hold of the lock forgets at a time. */
static void test_a_long_discard(void **state)
{
	struct store *store = new_memory_store(0);
	struct pager *large;
	uint64_t count = 9000;

	(void)state;
	assert_int_equal(swap_pager_create(store, 1u << 30, &large), 0);
	assert_int_equal(pager_resize(large, count * PAGE_SIZE), 0);
	pager_destroy(pager);
	pager = large;
	memset(bytes, 'x', PAGES * PAGE_SIZE);
	for (uint64_t i = 0; i < count; i += 10)
		assert_int_equal(run(PAGER_WRITE, i, 10 * PAGE_SIZE), 0);
	assert_int_equal(pager_discard(large, 1, count - 2), 0);
	assert_reads(0, "x.");
	assert_reads(count - 2, ".x");
	assert_reads(4095, "...");
}

static void test_no_memory(void **state)
{
	struct store *store = new_memory_store(0);
	struct pager *none;

	(void)state;
	maps_allowed = 0;
	assert_int_equal(swap_pager_create(store, 1000, &none), -ENOMEM);
	assert_int_equal(swap_pager_create(store, BITMAP_MOST + 1, &none),
			 -EFBIG);
	maps_allowed = -1;
	/* The store was not taken over. */
	store_destroy(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define WITH_BENCH(test) \
	cmocka_unit_test_setup_teardown(test, open_bench, close_bench)
		WITH_BENCH(test_never_written_is_zeros_without_the_store),
		WITH_BENCH(test_runs_of_both_kinds),
		WITH_BENCH(test_a_partial_last_page),
		WITH_BENCH(test_a_store_shorter_than_the_object),
		WITH_BENCH(test_discard),
		WITH_BENCH(test_discard_of_a_store_that_cannot),
		WITH_BENCH(test_errors_of_the_store),
		WITH_BENCH(test_resize),
		WITH_BENCH(test_a_long_discard),
		WITH_BENCH(test_no_memory),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
