/* real.h - libc's own functions, behind this library's */
/* SPDX-License-Identifier: MIT */
/*
 * Where libc does more than the system call: cancellation points, emulation,
 * streams.  Until real_resolve() has run the first kind are plain system calls,
 * so that whatever a constructor, an allocator or the dynamic linker itself
 * calls works.
 */
#ifndef QUIRE_PRELOAD_REAL_H
#define QUIRE_PRELOAD_REAL_H

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/uio.h>

struct real {
	ssize_t (*read)(int, void *, size_t);
	ssize_t (*write)(int, const void *, size_t);
	ssize_t (*pread)(int, void *, size_t, off_t);
	ssize_t (*pwrite)(int, const void *, size_t, off_t);
	ssize_t (*readv)(int, const struct iovec *, int);
	ssize_t (*writev)(int, const struct iovec *, int);
	ssize_t (*preadv)(int, const struct iovec *, int, off_t);
	ssize_t (*pwritev)(int, const struct iovec *, int, off_t);
	ssize_t (*preadv2)(int, const struct iovec *, int, off_t, int);
	ssize_t (*pwritev2)(int, const struct iovec *, int, off_t, int);
	ssize_t (*splice)(int, off_t *, int, off_t *, size_t, unsigned int);
	int (*openat)(int, const char *, int, ...);
	int (*close)(int);
	int (*fsync)(int);
	int (*fdatasync)(int);
	int (*sync_file_range)(int, off_t, off_t, unsigned int);
	int (*fallocate)(int, int, off_t, off_t);
	int (*posix_fallocate)(int, off_t, off_t);
	int (*msync)(void *, size_t, int);
	int (*mutex_lock)(pthread_mutex_t *);
	int (*mutex_trylock)(pthread_mutex_t *);
	int (*mutex_timedlock)(pthread_mutex_t *, const struct timespec *);
	int (*mutex_clocklock)(pthread_mutex_t *, clockid_t,
			       const struct timespec *);
	/* NULL until resolved, or if libc has none. */
	FILE *(*fopen)(const char *, const char *);
	FILE *(*fdopen)(int, const char *);
	FILE *(*freopen)(const char *, const char *, FILE *);
	int (*fclose)(FILE *);
	int (*fflush)(FILE *);
	int (*vdprintf)(int, const char *, va_list);
	int (*vdprintf_checked)(int, int, const char *, va_list);
	pid_t (*fork_bare)(void);
};

extern struct real real;

/* Once or more often; from a constructor, or before a stream is opened. */
void real_resolve(void);

/* The exported name of a function of ours, which inside is called by its own
 * name: calls never leave the library. */
#define EXPORT(name, function)           \
	extern __typeof__(function) name \
		__attribute__((alias(#function), visibility("default")))

#endif
