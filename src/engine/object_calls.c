/* object_calls.c - the public functions on objects */
/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"
#include "engine/pins.h"
#include "engine/sync.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Every call on an object begins so. */
static int begin(const struct quire_object *handle)
{
	int error = engine_check(engine_of(handle));

	if (!error)
		error_clear();
	return error;
}

static const char *name_of(const struct quire_object *handle)
{
	return object_identity(handle->object)->name;
}

/* What the floors below did not put into words. */
static int say(const struct quire_object *handle, int error, const char *what)
{
	if (!error)
		return 0;
	return error_say_first(error, "%s: %s: %s", name_of(handle), what,
			       strerror(-error));
}

static int check_writable(const struct quire_object *handle)
{
	if (handle->writable)
		return 0;
	return error_say(-EACCES, "%s was opened for reading only",
			 name_of(handle));
}

/* Its size may change. */
static int check_resizable(const struct quire_object *handle)
{
	int error = check_writable(handle);

	if (!error && handle->flags & HANDLE_ZERO)
		error = error_say(-EINVAL, "%s has no size", name_of(handle));
	return error;
}

int engine_check_storable(const struct quire_object *handle)
{
	uint32_t sealed = HANDLE_SEAL_WRITE | HANDLE_SEAL_FUTURE_WRITE;
	int error = check_writable(handle);

	if (!error && handle->flags & sealed)
		error = error_say(-EPERM, "%s is sealed against writing",
				  name_of(handle));
	return error;
}

int quire_object_close(struct quire_object *handle)
{
	struct quire *quire;
	bool last;
	int error;

	if (!handle)
		return 0;
	error = begin(handle);
	if (error)
		return error;
	quire = engine_of(handle);
	/* The pins that are held are counted before this is not; with them the
	 * handle is the last one's to end, at any moment. */
	last = pins_close(handle);
	atomic_fetch_sub(&quire->open_handles, 1);
	return last ? handle_drop(handle) : 0;
}

uint64_t quire_object_size(const struct quire_object *handle)
{
	return object_size(handle->object);
}

int quire_object_resize(struct quire_object *handle, uint64_t size)
{
	int error = begin(handle);

	if (!error)
		error = check_resizable(handle);
	if (!error)
		error = object_resize(handle->object, size);
	/* Private copies behind a cut. */
	soft_settle_all(engine_of(handle));
	return say(handle, error, "resize");
}

int quire_object_allocate(struct quire_object *handle, uint64_t offset,
			  uint64_t length)
{
	int error = begin(handle);

	if (!error)
		error = check_resizable(handle);
	if (!error && length == 0)
		error = -EINVAL;
	if (!error)
		error = object_allocate(handle->object, offset, length);
	return say(handle, error, "allocate");
}

int quire_object_append(struct quire_object *handle, const void *bytes,
			size_t length, int flags, uint64_t *offset)
{
	uint64_t at = 0;
	int error = begin(handle);

	if (!error)
		error = engine_check_storable(handle);
	if (!error)
		error = check_resizable(handle);
	if (!error && (flags & ~(MS_SYNC | MS_ASYNC)))
		error = error_say(-EINVAL, "append: unknown flags 0x%x",
				  (unsigned)flags);
	if (error || length == 0)
		return error;
	error = object_append(handle->object, bytes, length, &at);
	if (!error && (flags & MS_SYNC))
		error = sync_handle(handle, at, length, MS_SYNC);
	if (!error && offset)
		*offset = at;
	return say(handle, error, "append");
}

int quire_object_sync(struct quire_object *handle, uint64_t offset,
		      uint64_t length, int flags)
{
	int error = begin(handle);

	if (!error)
		error = sync_check_flags(flags);
	if (!error)
		error = sync_handle(handle, offset, length, flags);
	return say(handle, error, "sync");
}

static uint64_t end_of(const struct quire_range *range, uint64_t size)
{
	return range->length < size - range->offset
		       ? range->offset + range->length
		       : size;
}

ssize_t quire_object_prefetch(struct quire_object *handle,
			      const struct quire_range *ranges, size_t count)
{
	uint64_t size = object_size(handle->object), started = 0;
	int error = begin(handle);

	if (error)
		return error;
	for (size_t i = 0; i < count; i++) {
		struct quire_range range = ranges[i];
		uint64_t first = range.offset >> PAGE_SHIFT;

		if (range.length == 0 || range.offset >= size)
			continue;
		started += object_read_announced(
			handle->object, first,
			((end_of(&range, size) - 1) >> PAGE_SHIFT) - first + 1);
	}
	return (ssize_t)started;
}

ssize_t quire_object_pread(struct quire_object *handle, void *buffer,
			   size_t length, uint64_t offset)
{
	int error = begin(handle);
	int64_t moved;

	if (error)
		return error;
	moved = object_copy_out(handle->object, buffer, length, offset);
	return moved < 0 ? say(handle, (int)moved, "pread") : (ssize_t)moved;
}

ssize_t quire_object_pwrite(struct quire_object *handle, const void *buffer,
			    size_t length, uint64_t offset)
{
	int error = begin(handle);
	int64_t moved;

	if (!error)
		error = engine_check_storable(handle);
	if (error)
		return error;
	if (handle->flags & HANDLE_ZERO)
		return (ssize_t)length; /* as /dev/zero does with it */
	moved = object_copy_in(handle->object, buffer, length, offset);
	return moved < 0 ? say(handle, (int)moved, "pwrite") : (ssize_t)moved;
}

/* So many bytes become zeros, and are shown, before the next do. */
#define ZERO_PIECE (UINT64_C(64) << PAGE_SHIFT)

/* What is appended meanwhile is not the range's; no page lies in two pieces. */
static int zero_range(struct quire_object *handle, uint64_t offset,
		      uint64_t length)
{
	struct object *object = handle->object;
	uint64_t most = UINT64_MAX - offset;
	uint64_t end = offset + (length < most ? length : most);
	uint64_t size = object_await_size(object, end), first;
	int64_t moved;

	if (end > size)
		end = size;
	while (offset < end) {
		length = ZERO_PIECE - offset % ZERO_PIECE;
		moved = object_zero(
			object, length < end - offset ? length : end - offset,
			offset);
		if (moved <= 0) /* it was cut */
			return (int)moved;
		first = offset >> PAGE_SHIFT;
		offset += (uint64_t)moved;
		fault_show_dirty(&engine_of(handle)->faults, object, first,
				 ((offset - 1) >> PAGE_SHIFT) - first + 1);
	}
	return 0;
}

int quire_object_zero(struct quire_object *handle,
		      const struct quire_range *ranges, size_t count)
{
	int error = begin(handle);

	if (!error)
		error = engine_check_storable(handle);
	if (error || handle->flags & HANDLE_ZERO)
		return error;
	for (size_t i = 0; i < count && !error; i++)
		error = zero_range(handle, ranges[i].offset, ranges[i].length);
	return say(handle, error, "zero");
}
