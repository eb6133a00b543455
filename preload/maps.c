/* maps.c - /proc/self/maps as it would be without us */
/* SPDX-License-Identifier: MIT */
/*
 * The kernel's text, but for the lines of what is taken: these show the file's
 * offset, device, inode and name, and s or p as the program asked for it.  What
 * is opened is a copy of that moment.
 */
#include "maps.h"

#include "bound.h"
#include "ranges.h"
#include "raw.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define LINE_BYTES 8192
#define READ_BYTES 65536

/* Text comes in, and lines go out. */
struct copy {
	int out;
	size_t held;
	char line[LINE_BYTES]; /* what is held of the next one */
	char text[LINE_BYTES]; /* for a line of our own */
};

static bool put(const struct copy *copy, const char *text, size_t length)
{
	while (length) {
		long done = raw(SYS_write, copy->out, text, length);

		if (done <= 0)
			return false;
		text += done;
		length -= (size_t)done;
	}
	return true;
}

static bool is_gone(const struct table_file *file)
{
	struct stat status;

	return raw_failed(
		       raw(SYS_newfstatat, AT_FDCWD, file->path, &status, 0)) ||
	       status.st_dev != file->device || status.st_ino != file->inode;
}

/* One range, or what of it the kernel's line has. */
static bool put_range(struct copy *copy, const struct range *range,
		      uintptr_t start, uintptr_t end, const char *access)
{
	const struct table_file *file = &ranges.file[range->file];
	int length;

	length = snprintf(
		copy->text, sizeof(copy->text),
		"%08lx-%08lx %.3s%c %08lx %02x:%02x %lu", (unsigned long)start,
		(unsigned long)end, access,
		range->flags & RANGE_SHARED ? 's' : 'p',
		(unsigned long)(range->offset + (start - range->start)),
		major(file->device), minor(file->device),
		(unsigned long)file->inode);
	length += snprintf(copy->text + length,
			   sizeof(copy->text) - (size_t)length, "%*s%s%s\n",
			   length < 72 ? 73 - length : 1, "", file->path,
			   is_gone(file) ? " (deleted)" : "");
	return put(copy, copy->text, (size_t)length);
}

/* A line of the kernel's that begins "start-end rwxp ". */
static bool parse(const char *line, uintptr_t *start, uintptr_t *end,
		  char access[8])
{
	unsigned long from;
	unsigned long to;

	if (sscanf(line, "%lx-%lx %7s", &from, &to, access) != 3 ||
	    strlen(access) != 4)
		return false;
	*start = from;
	*end = to;
	return true;
}

/* The line in copy->line, with its end, and with 0 behind it. */
static bool put_line(struct copy *copy, size_t length)
{
	uintptr_t start = 0;
	uintptr_t end = 0;
	char access[8];
	struct range *range;

	if (!parse(copy->line, &start, &end, access))
		return put(copy, copy->line, length);
	range = table_find(&ranges, start, end);
	if (!range)
		return put(copy, copy->line, length);
	for (; range; range = table_next(&ranges, range, end)) {
		uintptr_t first = range->start > start ? range->start : start;
		uintptr_t last = range->end < end ? range->end : end;

		/* neighbours of one file are one line, as the kernel's are */
		while (range + 1 < ranges.range + ranges.count && last < end &&
		       range[1].start == last && range[1].file == range->file) {
			range++;
			last = range->end < end ? range->end : end;
		}
		if (!put_range(copy, table_find(&ranges, first, first + 1),
			       first, last, access))
			return false;
	}
	return true;
}

static bool put_lines(struct copy *copy)
{
	char *end;

	while ((end = memchr(copy->line, '\n', copy->held))) {
		size_t length = (size_t)(end - copy->line) + 1;
		char behind = copy->line[length];

		copy->line[length] = '\0';
		if (!put_line(copy, length))
			return false;
		copy->line[length] = behind;
		copy->held -= length;
		memmove(copy->line, copy->line + length, copy->held);
	}
	return true;
}

static bool copy_all(struct copy *copy, int in)
{
	long got;

	do {
		size_t room = sizeof(copy->line) - 1 - copy->held;

		if (room == 0)
			return false; /* a line longer than any path */
		got = raw(SYS_read, in, copy->line + copy->held, room);
		if (got < 0)
			return false;
		copy->held += (size_t)got;
		if (!put_lines(copy))
			return false;
	} while (got > 0);
	return true;
}

/* Read-only, at its beginning, as the program asked to have it. */
static int reopen(int memory, int flags)
{
	char link[64];

	own_link(memory, link);
	return (int)raw(SYS_openat, AT_FDCWD, link,
			O_RDONLY | (flags & O_CLOEXEC));
}

static int copy_of(const char *path, int flags)
{
	struct copy *copy;
	long memory = raw(SYS_mmap, NULL, sizeof(*copy), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long in = raw(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	long out = raw(SYS_memfd_create, "maps", MFD_CLOEXEC);
	int fd = -EIO;

	if (!raw_failed(memory) && !raw_failed(in) && !raw_failed(out)) {
		copy = (struct copy *)memory;
		copy->out = (int)out;
		ranges_lock();
		if (copy_all(copy, (int)in))
			fd = reopen((int)out, flags);
		ranges_unlock();
	}
	if (!raw_failed(in))
		raw(SYS_close, in);
	if (!raw_failed(out))
		raw(SYS_close, out);
	if (!raw_failed(memory))
		raw(SYS_munmap, memory, sizeof(*copy));
	return fd;
}

/* "self/", "thread-self/" or the process's number and a slash; what is behind
 * it, or NULL. */
static const char *behind_self(const char *path)
{
	char number[24];
	size_t length;

	if (strncmp(path, "self/", 5) == 0)
		return path + 5;
	if (strncmp(path, "thread-self/", 12) == 0)
		return path + 12;
	length = (size_t)snprintf(number, sizeof(number), "%ld/",
				  raw(SYS_getpid));
	return strncmp(path, number, length) == 0 ? path + length : NULL;
}

bool maps_open(const char *path, int flags, int *fd)
{
	const char *name = NULL;

	if (!path || path[0] != '/' || strncmp(path, "/proc/", 6) != 0)
		return false;
	if (ranges.count == 0 || (flags & O_ACCMODE) != O_RDONLY)
		return false;
	name = behind_self(path + 6);
	if (!name || (strcmp(name, "maps") != 0 && strcmp(name, "smaps") != 0))
		return false;
	*fd = copy_of(path, flags);
	return *fd >= 0;
}
