/* test_store_alone.c - the stores in memory and over callbacks, each alone */
/* SPDX-License-Identifier: MIT */
#include "unit/store_tools.h"

static struct store_context with_workers;

static void memory_is_sparse_and_bounded(void **state)
{
	struct store *store = new_memory_store(UINT64_C(1) << 40);
	unsigned char *bytes = new_buffer(PAGE_SIZE);

	(void)state;
	memset(bytes, 1, PAGE_SIZE);
	assert_int_equal(write_at(store, bytes, PAGE_SIZE, UINT64_C(1) << 39),
			 PAGE_SIZE);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, 0), PAGE_SIZE);
	assert_int_equal(bytes[0], 0);
	store_destroy(store);
	store = new_memory_store(PAGE_SIZE);
	assert_int_equal(write_at(store, bytes, 1, PAGE_SIZE), -ENOSPC);
	assert_int_equal(write_at(store, bytes, PAGE_SIZE, 1), -ENOSPC);
	assert_int_equal(size_of_store(store), PAGE_SIZE);
	store_destroy(store);
	assert_int_equal(memory_store_create(UINT64_MAX, &store), -EFBIG);
	free(bytes);
}

static ssize_t refuse_read(void *context, void *buffer, size_t length,
			   uint64_t offset)
{
	(void)buffer;
	if (offset == 0 && context && (*(unsigned *)context)++ == 0)
		return (ssize_t)length / 2;
	return offset == PAGE_SIZE ? (ssize_t)length + 1 : -ENODATA;
}

static ssize_t stuck_write(void *context, const void *buffer, size_t length,
			   uint64_t offset)
{
	(void)context;
	(void)buffer;
	return offset == 0 ? (ssize_t)length / 2 : 0;
}

static int refuse_flush(void *context)
{
	(void)context;
	return -EDQUOT;
}

static struct store *new_callback_store(const struct callback_store_ops *ops,
					void *argument)
{
	struct store *store;

	assert_int_equal(callback_store_create(&with_workers, 3 * PAGE_SIZE,
					       ops, argument, &store),
			 0);
	return store;
}

static void callbacks_may_fail(void **state)
{
	const struct callback_store_ops ops = {
		.read = refuse_read,
		.write = stuck_write,
		.flush = refuse_flush,
	};
	struct store *store = new_callback_store(&ops, NULL);
	unsigned char *bytes = new_buffer(PAGE_SIZE);
	unsigned reads = 0;

	(void)state;
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, 0), -ENODATA);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, PAGE_SIZE), -EIO);
	assert_int_equal(write_at(store, bytes, PAGE_SIZE, 0), -EIO);
	assert_int_equal(write_at(store, bytes, 1, 3 * PAGE_SIZE), -ENOSPC);
	assert_int_equal(flush_all(store), -EDQUOT);
	assert_int_equal(store_resize(store, 1), -EOPNOTSUPP);
	store_destroy(store);
	/* Half of it, and then the error. */
	store = new_callback_store(&ops, &reads);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, 0), -ENODATA);
	store_destroy(store);
	free(bytes);
}

static void callbacks_are_optional_but_read(void **state)
{
	const struct callback_store_ops none = { .write = stuck_write };
	const struct callback_store_ops ops = { .read = refuse_read };
	unsigned char byte;
	struct store *store;

	(void)state;
	assert_int_equal(callback_store_create(&with_workers, 1, &none, NULL,
					       &store),
			 -EINVAL);
	assert_string_not_equal(error_sentence(), "");
	store = new_callback_store(&ops, NULL);
	assert_false(store->writable);
	assert_int_equal(write_at(store, &byte, 1, 0), -EACCES);
	assert_int_equal(flush_all(store), 0);
	store_destroy(store);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(memory_is_sparse_and_bounded),
	cmocka_unit_test(callbacks_may_fail),
	cmocka_unit_test(callbacks_are_optional_but_read),
};

int main(void)
{
	int failed;

	if (worker_pool_create(3, "test-worker", &with_workers.workers))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	worker_pool_destroy(with_workers.workers);
	return failed;
}
