/* file_direct.c - transfers that bypass the kernel's page cache */
/* SPDX-License-Identifier: MIT */
#include "store/file_private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/*
 * One alignment for offsets, lengths and buffers: a page, though many disks do
 * with 512 bytes.  What ends inside a page goes through the kernel's cache, so
 * no page of the file is ever half in one path and half in the other.
 */
#define DIRECT_ALIGN PAGE_SIZE

/* Debian 12's headers are older: struct statx of Linux 6.1, its end. */
#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x2000U
#endif
#define DIO_MEMORY_ALIGN_AT 0x98
#define DIO_OFFSET_ALIGN_AT 0x9c

enum answer {
	NO,
	YES,
	UNKNOWN
};

int file_reopen(int fd, int flags)
{
	char path[sizeof("/proc/self/fd/-2147483648")];
	long opened;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	opened = syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0);
	return opened < 0 ? -errno : (int)opened;
}

/* Files that are in memory anyway take O_DIRECT and bypass nothing.  Where a
 * device's name lies says nothing of the device. */
static bool is_in_memory(int fd)
{
	struct statfs system;
	struct stat file;

	if (fstat(fd, &file) || !S_ISREG(file.st_mode) || fstatfs(fd, &system))
		return false;
	return system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC ||
	       system.f_type == HUGETLBFS_MAGIC;
}

static bool fits(uint32_t align)
{
	return align > 0 && align <= DIRECT_ALIGN && !(align & (align - 1));
}

static enum answer ask_statx(int fd)
{
	struct statx found;
	uint32_t memory_align, offset_align;

	_Static_assert(sizeof(found) == 256, "struct statx has its room");
	memset(&found, 0, sizeof(found));
	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &found) ||
	    !(found.stx_mask & STATX_DIOALIGN))
		return UNKNOWN;
	memcpy(&memory_align, (char *)&found + DIO_MEMORY_ALIGN_AT,
	       sizeof(memory_align));
	memcpy(&offset_align, (char *)&found + DIO_OFFSET_ALIGN_AT,
	       sizeof(offset_align));
	return fits(memory_align) && fits(offset_align) ? YES : NO;
}

/* A file system that can't, says so when it is read at the latest. */
static enum answer try_read(int fd)
{
	void *buffer = aligned_alloc(DIRECT_ALIGN, DIRECT_ALIGN);
	ssize_t moved;

	if (!buffer)
		return NO;
	moved = pread(fd, buffer, DIRECT_ALIGN, 0);
	free(buffer);
	return moved >= 0 ? YES : NO;
}

int file_open_direct(int fd, bool writable)
{
	enum answer works;
	int direct;

	if (is_in_memory(fd))
		return -1;
	direct = file_reopen(fd, (writable ? O_RDWR : O_RDONLY) | O_DIRECT);
	if (direct < 0)
		return -1;
	works = ask_statx(direct);
	if (works == UNKNOWN)
		works = try_read(direct);
	if (works == YES)
		return direct;
	close(direct);
	return -1;
}

static bool is_aligned(uint64_t value)
{
	return (value & (DIRECT_ALIGN - 1)) == 0;
}

bool file_trim_to_aligned(struct store_io *io)
{
	unsigned count = 0;

	if (!is_aligned(io->step_offset))
		return false;
	while (count < io->step_iov_count) {
		struct iovec *piece = &io->step_iov[count];
		size_t whole = piece->iov_len & ~(size_t)(DIRECT_ALIGN - 1);
		bool last = whole != piece->iov_len;

		if (whole == 0 || !is_aligned((uintptr_t)piece->iov_base))
			break;
		piece->iov_len = whole;
		count++;
		if (last)
			break;
	}
	if (count > 0)
		io->step_iov_count = count;
	return count > 0;
}
