/* write.c - what is written by descriptor shows in mappings */
/* SPDX-License-Identifier: MIT */
/*
 * The kernel writes the file; for a taken one between BEGIN and END, with
 * signals blocked, so that there is always an END.  A write that has found its
 * file not taken looks again: a file that became taken meanwhile may have been
 * read before the write, so the same bytes are written once more.
 */
#include "file.h"

#include "io.h"
#include "raw.h"
#include "real.h"
#include "userfault.h"

/* What was known of a file when it was looked at, before the kernel wrote. */
struct before {
	struct look look;
	off_t position; /* negative: not known */
};

/* True: the server had a part in it, *result is the end. */
static bool is_written(struct io *io, struct before *before, ssize_t *result)
{
	struct look *look = &before->look;
	bool taken;

	*before = (struct before){ .position = -1 };
	if (!io_measure(io))
		return false;
	taken = client_has_taken() && look_at(io->fd, look);
	if (!taken || look->bound)
		io_touch(io, false);
	if (!taken) {
		if (look->regular && io->offset == IO_AT_POSITION)
			before->position = io_position(io->fd);
		return false;
	}
	*result = look->bound ? io_bound_write(io) : io_write_taken(io, look);
	return true;
}

/* The kernel has written it, without us. */
static ssize_t look_back(const struct io *io, struct before *before,
			 ssize_t result)
{
	if (result > 0 && client_has_taken())
		io_write_again(io, &before->look, before->position,
			       (size_t)result);
	return result;
}

ssize_t file_pwritev2(int fd, const struct iovec *parts, int count,
		      off_t offset, int flags)
{
	struct io io = {
		.fd = fd,
		.parts = parts,
		.count = count,
		.offset = offset,
		.flags = flags,
	};
	struct before before;
	ssize_t result = 0;

	if (is_written(&io, &before, &result))
		return result;
	result = real.pwritev2(fd, parts, count, offset, flags);
	return look_back(&io, &before, result);
}
EXPORT(pwritev2, file_pwritev2);
EXPORT(pwritev64v2, file_pwritev2);

ssize_t file_write(int fd, const void *bytes, size_t length)
{
	const struct iovec part = { (void *)(uintptr_t)bytes, length };
	struct io io = {
		.fd = fd,
		.parts = &part,
		.count = 1,
		.offset = IO_AT_POSITION,
	};
	struct before before;
	ssize_t result = 0;

	if (is_written(&io, &before, &result))
		return result;
	return look_back(&io, &before, real.write(fd, bytes, length));
}
EXPORT(write, file_write);

ssize_t file_pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
	const struct iovec part = { (void *)(uintptr_t)bytes, length };
	struct io io = {
		.fd = fd,
		.parts = &part,
		.count = 1,
		.offset = offset,
	};
	struct before before = { .position = -1 };
	ssize_t result = 0;

	if (offset >= 0 && is_written(&io, &before, &result))
		return result;
	return look_back(&io, &before, real.pwrite(fd, bytes, length, offset));
}
EXPORT(pwrite, file_pwrite);
EXPORT(pwrite64, file_pwrite);

ssize_t file_writev(int fd, const struct iovec *parts, int count)
{
	struct io io = {
		.fd = fd,
		.parts = parts,
		.count = count,
		.offset = IO_AT_POSITION,
	};
	struct before before;
	ssize_t result = 0;

	if (is_written(&io, &before, &result))
		return result;
	return look_back(&io, &before, real.writev(fd, parts, count));
}
EXPORT(writev, file_writev);

ssize_t file_pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	struct io io = {
		.fd = fd,
		.parts = parts,
		.count = count,
		.offset = offset,
	};
	struct before before = { .position = -1 };
	ssize_t result = 0;

	if (offset >= 0 && is_written(&io, &before, &result))
		return result;
	return look_back(&io, &before, real.pwritev(fd, parts, count, offset));
}
EXPORT(pwritev, file_pwritev);
EXPORT(pwritev64, file_pwritev);
