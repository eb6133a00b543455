/* own.c - the descriptors that are the library's, not the program's */
/* SPDX-License-Identifier: MIT */
#include "own.h"

#include "raw.h"

#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/resource.h>

/* High enough not to be in the way of programs that count on low numbers, low
 * enough for a small table: fork() copies it. */
#define OWN_FROM 900
#define OWN_COUNT 80

/* descriptor + 1; 0: free */
static _Atomic int owned[OWN_COUNT];

static int move(int fd)
{
	static const int from[] = { OWN_FROM, 200, 50, 10 };
	long moved;

	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
		moved = raw(SYS_fcntl, fd, F_DUPFD_CLOEXEC, from[i]);
		if (raw_failed(moved))
			continue;
		raw(SYS_close, fd);
		return (int)moved;
	}
	return fd;
}

int own_take(int fd)
{
	fd = move(fd);
	for (int i = 0; i < OWN_COUNT; i++) {
		int none = 0;

		/* relaxed: who asks about a descriptor that he does not know
		 * to be ours races with us in any case */
		if (atomic_compare_exchange_strong_explicit(
			    &owned[i], &none, fd + 1, memory_order_relaxed,
			    memory_order_relaxed))
			break;
	}
	return fd;
}

void own_close(int fd)
{
	if (fd < 0)
		return;
	raw(SYS_close, fd);
	for (int i = 0; i < OWN_COUNT; i++) {
		int it = fd + 1;

		/* relaxed: as above */
		if (atomic_compare_exchange_strong_explicit(
			    &owned[i], &it, 0, memory_order_relaxed,
			    memory_order_relaxed))
			return;
	}
}

int own_next(int first, int last)
{
	int found = -1;

	for (int i = 0; i < OWN_COUNT; i++) {
		int fd = atomic_load_explicit(&owned[i], memory_order_relaxed) -
			 1;

		if (fd >= first && fd <= last && (found < 0 || fd < found))
			found = fd;
	}
	return found;
}

bool own_is(int fd)
{
	return fd >= 0 && own_next(fd, fd) == fd;
}
