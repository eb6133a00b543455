/* kernel_maps.c - the window's part of /proc/self/maps */
/* SPDX-License-Identifier: MIT */
/*
 * Read by the process itself, without stdio or allocation.  The window lies
 * below everything but its lower neighbour, so that the first few lines do.
 */
#include "model/judge/files.h"
#include "model/judge/kernel_child.h"
#include "model/judge/maps.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* True: this was the last line of interest. */
static bool take_line(const struct file_set *files, const char *line,
		      char *text, size_t *used)
{
	uint64_t start = strtoull(line, NULL, 16);

	if (start >= WINDOW_END)
		return true;
	if (start >= WINDOW)
		*used += maps_add_line(files, line, text + *used,
				       MAPS_BYTES - *used);
	return false;
}

void kernel_read_maps(const struct file_set *files, char *text)
{
	char bytes[2 * 4096];
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t held = 0, used = 0;
	bool last = false;
	ssize_t got;

	text[0] = '\0';
	while (!last &&
	       (got = read(fd, bytes + held, sizeof(bytes) - 1 - held)) > 0) {
		char *line = bytes;
		char *newline;

		held += (size_t)got;
		bytes[held] = '\0';
		while (!last && (newline = strchr(line, '\n'))) {
			*newline = '\0';
			last = take_line(files, line, text, &used);
			line = newline + 1;
		}
		held -= (size_t)(line - bytes);
		memmove(bytes, line, held);
	}
	close(fd);
}
