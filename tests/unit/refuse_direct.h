/* refuse_direct.h - a kernel that refuses direct transfers */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_UNIT_REFUSE_DIRECT_H
#define QUIRE_UNIT_REFUSE_DIRECT_H

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/uio.h>

static atomic_bool refuse_direct; /* direct transfers are EINVAL */
static atomic_uint direct_count;  /* direct transfers asked for */

static bool is_refused(int fd)
{
	if (!(fcntl(fd, F_GETFL) & O_DIRECT))
		return false;
	atomic_fetch_add(&direct_count, 1);
	errno = EINVAL;
	return atomic_load(&refuse_direct);
}

/* These stand in the place of libc's, for the store as for all. */
ssize_t preadv(int fd, const struct iovec *iov, int count, off_t offset)
{
	ssize_t (*real)(int, const struct iovec *, int, off_t);

	*(void **)&real = dlsym(RTLD_NEXT, "preadv");
	return is_refused(fd) ? -1 : real(fd, iov, count, offset);
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	ssize_t (*real)(int, const struct iovec *, int, off_t);

	*(void **)&real = dlsym(RTLD_NEXT, "pwritev");
	return is_refused(fd) ? -1 : real(fd, iov, count, offset);
}

#endif
