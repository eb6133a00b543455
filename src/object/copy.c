/* copy.c - bytes copied in and out: the third tier */
/* SPDX-License-Identifier: MIT */
/*
 * A copy is a short pin.  The kernel copies between the memfd and the buffer,
 * so that a bad buffer is an error and the window needs no translation.  If
 * the buffer may trap itself, the bytes take the way through a staging buffer:
 * no pin is held while a trap is waited for.
 */
#include "object/object_private.h"

#include "os/memory.h"

#include <errno.h>

#define COPY_PAGES 16 /* held at once */

struct copy {
	struct object *object;
	char *buffer;
	bool in;
	struct staging *bounce; /* NULL: the buffer cannot trap */
};

/* Pages of the piece are held; length lies within them. */
static int move_held(const struct copy *copy, uint64_t offset, uint64_t length)
{
	void *bytes = copy->bounce ? copy->bounce->bytes : copy->buffer;

	if (copy->in)
		return memory_file_write(copy->object->memory, bytes, length,
					 offset);
	return memory_file_read(copy->object->memory, bytes, length, offset);
}

static int move_piece(const struct copy *copy, uint64_t offset, uint64_t length)
{
	struct object_host *host = copy->object->host;
	uint64_t index = offset >> PAGE_SHIFT;
	uint64_t count = pages_of((offset & PAGE_MASK) + length);
	int error;

	if (copy->bounce && copy->in) {
		error = host->copy(host->context, copy->bounce->bytes,
				   copy->buffer, length, false);
		if (error)
			return error;
	}
	error = object_hold(copy->object, index, count, copy->in);
	if (error)
		return error;
	error = move_held(copy, offset, length);
	object_let_go(copy->object, index, count, copy->in);
	if (!error && copy->bounce && !copy->in)
		error = host->copy(host->context, copy->buffer,
				   copy->bounce->bytes, length, true);
	return error;
}

/* The next piece: whole pages but for the borders, not past the end. */
static uint64_t piece_length(const struct copy *copy, uint64_t offset,
			     uint64_t length)
{
	uint64_t size = object_await_size(copy->object, offset + length);
	uint64_t pages = copy->bounce && copy->bounce->pages < COPY_PAGES
				 ? copy->bounce->pages
				 : COPY_PAGES;
	uint64_t budget = copy->object->host->cache->budget / 4;
	uint64_t most;

	if (pages > budget)
		pages = budget ? budget : 1;
	most = (pages << PAGE_SHIFT) - (offset & PAGE_MASK);
	if (offset >= size)
		return 0;
	if (length > size - offset)
		length = size - offset;
	return length < most ? length : most;
}

static int64_t move(struct copy *copy, uint64_t offset, uint64_t length)
{
	uint64_t moved = 0, piece;

	while (moved < length &&
	       (piece = piece_length(copy, offset + moved, length - moved))) {
		int error = move_piece(copy, offset + moved, piece);

		if (error == -ENXIO) /* cut meanwhile: up to the end now */
			continue;
		if (error)
			return moved ? (int64_t)moved : error;
		moved += piece;
		copy->buffer += piece;
	}
	return (int64_t)moved;
}

static int64_t copy_bytes(struct object *object, char *buffer, bool in,
			  uint64_t length, uint64_t offset)
{
	struct object_host *host = object->host;
	struct copy copy = { .object = object, .buffer = buffer, .in = in };
	uint64_t size;
	int64_t moved;

	if (length > UINT64_MAX - offset)
		length = UINT64_MAX - offset;
	size = object_await_size(object, offset + length);
	if (offset >= size)
		return 0;
	if (length > size - offset)
		length = size - offset;
	if (host->managed(host->context, buffer, length)) {
		copy.bounce = staging_take(&host->staging, COPY_PAGES);
		if (!copy.bounce)
			return -ENOMEM;
	}
	moved = move(&copy, offset, length);
	if (copy.bounce)
		staging_drop(&host->staging, copy.bounce);
	return moved;
}

int64_t object_copy_out(struct object *object, void *buffer, uint64_t length,
			uint64_t offset)
{
	return copy_bytes(object, buffer, false, length, offset);
}

int64_t object_copy_in(struct object *object, const void *buffer,
		       uint64_t length, uint64_t offset)
{
	/* Only read from when bytes go in. */
	return copy_bytes(object, (char *)(uintptr_t)buffer, true, length,
			  offset);
}
