/* io_bound.c - reads and writes of a stand-in are the server's */
/* SPDX-License-Identifier: MIT */
/*
 * A bound path opens as an empty file of the object's length: it has the
 * position and the flags, which forks and duplicates share; the bytes come and
 * go in messages.
 */
#include "io.h"

#include "raw.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static long read_some(int fd, char *to, size_t length, off_t offset)
{
	struct call call = {
		.request.type = REQUEST_BOUND_READ,
		.request.offset = (uint64_t)offset,
		.request.length = length,
		.send = { fd },
		.send_count = 1,
		.answer = to,
		.answer_size = length,
	};
	int error;

	if (length > PROTOCOL_BYTES_MAX)
		call.request.length = call.answer_size = PROTOCOL_BYTES_MAX;
	error = client_call(&call);
	return error ? error : (long)call.answer_count;
}

/* *offset is where it was written, for FILE_APPEND. */
static long write_some(int fd, const char *bytes, size_t length, off_t *offset,
		       bool append)
{
	struct call call = {
		.request.type = REQUEST_BOUND_WRITE,
		.request.offset = (uint64_t)*offset,
		.request.flags = append ? FILE_APPEND : 0,
		.send = { fd },
		.send_count = 1,
		.bytes = bytes,
		.byte_count = length,
	};
	int error;

	if (length > PROTOCOL_BYTES_MAX)
		call.byte_count = PROTOCOL_BYTES_MAX;
	call.request.length = call.byte_count;
	error = client_call(&call);
	if (!error && append)
		*offset = (off_t)call.reply.id;
	return error ? error : (long)call.reply.value;
}

/* The transfer of one part; how much, or an error. */
static long transfer(const struct io *io, struct iovec part, off_t *offset,
		     int flags)
{
	bool store = (flags & O_ACCMODE) != O_RDONLY;
	size_t done = 0;
	long result = 0;

	while (done < part.iov_len) {
		char *at = (char *)part.iov_base + done;
		size_t left = part.iov_len - done;

		result = store ? write_some(io->fd, at, left, offset,
					    flags & O_APPEND)
			       : read_some(io->fd, at, left, *offset);
		if (result <= 0)
			break;
		done += (size_t)result;
		*offset += result;
	}
	return done ? (long)done : result;
}

static ssize_t transfer_all(const struct io *io, int flags)
{
	off_t offset = io->offset;
	size_t done = 0;
	long result = 0;

	if (offset == IO_AT_POSITION)
		offset = io_position(io->fd);
	for (int i = 0; i < io->count; i++) {
		if (io->parts[i].iov_len == 0)
			continue;
		result = transfer(io, io->parts[i], &offset, flags);
		if (result <= 0)
			break;
		done += (size_t)result;
		if ((size_t)result < io->parts[i].iov_len)
			break;
	}
	if (io->offset == IO_AT_POSITION && done)
		raw(SYS_lseek, io->fd, offset, SEEK_SET);
	return raw_return(done ? (long)done : result);
}

ssize_t io_bound_read(const struct io *io)
{
	long flags = raw(SYS_fcntl, io->fd, F_GETFL);

	pthread_testcancel(); /* as libc's own */
	if (raw_failed(flags) || (flags & O_ACCMODE) == O_WRONLY)
		return raw_return(-EBADF);
	return transfer_all(io, O_RDONLY);
}

ssize_t io_bound_write(const struct io *io)
{
	long flags = raw(SYS_fcntl, io->fd, F_GETFL);

	pthread_testcancel();
	if (raw_failed(flags) || (flags & O_ACCMODE) == O_RDONLY)
		return raw_return(-EBADF);
	return transfer_all(io, O_WRONLY | (io_is_append(io) ? O_APPEND : 0));
}
