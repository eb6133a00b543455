/* store_tools.h - what the tests of the stores share */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_STORE_TOOLS_H
#define QUIRE_TESTS_STORE_TOOLS_H

#include "store/store.h"

#include "unit/unit.h"

#include <errno.h>
#include <stdlib.h>

/* Aligned for direct transfers; ends the test if there is none. */
static inline unsigned char *new_buffer(size_t length)
{
	size_t whole = (length / PAGE_SIZE + 1) * PAGE_SIZE;
	unsigned char *buffer = aligned_alloc(PAGE_SIZE, whole);

	assert_non_null(buffer);
	memset(buffer, 0, whole);
	return buffer;
}

static inline void fill_random(unsigned char *bytes, size_t length,
			       uint64_t seed)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = (unsigned char)next_random(&seed);
}

/* One buffer moved, and waited for. */
static inline int64_t transfer(struct store *store,
			       enum store_operation operation, void *bytes,
			       size_t length, uint64_t offset)
{
	struct store_io io = {
		.operation = operation,
		.offset = offset,
		.iov = { { bytes, length } },
		.iov_count = operation == STORE_FLUSH ? 0 : 1,
	};

	return store_transfer(store, &io);
}

static inline int64_t read_at(struct store *store, void *bytes, size_t length,
			      uint64_t offset)
{
	return transfer(store, STORE_READ, bytes, length, offset);
}

static inline int64_t write_at(struct store *store, const void *bytes,
			       size_t length, uint64_t offset)
{
	return transfer(store, STORE_WRITE, (void *)(uintptr_t)bytes, length,
			offset);
}

static inline int64_t flush_all(struct store *store)
{
	return transfer(store, STORE_FLUSH, NULL, 0, 0);
}

static inline uint64_t size_of_store(struct store *store)
{
	uint64_t size;

	assert_int_equal(store_size(store, &size), 0);
	return size;
}

static inline struct store *new_memory_store(uint64_t size)
{
	struct store *store;

	assert_int_equal(memory_store_create(size, &store), 0);
	return store;
}

#endif
