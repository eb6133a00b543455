/* descriptors.c - the program cannot close what is the library's */
/* SPDX-License-Identifier: MIT */
#include "own.h"
#include "raw.h"
#include "real.h"

#include <limits.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4u
#endif

static int descriptor_close(int fd)
{
	if (own_is(fd)) {
		errno = EBADF;
		return -1;
	}
	return real.close(fd);
}
EXPORT(close, descriptor_close);

/* Between ours, one stretch after the other. */
static int descriptor_close_range(unsigned int first, unsigned int last,
				  int flags)
{
	unsigned int from = first;
	int own;
	long error = 0;

	if (first > last || first > INT_MAX ||
	    (unsigned int)flags & CLOSE_RANGE_CLOEXEC)
		return (int)raw_return(
			raw(SYS_close_range, first, last, flags));
	while (!error && from <= last && from <= INT_MAX) {
		own = own_next((int)from, INT_MAX);
		if (own < 0 || (unsigned int)own > last)
			break;
		if ((unsigned int)own > from)
			error = raw(SYS_close_range, from, own - 1, flags);
		from = (unsigned int)own + 1;
	}
	if (!error && from <= last)
		error = raw(SYS_close_range, from, last, flags);
	return (int)raw_return(error);
}
EXPORT(close_range, descriptor_close_range);

static void descriptor_closefrom(int first)
{
	int before = errno;

	descriptor_close_range(first > 0 ? (unsigned int)first : 0, UINT_MAX,
			       0);
	errno = before;
}
EXPORT(closefrom, descriptor_closefrom);

static int descriptor_dup3(int fd, int to, int flags)
{
	if (own_is(to) || own_is(fd)) {
		errno = EBADF;
		return -1;
	}
	return (int)raw_return(raw(SYS_dup3, fd, to, flags));
}
EXPORT(dup3, descriptor_dup3);

static int descriptor_dup2(int fd, int to)
{
	/* the one case in which dup3() is not the same */
	if (fd == to) {
		long error = raw(SYS_fcntl, fd, 1 /* F_GETFD */);

		if (own_is(fd))
			error = -EBADF;
		return raw_failed(error) ? (int)raw_return(error) : to;
	}
	return descriptor_dup3(fd, to, 0);
}
EXPORT(dup2, descriptor_dup2);
