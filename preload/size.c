/* size.c - truncate and fallocate under living mappings */
/* SPDX-License-Identifier: MIT */
/*
 * A taken file is cut by the server, which takes dirty pages behind the end
 * away first.  What the kernel would refuse it is left to refuse.
 */
#include "file.h"

#include "helper.h"
#include "io.h"
#include "raw.h"
#include "real.h"

#include <linux/falloc.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* Would the kernel send SIGXFSZ? */
static bool is_over_limit(off_t length)
{
	struct rlimit limit;

	if (raw_failed(raw(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit)))
		return false;
	return limit.rlim_cur != RLIM_INFINITY &&
	       (uint64_t)length > limit.rlim_cur;
}

int size_truncate_taken(int fd, off_t length)
{
	struct call call = {
		.request.type = REQUEST_TRUNCATE,
		.request.length = (uint64_t)length,
		.send = { fd },
		.send_count = 1,
	};

	return client_call(&call);
}

static bool is_writable(int fd)
{
	long flags = raw(SYS_fcntl, fd, F_GETFL);

	return !raw_failed(flags) && !(flags & O_PATH) &&
	       (flags & O_ACCMODE) != O_RDONLY;
}

int file_ftruncate(int fd, off_t length)
{
	struct look look;
	int error = -EAGAIN;

	if (client_has_taken() && length >= 0 && look_at(fd, &look) &&
	    is_writable(fd) && !is_over_limit(length))
		error = size_truncate_taken(fd, length);
	if (error != -EAGAIN)
		return (int)raw_return(error);
	return (int)raw_return(raw(SYS_ftruncate, fd, length));
}
EXPORT(ftruncate, file_ftruncate);
EXPORT(ftruncate64, file_ftruncate);

int file_truncate(const char *path, off_t length)
{
	struct look look;
	long error = -EAGAIN;

	if (client_has_taken() && length >= 0 &&
	    look_at_path(AT_FDCWD, path, 0, &look) && !is_over_limit(length))
		error = helper_truncate(path, length);
	if (error == -EAGAIN)
		error = raw(SYS_truncate, path, length);
	return (int)raw_return(error);
}
EXPORT(truncate, file_truncate);
EXPORT(truncate64, file_truncate);

/* Everything behind offset moves. */
static bool moves_bytes(int mode)
{
	return mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE);
}

static uint64_t size_now(int fd)
{
	struct stat status;

	if (raw_failed(raw(SYS_fstat, fd, &status)))
		return 0;
	return (uint64_t)status.st_size;
}

/* [offset, +length) that changed: at least to where the file ended before, and
 * ends now, if all has moved. */
static size_t changed(int fd, int mode, off_t offset, size_t length,
		      uint64_t before)
{
	uint64_t end = size_now(fd);

	if (!moves_bytes(mode))
		return length;
	if (end < before)
		end = before;
	return end > (uint64_t)offset ? end - (uint64_t)offset : 0;
}

/* The server's object ends where the file does, if that was cut. */
static int follow_cut(int fd, uint64_t before)
{
	uint64_t size = size_now(fd);

	return size < before ? size_truncate_taken(fd, (off_t)size) : 0;
}

static long allocate_taken(int fd, int mode, off_t offset, off_t length)
{
	uint64_t before = size_now(fd);
	uint64_t signals = signals_block();
	size_t announced = moves_bytes(mode) ? 0 : (size_t)length;
	struct call home = {
		.request.type = REQUEST_FILE_SYNC,
		.send = { fd },
		.send_count = 1,
	};
	long result = moves_bytes(mode) ? client_call(&home) : 0;
	int64_t id = 0;
	int error = 0;

	if (!result)
		id = io_write_begin(fd, offset, announced);
	if (!result)
		result = id < 0 ? (long)id
				: raw(SYS_fallocate, fd, mode, offset, length);
	error = io_write_end(
		id, offset,
		result ? 0 : changed(fd, mode, offset, (size_t)length, before));
	if (!result && !error)
		error = follow_cut(fd, before);
	signals_restore(signals);
	return result ? result : error;
}

int file_fallocate(int fd, int mode, off_t offset, off_t length)
{
	struct look look;

	if (!client_has_taken() || offset < 0 || length <= 0 ||
	    !look_at(fd, &look))
		return real.fallocate(fd, mode, offset, length);
	if (look.bound)
		return (int)raw_return(-EOPNOTSUPP);
	return (int)raw_return(allocate_taken(fd, mode, offset, length));
}
EXPORT(fallocate, file_fallocate);
EXPORT(fallocate64, file_fallocate);

/* Gives its error.  libc's emulation, where a file system cannot do it, would
 * write by ways that are not seen here. */
static int file_posix_fallocate(int fd, off_t offset, off_t length)
{
	struct look look;
	int before = errno;
	int error;
	long result;

	if (!client_has_taken() || offset < 0 || length <= 0 ||
	    !look_at(fd, &look))
		return real.posix_fallocate(fd, offset, length);
	if (look.bound)
		return EOPNOTSUPP;
	result = allocate_taken(fd, 0, offset, length);
	if (result != -EOPNOTSUPP)
		return (int)-result;
	error = 0;
	if ((uint64_t)(offset + length) > look.size &&
	    file_ftruncate(fd, offset + length))
		error = errno;
	errno = before;
	return error;
}
EXPORT(posix_fallocate, file_posix_fallocate);
EXPORT(posix_fallocate64, file_posix_fallocate);
