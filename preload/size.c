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
#include <pthread.h>
#include <sys/resource.h>

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
	struct stat status;

	if (!raw_failed(raw(SYS_fstat, fd, &status))) {
		call.request.offset = (uint64_t)status.st_size;
		call.request.flags = TRUNCATE_SAW_SIZE;
	}
	return client_call(&call);
}

static bool is_writable(int fd)
{
	long flags = raw(SYS_fcntl, fd, F_GETFL);

	return !raw_failed(flags) && !(flags & O_PATH) &&
	       (flags & O_ACCMODE) != O_RDONLY;
}

/* The server looks at the file's size. */
static void tell_size(int fd)
{
	const struct stretch none = { (off_t)io_size(fd), 0, false };

	io_tell_written(fd, &none);
}

/* The kernel has cut it, or made it longer, without us.  If it has become taken
 * meanwhile a page behind the end might go home yet; but if the size is another
 * by now, somebody else has written. */
static void look_back(int fd, off_t length)
{
	struct look look;

	if (!client_has_taken() || !look_at(fd, &look) || look.bound)
		return;
	if (look.size == (uint64_t)length)
		size_truncate_taken(fd, length);
	else
		tell_size(fd);
}

int file_ftruncate(int fd, off_t length)
{
	struct look look;
	long error = -EAGAIN;

	if (client_has_taken() && length >= 0 && look_at(fd, &look) &&
	    is_writable(fd) && !is_over_limit(length))
		error = size_truncate_taken(fd, length);
	if (error == -EAGAIN) {
		error = raw(SYS_ftruncate, fd, length);
		if (!error)
			look_back(fd, length);
	}
	return (int)raw_return(error);
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
	if (error == -EAGAIN) {
		error = raw(SYS_truncate, path, length);
		if (!error && client_has_taken() &&
		    look_at_path(AT_FDCWD, path, 0, &look) && !look.bound &&
		    look.size == (uint64_t)length)
			helper_truncate(path, length);
	}
	return (int)raw_return(error);
}
EXPORT(truncate, file_truncate);
EXPORT(truncate64, file_truncate);

/* Everything behind offset moves. */
static bool moves_bytes(int mode)
{
	return mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE);
}

/* What has changed: if bytes have moved, all that is still there; the server
 * sees the size by itself. */
static struct stretch changed(int fd, int mode, off_t offset, off_t length)
{
	struct stretch stretch = { offset, (size_t)length, false };
	uint64_t end = io_size(fd);

	if (moves_bytes(mode))
		stretch.length = end > (uint64_t)offset
					 ? (size_t)(end - (uint64_t)offset)
					 : 0;
	return stretch;
}

static int bring_home(int fd)
{
	struct call call = {
		.request.type = REQUEST_FILE_SYNC,
		.send = { fd },
		.send_count = 1,
	};

	return client_call(&call);
}

static long allocate_announced(int fd, int mode, off_t offset, off_t length)
{
	struct stretch stretch = { offset, 0, false };
	struct begun begun;
	long result = io_write_begin(&begun, fd, offset,
				     moves_bytes(mode) ? 0 : (size_t)length);

	if (result)
		return result;
	result = raw(SYS_fallocate, fd, mode, offset, length);
	if (!result)
		stretch = changed(fd, mode, offset, length);
	io_write_end(&begun, &stretch);
	return result;
}

static long allocate_taken(int fd, int mode, off_t offset, off_t length)
{
	uint64_t signals = signals_block();
	long result = moves_bytes(mode) ? bring_home(fd) : 0;

	if (!result)
		result = allocate_announced(fd, mode, offset, length);
	signals_restore(signals);
	return result;
}

/* The kernel has done it, without us. */
static void look_back_at(int fd, int mode, off_t offset, off_t length)
{
	struct stretch stretch;
	struct look look;

	if (!client_has_taken() || !look_at(fd, &look) || look.bound)
		return;
	stretch = changed(fd, mode, offset, length);
	io_tell_written(fd, &stretch);
}

int file_fallocate(int fd, int mode, off_t offset, off_t length)
{
	struct look look;
	int result;

	if (client_has_taken() && offset >= 0 && length > 0 &&
	    look_at(fd, &look)) {
		pthread_testcancel(); /* as libc's own */
		if (look.bound)
			return (int)raw_return(-EOPNOTSUPP);
		return (int)raw_return(
			allocate_taken(fd, mode, offset, length));
	}
	result = real.fallocate(fd, mode, offset, length);
	if (result == 0)
		look_back_at(fd, mode, offset, length);
	return result;
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
	    !look_at(fd, &look)) {
		error = real.posix_fallocate(fd, offset, length);
		if (!error && client_has_taken() && look_at(fd, &look) &&
		    !look.bound)
			tell_size(fd);
		return error;
	}
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
