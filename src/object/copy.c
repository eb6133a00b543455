/* copy.c - bytes copied in and out: the third tier */
/* SPDX-License-Identifier: MIT */
/*
 * A copy is a short pin.  The kernel copies between the memfd and the buffer,
 * so that a bad buffer is an error and the window needs no translation.  If
 * the buffer may trap itself, the bytes take the way through a staging buffer:
 * no pin is held while a trap is waited for.  So do those that come in over
 * whole pages that are not in memory, which need not be read (whole.c).
 */
#include "object/object_private.h"

#include "os/memory.h"

#include <errno.h>
#include <string.h>

#define COPY_PAGES 16 /* held at once */

struct copy {
	struct object *object;
	char *buffer;
	bool in;
	bool again; /* the buffer is ours: the same for each piece */
	struct staging *bounce; /* NULL: the buffer cannot trap */
};

/* Never stored to. */
static char zeros[COPY_PAGES << PAGE_SHIFT];

/* Pages of the piece are held; length lies within them. */
static int move_held(const struct copy *copy, uint64_t offset, uint64_t length)
{
	void *bytes = copy->bounce ? copy->bounce->bytes : copy->buffer;

	if (copy->in)
		return memory_file_write(copy->object->memory, bytes, length,
					 offset);
	return memory_file_read(copy->object->memory, bytes, length, offset);
}

/* The pages that are written whole. */
static struct page_span whole_pages(const struct copy *copy, uint64_t offset,
				    uint64_t length)
{
	struct page_span whole = { .index = pages_of(offset) };
	uint64_t start = whole.index << PAGE_SHIFT;

	if (copy->in && start < offset + length)
		whole.count = object_whole(copy->object, whole.index,
					   offset + length - start);
	return whole;
}

/* whole: those that are not to be read.  1: one of them would have to be. */
static int move_piece(const struct copy *copy, uint64_t offset, uint64_t length,
		      const struct page_span *whole)
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
	error = object_hold_but(copy->object, index, count, copy->in, whole);
	if (error)
		return error;
	error = move_held(copy, offset, length);
	object_let_go(copy->object, index, count, copy->in);
	if (!error && copy->bounce && !copy->in)
		error = host->copy(host->context, copy->buffer,
				   copy->bounce->bytes, length, true);
	return error;
}

/* The caller's bytes, into staging. */
static int fetch(const struct copy *copy, struct staging *staging,
		 uint64_t length)
{
	struct object_host *host = copy->object->host;

	if (copy->bounce)
		return host->copy(host->context, staging->bytes, copy->buffer,
				  length, false);
	return memory_fetch(staging->bytes, (uint64_t)(uintptr_t)copy->buffer,
			    length);
}

/* Over whole pages that are absent; as object_put(). */
static int64_t put_piece(const struct copy *copy, uint64_t offset,
			 uint64_t length)
{
	struct staging_pool *pool = &copy->object->host->staging;
	struct staging *staging = copy->bounce;
	int64_t moved = -EBUSY;

	if (copy->again)
		return object_put(copy->object, offset >> PAGE_SHIFT, length,
				  copy->buffer);
	if (!staging)
		staging = staging_take(pool, pages_of(length));
	if (!staging)
		return -EBUSY;
	if (length > staging->pages << PAGE_SHIFT)
		length = staging->pages << PAGE_SHIFT;
	/* What is wrong with the buffer the other way says. */
	if (fetch(copy, staging, length) == 0) {
		memset((char *)staging->bytes + length, 0,
		       page_round_up(length) - length);
		moved = object_put(copy->object, offset >> PAGE_SHIFT, length,
				   staging->bytes);
	}
	if (!copy->bounce)
		staging_drop(pool, staging);
	return moved;
}

/* Up to a page, not the first one, that is written whole and absent. */
static uint64_t present_length(const struct copy *copy, uint64_t offset,
			       uint64_t length, const struct page_span *whole)
{
	uint64_t next = (offset >> PAGE_SHIFT) + 1;

	for (uint64_t i = 0; i < whole->count; i++)
		if (whole->index + i >= next &&
		    object_absent(copy->object, whole->index + i, 1))
			return ((whole->index + i) << PAGE_SHIFT) - offset;
	return length;
}

/* A part of the piece.  How many bytes; 0: look again; or a negative errno. */
static int64_t move_part(const struct copy *copy, uint64_t offset,
			 uint64_t length)
{
	struct page_span whole = whole_pages(copy, offset, length);
	uint64_t absent = 0;
	int64_t moved = 0;
	int error;

	if ((offset & PAGE_MASK) == 0)
		absent = object_absent(copy->object, whole.index, whole.count)
			 << PAGE_SHIFT;
	if (absent)
		moved = put_piece(copy, offset,
				  absent < length ? absent : length);
	if (moved && moved != -EBUSY)
		return moved;
	length = present_length(copy, offset, length, &whole);
	if (moved == -EBUSY)
		whole.count = 0;
	error = move_piece(copy, offset, length, &whole);
	if (error == 1 || error == -ENXIO) /* one has left; or it was cut */
		return 0;
	return error ? error : (int64_t)length;
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
		int64_t part = move_part(copy, offset + moved, piece);

		if (part < 0)
			return moved ? (int64_t)moved : part;
		moved += (uint64_t)part;
		if (!copy->again)
			copy->buffer += part;
	}
	return (int64_t)moved;
}

/* How many of the bytes lie before the end. */
static uint64_t clip(struct object *object, uint64_t offset, uint64_t length)
{
	uint64_t size;

	if (length > UINT64_MAX - offset)
		length = UINT64_MAX - offset;
	size = object_await_size(object, offset + length);
	if (offset >= size)
		return 0;
	return length < size - offset ? length : size - offset;
}

static int64_t copy_bytes(struct object *object, char *buffer, bool in,
			  uint64_t length, uint64_t offset)
{
	struct object_host *host = object->host;
	struct copy copy = { .object = object, .buffer = buffer, .in = in };
	int64_t moved;

	length = clip(object, offset, length);
	if (length == 0)
		return 0;
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

int64_t object_zero(struct object *object, uint64_t length, uint64_t offset)
{
	struct copy copy = {
		.object = object, .buffer = zeros, .in = true, .again = true
	};

	return move(&copy, offset, clip(object, offset, length));
}
