/* io.c - one read or write, in whatever words the program asked for it */
/* SPDX-License-Identifier: MIT */
#include "io.h"

#include "helper.h"
#include "ranges.h"
#include "raw.h"
#include "userfault.h"

#include <sys/mman.h>
#include <unistd.h>

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
