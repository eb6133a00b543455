/* memory_store.c - a store whose bytes are in memory */
/* SPDX-License-Identifier: MIT */
/*
 * The bytes are in a memfd: the kernel keeps it sparse, forgets what a smaller
 * size cuts off, and says ENOSPC or ENOMEM where a mapping would raise a
 * signal.  A transfer ends inside submit.
 */
#include "os/memory.h"
#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct memory_store {
	struct store store;
	int fd;             /* [I] */
	struct rwlock lock; /* read: transfers; write: a change of size */
	uint64_t size;      /* [lock] also the memfd's */
};

static struct memory_store *memory_of(struct store *store)
{
	return container_of(store, struct memory_store, store);
}

static int move_piece(struct memory_store *memory, const struct store_io *io,
		      const struct iovec *piece, uint64_t offset)
{
	if (io->operation == STORE_READ)
		return memory_file_read(memory->fd, piece->iov_base,
					piece->iov_len, offset);
	return memory_file_write(memory->fd, piece->iov_base, piece->iov_len,
				 offset);
}

/* Bytes moved, up to the end of the store.  The lock is held. */
static int64_t move(struct memory_store *memory, const struct store_io *io)
{
	uint64_t offset = io->step_offset;

	for (unsigned i = 0; i < io->step_iov_count; i++) {
		struct iovec piece = io->step_iov[i];
		int error;

		if (offset >= memory->size)
			break;
		if (piece.iov_len > memory->size - offset)
			piece.iov_len = (size_t)(memory->size - offset);
		error = move_piece(memory, io, &piece, offset);
		if (error)
			return error;
		offset += piece.iov_len;
	}
	if (offset == io->step_offset && io->operation == STORE_WRITE)
		return -ENOSPC;
	return (int64_t)(offset - io->step_offset);
}

static void memory_submit(struct store *store, struct store_io *io)
{
	struct memory_store *memory = memory_of(store);
	int64_t result = 0;

	if (io->operation != STORE_FLUSH) {
		rwlock_take_read(&memory->lock);
		result = move(memory, io);
		rwlock_drop_read(&memory->lock);
	}
	io->step_complete(io, result);
}

static int memory_size(struct store *store, uint64_t *size)
{
	struct memory_store *memory = memory_of(store);

	rwlock_take_read(&memory->lock);
	*size = memory->size;
	rwlock_drop_read(&memory->lock);
	return 0;
}

/* The lock is held for writing. */
static int change_size(struct memory_store *memory, uint64_t size)
{
	int error = memory_file_resize(memory->fd, size);

	if (error)
		return error_say(error, "memory can't have %llu bytes: %s",
				 (unsigned long long)size, strerror(-error));
	memory->size = size;
	return 0;
}

static int memory_resize(struct store *store, uint64_t size)
{
	struct memory_store *memory = memory_of(store);
	int error;

	rwlock_take_write(&memory->lock);
	error = change_size(memory, size);
	rwlock_drop_write(&memory->lock);
	return error;
}

/* There is nothing to reserve, but the size covers the range afterwards. */
static int memory_allocate(struct store *store, uint64_t offset,
			   uint64_t length)
{
	struct memory_store *memory = memory_of(store);
	int error = 0;

	rwlock_take_write(&memory->lock);
	if (offset + length > memory->size)
		error = change_size(memory, offset + length);
	rwlock_drop_write(&memory->lock);
	return error;
}

/* Transfers of other ranges may go on: the kernel keeps them apart. */
static int memory_discard(struct store *store, uint64_t offset, uint64_t length)
{
	struct memory_store *memory = memory_of(store);
	int error = 0;

	rwlock_take_read(&memory->lock);
	if (offset < memory->size) {
		if (length > memory->size - offset)
			length = memory->size - offset;
		error = memory_file_punch(memory->fd, offset, length);
	}
	rwlock_drop_read(&memory->lock);
	return error;
}

static void memory_destroy(struct store *store)
{
	struct memory_store *memory = memory_of(store);

	close(memory->fd);
	rwlock_finish(&memory->lock);
	free(memory);
}

static const struct store_ops memory_ops = {
	.submit = memory_submit,
	.size = memory_size,
	.resize = memory_resize,
	.allocate = memory_allocate,
	.discard = memory_discard,
	.destroy = memory_destroy,
};

int memory_store_create(uint64_t size, struct store **store)
{
	struct memory_store *memory = calloc(1, sizeof(*memory));
	int error;

	if (!memory)
		return -ENOMEM;
	error = memory_file_create("quire-store", &memory->fd);
	if (error) {
		free(memory);
		return error;
	}
	memory->store.ops = &memory_ops;
	memory->store.writable = true;
	rwlock_init(&memory->lock, LOCK_RANK_STORE);
	error = size > INT64_MAX ? error_say(-EFBIG, "no store can be that "
						     "large")
				 : change_size(memory, size);
	if (error) {
		memory_destroy(&memory->store);
		return error;
	}
	*store = &memory->store;
	return 0;
}
