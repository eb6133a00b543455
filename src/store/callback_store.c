/* callback_store.c - a store served by a caller's own functions */
/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct callback_store {
	struct store store;
	struct worker_pool *workers;   /* [I] */
	struct worker_share writes;    /* and flushes */
	struct callback_store_ops ops; /* [I] */
	void *argument;                /* [I] */
	/*
	 * [a] relaxed: it bounds what the callbacks are asked for and orders
	 * nothing; who transfers beside a resize gets either size.
	 */
	_Atomic uint64_t size;
};

static struct callback_store *callback_of(struct store *store)
{
	return container_of(store, struct callback_store, store);
}

static uint64_t current_size(const struct callback_store *callback)
{
	return atomic_load_explicit(&callback->size, memory_order_relaxed);
}

/*
 * Never asks for a part of a page.  Data that end inside of one may have been
 * cut short by an interruption: that page is asked for once more from its start.
 * If they end there again zeros follow.
 */
static int64_t read_piece(struct callback_store *callback,
			  const struct iovec *piece, uint64_t offset)
{
	size_t length = piece->iov_len, end;
	int64_t moved;

	for (unsigned tries = 0; tries < 2; tries++) {
		moved = callback->ops.read(callback->argument, piece->iov_base,
					   length, offset);
		if (moved <= 0 || moved >= (int64_t)length ||
		    moved % (int64_t)PAGE_SIZE == 0)
			return moved;
		if (moved > (int64_t)PAGE_SIZE) /* the next step begins there */
			return moved - moved % (int64_t)PAGE_SIZE;
	}
	end = length < PAGE_SIZE ? length : PAGE_SIZE;
	memset((char *)piece->iov_base + moved, 0, end - (size_t)moved);
	return (int64_t)end;
}

static int64_t move_piece(struct callback_store *callback,
			  const struct store_io *io, const struct iovec *piece,
			  uint64_t offset)
{
	int64_t moved;

	if (io->operation == STORE_READ)
		moved = read_piece(callback, piece, offset);
	else
		moved = callback->ops.write(callback->argument, piece->iov_base,
					    piece->iov_len, offset);
	/* The caller's error, so no assertion of ours. */
	return moved > (int64_t)piece->iov_len ? -EIO : moved;
}

/*
 * Bytes moved.  An error after some progress is dropped here: the next step
 * begins where it struck and meets it again.
 */
static int64_t move(struct callback_store *callback, const struct store_io *io)
{
	uint64_t size = current_size(callback);
	uint64_t offset = io->step_offset;

	for (unsigned i = 0; i < io->step_iov_count && offset < size; i++) {
		struct iovec piece = io->step_iov[i];
		int64_t moved;

		if (piece.iov_len > size - offset)
			piece.iov_len = (size_t)(size - offset);
		moved = move_piece(callback, io, &piece, offset);
		if (moved < 0 && offset == io->step_offset)
			return moved;
		if (moved > 0)
			offset += (uint64_t)moved;
		if (moved < (int64_t)piece.iov_len)
			break;
	}
	if (io->step_offset >= size && io->operation == STORE_WRITE)
		return -ENOSPC;
	return (int64_t)(offset - io->step_offset);
}

static int flush(struct callback_store *callback)
{
	int error = 0;

	if (callback->ops.flush)
		error = callback->ops.flush(callback->argument);
	return error < 0 ? error : 0;
}

static void run(struct work *work)
{
	struct store_io *io = container_of(work, struct store_io, step.work);
	struct callback_store *callback = callback_of(io->store);

	int64_t result = io->operation == STORE_FLUSH ? flush(callback)
						      : move(callback, io);

	if (io->operation != STORE_READ)
		worker_share_done(&callback->writes);
	io->step_complete(io, result);
}

static void callback_submit(struct store *store, struct store_io *io)
{
	struct callback_store *callback = callback_of(store);

	io->step.work.run = run;
	if (io->operation == STORE_READ)
		worker_submit(callback->workers, &io->step.work);
	else
		worker_share_submit(&callback->writes, &io->step.work);
}

static int callback_size(struct store *store, uint64_t *size)
{
	*size = current_size(callback_of(store));
	return 0;
}

static int callback_resize(struct store *store, uint64_t size)
{
	struct callback_store *callback = callback_of(store);
	int error;

	if (!callback->ops.resize)
		return error_say(-EOPNOTSUPP,
				 "the size of this store is fixed");
	error = callback->ops.resize(callback->argument, size);
	if (error < 0)
		return error_say(error, "the pager's own resize failed");
	atomic_store_explicit(&callback->size, size, memory_order_relaxed);
	return 0;
}

static void callback_destroy(struct store *store)
{
	struct callback_store *callback = callback_of(store);

	if (callback->ops.close)
		callback->ops.close(callback->argument);
	free(callback);
}

static const struct store_ops callback_ops = {
	.submit = callback_submit,
	.size = callback_size,
	.resize = callback_resize,
	.destroy = callback_destroy,
};

int callback_store_create(const struct store_context *context, uint64_t size,
			  const struct callback_store_ops *ops, void *argument,
			  struct store **store)
{
	struct callback_store *callback;

	if (!ops->read)
		return error_say(-EINVAL, "a pager needs a read function");
	if (size > INT64_MAX)
		return error_say(-EFBIG, "no store can be that large");
	callback = calloc(1, sizeof(*callback));
	if (!callback)
		return -ENOMEM;
	callback->store.ops = &callback_ops;
	callback->store.writable = ops->write != NULL;
	callback->workers = context->workers;
	worker_share_init(&callback->writes, context->workers);
	callback->ops = *ops;
	callback->argument = argument;
	atomic_init(&callback->size, size);
	*store = &callback->store;
	return 0;
}
