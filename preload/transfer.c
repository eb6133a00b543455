/* transfer.c - bytes from descriptor to descriptor */
/* SPDX-License-Identifier: MIT */
/*
 * The source as a read, the target as a write; the kernel does both at once.
 * What waits for a pipe waits before the server is told, and before signals
 * are blocked.
 */
#include "file.h"

#include "io.h"
#include "raw.h"
#include "real.h"

#include <poll.h>
#include <pthread.h>
#include <sys/sendfile.h>

/* From, to and what the kernel is to be called with. */
struct transfer {
	long number; /* of the system call */
	int in;
	off_t *in_offset;
	int out;
	off_t *out_offset;
	size_t length;
	unsigned int flags;
	struct look from;
	struct look to;
	off_t before; /* where out stood; negative: not known, or it says */
};

static long kernel_transfer(const struct transfer *transfer)
{
	if (transfer->number == SYS_sendfile)
		return raw(SYS_sendfile, transfer->out, transfer->in,
			   transfer->in_offset, transfer->length);
	return raw(transfer->number, transfer->in, transfer->in_offset,
		   transfer->out, transfer->out_offset, transfer->length,
		   transfer->flags);
}

static off_t place(int fd, const off_t *offset)
{
	return offset ? *offset : io_position(fd);
}

static int sync_source(const struct transfer *transfer)
{
	off_t offset;

	if (!transfer->from.entry)
		return 0;
	offset = place(transfer->in, transfer->in_offset);
	if (offset < 0)
		return 0; /* the kernel says what is wrong */
	return look_before_read(&transfer->from, transfer->in, offset,
				transfer->length);
}

static void wait_for_source(const struct transfer *transfer)
{
	struct pollfd poll = { .fd = transfer->in, .events = POLLIN };
	long flags = raw(SYS_fcntl, transfer->in, F_GETFL);

	if (transfer->number != SYS_splice || transfer->from.regular ||
	    transfer->flags & SPLICE_F_NONBLOCK ||
	    (!raw_failed(flags) && flags & O_NONBLOCK))
		return;
	raw(SYS_ppoll, &poll, 1, NULL, NULL, 0);
}

/* Where result bytes went; the kernel has moved what tells the offset. */
static struct stretch written(const struct transfer *transfer, long result)
{
	size_t length = result > 0 ? (size_t)result : 0;

	if (!transfer->out_offset)
		return io_passed(transfer->out, transfer->before, length);
	return (struct stretch){ *transfer->out_offset - (off_t)length, length,
				 false };
}

static long transfer_announced(struct transfer *transfer)
{
	off_t offset = place(transfer->out, transfer->out_offset);
	/* by position others may go on meanwhile */
	size_t length = transfer->out_offset ? transfer->length : 0;
	struct stretch nothing = { offset, 0, false };
	struct stretch passed;
	struct begun begun;
	long result = io_write_begin(&begun, transfer->out, offset, length);

	if (result)
		return result;
	if (!transfer->out_offset)
		transfer->before = io_position(transfer->out);
	result = kernel_transfer(transfer);
	passed = written(transfer, result);
	io_write_end(&begun, result > 0 ? &passed : &nothing);
	return result;
}

static long transfer_to_taken(struct transfer *transfer)
{
	uint64_t signals;
	long result;

	if (place(transfer->out, transfer->out_offset) < 0 ||
	    transfer->length == 0)
		return kernel_transfer(transfer);
	wait_for_source(transfer);
	signals = signals_block();
	result = transfer_announced(transfer);
	signals_restore(signals);
	return result;
}

/* The target was not taken before: it may be now, and what the server has
 * read of it is old then. */
static void look_back(struct transfer *transfer, long result)
{
	struct stretch passed;

	if (result <= 0 || !client_has_taken())
		return;
	look_at(transfer->out, &transfer->to);
	if (!transfer->to.entry || transfer->to.bound)
		return;
	passed = written(transfer, result);
	io_tell_written(transfer->out, &passed);
}

static ssize_t transfer_some(struct transfer *transfer, int refusal)
{
	long result;
	int error;

	transfer->before = -1;
	if (client_has_taken()) {
		look_at(transfer->in, &transfer->from);
		look_at(transfer->out, &transfer->to);
		if (transfer->to.regular && !transfer->out_offset)
			transfer->before = io_position(transfer->out);
	}
	if (transfer->from.bound || transfer->to.bound)
		return raw_return(-refusal);
	if (transfer->number != SYS_sendfile)
		pthread_testcancel(); /* as libc's own */
	error = sync_source(transfer);
	if (error)
		return raw_return(error);
	if (transfer->to.entry)
		return raw_return(transfer_to_taken(transfer));
	result = kernel_transfer(transfer);
	look_back(transfer, result);
	return raw_return(result);
}

ssize_t file_copy_range(int in, off_t *in_offset, int out, off_t *out_offset,
			size_t length, unsigned int flags)
{
	struct transfer transfer = {
		.number = SYS_copy_file_range,
		.in = in,
		.in_offset = in_offset,
		.out = out,
		.out_offset = out_offset,
		.length = length,
		.flags = flags,
	};

	return transfer_some(&transfer, EXDEV);
}
EXPORT(copy_file_range, file_copy_range);

ssize_t file_sendfile(int out, int in, off_t *offset, size_t length)
{
	struct transfer transfer = {
		.number = SYS_sendfile,
		.in = in,
		.in_offset = offset,
		.out = out,
		.length = length,
	};

	return transfer_some(&transfer, EINVAL);
}
EXPORT(sendfile, file_sendfile);
EXPORT(sendfile64, file_sendfile);

ssize_t file_splice(int in, off_t *in_offset, int out, off_t *out_offset,
		    size_t length, unsigned int flags)
{
	struct transfer transfer = {
		.number = SYS_splice,
		.in = in,
		.in_offset = in_offset,
		.out = out,
		.out_offset = out_offset,
		.length = length,
		.flags = flags,
	};

	if (!client_has_taken())
		return real.splice(in, in_offset, out, out_offset, length,
				   flags);
	return transfer_some(&transfer, EINVAL);
}
EXPORT(splice, file_splice);
