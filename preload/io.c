/* io.c - one read or write, in whatever words the program asked for it */
/* SPDX-License-Identifier: MIT */
#include "io.h"

#include "helper.h"
#include "ranges.h"
#include "raw.h"
#include "userfault.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef RWF_APPEND
#define RWF_APPEND 0x10
#endif
#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif

bool io_measure(struct io *io)
{
	io->length = 0;
	if (io->count < 0 || io->count > IOV_MAX ||
	    (io->offset < 0 && io->offset != IO_AT_POSITION))
		return false;
	for (int i = 0; i < io->count; i++) {
		if (io->parts[i].iov_len > SSIZE_MAX - io->length)
			return false;
		io->length += io->parts[i].iov_len;
	}
	return true;
}

off_t io_position(int fd)
{
	return raw(SYS_lseek, fd, 0, SEEK_CUR);
}

uint64_t io_size(int fd)
{
	struct stat status;

	if (raw_failed(raw(SYS_fstat, fd, &status)))
		return 0;
	return (uint64_t)status.st_size;
}

bool io_is_append(const struct io *io)
{
	long flags;

	if (io->flags & (RWF_APPEND | RWF_NOAPPEND))
		return io->flags & RWF_APPEND;
	flags = raw(SYS_fcntl, io->fd, F_GETFL);
	return !raw_failed(flags) && flags & O_APPEND;
}

struct stretch io_passed(int fd, off_t before, size_t length)
{
	off_t after = io_position(fd);
	struct stretch passed = { before, length, false };

	if (before < 0 || after < before + (off_t)length) {
		/* or somebody has gone back */
		passed.offset = after - (off_t)length;
		passed.unsure = true;
	} else {
		passed.length = (size_t)(after - before);
	}
	if (passed.offset < 0)
		passed = (struct stretch){ .unsure = true };
	return passed;
}

static bool is_taken_memory(const void *address, size_t length)
{
	uintptr_t start = (uintptr_t)address;
	bool found;

	if (length == 0 || !ranges_reach(address, length))
		return false;
	ranges_lock();
	found = table_find(&ranges, start, start + length);
	ranges_unlock();
	return found;
}

bool io_is_in_taken(const struct io *io)
{
	for (int i = 0; i < io->count; i++) {
		if (is_taken_memory(io->parts[i].iov_base,
				    io->parts[i].iov_len))
			return true;
	}
	return false;
}

/* Only where the kernel says that something is not there as it must be. */
static void touch_part(char *start, size_t length, bool store)
{
	uintptr_t first = (uintptr_t)start & ~(uintptr_t)4095;
	size_t pages = whole_pages((uintptr_t)start + length - first);

	if (raw_failed(raw(SYS_madvise, first, pages,
			   store ? MADV_POPULATE_WRITE : MADV_POPULATE_READ)))
		helper_touch(start, length, store);
}

void io_touch(const struct io *io, bool store)
{
	if (!userfault_user_mode())
		return;
	for (int i = 0; i < io->count; i++) {
		const struct iovec *part = &io->parts[i];

		if (is_taken_memory(part->iov_base, part->iov_len))
			touch_part(part->iov_base, part->iov_len, store);
	}
}
