/* refuse_maps.h - a kernel that has no memory, when a test says so */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_REFUSE_MAPS_H
#define QUIRE_TESTS_REFUSE_MAPS_H

#include "unit/unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/syscall.h>

/* How many raw mmap(2) calls succeed before one is refused; -1: all do. */
static _Atomic int maps_allowed = -1;

/* Stands in the place of libc's, for the library as for all. */
long syscall(long number, ...)
{
	long (*real)(long, long, long, long, long, long, long);
	va_list list;
	long a[6];

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_mmap && atomic_load(&maps_allowed) >= 0 &&
	    atomic_fetch_sub(&maps_allowed, 1) == 0) {
		errno = ENOMEM;
		return -1;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#endif
