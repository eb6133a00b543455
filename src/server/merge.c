/* merge.c - what was written past a mapping comes into memory */
/* SPDX-License-Identifier: MIT */
/*
 * From WRITE_BEGIN on no page of the range goes home.  What file and memory had
 * of its pages before they were stored to is remembered, as memory may be stored
 * to at any moment: while the kernel writes, and, as an end may be heard late
 * and a death later, after others have seen the new bytes and have stored to
 * them again.  So a byte comes from the file only if memory is as it was:
 *
 *	                 memory was M, is M     was M, is S
 *	ended            comes from the file    S: stored beside it or since
 *	the client is    comes if it changed    S, or what another client wrote
 *	gone             in the file            and ended
 *
 * Clean pages are simply read anew.  When a byte has come from the file all
 * others that remember it do so as it is now: else what is stored next, if it is
 * just what there was before, would be taken for no store by the next of them.
 * So one lock of the file is held from the first look to that.
 *
 * Remembered are the pages that are dirty when the write begins, here, and what
 * a page was when it became so later (object_foreign_remember()): file and
 * memory were the same then, or the file had the new bytes already.  Of pages
 * beyond what is remembered all is as the file has it at an end.  If nobody ends
 * the write they are left as they are: a write that was never acknowledged may
 * be lost there, but no store of those who live.
 */
#include "server/server_private.h"

#include "os/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REMEMBERED_PAGES 256u

struct remembered {
	uint64_t index;
	unsigned char file[PAGE_SIZE];
	unsigned char memory[PAGE_SIZE];
};

/* Zeros behind the end.  False: it cannot be read. */
static bool read_page(const struct server_file *file, uint64_t index,
		      unsigned char *bytes)
{
	ssize_t got = pread(file->own_fd, bytes, PAGE_SIZE,
			    (off_t)(index << PAGE_SHIFT));

	if (got < 0)
		return false;
	memset(bytes + got, 0, PAGE_SIZE - (size_t)got);
	return true;
}

static uint64_t end_of(const struct server_write *write)
{
	return write->foreign.index + write->foreign.count;
}

/* The dirty page from index on, or BITMAP_NONE: none before end. */
static uint64_t next_page(const struct server_write *write, uint64_t index,
			  uint64_t end)
{
	struct object *object = file_object(write->file);
	uint64_t next = object_next_dirty(object, index);

	return next < end && next < object_pages(object) ? next : BITMAP_NONE;
}

static unsigned count_pages(const struct server_write *write)
{
	uint64_t index = write->foreign.index, end = end_of(write);
	unsigned count = 0;

	while (count < REMEMBERED_PAGES &&
	       (index = next_page(write, index, end)) != BITMAP_NONE) {
		count++;
		index++;
	}
	return count;
}

/* It cannot leave: it is dirty, and cannot go home. */
static bool remember_page(const struct server_write *write,
			  struct remembered *page)
{
	return read_page(write->file, page->index, page->file) &&
	       memory_file_read(object_memory(file_object(write->file)),
				page->memory, PAGE_SIZE,
				page->index << PAGE_SHIFT) == 0;
}

void write_remember(struct server_write *write)
{
	uint64_t index = write->foreign.index;
	unsigned most;

	if (write->file->binding)
		return;
	lock_take(&write->file->merging);
	list_add_tail(&write->file->begun, &write->begun);
	/* First: what is not dirty below will be remembered when it is. */
	object_foreign_remember(file_object(write->file), &write->foreign);
	most = count_pages(write);
	write->remembered = calloc(most, sizeof(*write->remembered));
	while (write->remembered && write->remembered_count < most) {
		struct remembered *page =
			&write->remembered[write->remembered_count];

		page->index = next_page(write, index, end_of(write));
		if (page->index == BITMAP_NONE || !remember_page(write, page))
			break;
		index = page->index + 1;
		write->remembered_count++;
	}
	lock_drop(&write->file->merging);
}

void write_forget(struct server_write *write)
{
	lock_take(&write->file->merging);
	free(write->remembered);
	write->remembered = NULL;
	write->remembered_count = 0;
	lock_drop(&write->file->merging);
}

void write_forget_all(struct server_write *write)
{
	if (write->file->binding)
		return;
	write_forget(write);
	lock_take(&write->file->merging);
	list_remove(&write->begun);
	lock_drop(&write->file->merging);
}

static struct remembered *find(const struct server_write *write, uint64_t index)
{
	for (unsigned i = 0; i < write->remembered_count; i++)
		if (write->remembered[i].index == index)
			return &write->remembered[i];
	return NULL;
}

/* What the page was.  False: it is not known. */
static bool recall(const struct server_write *write, uint64_t index,
		   struct remembered *page)
{
	const struct remembered *found = find(write, index);

	page->index = index;
	if (object_foreign_recall(file_object(write->file), &write->foreign,
				  index, page->memory)) {
		memcpy(page->file, page->memory, PAGE_SIZE);
		return true;
	}
	if (found)
		*page = *found;
	return found != NULL;
}

/* What it is from now on: it may be overtaken, and ended later. */
static void keep(struct server_write *write, const struct remembered *page)
{
	struct remembered *place = find(write, page->index);
	size_t room = (write->remembered_count + 1) * sizeof(*place);

	if (!place) {
		place = realloc(write->remembered, room);
		if (!place)
			return;
		write->remembered = place;
		place += write->remembered_count++;
	}
	*place = *page;
}

/* Bytes of the page are now as in the file, for whatever write that was. */
static void tell_others(const struct server_write *write, uint64_t index,
			uint64_t start, const unsigned char *bytes,
			uint64_t count)
{
	const struct list *link;

	list_for_each(link, &write->file->begun) {
		struct server_write *other =
			container_of(link, struct server_write, begun);
		struct remembered *page = find(other, index);

		if (other == write)
			continue;
		object_foreign_learn(file_object(write->file), &other->foreign,
				     (index << PAGE_SHIFT) + start, bytes,
				     count);
		if (!page)
			continue;
		memcpy(page->memory + start, bytes, count);
		memcpy(page->file + start, bytes, count);
	}
}

/* Bytes [start, end) of a dirty page; ended: they were written.  The page is
 * remembered with them. */
static int merge_bytes(struct server_write *write, struct remembered *page,
		       const uint64_t bytes[2], bool ended)
{
	struct object *object = file_object(write->file);
	unsigned char file[PAGE_SIZE], memory[PAGE_SIZE];
	uint64_t first = page->index << PAGE_SHIFT, at, end;
	int error = memory_file_read(object_memory(object), memory, PAGE_SIZE,
				     first);

	if (!error && !read_page(write->file, page->index, file))
		error = -EIO;
	for (at = bytes[0]; !error && at < bytes[1]; at = end + 1) {
		end = at;
		while (end < bytes[1] && file[end] != memory[end] &&
		       memory[end] == page->memory[end] &&
		       (ended || file[end] != page->file[end]))
			end++;
		if (end == at)
			continue;
		error = object_refresh(object, first + at, end - at);
		memcpy(page->memory + at, file + at, end - at);
		tell_others(write, page->index, at, file + at, end - at);
	}
	if (!error)
		memcpy(page->file, file, PAGE_SIZE);
	return error;
}

/* ---- its client is gone ---- */

/* What it may have written of the page; where is not known: all. */
static void announced(const struct server_write *write, uint64_t index,
		      uint64_t bytes[2])
{
	uint64_t first = index << PAGE_SHIFT;
	uint64_t end = write->offset + write->length;

	bytes[0] = 0;
	bytes[1] = PAGE_SIZE;
	if (write->length == 0)
		return;
	if (write->offset > first)
		bytes[0] = write->offset - first;
	/* It is in one of its pages; or passes the last number. */
	if (end > first && end < first + PAGE_SIZE)
		bytes[1] = end - first;
}

static void recover(struct server_write *write)
{
	uint64_t index = write->foreign.index, end = end_of(write);
	struct remembered page;
	uint64_t bytes[2];

	if (end > object_pages(file_object(write->file)))
		end = object_pages(file_object(write->file));
	if (index >= end)
		return;
	(void)object_refresh_clean(file_object(write->file),
				   index << PAGE_SHIFT,
				   (end - index) << PAGE_SHIFT);
	while ((index = next_page(write, index, end)) != BITMAP_NONE) {
		announced(write, index, bytes);
		if (recall(write, index, &page) &&
		    !merge_bytes(write, &page, bytes, false))
			keep(write, &page);
		index++;
	}
}

void write_recover(struct server_write *write)
{
	lock_take(&write->file->merging);
	recover(write);
	lock_drop(&write->file->merging);
}

/* ---- it was ended ---- */

/* Of a page that is not remembered. */
static int take_all(struct server_write *write, uint64_t index, uint64_t start,
		    uint64_t end)
{
	uint64_t first = index << PAGE_SHIFT;
	unsigned char file[PAGE_SIZE];
	int error =
		object_refresh(file_object(write->file), start, end - start);

	if (!error && read_page(write->file, index, file))
		tell_others(write, index, start - first, file + (start - first),
			    end - start);
	return error;
}

/* The bytes of [start, end) that lie in a dirty page. */
static int merge_page(struct server_write *write, uint64_t index,
		      uint64_t start, uint64_t end)
{
	uint64_t first = index << PAGE_SHIFT;
	struct remembered page;

	if (start < first)
		start = first;
	if (end > first + PAGE_SIZE)
		end = first + PAGE_SIZE;
	if (recall(write, index, &page)) {
		const uint64_t bytes[2] = { start - first, end - first };

		return merge_bytes(write, &page, bytes, true);
	}
	return take_all(write, index, start, end);
}

/*
 * Clean pages first.  What becomes dirty from then on was as the file has it, or
 * is remembered; so only that is looked at which is dirty when its turn comes.
 */
static int merge(struct server_write *write, uint64_t offset, uint64_t length)
{
	uint64_t end = length < INT64_MAX - offset ? offset + length
						   : INT64_MAX;
	uint64_t index = offset >> PAGE_SHIFT;
	uint64_t last = ((end - 1) >> PAGE_SHIFT) + 1;
	int error;

	if (offset >= end)
		return 0;
	error = object_refresh_clean(file_object(write->file), offset, length);
	while (!error && (index = next_page(write, index, last)) != BITMAP_NONE)
		error = merge_page(write, index++, offset, end);
	return error;
}

int write_merge(struct server_write *write, uint64_t offset, uint64_t length)
{
	int error;

	lock_take(&write->file->merging);
	error = merge(write, offset, length);
	lock_drop(&write->file->merging);
	return error;
}
