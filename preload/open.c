/* open.c - open, as far as it cuts a file, or means another */
/* SPDX-License-Identifier: MIT */
#include "file.h"

#include "bound.h"
#include "helper.h"
#include "look.h"
#include "maps.h"
#include "raw.h"
#include "real.h"

#include <stdarg.h>
#include <sys/stat.h>

/* O_TRUNC of a file that was taken when it was looked at: opened as it is, and
 * cut by the server. */
static int open_and_cut(int folder, const char *path, int flags)
{
	int fd = real.openat(folder, path, flags & ~(O_TRUNC | O_CREAT));
	struct look look;
	char link[64];
	int error;

	if (fd < 0)
		return fd;
	look_at(fd, &look);
	error = -EAGAIN;
	if (look.entry && (flags & O_ACCMODE) != O_RDONLY)
		error = size_truncate_taken(fd, 0);
	if (error == -EAGAIN) {
		own_link(fd, link);
		error = helper_truncate(link, 0);
	}
	if (error == -EAGAIN)
		error = (int)raw(SYS_truncate, link, 0);
	if (!error)
		return fd;
	raw(SYS_close, fd);
	return (int)raw_return(error);
}

/* A file that has become taken while the kernel cut it: the server must hear
 * that it is empty. */
static void look_back(int fd)
{
	struct look look;

	if (look_at(fd, &look) && !look.bound && look.size == 0)
		size_truncate_taken(fd, 0);
}

static int open_to_cut(int folder, const char *path, int flags, mode_t mode)
{
	struct look look;
	int fd;

	if (client_has_taken() && !(flags & O_EXCL && flags & O_CREAT) &&
	    look_at_path(folder, path,
			 flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0, &look))
		return open_and_cut(folder, path, flags);
	fd = real.openat(folder, path, flags, mode);
	if (fd >= 0 && client_has_taken() && (flags & O_ACCMODE) != O_RDONLY)
		look_back(fd);
	return fd;
}

int file_open(int folder, const char *path, int flags, mode_t mode)
{
	int fd;

	if (bound_open(folder, path, flags, &fd) || maps_open(path, flags, &fd))
		return fd;
	if (flags & O_TRUNC && !(flags & (O_PATH | O_DIRECTORY)))
		return open_to_cut(folder, path, flags, mode);
	return real.openat(folder, path, flags, mode);
}

static bool has_mode(int flags)
{
	return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
}

static int open_path(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode = 0;

	va_start(arguments, flags);
	if (has_mode(flags))
		mode = va_arg(arguments, mode_t);
	va_end(arguments);
	return file_open(AT_FDCWD, path, flags, mode);
}
EXPORT(open, open_path);
EXPORT(open64, open_path);

static int open_at(int folder, const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode = 0;

	va_start(arguments, flags);
	if (has_mode(flags))
		mode = va_arg(arguments, mode_t);
	va_end(arguments);
	return file_open(folder, path, flags, mode);
}
EXPORT(openat, open_at);
EXPORT(openat64, open_at);

static int open_new(const char *path, mode_t mode)
{
	return file_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
EXPORT(creat, open_new);
EXPORT(creat64, open_new);

/* What programs that were built with checks call: there is no mode. */
static int open_checked(const char *path, int flags)
{
	return file_open(AT_FDCWD, path, flags, 0);
}
EXPORT(__open_2, open_checked);
EXPORT(__open64_2, open_checked);

static int open_at_checked(int folder, const char *path, int flags)
{
	return file_open(folder, path, flags, 0);
}
EXPORT(__openat_2, open_at_checked);
EXPORT(__openat64_2, open_at_checked);
