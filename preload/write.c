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

/* True: the server had a part in it, *result is the end. */
static bool is_written(struct io *io, struct look *look, ssize_t *result)
{
	*look = (struct look){ .entry = NULL };
	if (!io_measure(io))
		return false;
	io_touch(io, false);
	if (!client_has_taken() || !look_at(io->fd, look))
		return false;
	*result = look->bound ? io_bound_write(io) : io_write_taken(io, look);
	return true;
}

/* The kernel has written it, without us. */
static ssize_t look_back(struct io *io, struct look *look, ssize_t result)
{
	if (result > 0 && client_has_taken())
		io_write_again(io, look, (size_t)result);
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
	struct look look;
	ssize_t result = 0;

	if (is_written(&io, &look, &result))
		return result;
	result = real.pwritev2(fd, parts, count, offset, flags);
	return look_back(&io, &look, result);
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
	struct look look;
	ssize_t result = 0;

	if (is_written(&io, &look, &result))
		return result;
	return look_back(&io, &look, real.write(fd, bytes, length));
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
	struct look look = { .entry = NULL };
	ssize_t result = 0;

	if (offset >= 0 && is_written(&io, &look, &result))
		return result;
	return look_back(&io, &look, real.pwrite(fd, bytes, length, offset));
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
	struct look look;
	ssize_t result = 0;

	if (is_written(&io, &look, &result))
		return result;
	return look_back(&io, &look, real.writev(fd, parts, count));
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
	struct look look = { .entry = NULL };
	ssize_t result = 0;

	if (offset >= 0 && is_written(&io, &look, &result))
		return result;
	return look_back(&io, &look, real.pwritev(fd, parts, count, offset));
}
EXPORT(pwritev, file_pwritev);
EXPORT(pwritev64, file_pwritev);
