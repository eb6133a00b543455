/* abandoned.c - a write that nobody ends, as its client is gone */
/* SPDX-License-Identifier: MIT */
/*
 * How far the kernel got with it is not known.  Clean pages of the range are
 * read anew.  Of a dirty one some bytes may be new in the file and others were
 * stored to memory, before the write, meanwhile, or by somebody who has seen
 * the death already.  So what file and memory had of it when the write began is
 * remembered, and a byte goes from the file into memory only if it has changed
 * there, and has not here:
 *
 *	file   was A, is A   nothing was written: memory stays
 *	       was A, is N   memory was M, is M: becomes N
 *	                     memory was M, is S: stored since, or written and
 *	                     ended by another client: stays
 *
 * No write-back of these pages comes in between.
 *
 * Remembered are the pages that are dirty when the write begins, and, dirty or
 * not, those that it covers in part: others may store beside it before its
 * death is seen.  Another page that became dirty meanwhile was stored to where
 * the write was to go, and is left as it is, as are those beyond
 * REMEMBERED_PAGES: a write that was never acknowledged may be lost there, but
 * no store of those who live.
 */
#include "server/server_private.h"

#include "os/memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REMEMBERED_PAGES 256u

struct remembered {
	uint64_t index;
	unsigned char file[PAGE_SIZE];
	unsigned char memory[PAGE_SIZE];
};

/* Zeros behind the end. */
static void read_page(const struct server_file *file, uint64_t index,
		      unsigned char *bytes)
{
	ssize_t got = pread(file->own_fd, bytes, PAGE_SIZE,
			    (off_t)(index << PAGE_SHIFT));

	if (got < 0)
		got = 0;
	memset(bytes + got, 0, PAGE_SIZE - (size_t)got);
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
static void remember_page(const struct server_write *write,
			  struct remembered *page)
{
	int memory = object_memory(file_object(write->file));

	read_page(write->file, page->index, page->file);
	if (!in_memory(write, page->index) ||
	    memory_file_read(memory, page->memory, PAGE_SIZE,
			     page->index << PAGE_SHIFT))
		memcpy(page->memory, page->file, PAGE_SIZE);
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
		write->remembered_count++;
		page->index = index++;
		remember_page(write, page);
	}
}

void write_forget(struct server_write *write)
{
	free(write->remembered);
	write->remembered = NULL;
	write->remembered_count = 0;
}

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

/* What is new in the file, and is not in memory. */
static void merge_page(struct server_write *write,
		       const struct remembered *page)
{
	struct object *object = file_object(write->file);
	unsigned char file[PAGE_SIZE], memory[PAGE_SIZE];
	uint64_t first = page->index << PAGE_SHIFT;
	unsigned start = 0, end;

	read_page(write->file, page->index, file);
	if (memory_file_read(object_memory(object), memory, PAGE_SIZE, first))
		return;
	for (; start < PAGE_SIZE; start = end + 1) {
		end = start;
		while (end < PAGE_SIZE && file[end] != page->file[end] &&
		       memory[end] == page->memory[end])
			end++;
		if (end > start)
			(void)object_refresh(object, first + start,
					     end - start);
	}
}

void write_recover(struct server_write *write)
{
	uint64_t at = write->foreign.index;

	for (unsigned i = 0; i < write->remembered_count; i++) {
		const struct remembered *page = &write->remembered[i];

		refresh_pages(write, at, page->index + 1);
		if (in_memory(write, page->index))
			merge_page(write, page);
		at = page->index + 1;
	}
	refresh_pages(write, at, end_of(write));
}
