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
		if (!error)
			error = writeback_settle(&quire->writeback,
						 handle->object, first, pages);
		object_invalidate(handle->object, first, pages);
		fault_handler_retry(&quire->faults);
	}
	reported = handle_report_error(handle);
	return reported ? reported : error;
}

/* A walk over what is mapped in [at, end). */
struct sync_walk {
	struct space *space;
	uint64_t at;
	uint64_t end;
	int flags;
	bool hole; /* met one */
	/* The mapping just met; its handle is taken, or NULL if it has no home
	 * at all. */
	struct quire_object *handle;
	uint64_t offset;
	uint64_t length;
};

/* Under the space's lock. */
static int meet(struct sync_walk *walk, const struct vma *vma)
{
	uint64_t start = vma->mapping.start;

	if (start > walk->at)
		walk->hole = true;
	else
		start = walk->at;
	if ((walk->flags & MS_INVALIDATE) && (vma->flags & VM_LOCKED))
		return error_say(-EBUSY, "0x%llx is locked",
				 (unsigned long long)start);
	walk->at = vma->mapping.end < walk->end ? vma->mapping.end : walk->end;
	walk->offset = vma_index_at(vma, start) << PAGE_SHIFT;
	walk->length = walk->at - start;
	/* A private page has no home. */
	walk->handle = vma_anonymous(vma) ? NULL : vma->handle;
	if (walk->handle)
		handle_take(walk->handle);
	return 0;
}

/* 1: the next mapping was met; 0: there is none; or an error. */
static int next_mapped(struct sync_walk *walk)
{
	const struct vma *vma;
	int error = 0;

	rwlock_take_read(&walk->space->lock);
	vma = space_find_intersection(walk->space, walk->at, walk->end);
	if (vma)
		error = meet(walk, vma);
	else if (walk->at < walk->end)
		walk->hole = true;
	rwlock_drop_read(&walk->space->lock);
	return error ? error : vma != NULL;
}

static int sync_mapped(struct sync_walk *walk)
{
	int error = 0, met;

	while (!error && walk->at < walk->end && (met = next_mapped(walk))) {
		if (met < 0)
			return met;
		if (!walk->handle)
			continue;
		error = sync_handle(walk->handle, walk->offset, walk->length,
				    walk->flags);
		handle_drop(walk->handle);
	}
	if (!error && walk->hole)
		error = error_say(-ENOMEM, "nothing is mapped in a part of the "
					   "range");
	return error;
}

int quire_msync(struct quire_space *space, void *address, size_t length,
		int flags)
{
	uint64_t start = (uint64_t)(uintptr_t)address, end;
	int error = engine_check(space->quire);

	if (!error) {
		error_clear();
		error = sync_check_flags(flags);
	}
	if (!error && (start & PAGE_MASK))
		error = error_say(-EINVAL, "%p is inside a page", address);
	/* As Linux: a length that no page holds is none. */
	end = start + page_round_up(length);
	if (!error && end < start)
		error = error_say(-ENOMEM,
				  "the range passes the end of memory");
	if (!error && end > start)
		error = sync_mapped(&(struct sync_walk){
			.space = &space->space,
			.at = start,
			.end = end,
			.flags = flags,
		});
	if (!error)
		return 0;
	errno = -error;
	return -1;
}
