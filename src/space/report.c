/* report.c - what is mapped, as text */
/* SPDX-License-Identifier: MIT */
/*
 * The text is made under the read lock, in memory that is never the program's,
 * and written after the lock is released: neither the text's memory nor the
 * stream's may trap while the lock is held, as the thread that resolves traps
 * needs it.  If the text does not fit, a larger piece of memory is fetched and
 * all is said anew.
 */
#include "space/report_private.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

/* Where the names begin, in /proc/PID/maps of a 64-bit kernel. */
#define NAME_COLUMN 73
/* A first guess: a line and its name. */
#define LINE_BYTES 160
/* Of one line without its name. */
#define NUMBERS_BYTES 200

static void text_add(struct text *text, const char *bytes, size_t length)
{
	if (text->length < text->size) {
		size_t room = text->size - text->length;

		memcpy(text->bytes + text->length, bytes,
		       length < room ? length : room);
	}
	text->length += length;
}

void text_print(struct text *text, const char *format, ...)
{
	char line[NUMBERS_BYTES];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	check(length >= 0 && (size_t)length < sizeof(line),
	      "a line of numbers fits");
	text_add(text, line, (size_t)length);
}

void text_add_name(struct text *text, const char *name)
{
	const char *newline;

	while ((newline = strchr(name, '\n')) != NULL) {
		text_add(text, name, (size_t)(newline - name));
		text_add(text, "\\012", 4);
		name = newline + 1;
	}
	text_add(text, name, strlen(name));
}

static void text_pad(struct text *text, size_t line, size_t column)
{
	while (text->length - line < column)
		text_add(text, " ", 1);
}

/* "start-end rwxp offset" */
static void add_place(struct text *text, const struct vma *vma)
{
	const struct mapping *mapping = &vma->mapping;

	text_print(text, "%08llx-%08llx %c%c%c%c %08llx",
		   (unsigned long long)mapping->start,
		   (unsigned long long)mapping->end,
		   vma->flags & VM_READ ? 'r' : '-',
		   vma->flags & VM_WRITE ? 'w' : '-',
		   vma->flags & VM_EXEC ? 'x' : '-',
		   vma->flags & VM_MAYSHARE ? 's' : 'p',
		   vma_anonymous(vma)
			   ? 0ULL
			   : (unsigned long long)mapping->index << PAGE_SHIFT);
}

/* vma_is_initial_heap() */
static bool is_heap(const struct space *space, const struct vma *vma)
{
	return vma_anonymous(vma) && space->break_start &&
	       vma->mapping.start < space->break_end &&
	       vma->mapping.end > space->break_start;
}

/* What the mapping is called: nothing, if it is anonymous. */
static const struct object_identity *identity_of(const struct space *space,
						 const struct vma *vma)
{
	static const struct object_identity none = { .name = "" };
	static const struct object_identity heap = { .name = "[heap]" };

	if (vma_anonymous(vma))
		return is_heap(space, vma) ? &heap : &none;
	return object_identity(vma->handle->shown ? vma->handle->shown->object
						  : vma->handle->object);
}

void report_maps_line(struct text *text, const struct space *space,
		      const struct vma *vma)
{
	const struct object_identity *identity = identity_of(space, vma);
	size_t line = text->length;

	add_place(text, vma);
	text_print(text, " %02x:%02x %llu ", major(identity->device),
		   minor(identity->device),
		   (unsigned long long)identity->inode);
	if (identity->name && identity->name[0]) {
		text_pad(text, line, NAME_COLUMN);
		text_add_name(text, identity->name);
	}
	text_add(text, "\n", 1);
}

static void add_maps(struct text *text, const struct space *space)
{
	const struct vma *vma = vma_first(space);

	for (; vma; vma = space_next(vma))
		report_maps_line(text, space, vma);
}

static void add_hole(struct text *text, uint64_t start, uint64_t end)
{
	if (start < end)
		text_print(text, ". %llu pages free\n",
			   (unsigned long long)(end - start) >> PAGE_SHIFT);
}

static void add_vma(struct text *text, const struct space *space,
		    const struct vma *vma)
{
	const char *name = identity_of(space, vma)->name;

	add_place(text, vma);
	if (name && name[0]) {
		text_add(text, " ", 1);
		text_add_name(text, name);
	}
	text_add(text, "\n", 1);
}

struct drawing {
	struct text *text;
	const struct space *space;
	uint64_t end; /* of the VMA before */
};

/* What a node holds stands below it, a step to the right. */
static void draw(void *context, const struct range_view *view)
{
	struct drawing *drawing = context;
	struct text *text = drawing->text;

	if (view->item) {
		add_hole(text, drawing->end, view->range.start);
		drawing->end = view->range.end;
	}
	for (unsigned i = 0; i < view->depth; i++)
		text_add(text, "    ", 4);
	if (view->item)
		add_vma(text, drawing->space, vma_of(view->item));
	else
		text_print(text, "%08llx-%08llx [%llu free]\n",
			   (unsigned long long)view->range.start,
			   (unsigned long long)view->range.end,
			   (unsigned long long)view->hole >> PAGE_SHIFT);
}

static void add_tree(struct text *text, const struct space *space)
{
	struct drawing drawing = { text, space, space->mmu->lowest };

	text_print(text, "%zu mappings, %llu pages, generation %llu\n",
		   space->map_count, (unsigned long long)space->total_pages,
		   (unsigned long long)space->generation);
	range_tree_walk(&space->tree, draw, &drawing);
	add_hole(text, drawing.end, space->mmu->highest);
}

/* Under the read lock, which this function takes. */
static void add_report(struct text *text, struct space *space,
		       enum space_report_kind kind)
{
	rwlock_take_read(&space->lock);
	switch (kind) {
	case SPACE_REPORT_MAPS:
		add_maps(text, space);
		break;
	case SPACE_REPORT_SMAPS:
		report_smaps(text, space);
		break;
	case SPACE_REPORT_PAGES:
		report_pages(text, space);
		break;
	case SPACE_REPORT_TREE:
	default:
		add_tree(text, space);
		break;
	}
	rwlock_drop_read(&space->lock);
}

/* => text->bytes is the caller's to unmap.  0 or -ENOMEM. */
static int make_report(struct text *text, struct space *space,
		       enum space_report_kind kind)
{
	text->length = 0;
	rwlock_take_read(&space->lock);
	text->size = page_round_up((space->map_count + 1) * LINE_BYTES);
	rwlock_drop_read(&space->lock);
	for (;;) {
		text->bytes = space->map(text->size);
		if (!text->bytes)
			return error_say(-ENOMEM, "no memory for a report");
		add_report(text, space, kind);
		if (text->length <= text->size)
			return 0;
		/* A quarter more, as the space may grow in between. */
		space->unmap(text->bytes, text->size);
		text->size = page_round_up(text->length + text->length / 4);
		text->length = 0;
	}
}

int space_report(struct space *space, enum space_report_kind kind, FILE *stream)
{
	struct text text;
	int error;

	if ((unsigned)kind > SPACE_REPORT_PAGES)
		return error_say(-EINVAL, "no report of kind %d", (int)kind);
	if (kind == SPACE_REPORT_PAGES && !space->mmu->soft)
		return error_say(-EOPNOTSUPP, "the host has the page table");
	error = make_report(&text, space, kind);
	if (error)
		return error;
	if (fwrite(text.bytes, 1, text.length, stream) != text.length)
		error = error_say(-EIO, "the report could not be written");
	space->unmap(text.bytes, text.size);
	return error;
}
