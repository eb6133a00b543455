/* store.c - the one caller of the stores: checks, carries on, waits */
/* SPDX-License-Identifier: MIT */
/*
 * A transfer is a row of steps, each asking the store for all that is left:
 *
 *   store_submit -> step_begin -> ops->submit ... step_complete -> step_begin
 *                                                            `---> io->complete
 *
 * A store may call step_complete() inside ops->submit.  To keep the stack flat
 * it then only leaves its result in the frame of the submitting call, which
 * goes on from there by a loop.
 */
#include "store/store.h"

#include <errno.h>
#include <string.h>

/* EAGAIN and EINTR in a row before they are the transfer's end. */
#define TRIES_MAX 16

/* A call of ops->submit under way on this thread. */
struct submit_frame {
	struct submit_frame *outer;
	struct store_io *io;
	bool ended;
	int64_t result;
};

static _Thread_local struct submit_frame *innermost;

static struct submit_frame *frame_find(const struct store_io *io)
{
	struct submit_frame *frame = innermost;

	while (frame && frame->io != io)
		frame = frame->outer;
	return frame;
}

static uint64_t iov_length(const struct iovec *iov, unsigned count)
{
	uint64_t length = 0;

	for (unsigned i = 0; i < count; i++)
		length += iov[i].iov_len;
	return length;
}

/* Makes the step's buffers what is left of the transfer's. */
static void step_prepare(struct store_io *io)
{
	uint64_t skip = io->moved;

	io->step_offset = io->offset + io->moved;
	io->step_iov_count = 0;
	for (unsigned i = 0; i < io->iov_count; i++) {
		struct iovec rest = io->iov[i];
		size_t cut = skip < rest.iov_len ? (size_t)skip : rest.iov_len;

		skip -= cut;
		rest.iov_base = (char *)rest.iov_base + cut;
		rest.iov_len -= cut;
		if (rest.iov_len > 0)
			io->step_iov[io->step_iov_count++] = rest;
	}
}

/* True, and the result, if the step's result ends the transfer. */
static bool step_failed(struct store_io *io, int64_t result, int64_t *final)
{
	bool interrupted = result == -EINTR || result == -EAGAIN;

	if (interrupted && io->tries < TRIES_MAX) {
		io->tries++;
		return false;
	}
	*final = result;
	return true;
}

/* True, and the transfer's result, if it ends with this step. */
static bool step_account(struct store_io *io, int64_t result, int64_t *final)
{
	uint64_t left = iov_length(io->iov, io->iov_count) - io->moved;

	if (result < 0)
		return step_failed(io, result, final);
	check((uint64_t)result <= left, "a store moves no more than was asked");
	io->tries = 0;
	io->moved += (uint64_t)result;
	if (result > 0 && (uint64_t)result < left)
		return false;
	*final = (int64_t)io->moved;
	/* A write that makes no progress never would. */
	if (result == 0 && left > 0 && io->operation == STORE_WRITE)
		*final = -EIO;
	return true;
}

/* Runs steps until one does not end at once, or the transfer is over. */
static void transfer_run(struct store_io *io)
{
	struct submit_frame frame = { .io = io };
	int64_t final;

	do {
		step_prepare(io);
		frame.ended = false;
		frame.outer = innermost;
		innermost = &frame;
		io->store->ops->submit(io->store, io);
		innermost = frame.outer;
		if (!frame.ended)
			return; /* io may be gone already */
	} while (!step_account(io, frame.result, &final));
	io->complete(io, final);
}

static void step_complete(struct store_io *io, int64_t result)
{
	struct submit_frame *frame = frame_find(io);
	int64_t final;

	if (frame) {
		frame->ended = true;
		frame->result = result;
		return;
	}
	if (step_account(io, result, &final))
		io->complete(io, final);
	else
		transfer_run(io);
}

/* 0, or why the transfer can't even begin. */
static int transfer_check(const struct store *store, const struct store_io *io)
{
	uint64_t length;

	if (io->operation == STORE_FLUSH)
		return io->iov_count == 0 ? 0 : -EINVAL;
	if (io->operation != STORE_READ && io->operation != STORE_WRITE)
		return -EINVAL;
	if (io->operation == STORE_WRITE && !store->writable)
		return -EACCES;
	if (io->iov_count > STORE_IOV_MAX)
		return -EINVAL;
	length = iov_length(io->iov, io->iov_count);
	if (io->offset > INT64_MAX || length > INT64_MAX - io->offset)
		return -EINVAL;
	return 0;
}

void store_submit(struct store *store, struct store_io *io)
{
	int error = transfer_check(store, io);

	io->store = store;
	io->step_complete = step_complete;
	io->moved = 0;
	io->tries = 0;
	if (error)
		io->complete(io, error);
	else if (io->operation != STORE_FLUSH &&
		 iov_length(io->iov, io->iov_count) == 0)
		io->complete(io, 0);
	else
		transfer_run(io);
}

int store_size(struct store *store, uint64_t *size)
{
	return store->ops->size(store, size);
}

int store_resize(struct store *store, uint64_t size)
{
	if (!store->writable)
		return error_say(-EACCES, "the store is read-only");
	if (size > INT64_MAX)
		return error_say(-EFBIG, "no store can be that large");
	if (!store->ops->resize)
		return error_say(-EOPNOTSUPP,
				 "the size of this store is fixed");
	return store->ops->resize(store, size);
}

int store_allocate(struct store *store, uint64_t offset, uint64_t length)
{
	if (!store->writable)
		return error_say(-EACCES, "the store is read-only");
	if (length == 0)
		return error_say(-EINVAL, "an empty range to allocate");
	if (offset > INT64_MAX || length > INT64_MAX - offset)
		return error_say(-EFBIG, "no store can be that large");
	if (!store->ops->allocate)
		return error_say(-EOPNOTSUPP,
				 "this store can't allocate in advance");
	return store->ops->allocate(store, offset, length);
}

int store_discard(struct store *store, uint64_t offset, uint64_t length)
{
	if (!store->writable)
		return error_say(-EACCES, "the store is read-only");
	if (offset > INT64_MAX || length > INT64_MAX - offset)
		return error_say(-EFBIG, "no store can be that large");
	if (!store->ops->discard)
		return error_say(-EOPNOTSUPP,
				 "this store can't give room back");
	return length ? store->ops->discard(store, offset, length) : 0;
}

void store_destroy(struct store *store)
{
	if (store)
		store->ops->destroy(store);
}

/* A transfer that its submitter waits for: a copy, as the caller's io has no
 * place to say who waits. */
struct waiter {
	struct store_io io;
	struct lock lock;
	struct condition ended;
	bool done;      /* [lock] */
	int64_t result; /* [lock] */
};

static void waiter_complete(struct store_io *io, int64_t result)
{
	struct waiter *waiter = container_of(io, struct waiter, io);

	lock_take(&waiter->lock);
	waiter->done = true;
	waiter->result = result;
	condition_wake_all(&waiter->ended);
	lock_drop(&waiter->lock); /* the last touch: waiter is on a stack */
}

int64_t store_transfer(struct store *store, struct store_io *io)
{
	struct waiter waiter = { .done = false };
	int64_t result;

	check(io->iov_count <= STORE_IOV_MAX, "a transfer has few buffers");
	waiter.io.operation = io->operation;
	waiter.io.offset = io->offset;
	waiter.io.iov_count = io->iov_count;
	waiter.io.urgency = io->urgency;
	memcpy(waiter.io.iov, io->iov, io->iov_count * sizeof(io->iov[0]));
	waiter.io.complete = waiter_complete;
	lock_init(&waiter.lock, LOCK_RANK_STORE);
	condition_init(&waiter.ended);
	store_submit(store, &waiter.io);
	lock_take(&waiter.lock);
	while (!waiter.done)
		condition_wait(&waiter.ended, &waiter.lock);
	result = waiter.result;
	lock_drop(&waiter.lock);
	condition_finish(&waiter.ended);
	lock_finish(&waiter.lock);
	return result;
}
