/* mremap.c - mremap of what is taken */
/* SPDX-License-Identifier: MIT */
/*
 * Moves and cuts are events that the server hears of.  Growth is none: it is
 * told, and looks for itself if somebody gets at the new pages before that.
 */
#include "map.h"

#include "client.h"
#include "ranges.h"
#include "raw.h"
#include "robust.h"
#include "real.h"

#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

struct move {
	uintptr_t from;
	size_t length; /* whole pages; 0: one more mapping of the same */
	uintptr_t to;
	size_t new_length;
	bool keep;
};

static void say_grown(const struct range *range)
{
	struct call call = {
		.request.type = REQUEST_MAPPED,
		.request.id = ranges.file[range->file].id,
		.request.address = range->start,
		.request.length = range->end - range->start,
		.request.offset = range->offset,
	};

	if (!(range->flags & RANGE_READ_ONLY))
		call.request.flags |= MAPPED_WRITABLE;
	if (range->flags == RANGE_SHARED)
		call.request.flags |= MAPPED_SHARED;
	client_call(&call);
}

/* [from, +length) is at to now, and ends at to + new_length. */
static void follow(const struct move *move)
{
	size_t common = move->length < move->new_length ? move->length
							: move->new_length;
	struct range *last;
	struct range grown;

	if (move->length > common)
		table_remove(&ranges, move->from + common,
			     move->from + move->length);
	if (move->to != move->from)
		table_move(&ranges, move->from, common, move->to, move->keep);
	if (move->new_length == common)
		return;
	last = table_find(&ranges, move->to + common - 1, move->to + common);
	table_remove(&ranges, move->to + common, move->to + move->new_length);
	if (!last)
		return;
	last = table_find(&ranges, move->to + common - 1, move->to + common);
	grown = *last;
	table_stretch(&ranges, last, move->to + move->new_length);
	grown.end = move->to + move->new_length;
	say_grown(&grown);
}

/* A second mapping of what is mapped at from: MREMAP with the old size 0. */
static void follow_copy(const struct move *move)
{
	struct range *found = table_find(&ranges, move->from, move->from + 1);
	struct range copy;

	if (!found) {
		table_remove(&ranges, move->to, move->to + move->new_length);
		return;
	}
	copy = *found;
	copy.offset += move->from - copy.start;
	copy.start = move->to;
	copy.end = move->to + move->new_length;
	ranges.file[copy.file].ranges++; /* it stays, whatever is at to */
	table_remove(&ranges, copy.start, copy.end);
	table_insert(&ranges, copy);
	ranges.file[copy.file].ranges--;
	say_grown(&copy);
}

static int reserve(const struct move *move)
{
	size_t moved =
		table_ranges_in(&ranges, move->from, move->from + move->length);

	return table_reserve(&ranges, 2 * moved + 4);
}

static long mremap_locked(struct move *move, int flags)
{
	long got = reserve(move);

	if (got)
		return got;
	got = raw(SYS_mremap, move->from, move->length, move->new_length, flags,
		  move->to);
	if (raw_failed(got))
		return got;
	move->to = (uintptr_t)got;
	robust_forget();
	if (move->length)
		follow(move);
	else
		follow_copy(move);
	return got;
}

void *map_mremap_to(void *address, size_t length, size_t new_length, int flags,
		    void *to)
{
	struct move move = {
		.from = (uintptr_t)address,
		.length = whole_pages(length),
		.to = (uintptr_t)to,
		.new_length = whole_pages(new_length),
		.keep = flags & MREMAP_DONTUNMAP,
	};
	long got;

	if (!ranges_reach(address, move.length + 1) &&
	    !(flags & MREMAP_FIXED && ranges_reach(to, move.new_length))) {
		got = raw(SYS_mremap, address, length, new_length, flags, to);
		return (void *)raw_return(got);
	}
	ranges_lock();
	got = mremap_locked(&move, flags);
	ranges_unlock();
	return (void *)raw_return(got);
}

static void *map_mremap(void *address, size_t length, size_t new_length,
			int flags, ...)
{
	void *to = NULL;
	va_list arguments;

	va_start(arguments, flags);
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		to = va_arg(arguments, void *);
	va_end(arguments);
	return map_mremap_to(address, length, new_length, flags, to);
}
EXPORT(mremap, map_mremap);
