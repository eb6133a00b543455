/* status.c - stat and access of paths that are bound */
/* SPDX-License-Identifier: MIT */
#include "bound.h"
#include "raw.h"
#include "real.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(struct stat) == sizeof(struct stat64),
	       "both names are of one thing");

static int status_at(int folder, const char *path, struct stat *status,
		     int flags)
{
	long error;
	int fd;

	if (!bound_open(folder, path, O_RDONLY | O_CLOEXEC, &fd))
		return (int)raw_return(
			raw(SYS_newfstatat, folder, path, status, flags));
	if (fd < 0)
		return -1;
	error = raw(SYS_fstat, fd, status);
	raw(SYS_close, fd);
	return (int)raw_return(error);
}
EXPORT(fstatat, status_at);

static int status_at_64(int folder, const char *path, struct stat64 *status,
			int flags)
{
	return status_at(folder, path, (struct stat *)status, flags);
}
EXPORT(fstatat64, status_at_64);

static int status_of(const char *path, struct stat *status)
{
	return status_at(AT_FDCWD, path, status, 0);
}
EXPORT(stat, status_of);

static int status_of_64(const char *path, struct stat64 *status)
{
	return status_of(path, (struct stat *)status);
}
EXPORT(stat64, status_of_64);

static int status_of_link(const char *path, struct stat *status)
{
	return status_at(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW);
}
EXPORT(lstat, status_of_link);

static int status_of_link_64(const char *path, struct stat64 *status)
{
	return status_of_link(path, (struct stat *)status);
}
EXPORT(lstat64, status_of_link_64);

/* What programs of older C libraries call. */
static int status_of_version(int version, const char *path, struct stat *status)
{
	(void)version;
	return status_of(path, status);
}
EXPORT(__xstat, status_of_version);
EXPORT(__xstat64, status_of_version);

static int status_of_link_version(int version, const char *path,
				  struct stat *status)
{
	(void)version;
	return status_of_link(path, status);
}
EXPORT(__lxstat, status_of_link_version);
EXPORT(__lxstat64, status_of_link_version);

static int status_at_version(int version, int folder, const char *path,
			     struct stat *status, int flags)
{
	(void)version;
	return status_at(folder, path, status, flags);
}
EXPORT(__fxstatat, status_at_version);
EXPORT(__fxstatat64, status_at_version);

static int status_x(int folder, const char *path, int flags, unsigned int mask,
		    struct statx *status)
{
	long error;
	int fd;

	if (!bound_open(folder, path, O_RDONLY | O_CLOEXEC, &fd))
		return (int)raw_return(
			raw(SYS_statx, folder, path, flags, mask, status));
	if (fd < 0)
		return -1;
	error = raw(SYS_statx, fd, "", AT_EMPTY_PATH, mask, status);
	raw(SYS_close, fd);
	return (int)raw_return(error);
}
EXPORT(statx, status_x);

/* access() and faccessat(): what opens may be accessed. */
static bool bound_access(int folder, const char *path, int mode, int *result)
{
	int flags = mode & W_OK ? O_RDWR : O_RDONLY;
	int fd;

	if (!bound_open(folder, path, flags | O_CLOEXEC, &fd))
		return false;
	*result = fd < 0 ? -1 : 0;
	if (fd >= 0) {
		raw(SYS_close, fd);
		if (mode & X_OK)
			*result = (int)raw_return(-EACCES);
	}
	return true;
}

static int access_of(const char *path, int mode)
{
	int result;

	if (bound_access(AT_FDCWD, path, mode, &result))
		return result;
	return (int)raw_return(raw(SYS_faccessat, AT_FDCWD, path, mode));
}
EXPORT(access, access_of);

#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif

static int access_at(int folder, const char *path, int mode, int flags)
{
	int result;

	if (bound_access(folder, path, mode, &result))
		return result;
	if (flags == 0)
		return (int)raw_return(raw(SYS_faccessat, folder, path, mode));
	return (int)raw_return(raw(SYS_faccessat2, folder, path, mode, flags));
}
EXPORT(faccessat, access_at);
