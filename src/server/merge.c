/* merge.c - what was written past a mapping comes into memory */
/* SPDX-License-Identifier: MIT */
/*
 * From WRITE_BEGIN on no page of the range goes home.  What file and memory had
 * of some of its pages then is remembered, as memory may be stored to at any
 * moment: while the kernel writes, and, as an end may be heard late and a death
 * later, after others have seen the new bytes and have stored to them again.
 * So a byte comes from the file only if memory is as it was:
 *
 *	                 memory was M, is M     was M, is S
 *	ended            comes from the file    S: stored beside it or since
 *	the client is    comes if it changed    S, or what another client wrote
 *	gone             in the file            and ended
 *
 * Clean pages are simply read anew.
 *
 * Remembered are the pages that are dirty when the write begins, and, dirty or
 * not, those that it covers in part: others may store beside it.  Another page
 * that becomes dirty meanwhile was stored to where the write goes.  At an end it
 * is as the file has it.  If nobody ends the write it is left as it is, as are
 * those beyond REMEMBERED_PAGES: a write that was never acknowledged may be
 * lost there, but no store of those who live.
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

static bool in_part(const struct server_write *write, uint64_t index)
{
	uint64_t start = index << PAGE_SHIFT;

	/* Where it begins in all behind, nobody knows. */
	return write->length == 0 || start < write->offset ||
	       write->offset + write->most - start < PAGE_SIZE;
}

/* The last page that it may come to. */
static uint64_t last_page(const struct server_write *write)
{
	uint64_t first = write->foreign.index, last = end_of(write) - 1;
	uint64_t room = (last - first + 1) << PAGE_SHIFT;
	uint64_t skipped = write->offset & PAGE_MASK;

	if (write->most == 0)
		return first;
	return write->most > room - skipped
		       ? last
		       : (write->offset + write->most - 1) >> PAGE_SHIFT;
}

/* The page from index on that is to be remembered next, or BITMAP_NONE. */
static uint64_t next_page(const struct server_write *write, uint64_t index)
{
	uint64_t next = object_next_dirty(file_object(write->file), index);
	uint64_t edges[] = { write->foreign.index, last_page(write) };

	for (unsigned i = 0; i < 2; i++)
		if (edges[i] >= index && edges[i] < next &&
		    in_part(write, edges[i]))
			next = edges[i];
	return next < end_of(write) ? next : BITMAP_NONE;
}

static unsigned count_pages(const struct server_write *write)
{
	uint64_t index = next_page(write, write->foreign.index);
	unsigned count = 0;

	while (index != BITMAP_NONE && count < REMEMBERED_PAGES) {
		count++;
		index = next_page(write, index + 1);
	}
	return count;
}

static bool in_memory(const struct server_write *write, uint64_t index)
{
	struct object *object = file_object(write->file);

	return index < object_pages(object) &&
	       word_visible(atomic_load(object_word(object, index)));
}

/* What is not in memory comes as the file has it.  The file first: what is
 * stored to memory in between is newer than that. */
static bool remember_page(const struct server_write *write,
			  struct remembered *page)
{
	int memory = object_memory(file_object(write->file));

	if (!read_page(write->file, page->index, page->file))
		return false;
	if (!in_memory(write, page->index) ||
	    memory_file_read(memory, page->memory, PAGE_SIZE,
			     page->index << PAGE_SHIFT))
		memcpy(page->memory, page->file, PAGE_SIZE);
	return true;
}

void write_remember(struct server_write *write)
{
	unsigned most = write->file->binding ? 0 : count_pages(write);
	uint64_t index = write->foreign.index;

	if (most == 0)
		return;
	write->remembered = malloc(most * sizeof(*write->remembered));
	if (!write->remembered)
		return;
	while (write->remembered_count < most) {
		struct remembered *page =
			&write->remembered[write->remembered_count];

		index = next_page(write, index);
		if (index == BITMAP_NONE)
			break;
		page->index = index++;
		if (!remember_page(write, page))
			break;
		write->remembered_count++;
	}
}

void write_forget(struct server_write *write)
{
	free(write->remembered);
	write->remembered = NULL;
	write->remembered_count = 0;
}

/* Bytes [start, end) of a dirty page; ended: they were written. */
static int merge_bytes(struct server_write *write,
		       const struct remembered *page, const uint64_t bytes[2],
		       bool ended)
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
		if (end > at)
			error = object_refresh(object, first + at, end - at);
	}
	return error;
}

static bool is_dirty(const struct server_write *write, uint64_t index)
{
	return in_memory(write, index) &&
	       object_next_dirty(file_object(write->file), index) == index;
}

/* ---- its client is gone ---- */

static void refresh_pages(struct server_write *write, uint64_t index,
			  uint64_t end)
{
	uint64_t size = object_pages(file_object(write->file));

	if (end > size)
		end = size;
	if (index < end)
		(void)object_refresh_clean(file_object(write->file),
					   index << PAGE_SHIFT,
					   (end - index) << PAGE_SHIFT);
}

void write_recover(struct server_write *write)
{
	static const uint64_t all[2] = { 0, PAGE_SIZE };
	uint64_t at = write->foreign.index;

	for (unsigned i = 0; i < write->remembered_count; i++) {
		const struct remembered *page = &write->remembered[i];

		refresh_pages(write, at, page->index + 1);
		if (is_dirty(write, page->index))
			(void)merge_bytes(write, page, all, false);
		at = page->index + 1;
	}
	refresh_pages(write, at, end_of(write));
}

/* ---- it was ended ---- */

static int refresh_bytes(struct server_write *write, uint64_t start,
			 uint64_t end)
{
	return start < end ? object_refresh(file_object(write->file), start,
					    end - start)
			   : 0;
}

static int merge_page(struct server_write *write, const struct remembered *page,
		      uint64_t start, uint64_t end)
{
	uint64_t first = page->index << PAGE_SHIFT;
	const uint64_t bytes[2] = { start - first, end - first };

	return is_dirty(write, page->index)
		       ? merge_bytes(write, page, bytes, true)
		       : refresh_bytes(write, start, end);
}

int write_merge(struct server_write *write, uint64_t offset, uint64_t length)
{
	uint64_t at = offset;
	uint64_t end = length < INT64_MAX - offset ? offset + length
						   : INT64_MAX;
	int error = 0;

	for (unsigned i = 0; i < write->remembered_count && !error; i++) {
		const struct remembered *page = &write->remembered[i];
		uint64_t start = page->index << PAGE_SHIFT;
		uint64_t stop = start + PAGE_SIZE;

		if (stop <= at || start >= end)
			continue;
		if (start < at)
			start = at;
		if (stop > end)
			stop = end;
		error = refresh_bytes(write, at, start);
		if (!error)
			error = merge_page(write, page, start, stop);
		at = stop;
	}
	return error ? error : refresh_bytes(write, at, end);
}
