/* test_store.c - store/store.h: what every store must do */
/* SPDX-License-Identifier: MIT */
/*
 * The conformance tests run over each kind of store.  What one kind alone does
 * is tested in test_store_alone.c, test_file_store.c and test_faulty_store.c.
 */
#include "unit/store_kinds.h"

static void round_trip(size_t length)
{
	struct store *store = new_store(length);
	unsigned char *in = new_buffer(length);
	unsigned char *out = new_buffer(length + 2 * PAGE_SIZE);

	fill_random(in, length, length + 1);
	assert_int_equal(write_at(store, in, length, 0), length);
	assert_int_equal(flush_all(store), 0);
	assert_int_equal(read_at(store, out, length + 2 * PAGE_SIZE, 0),
			 length);
	assert_memory_equal(in, out, length);
	assert_int_equal(size_of_store(store), length);
	free(in);
	free(out);
	store_destroy(store);
}

static void all_sizes_go_there_and_back(void **state)
{
	static const size_t sizes[] = { 0,    1,    4095,          4096,
					4097, 5000, (1u << 20) + 3 };

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		round_trip(sizes[i]);
}

/* Cuts bytes into count pieces of different lengths, some of them empty. */
static void cut(struct store_io *io, unsigned char *bytes, size_t length,
		unsigned count)
{
	size_t at = 0;

	io->iov_count = count;
	for (unsigned i = 0; i < count; i++) {
		size_t piece = i % 4 == 3 ? 0 : i * 311 % (length / count);

		if (i == 0 && length > PAGE_SIZE)
			piece = PAGE_SIZE;
		if (i == count - 1)
			piece = length - at;
		io->iov[i].iov_base = bytes + at;
		io->iov[i].iov_len = piece;
		at += piece;
	}
}

static void buffers_scatter_and_gather(void **state)
{
	const size_t length = 40000;
	struct store *store = new_store(length + 4096);
	unsigned char *in = new_buffer(length);
	unsigned char *out = new_buffer(length);
	struct store_io io = { .operation = STORE_WRITE, .offset = 4096 };

	(void)state;
	fill_random(in, length, 5);
	cut(&io, in, length, STORE_IOV_MAX);
	assert_int_equal(store_transfer(store, &io), length);
	io.operation = STORE_READ;
	cut(&io, out, length, 5);
	assert_int_equal(store_transfer(store, &io), length);
	assert_memory_equal(in, out, length);
	free(in);
	free(out);
	store_destroy(store);
}

static void assert_zeros(struct store *store, uint64_t offset, size_t length)
{
	unsigned char *bytes = new_buffer(length);

	memset(bytes, 0xff, length);
	assert_int_equal(read_at(store, bytes, length, offset), length);
	for (size_t i = 0; i < length; i++)
		assert_int_equal(bytes[i], 0);
	free(bytes);
}

/* xxxxxxxx -> xxx -> xxx00000: what was cut off does not come back. */
static void sizes_shrink_and_grow(void **state)
{
	struct store *store = new_store(20000);
	unsigned char *bytes = new_buffer(20000);

	(void)state;
	memset(bytes, 'x', 20000);
	assert_int_equal(write_at(store, bytes, 20000, 0), 20000);
	assert_int_equal(store_resize(store, 5000), 0);
	assert_int_equal(read_at(store, bytes, 20000, 0), 5000);
	assert_int_equal(store_resize(store, 30000), 0);
	assert_zeros(store, 5000, 25000);
	assert_int_equal(store_resize(store, UINT64_MAX), -EFBIG);
	assert_int_equal(size_of_store(store), 30000);
	free(bytes);
	store_destroy(store);
}

static void reads_end_at_the_end(void **state)
{
	struct store *store = new_store(8192 + 100);
	unsigned char *bytes = new_buffer(8 * PAGE_SIZE);

	(void)state;
	assert_int_equal(read_at(store, bytes, 8 * PAGE_SIZE, 4096), 4196);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, 8192), 100);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, 8291), 1);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, 8292), 0);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, 1 << 30), 0);
	assert_int_equal(read_at(store, bytes, 0, 0), 0);
	assert_int_equal(write_at(store, bytes, 0, 0), 0);
	free(bytes);
	store_destroy(store);
}

/* ---- refusals ---- */

static void read_only_is_refused(void **state)
{
	struct store *store = new_store(PAGE_SIZE);
	unsigned char *bytes = new_buffer(PAGE_SIZE);

	(void)state;
	store->writable = false;
	assert_int_equal(write_at(store, bytes, PAGE_SIZE, 0), -EACCES);
	assert_int_equal(store_resize(store, 0), -EACCES);
	assert_int_equal(store_allocate(store, 0, 1), -EACCES);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, 0), PAGE_SIZE);
	assert_int_equal(flush_all(store), 0);
	assert_int_equal(size_of_store(store), PAGE_SIZE);
	free(bytes);
	store_destroy(store);
}

static void keep_result(struct store_io *io, int64_t result)
{
	io->moved = (uint64_t)result;
}

/* The result of a transfer that is refused, so inside submit. */
static int64_t submit_refused(struct store *store, struct store_io *io)
{
	io->complete = keep_result;
	store_submit(store, io);
	return (int64_t)io->moved;
}

static void nonsense_is_refused(void **state)
{
	struct store *store = new_store(PAGE_SIZE);
	unsigned char *bytes = new_buffer(PAGE_SIZE);
	struct store_io io = { .operation = STORE_READ, .iov_count = 17 };

	(void)state;
	assert_int_equal(submit_refused(store, &io), -EINVAL);
	io.iov_count = 1;
	io.operation = STORE_FLUSH;
	assert_int_equal(submit_refused(store, &io), -EINVAL);
	io.operation = (enum store_operation)99;
	assert_int_equal(submit_refused(store, &io), -EINVAL);
	assert_int_equal(read_at(store, bytes, 1, UINT64_MAX), -EINVAL);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, INT64_MAX - 10),
			 -EINVAL);
	assert_int_equal(store_allocate(store, 0, 0), -EINVAL);
	assert_int_equal(store_allocate(store, INT64_MAX, 2), -EFBIG);
	store_destroy(NULL);
	free(bytes);
	store_destroy(store);
}

static void allocate_grows_the_store(void **state)
{
	struct store *store = new_store(1000);

	(void)state;
	if (!kind->allocates) {
		assert_int_equal(store_allocate(store, 0, 9000), -EOPNOTSUPP);
		assert_int_equal(size_of_store(store), 1000);
		store_destroy(store);
		return;
	}
	assert_int_equal(store_allocate(store, 0, 10), 0);
	assert_int_equal(size_of_store(store), 1000);
	assert_int_equal(store_allocate(store, 500, 8500), 0);
	assert_int_equal(size_of_store(store), 9000);
	assert_zeros(store, 0, 9000);
	store_destroy(store);
}

/* [5000, 14000) of 20000 bytes, and past the end. */
static void discarded_bytes_are_zeros(void **state)
{
	struct store *store = new_store(20000);
	unsigned char *bytes = new_buffer(20000);

	(void)state;
	memset(bytes, 7, 20000);
	assert_int_equal(write_at(store, bytes, 20000, 0), 20000);
	if (!kind->allocates) {
		assert_int_equal(store_discard(store, 0, 4096), -EOPNOTSUPP);
	} else {
		assert_int_equal(store_discard(store, 5000, 9000), 0);
		assert_int_equal(store_discard(store, 100, 0), 0);
		assert_int_equal(store_discard(store, 30000, 9000), 0);
		assert_int_equal(store_discard(store, 19000, 9000), 0);
	}
	assert_int_equal(size_of_store(store), 20000);
	assert_int_equal(read_at(store, bytes, 20000, 0), 20000);
	for (unsigned i = 0; i < 20000; i++) {
		bool gone = kind->allocates &&
			    ((i >= 5000 && i < 14000) || i >= 19000);

		assert_int_equal(bytes[i], gone ? 0 : 7);
	}
	assert_int_equal(store_discard(store, UINT64_MAX, 1), -EFBIG);
	assert_int_equal(store_discard(store, 1, INT64_MAX), -EFBIG);
	store->writable = false;
	assert_int_equal(store_discard(store, 0, 1), -EACCES);
	store->writable = true;
	free(bytes);
	store_destroy(store);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(all_sizes_go_there_and_back),
	cmocka_unit_test(buffers_scatter_and_gather),
	cmocka_unit_test(sizes_shrink_and_grow),
	cmocka_unit_test(reads_end_at_the_end),
	cmocka_unit_test(read_only_is_refused),
	cmocka_unit_test(nonsense_is_refused),
	cmocka_unit_test(allocate_grows_the_store),
	cmocka_unit_test(discarded_bytes_are_zeros),
};

static int run_group(void)
{
	return cmocka_run_group_tests_name(kind->name, tests, NULL, NULL);
}

int main(void)
{
	return run_kinds(run_group);
}
