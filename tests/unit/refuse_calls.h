/* refuse_calls.h - a kernel that refuses one call, when a test says so */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_REFUSE_CALLS_H
#define QUIRE_TESTS_REFUSE_CALLS_H

#include "unit/unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/userfaultfd.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

/* How many calls that change mappings succeed before one is refused; negative:
 * all do, or one was refused. */
static _Atomic int calls_allowed = -1;
/* Of these calls alone; -1: of all. */
static _Atomic long calls_meant = -1;
static _Atomic int calls_error = ENOMEM;
/* Called instead of the one that is refused; may be NULL. */
static void (*_Atomic instead_of_call)(void);

static inline long real_call(long number, const long *a)
{
	long (*real)(long, long, long, long, long, long, long);

	*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static inline bool is_refused(long number)
{
	void (*instead)(void);

	if (atomic_load(&calls_meant) >= 0 &&
	    number != atomic_load(&calls_meant))
		return false;
	if (atomic_load(&calls_allowed) < 0 ||
	    atomic_fetch_sub(&calls_allowed, 1) > 0)
		return false;
	instead = atomic_load(&instead_of_call);
	if (instead)
		instead();
	errno = atomic_load(&calls_error);
	return true;
}

static _Atomic unsigned calls_read; /* of a file, at an offset */

/* Reads are refused only if they are meant. */
static inline bool may_refuse(long number)
{
	switch (number) {
	case SYS_pread64:
		atomic_fetch_add(&calls_read, 1);
		return atomic_load(&calls_meant) == number;
	case SYS_mmap:
	case SYS_munmap:
	case SYS_mprotect:
	case SYS_mremap:
	case SYS_madvise:
		return true;
	default:
		return false;
	}
}

/* Stands in the place of libc's, for the library as for all. */
long syscall(long number, ...)
{
	va_list list;
	long a[6];

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (may_refuse(number) && is_refused(number))
		return -1;
	return real_call(number, a);
}

/* Of pages: shown, and made writable; and what the next of the latter fails with. */
static _Atomic unsigned calls_continue, calls_unprotect;
static _Atomic int unprotection_error;

/* True: it is to fail. */
static inline bool note_page_call(unsigned long request, const void *argument)
{
	const struct uffdio_writeprotect *protection = argument;

	if (request == UFFDIO_CONTINUE)
		atomic_fetch_add(&calls_continue, 1);
	if (request != UFFDIO_WRITEPROTECT || protection->mode)
		return false;
	atomic_fetch_add(&calls_unprotect, 1);
	errno = atomic_exchange(&unprotection_error, 0);
	return errno;
}

int ioctl(int fd, unsigned long request, ...)
{
	int (*real)(int, unsigned long, void *);
	va_list list;
	void *argument;

	va_start(list, request);
	argument = va_arg(list, void *);
	va_end(list);
	if (request == UFFDIO_REGISTER && is_refused(SYS_ioctl))
		return -1;
	if (note_page_call(request, argument))
		return -1;
	*(void **)&real = dlsym(RTLD_NEXT, "ioctl");
	return real(fd, request, argument);
}

/* The one after `after` more of that kind (-1: any) fails with error. */
static inline void refuse_call(long number, int after, int error)
{
	atomic_store(&calls_meant, number);
	atomic_store(&calls_error, error);
	atomic_store(&calls_allowed, after);
}

static inline void refuse_unprotection(int error)
{
	atomic_store(&unprotection_error, error);
}

static inline void count_calls(void)
{
	atomic_store(&calls_continue, 0);
	atomic_store(&calls_unprotect, 0);
}

static inline unsigned continues(void)
{
	return atomic_load(&calls_continue);
}

static inline unsigned unprotections(void)
{
	return atomic_load(&calls_unprotect);
}

/* True: one was refused.  All succeed from now on. */
static inline bool stop_refusing(void)
{
	atomic_store(&instead_of_call, 0);
	return atomic_exchange(&calls_allowed, -1) < 0;
}

#endif
