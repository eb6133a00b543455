/* syscall.c - libc's syscall(), for what has a wrapper here */
/* SPDX-License-Identifier: MIT */
#include "file.h"
#include "map.h"
#include "raw.h"
#include "real.h"

#include <stdarg.h>
#include <unistd.h>

#ifndef SYS_pkey_mprotect
#define SYS_pkey_mprotect 329
#endif

/* What the number means is ours to do: true, and *result. */
static bool do_map(long number, const long a[6], long *result)
{
	void *address = (void *)a[0];
	size_t length = (size_t)a[1];

	switch (number) {
	case SYS_mmap:
		*result = (long)map_mmap(address, length, (int)a[2], (int)a[3],
					 (int)a[4], a[5]);
		return true;
	case SYS_munmap:
		*result = map_munmap(address, length);
		return true;
	case SYS_mremap:
		*result = (long)map_mremap_to(address, length, (size_t)a[2],
					      (int)a[3], (void *)a[4]);
		return true;
	case SYS_mprotect:
		*result = map_mprotect(address, length, (int)a[2]);
		return true;
	case SYS_pkey_mprotect:
		*result = map_pkey_mprotect(address, length, (int)a[2],
					    (int)a[3]);
		return true;
	case SYS_msync:
		*result = map_msync(address, length, (int)a[2]);
		return true;
	case SYS_madvise:
		*result = map_madvise(address, length, (int)a[2]);
		return true;
	default:
		return false;
	}
}

static bool do_lock(long number, const long a[6], long *result)
{
	void *address = (void *)a[0];
	size_t length = (size_t)a[1];

	switch (number) {
	case SYS_mlock:
		*result = map_mlock(address, length);
		return true;
	case SYS_mlock2:
		*result = map_mlock2(address, length, (unsigned int)a[2]);
		return true;
	case SYS_munlock:
		*result = map_munlock(address, length);
		return true;
	case SYS_mlockall:
		*result = map_mlockall((int)a[0]);
		return true;
	case SYS_munlockall:
		*result = map_munlockall();
		return true;
	default:
		return false;
	}
}

static bool do_read(long number, const long a[6], long *result)
{
	int fd = (int)a[0];

	switch (number) {
	case SYS_read:
		*result = file_read(fd, (void *)a[1], (size_t)a[2]);
		return true;
	case SYS_pread64:
		*result = file_pread(fd, (void *)a[1], (size_t)a[2], a[3]);
		return true;
	case SYS_readv:
		*result = file_readv(fd, (void *)a[1], (int)a[2]);
		return true;
	case SYS_preadv:
		*result = file_preadv(fd, (void *)a[1], (int)a[2], a[3]);
		return true;
	case SYS_preadv2:
		*result = file_preadv2(fd, (void *)a[1], (int)a[2], a[3],
				       (int)a[5]);
		return true;
	default:
		return false;
	}
}

static bool do_write(long number, const long a[6], long *result)
{
	int fd = (int)a[0];

	switch (number) {
	case SYS_write:
		*result = file_write(fd, (void *)a[1], (size_t)a[2]);
		return true;
	case SYS_pwrite64:
		*result = file_pwrite(fd, (void *)a[1], (size_t)a[2], a[3]);
		return true;
	case SYS_writev:
		*result = file_writev(fd, (void *)a[1], (int)a[2]);
		return true;
	case SYS_pwritev:
		*result = file_pwritev(fd, (void *)a[1], (int)a[2], a[3]);
		return true;
	case SYS_pwritev2:
		*result = file_pwritev2(fd, (void *)a[1], (int)a[2], a[3],
					(int)a[5]);
		return true;
	default:
		return false;
	}
}

static bool do_transfer(long number, const long a[6], long *result)
{
	switch (number) {
	case SYS_copy_file_range:
		*result = file_copy_range((int)a[0], (off_t *)a[1], (int)a[2],
					  (off_t *)a[3], (size_t)a[4],
					  (unsigned int)a[5]);
		return true;
	case SYS_sendfile:
		*result = file_sendfile((int)a[0], (int)a[1], (off_t *)a[2],
					(size_t)a[3]);
		return true;
	case SYS_splice:
		*result = file_splice((int)a[0], (off_t *)a[1], (int)a[2],
				      (off_t *)a[3], (size_t)a[4],
				      (unsigned int)a[5]);
		return true;
	default:
		return false;
	}
}

static bool do_file(long number, const long a[6], long *result)
{
	switch (number) {
	case SYS_fsync:
		*result = file_fsync((int)a[0]);
		return true;
	case SYS_fdatasync:
		*result = file_fdatasync((int)a[0]);
		return true;
	case SYS_ftruncate:
		*result = file_ftruncate((int)a[0], a[1]);
		return true;
	case SYS_truncate:
		*result = file_truncate((const char *)a[0], a[1]);
		return true;
	case SYS_fallocate:
		*result = file_fallocate((int)a[0], (int)a[1], a[2], a[3]);
		return true;
	case SYS_openat:
		*result = file_open((int)a[0], (const char *)a[1], (int)a[2],
				    (mode_t)a[3]);
		return true;
	default:
		return false;
	}
}

static long call_system(long number, ...)
{
	va_list arguments;
	long a[6];
	long result;

	va_start(arguments, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(arguments, long);
	va_end(arguments);
	if (do_map(number, a, &result) || do_read(number, a, &result) ||
	    do_write(number, a, &result) || do_lock(number, a, &result) ||
	    do_transfer(number, a, &result) || do_file(number, a, &result))
		return result;
	return raw_return(raw_call(number, a));
}
EXPORT(syscall, call_system);
