/* read.c - what reads by descriptor sees what was stored by mapping */
/* SPDX-License-Identifier: MIT */
/*
 * The kernel reads the file: what is dirty of the range goes home before.
 */
#include "file.h"

#include "io.h"
#include "ranges.h"
#include "raw.h"
#include "real.h"
#include "userfault.h"

/* Before the kernel reads.  True: go on; false: *result is the end of it. */
static bool prepare(struct io *io, ssize_t *result)
{
	struct look look;
	off_t offset = io->offset;
	int error;

	if (userfault_user_mode() && io_measure(io))
		io_touch(io, true);
	if (!client_has_taken() || !look_at(io->fd, &look) || !io_measure(io))
		return true;
	if (look.bound) {
		*result = io_bound_read(io);
		return false;
	}
	if (offset == IO_AT_POSITION)
		offset = io_position(io->fd);
	error = look_before_read(&look, io->fd, offset, io->length);
	if (!error || io->length == 0)
		return true;
	*result = raw_return(error);
	return false;
}

/* Nothing is taken, and system calls trap: the shortest way. */
static inline bool is_idle(void)
{
	return !client_has_taken() && !userfault_user_mode();
}

ssize_t file_preadv2(int fd, const struct iovec *parts, int count, off_t offset,
		     int flags)
{
	struct io io = {
		.fd = fd,
		.parts = parts,
		.count = count,
		.offset = offset,
		.flags = flags,
	};
	ssize_t result = 0;

	if (is_idle() || prepare(&io, &result))
		return real.preadv2(fd, parts, count, offset, flags);
	return result;
}
EXPORT(preadv2, file_preadv2);
EXPORT(preadv64v2, file_preadv2);

/* By position; offset is IO_AT_POSITION, or not negative. */
static bool prepare_parts(int fd, const struct iovec *parts, int count,
			  off_t offset, ssize_t *result)
{
	struct io io = {
		.fd = fd,
		.parts = parts,
		.count = count,
		.offset = offset,
	};

	return prepare(&io, result);
}

ssize_t file_read(int fd, void *buffer, size_t length)
{
	const struct iovec part = { buffer, length };
	ssize_t result = 0;

	if (is_idle() || prepare_parts(fd, &part, 1, IO_AT_POSITION, &result))
		return real.read(fd, buffer, length);
	return result;
}
EXPORT(read, file_read);

ssize_t file_pread(int fd, void *buffer, size_t length, off_t offset)
{
	const struct iovec part = { buffer, length };
	ssize_t result = 0;

	if (is_idle() || offset < 0 ||
	    prepare_parts(fd, &part, 1, offset, &result))
		return real.pread(fd, buffer, length, offset);
	return result;
}
EXPORT(pread, file_pread);
EXPORT(pread64, file_pread);

ssize_t file_readv(int fd, const struct iovec *parts, int count)
{
	ssize_t result = 0;

	if (is_idle() ||
	    prepare_parts(fd, parts, count, IO_AT_POSITION, &result))
		return real.readv(fd, parts, count);
	return result;
}
EXPORT(readv, file_readv);

ssize_t file_preadv(int fd, const struct iovec *parts, int count, off_t offset)
{
	ssize_t result = 0;

	if (is_idle() || offset < 0 ||
	    prepare_parts(fd, parts, count, offset, &result))
		return real.preadv(fd, parts, count, offset);
	return result;
}
EXPORT(preadv, file_preadv);
EXPORT(preadv64, file_preadv);

/* What programs that were built with checks of buffers' lengths call. */
extern void __chk_fail(void) __attribute__((noreturn));

static ssize_t read_checked(int fd, void *buffer, size_t length, size_t size)
{
	if (length > size)
		__chk_fail();
	return file_read(fd, buffer, length);
}
EXPORT(__read_chk, read_checked);

static ssize_t pread_checked(int fd, void *buffer, size_t length, off_t offset,
			     size_t size)
{
	if (length > size)
		__chk_fail();
	return file_pread(fd, buffer, length, offset);
}
EXPORT(__pread_chk, pread_checked);
EXPORT(__pread64_chk, pread_checked);
