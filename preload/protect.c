/* protect.c - mprotect, madvise and msync of what is taken */
/* SPDX-License-Identifier: MIT */
/*
 * The kernel is asked first, so that what is wrong is refused as it does it.
 */
#include "map.h"

#include "client.h"
#include "ranges.h"
#include "raw.h"
#include "real.h"

#include <sys/mman.h>

/* The first address in [start, end) that must not become writable: a shared
 * mapping of a file that is open for reading only.  0: none. */
static uintptr_t first_denied(uintptr_t start, uintptr_t end)
{
	for (struct range *range = table_find(&ranges, start, end); range;
	     range = table_next(&ranges, range, end)) {
		if (range->flags & RANGE_READ_ONLY)
			return range->start > start ? range->start : start;
	}
	return 0;
}

static long protect(void *address, size_t length, int protection, int key)
{
	if (key < 0)
		return raw(SYS_mprotect, address, length, protection);
	return raw(SYS_pkey_mprotect, address, length, protection, key);
}

/* As the kernel: what lies before the mapping that refuses is changed. */
static long protect_until_denied(void *address, size_t length, int protection,
				 int key)
{
	uintptr_t start = (uintptr_t)address;
	uintptr_t denied = 0;
	long error = 0;

	ranges_lock();
	if (start % 4096 == 0)
		denied = first_denied(start, start + whole_pages(length));
	if (!denied)
		error = protect(address, length, protection, key);
	else if (denied > start)
		error = protect(address, denied - start, protection, key);
	if (denied && !error)
		error = -EACCES;
	ranges_unlock();
	return error;
}

int map_pkey_mprotect(void *address, size_t length, int protection, int key)
{
	long error;

	if (protection & PROT_WRITE &&
	    ranges_reach(address, whole_pages(length)))
		error = protect_until_denied(address, length, protection, key);
	else
		error = protect(address, length, protection, key);
	return (int)raw_return(error);
}
EXPORT(pkey_mprotect, map_pkey_mprotect);

int map_mprotect(void *address, size_t length, int protection)
{
	return map_pkey_mprotect(address, length, protection, -1);
}
EXPORT(mprotect, map_mprotect);

/* A request for a piece of a taken range. */
struct piece {
	enum request_type type;
	uintptr_t start;
	uintptr_t end;
	uint32_t flags;
	int advice;
};

static int ask_piece(const struct piece *piece)
{
	struct call call = {
		.request.type = piece->type,
		.request.address = piece->start,
		.request.length = piece->end - piece->start,
		.request.flags = piece->flags,
		.request.advice = piece->advice,
	};

	return client_call(&call);
}

/* The next taken range from *start on, cut to what was asked. */
static bool next_piece(struct piece *piece, uintptr_t *start, uintptr_t end)
{
	struct range *range;

	ranges_lock();
	range = *start < end ? table_find(&ranges, *start, end) : NULL;
	if (range) {
		piece->start = range->start > *start ? range->start : *start;
		piece->end = range->end < end ? range->end : end;
		*start = piece->end;
	}
	ranges_unlock();
	return range;
}

int map_msync(void *address, size_t length, int flags)
{
	uintptr_t start = (uintptr_t)address;
	uintptr_t end = start + whole_pages(length);
	struct piece piece = {
		.type = REQUEST_SYNC,
		.flags = (uint32_t)flags,
	};
	int before = errno;
	int result = real.msync(address, length, flags);
	int error = 0;

	/* only holes let the kernel write what it can */
	if (!ranges_reach(address, whole_pages(length)) ||
	    (result < 0 && errno != ENOMEM))
		return result;
	while (!error && next_piece(&piece, &start, end))
		error = ask_piece(&piece);
	if (error)
		return (int)raw_return(error);
	if (result == 0)
		errno = before;
	return result;
}
EXPORT(msync, map_msync);

static int advise_pieces(void *address, size_t length, int advice)
{
	uintptr_t start = (uintptr_t)address;
	uintptr_t end = start + whole_pages(length);
	struct piece piece = { .type = REQUEST_ADVISE, .advice = advice };
	int error = 0;

	while (!error && next_piece(&piece, &start, end))
		error = ask_piece(&piece);
	return error;
}

/* Is all of the advice the server's, so that the kernel must not hear it?  It
 * would take pages away that it knows nothing about. */
static bool is_servers_alone(int advice)
{
	return advice == MADV_COLD || advice == MADV_PAGEOUT;
}

static bool is_servers_too(int advice)
{
	return advice == MADV_NORMAL || advice == MADV_RANDOM ||
	       advice == MADV_SEQUENTIAL || advice == MADV_WILLNEED ||
	       is_servers_alone(advice);
}

/* What the kernel's check of a hole would have been: MADV_NORMAL changes
 * nothing that matters here. */
static long advise_hint(void *address, size_t length, int advice)
{
	long result = raw(SYS_madvise, address, length,
			  is_servers_alone(advice) ? MADV_NORMAL : advice);

	if (!result || result == -ENOMEM)
		advise_pieces(address, length, advice);
	return result;
}

/* One piece: the kernel's if it is not taken, or if it will refuse it. */
static long remove_piece(uintptr_t start, uintptr_t end, bool taken)
{
	struct piece piece = {
		.type = REQUEST_ADVISE,
		.start = start,
		.end = end,
		.advice = MADV_REMOVE,
	};

	if (taken)
		return ask_piece(&piece);
	return raw(SYS_madvise, start, end - start, MADV_REMOVE);
}

static uintptr_t piece_end(uintptr_t start, uintptr_t end, bool *taken)
{
	struct range *range;
	uintptr_t stop = end;

	ranges_lock();
	range = table_find(&ranges, start, end);
	*taken = range && range->start <= start && range->flags == RANGE_SHARED;
	if (range && range->start > start)
		stop = range->start;
	else if (range && range->end < end)
		stop = range->end;
	ranges_unlock();
	return stop;
}

/* Of shared ranges the file's pages go, which is the server's to do. */
static long advise_remove(void *address, size_t length)
{
	uintptr_t start = (uintptr_t)address;
	uintptr_t end = start + whole_pages(length);
	long hole = 0;

	if (start % 4096)
		return -EINVAL;
	while (start < end) {
		bool taken = false;
		uintptr_t stop = piece_end(start, end, &taken);
		long error = remove_piece(start, stop, taken);

		if (error && error != -ENOMEM)
			return error;
		hole = error ? error : hole;
		start = stop;
	}
	return hole;
}

int map_madvise(void *address, size_t length, int advice)
{
	if (!ranges_reach(address, whole_pages(length)))
		return (int)raw_return(
			raw(SYS_madvise, address, length, advice));
	if (advice == MADV_REMOVE)
		return (int)raw_return(advise_remove(address, length));
	if (is_servers_too(advice))
		return (int)raw_return(advise_hint(address, length, advice));
	return (int)raw_return(raw(SYS_madvise, address, length, advice));
}
EXPORT(madvise, map_madvise);

/* It gives its error, and errno stays; POSIX's "do not need" is no demand. */
static int map_posix_madvise(void *address, size_t length, int advice)
{
	int before = errno;
	int error = 0;

	if (advice == POSIX_MADV_DONTNEED)
		return 0;
	if (map_madvise(address, length, advice))
		error = errno;
	errno = before;
	return error;
}
EXPORT(posix_madvise, map_posix_madvise);
