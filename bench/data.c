/* data.c - the file that is measured on */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK (1u << 20)

void data_drop(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	fsync(fd); /* dirty pages would stay */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

/* No two pages are alike: nothing below can fold or compress them. */
static bool fill(int fd, uint64_t *block, uint64_t size)
{
	for (uint64_t offset = 0; offset < size; offset += BLOCK) {
		for (uint64_t i = 0; i < BLOCK / sizeof(*block); i++)
			block[i] = mix(offset + i);
		if (write(fd, block, BLOCK) != BLOCK)
			return false;
	}
	return fsync(fd) == 0;
}

static bool write_data(const char *path, uint64_t size)
{
	uint64_t *block = malloc(BLOCK);
	char part[4096];
	bool made = false;
	int fd;

	snprintf(part, sizeof(part), "%s.part", path);
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd >= 0 && block)
		made = fill(fd, block, size) && rename(part, path) == 0;
	if (!made) {
		fprintf(stderr, "bench: cannot make %s: %s\n", path,
			strerror(errno));
		unlink(part);
	}
	if (fd >= 0)
		close(fd);
	free(block);
	return made;
}

/* Until the program ends: another that updates it would spoil the sums. */
static bool data_lock(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	fprintf(stderr, "bench: %s: %s\n", path,
		errno == EWOULDBLOCK ? "another program measures on it"
				     : strerror(errno));
	return false;
}

bool data_make(const char *path, uint64_t size)
{
	struct stat status;

	if (stat(path, &status) == 0 && (uint64_t)status.st_size == size)
		return data_lock(path);
	fprintf(stderr, "making %s, %ju MiB\n", path, (uintmax_t)size >> 20);
	return write_data(path, size) && data_lock(path);
}
