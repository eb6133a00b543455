/* kernel_reserve.c - a process in which only the window is free */
/* SPDX-License-Identifier: MIT */
/*
 * Every hole of the address space but the window gets an inaccessible mapping
 * of an empty file: it costs nothing and merges with nothing.  What the kernel
 * places afterwards goes into the window, or nowhere, so that where a mapping
 * goes can be compared with a space that has nothing but the window.
 */
#include "model/judge/kernel_child.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOWEST UINT64_C(0x1000)
/* vm.mmap_min_addr's default: below it only root maps. */
#define LOWEST_OF_ALL UINT64_C(0x10000)
#define HIGHEST UINT64_C(0x7ffffffff000)
#define TEXT_BYTES (256 * 1024)

static char text[TEXT_BYTES];

/* No stdio and no allocation from here on. */
static bool read_text(void)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got;

	if (fd < 0)
		return false;
	while ((got = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)got;
	close(fd);
	text[length] = '\0';
	return got == 0 && length < sizeof(text) - 1;
}

static bool reserve(int fd, uint64_t start, uint64_t end)
{
	void *wanted = (void *)(uintptr_t)start;

	if (start >= end)
		return true;
	if (start == LOWEST && reserve(fd, LOWEST_OF_ALL, end))
		end = LOWEST_OF_ALL;
	return mmap(wanted, end - start, PROT_NONE,
		    MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd,
		    0) == wanted ||
	       start == LOWEST;
}

/* The hole [start, end), but for the window. */
static bool reserve_around(int fd, uint64_t start, uint64_t end)
{
	if (start >= WINDOW_END || end <= WINDOW)
		return reserve(fd, start, end);
	return start <= WINDOW && end >= WINDOW_END &&
	       reserve(fd, start, WINDOW) && reserve(fd, WINDOW_END, end);
}

bool kernel_reserve(void)
{
	int fd = memfd_create("reserved", MFD_CLOEXEC);
	uint64_t end = LOWEST;
	bool done = fd >= 0 && read_text();
	char *line = text;

	while (done && line && *line) {
		char *rest;
		uint64_t start = strtoull(line, &rest, 16);

		if (start >= HIGHEST)
			break;
		done = reserve_around(fd, end, start);
		end = strtoull(rest + 1, NULL, 16);
		line = strchr(rest, '\n');
		if (line)
			line++;
	}
	done = done && reserve_around(fd, end, HIGHEST);
	close(fd);
	return done;
}

/* A limit on locked memory is none for root, and so on. */
void kernel_drop_rights(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[2] = { 0 };

	syscall(SYS_capset, &header, none);
}
