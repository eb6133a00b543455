/* mlock.c - locking what is taken */
/* SPDX-License-Identifier: MIT */
/*
 * The kernel counts, and refuses what is too much; it fills nothing of what is
 * taken (MLOCK_ONFAULT): that the pages stay is the server's to see to.
 */
#include "map.h"

#include "client.h"
#include "ranges.h"
#include "raw.h"
#include "real.h"

#include <sys/mman.h>

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

/* mlockall()'s, for mappings to come. */
static _Atomic int future;

static int ask(enum request_type type, uintptr_t start, uintptr_t end,
	       unsigned int flags)
{
	struct call call = {
		.request.type = type,
		.request.address = start,
		.request.length = end - start,
		.request.flags = flags,
	};

	return client_call(&call);
}

/* Everything in [start, end): what is taken by the server, the rest by the
 * kernel, which has locked all of it without filling it. */
static long lock_pieces(uintptr_t start, uintptr_t end, unsigned int flags)
{
	uintptr_t at = start;
	long error = 0;

	for (struct range *range = table_find(&ranges, start, end);
	     range && !error; range = table_next(&ranges, range, end)) {
		uintptr_t first = range->start > at ? range->start : at;
		uintptr_t last = range->end < end ? range->end : end;

		if (first > at)
			error = raw(SYS_mlock2, at, first - at, flags);
		if (!error)
			error = ask(REQUEST_LOCK, first, last, flags);
		at = last;
	}
	if (!error && at < end)
		error = raw(SYS_mlock2, at, end - at, flags);
	return error;
}

int map_mlock2(const void *address, size_t length, unsigned int flags)
{
	uintptr_t start = (uintptr_t)address & ~(uintptr_t)4095;
	uintptr_t end = whole_pages((uintptr_t)address + length);
	long error;

	if (!ranges_reach((void *)start, end - start) || flags & ~1u)
		return (int)raw_return(raw(SYS_mlock2, address, length, flags));
	ranges_lock();
	error = raw(SYS_mlock2, address, length, MLOCK_ONFAULT);
	if (!error)
		error = lock_pieces(start, end, flags);
	ranges_unlock();
	return (int)raw_return(error);
}
EXPORT(mlock2, map_mlock2);

int map_mlock(const void *address, size_t length)
{
	return map_mlock2(address, length, 0);
}
EXPORT(mlock, map_mlock);

static void unlock_pieces(uintptr_t start, uintptr_t end)
{
	for (struct range *range = table_find(&ranges, start, end); range;
	     range = table_next(&ranges, range, end)) {
		uintptr_t first = range->start > start ? range->start : start;
		uintptr_t last = range->end < end ? range->end : end;

		ask(REQUEST_UNLOCK, first, last, 0);
	}
}

int map_munlock(const void *address, size_t length)
{
	uintptr_t start = (uintptr_t)address & ~(uintptr_t)4095;
	uintptr_t end = whole_pages((uintptr_t)address + length);
	long error;

	if (!ranges_reach((void *)start, end - start))
		return (int)raw_return(raw(SYS_munlock, address, length));
	ranges_lock();
	error = raw(SYS_munlock, address, length);
	if (!error || error == -ENOMEM)
		unlock_pieces(start, end);
	ranges_unlock();
	return (int)raw_return(error);
}
EXPORT(munlock, map_munlock);

/* Before the kernel fills what is taken: then its pages are there. */
static int lock_all_ranges(unsigned int flags)
{
	int error = 0;

	for (size_t i = 0; i < ranges.count && !error; i++)
		error = ask(REQUEST_LOCK, ranges.range[i].start,
			    ranges.range[i].end, flags);
	if (error)
		unlock_pieces(0, UINTPTR_MAX);
	return error;
}

int map_mlockall(int flags)
{
	unsigned int how = flags & MCL_ONFAULT ? MLOCK_ONFAULT : 0;
	long error = 0;

	ranges_lock();
	if (flags & MCL_CURRENT)
		error = lock_all_ranges(how);
	if (!error)
		error = raw(SYS_mlockall, flags);
	if (!error)
		atomic_store(&future, flags & MCL_FUTURE ? flags : 0);
	ranges_unlock();
	return (int)raw_return(error);
}
EXPORT(mlockall, map_mlockall);

int map_munlockall(void)
{
	long error;

	ranges_lock();
	error = raw(SYS_munlockall);
	atomic_store(&future, 0);
	unlock_pieces(0, UINTPTR_MAX);
	ranges_unlock();
	return (int)raw_return(error);
}
EXPORT(munlockall, map_munlockall);

void lock_new_range(void *address, size_t length, int flags)
{
	int all = atomic_load(&future);
	uintptr_t start = (uintptr_t)address;

	if (flags & MAP_LOCKED || all)
		ask(REQUEST_LOCK, start, start + length,
		    all & MCL_ONFAULT ? MLOCK_ONFAULT : 0);
}
