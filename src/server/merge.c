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
	bool newer; /* than what the object remembers of it */
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

		page->newer = false;
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

static bool any_dirty(const struct server_write *write)
{
	return next_page(write, write->foreign.index, end_of(write)) !=
	       BITMAP_NONE;
}

bool write_remember_at_once(struct server_write *write)
{
	bool clean;

	if (!lock_try(&write->file->merging))
		return false;
	list_add_tail(&write->file->begun, &write->begun);
	object_foreign_remember(file_object(write->file), &write->foreign);
	clean = !any_dirty(write);
	if (!clean) /* it will be listed when all is remembered */
		list_remove(&write->begun);
	lock_drop(&write->file->merging);
	return clean;
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

	if (!(found && found->newer) &&
	    object_foreign_recall(file_object(write->file), &write->foreign,
				  index, page->memory)) {
		page->index = index;
		memcpy(page->file, page->memory, PAGE_SIZE);
		return true;
	}
	if (found)
		*page = *found;
	return found != NULL;
}

/* What it is from now on. */
static void keep(struct server_write *write, struct remembered *page)
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
	page->newer = true;
	*place = *page;
}

struct merge {
	struct server_write *write;
	uint64_t index; /* of the page */
	uint64_t start; /* of the bytes, in it */
	uint64_t end;
	bool ended;                      /* they were written */
	unsigned char file[PAGE_SIZE];   /* what stands there now */
	unsigned char memory[PAGE_SIZE]; /* the same */
};

/* Whoever else remembers the page does so with what the file has in [start,
 * end), and memory too where it has the same. */
static void tell_others(const struct merge *merge, uint64_t start, uint64_t end)
{
	const struct list *link;
	struct remembered page;

	list_for_each(link, &merge->write->file->begun) {
		struct server_write *other =
			container_of(link, struct server_write, begun);

		if (other == merge->write ||
		    !recall(other, merge->index, &page))
			continue;
		for (uint64_t i = start; i < end; i++) {
			page.file[i] = merge->file[i];
			if (merge->memory[i] == merge->file[i])
				page.memory[i] = merge->file[i];
		}
		keep(other, &page);
	}
}

static bool look(struct merge *merge)
{
	const struct server_file *file = merge->write->file;

	return memory_file_read(object_memory(file_object(file)), merge->memory,
				PAGE_SIZE, merge->index << PAGE_SHIFT) == 0 &&
	       read_page(file, merge->index, merge->file);
}

static bool comes(const struct merge *merge, const struct remembered *page,
		  uint64_t i)
{
	return merge->file[i] != merge->memory[i] &&
	       merge->memory[i] == page->memory[i] &&
	       (merge->ended || merge->file[i] != page->file[i]);
}

/* [start, end) comes from the file. */
static int take(struct merge *merge, uint64_t start, uint64_t end)
{
	int error = object_refresh(file_object(merge->write->file),
				   (merge->index << PAGE_SHIFT) + start,
				   end - start);

	if (error)
		return error;
	memcpy(merge->memory + start, merge->file + start, end - start);
	tell_others(merge, start, end);
	return 0;
}

/* A dirty page, which is remembered with what has come. */
static int merge_bytes(struct merge *merge, struct remembered *page)
{
	uint64_t at, end;
	int error = look(merge) ? 0 : -EIO;

	for (at = merge->start; !error && at < merge->end; at = end + 1) {
		end = at;
		while (end < merge->end && comes(merge, page, end))
			end++;
		if (end == at)
			continue;
		error = take(merge, at, end);
		memcpy(page->memory + at, merge->file + at, end - at);
	}
	if (error)
		return error;
	if (merge->ended)
		tell_others(merge, merge->start, merge->end);
	memcpy(page->file, merge->file, PAGE_SIZE);
	return 0;
}

/* ---- its client is gone ---- */

/* What it may have written of the page; where is not known: all. */
static void announced(struct merge *merge)
{
	const struct server_write *write = merge->write;
	uint64_t first = merge->index << PAGE_SHIFT;
	uint64_t end = write->offset + write->length;

	merge->start = 0;
	merge->end = PAGE_SIZE;
	if (write->length == 0)
		return;
	if (write->offset > first)
		merge->start = write->offset - first;
	/* It is in one of its pages; or passes the last number. */
	if (end > first && end < first + PAGE_SIZE)
		merge->end = end - first;
}

static void recover(struct server_write *write)
{
	uint64_t index = write->foreign.index, end = end_of(write);
	struct merge merge = { .write = write };
	struct remembered page;

	if (end > object_pages(file_object(write->file)))
		end = object_pages(file_object(write->file));
	if (index >= end)
		return;
	(void)object_refresh_clean(file_object(write->file),
				   index << PAGE_SHIFT,
				   (end - index) << PAGE_SHIFT);
	while ((index = next_page(write, index, end)) != BITMAP_NONE) {
		merge.index = index++;
		announced(&merge);
		if (recall(write, merge.index, &page) &&
		    !merge_bytes(&merge, &page))
			keep(write, &page);
	}
}

void write_recover(struct server_write *write)
{
	lock_take(&write->file->merging);
	recover(write);
	lock_drop(&write->file->merging);
}

/* ---- it was ended ---- */

/* The bytes of [start, end) that lie in a dirty page. */
static int merge_page(struct server_write *write, uint64_t index,
		      uint64_t start, uint64_t end)
{
	uint64_t first = index << PAGE_SHIFT;
	struct merge merge = { .write = write, .index = index, .ended = true };
	struct remembered page;

	merge.start = start > first ? start - first : 0;
	merge.end = end < first + PAGE_SIZE ? end - first : PAGE_SIZE;
	if (recall(write, index, &page))
		return merge_bytes(&merge, &page);
	return look(&merge) ? take(&merge, merge.start, merge.end) : -EIO;
}

/*
 * Clean pages first.  What becomes dirty from then on was as the file has it, or
 * is remembered; so only that is looked at which is dirty when its turn comes.
 */
static int merge_all(struct server_write *write, uint64_t offset,
		     uint64_t length)
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
	error = merge_all(write, offset, length);
	lock_drop(&write->file->merging);
	return error;
}

/* Who remembers nothing has not to be told; what he will remember from here on
 * is what comes now, or what it comes beside, and then it does not. */
static bool any_remembers(const struct server_write *write)
{
	const struct list *link;

	list_for_each(link, &write->file->begun) {
		const struct server_write *other =
			container_of(link, struct server_write, begun);

		if (other->remembered_count > 0 ||
		    (other != write &&
		     object_foreign_remembers_any(file_object(write->file),
						  &other->foreign)))
			return true;
	}
	return false;
}

/* Nobody else has to be told, and nothing was stored beside it. */
static bool is_simple(const struct server_write *write, uint64_t offset,
		      uint64_t length)
{
	return !any_remembers(write) && offset >= write->offset &&
	       offset + length <= write->offset + write->length &&
	       !any_dirty(write);
}

bool write_merge_at_once(struct server_write *write, uint64_t offset,
			 uint64_t length, const void *(*fetch)(void *context),
			 void *context)
{
	bool good;

	if (!lock_try(&write->file->merging))
		return false;
	good = is_simple(write, offset, length) &&
	       object_refresh_at_once(file_object(write->file), offset, length,
				      fetch, context);
	if (good) {
		free(write->remembered); /* it has room for none */
		write->remembered = NULL;
	}
	if (good && !(write->word &&
		      object_foreign_stand(file_object(write->file),
					   &write->foreign, write->word)))
		list_remove(&write->begun);
	lock_drop(&write->file->merging);
	return good;
}
