/* sync.c - msync, by object and by address */
/* SPDX-License-Identifier: MIT */
#include "engine/sync.h"

#include <errno.h>
#include <string.h>

int sync_check_flags(int flags)
{
	if (flags & ~(MS_SYNC | MS_ASYNC | MS_INVALIDATE))
		return error_say(-EINVAL, "unknown flags 0x%x",
				 (unsigned)flags);
	if ((flags & MS_SYNC) && (flags & MS_ASYNC))
		return error_say(-EINVAL, "MS_SYNC or MS_ASYNC, not both");
	return 0;
}

int sync_handle(struct quire_object *handle, uint64_t offset, uint64_t length,
		int flags)
{
	struct quire *quire = engine_of(handle);
	uint64_t first = offset >> PAGE_SHIFT, pages = UINT64_MAX - first;
	int error = 0, reported;

	if (length && length < UINT64_MAX - offset)
		pages = ((offset + length - 1) >> PAGE_SHIFT) - first + 1;
	if (flags & MS_SYNC)
		error = writeback_sync(&quire->writeback, handle->object, first,
				       pages, true);
	else if (flags & MS_ASYNC)
		writeback_kick(&quire->writeback, true);
	/* Dirty pages stay: they are newer than what would be read. */
	if (flags & MS_INVALIDATE) {
		object_invalidate(handle->object, first, pages);
		fault_handler_retry(&quire->faults);
	}
	reported = handle_report_error(handle);
	return reported ? reported : error;
}

/* The next mapping in [*at, end), its handle taken; NULL: there is none. */
static struct quire_object *next_mapped(struct space *space, uint64_t *at,
					uint64_t end, uint64_t *offset,
					uint64_t *length, bool *hole)
{
	struct quire_object *handle = NULL;
	struct vma *vma;
	uint64_t start, stop;

	rwlock_take_read(&space->lock);
	vma = space_find_intersection(space, *at, end);
	if (vma) {
		start = vma->mapping.start > *at ? vma->mapping.start : *at;
		stop = vma->mapping.end < end ? vma->mapping.end : end;
		if (start > *at)
			*hole = true;
		*offset = vma_index_at(vma, start) << PAGE_SHIFT;
		*length = stop - start;
		*at = stop;
		/* A private page has no home. */
		handle = vma->handle;
		handle_take(handle);
	} else if (*at < end) {
		*hole = true;
	}
	rwlock_drop_read(&space->lock);
	return handle;
}

static int sync_mapped(struct space *space, uint64_t at, uint64_t end,
		       int flags)
{
	struct quire_object *handle;
	uint64_t offset, length;
	bool hole = false;
	int error = 0;

	while (!error && at < end &&
	       (handle = next_mapped(space, &at, end, &offset, &length,
				     &hole))) {
		error = sync_handle(handle, offset, length, flags);
		handle_drop(handle);
	}
	if (!error && hole)
		error = error_say(-ENOMEM, "nothing is mapped in a part of the "
					   "range");
	return error;
}

int quire_msync(struct quire_space *space, void *address, size_t length,
		int flags)
{
	uint64_t start = (uint64_t)(uintptr_t)address;
	int error = engine_check(space->quire);

	if (!error) {
		error_clear();
		error = sync_check_flags(flags);
	}
	if (!error && (start & PAGE_MASK))
		error = error_say(-EINVAL, "%p is inside a page", address);
	if (!error && length > UINT64_MAX - PAGE_MASK - start)
		error = error_say(-ENOMEM,
				  "the range passes the end of memory");
	if (!error && length > 0)
		error = sync_mapped(&space->space, start,
				    start + page_round_up(length), flags);
	if (!error)
		return 0;
	errno = -error;
	return -1;
}
