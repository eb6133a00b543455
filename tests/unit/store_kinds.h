/* store_kinds.h - each kind of store, for tests that all must pass */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_STORE_KINDS_H
#define QUIRE_TESTS_STORE_KINDS_H

#include "store/file_private.h"
#include "unit/store_tools.h"

#include "os/memory.h"

#include <stdatomic.h>
#include <sys/stat.h>

#define CAPACITY (4u << 20) /* of the callback store */

static struct store_context with_ring;
static struct store_context with_workers;

/* ---- a pager in memory ---- */

struct shelf {
	struct lock lock;
	unsigned char *bytes; /* [lock] */
};

static inline ssize_t shelf_read(void *context, void *buffer, size_t length,
				 uint64_t offset)
{
	struct shelf *shelf = context;

	lock_take(&shelf->lock);
	memcpy(buffer, shelf->bytes + offset, length);
	lock_drop(&shelf->lock);
	return (ssize_t)length;
}

/* Moves at most 3000 bytes at a time, so that writes have to be carried on. */
static inline ssize_t shelf_write(void *context, const void *buffer,
				  size_t length, uint64_t offset)
{
	struct shelf *shelf = context;
	size_t moved = length < 3000 ? length : 3000;

	lock_take(&shelf->lock);
	memcpy(shelf->bytes + offset, buffer, moved);
	lock_drop(&shelf->lock);
	return (ssize_t)moved;
}

static inline int shelf_resize(void *context, uint64_t size)
{
	struct shelf *shelf = context;

	if (size > CAPACITY)
		return -ENOSPC;
	lock_take(&shelf->lock);
	memset(shelf->bytes + size, 0, CAPACITY - size);
	lock_drop(&shelf->lock);
	return 0;
}

static inline void shelf_close(void *context)
{
	struct shelf *shelf = context;

	lock_finish(&shelf->lock);
	free(shelf->bytes);
	free(shelf);
}

static const struct callback_store_ops shelf_ops = {
	.read = shelf_read,
	.write = shelf_write,
	.resize = shelf_resize,
	.close = shelf_close,
};

/* ---- the kinds of stores ---- */

static inline struct store *open_file(const struct store_context *context)
{
	char path[] = "/var/tmp/quire-test-store-XXXXXX";
	struct store *store;
	int fd = mkstemp(path);

	assert_return_code(fd, errno);
	unlink(path);
	assert_int_equal(file_store_create(context, fd, true, &store), 0);
	return store;
}

static inline struct store *open_file_on_ring(void)
{
	return open_file(&with_ring);
}

static inline struct store *open_file_on_workers(void)
{
	return open_file(&with_workers);
}

static inline struct store *open_file_in_memory(void)
{
	struct store *store;
	int fd;

	assert_int_equal(memory_file_create("test", &fd), 0);
	assert_int_equal(file_open_direct(fd, true), -1);
	assert_int_equal(file_store_create(&with_workers, fd, true, &store), 0);
	return store;
}

static inline struct store *open_memory(void)
{
	return new_memory_store(0);
}

static inline struct store *open_callback(void)
{
	struct shelf *shelf = calloc(1, sizeof(*shelf));
	struct store *store;

	assert_non_null(shelf);
	lock_init(&shelf->lock, LOCK_RANK_PAGER);
	shelf->bytes = calloc(1, CAPACITY);
	assert_non_null(shelf->bytes);
	assert_int_equal(callback_store_create(&with_workers, 0, &shelf_ops,
					       shelf, &store),
			 0);
	return store;
}

static inline struct store *open_faulty_over(struct store *inner,
					     const char *script)
{
	struct store *store;

	assert_int_equal(
		faulty_store_create(&with_workers, inner, script, &store), 0);
	return store;
}

static inline struct store *open_faulty(void)
{
	return open_faulty_over(open_memory(), "");
}

/* All is well in the end, but nothing goes through at once. */
static inline struct store *open_troubled(void)
{
	return open_faulty_over(open_file(&with_workers),
				"any every 3 do fail EINTR;"
				"write every 2 do short 700;"
				"read every 3 do short 4097;"
				"any every 5 do fail EAGAIN");
}

struct kind {
	const char *name;
	struct store *(*open)(void); /* writable, of size 0 */
	bool allocates;
	bool needs_ring;
};

static const struct kind kinds[] = {
	{ "memory", open_memory, true, false },
	{ "file on ring", open_file_on_ring, true, true },
	{ "file on workers", open_file_on_workers, true, false },
	{ "file in memory", open_file_in_memory, true, false },
	{ "callback", open_callback, false, false },
	{ "faulty, empty script", open_faulty, true, false },
	{ "faulty, all temporary", open_troubled, true, false },
};

static const struct kind *kind; /* under test */

static inline struct store *new_store(uint64_t size)
{
	struct store *store = kind->open();

	assert_int_equal(size_of_store(store), 0);
	assert_int_equal(store_resize(store, size), 0);
	assert_int_equal(size_of_store(store), size);
	return store;
}

static inline int run_kind(const struct kind *one, int (*group)(void))
{
	if (one->needs_ring && !with_ring.ring) {
		printf("skipped: %s: no io_uring here\n", one->name);
		return 0;
	}
	printf("---- %s\n", one->name);
	kind = one;
	return group();
}

/* On each kind in turn; group runs the tests. */
static inline int run_kinds(int (*group)(void))
{
	int failed = 0;

	if (worker_pool_create(3, "test-worker", &with_workers.workers))
		return 1;
	with_ring.workers = with_workers.workers;
	if (ring_create(8, NULL, NULL, &with_ring.ring))
		with_ring.ring = NULL;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		failed += run_kind(&kinds[i], group);
	ring_destroy(with_ring.ring);
	worker_pool_destroy(with_workers.workers);
	return failed;
}

#endif
