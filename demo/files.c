/* files.c - the private copy, and the proof: all through read(2) */
/* SPDX-License-Identifier: MIT */
#include "demo.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void cache_drop(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	fsync(fd); /* dirty pages would stay */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

/* All of it, or up to the end of the file. */
static ssize_t read_full(int fd, void *buffer, size_t length, uint64_t offset)
{
	size_t done = 0;

	while (done < length) {
		ssize_t got = pread(fd, (char *)buffer + done, length - done,
				    (off_t)(offset + done));

		if (got < 0 && errno != EINTR)
			return -1;
		if (got == 0)
			break;
		if (got > 0)
			done += (size_t)got;
	}
	return (ssize_t)done;
}

/* A file system that can share blocks does it at once. */
static bool copy_bytes(int from, int to, uint64_t size)
{
	uint64_t done = 0;

	if (ioctl(to, FICLONE, from) == 0)
		return true;
	while (done < size) {
		ssize_t moved =
			copy_file_range(from, NULL, to, NULL, size - done, 0);

		if (moved == 0)
			errno = EIO; /* it became shorter */
		if (moved <= 0)
			return false;
		done += (uint64_t)moved;
	}
	return true;
}

bool copy_make(const struct input *input, int to, const char **why)
{
	int from = open(input->path, O_RDONLY | O_CLOEXEC);
	bool made = from >= 0 && copy_bytes(from, to, input->size) &&
		    fsync(to) == 0;

	if (!made)
		*why = strerror(errno);
	if (from >= 0)
		close(from);
	return made;
}

struct proof {
	const struct input *input;
	enum arm arm;
	struct result *result;
	int file;
	int copy;
	uint64_t changed;
	unsigned char *expected;
	unsigned char *found;
};

static bool differ(struct proof *proof, uint64_t offset)
{
	snprintf(proof->result->failure, sizeof(proof->result->failure),
		 "read(2) does not see what was stored, near byte %ju",
		 (uintmax_t)offset);
	return false;
}

/* Every page is the file's own, but for the changes that were made. */
static bool prove_pages(struct proof *proof)
{
	uint64_t size = proof->input->size;

	for (uint64_t offset = 0; offset < size; offset += CHUNK) {
		ssize_t length =
			read_full(proof->file, proof->expected, CHUNK, offset);

		if (length <= 0 || read_full(proof->copy, proof->found,
					     (size_t)length, offset) != length)
			return differ(proof, offset);
		for (size_t at = 0; at + PAGE <= (size_t)length; at += PAGE)
			proof->changed += change_apply(proof->arm,
						       (offset + at) / PAGE,
						       proof->expected + at);
		if (memcmp(proof->expected, proof->found, (size_t)length))
			return differ(proof, offset);
	}
	return true;
}

static bool prove_end(struct proof *proof)
{
	uint64_t size = proof->input->size;

	for (uint64_t offset = 0; offset < APPEND_BYTES; offset += CHUNK) {
		append_bytes(proof->arm, offset, proof->expected, CHUNK);
		if (read_full(proof->copy, proof->found, CHUNK,
			      size + offset) != CHUNK ||
		    memcmp(proof->expected, proof->found, CHUNK))
			return differ(proof, size + offset);
	}
	if (read_full(proof->copy, proof->found, 1, size + APPEND_BYTES))
		return differ(proof, size + APPEND_BYTES);
	return true;
}

bool copy_prove(const struct input *input, enum arm arm, struct result *result)
{
	struct proof proof = {
		.input = input,
		.arm = arm,
		.result = result,
		.file = open(input->path, O_RDONLY | O_CLOEXEC),
		.copy = open(input->copy, O_RDONLY | O_CLOEXEC),
		.expected = malloc(CHUNK),
		.found = malloc(CHUNK),
	};

	if (proof.file >= 0 && proof.copy >= 0 && proof.expected && proof.found)
		result->proven = prove_pages(&proof) && prove_end(&proof);
	if (result->proven && proof.changed != result->changed)
		result->proven = differ(&proof, 0);
	if (proof.file >= 0)
		close(proof.file);
	if (proof.copy >= 0)
		close(proof.copy);
	free(proof.expected);
	free(proof.found);
	return result->proven;
}

static bool restore_page(int from, int to, uint64_t index)
{
	unsigned char page[PAGE];
	off_t offset = (off_t)(index * PAGE);

	return pread(from, page, PAGE, offset) == PAGE &&
	       pwrite(to, page, PAGE, offset) == PAGE;
}

bool copy_restore(const struct input *input, enum arm arm,
		  struct result *result)
{
	int from = open(input->path, O_RDONLY | O_CLOEXEC);
	int to = open(input->copy, O_RDWR | O_CLOEXEC);
	bool done = from >= 0 && to >= 0;

	for (uint64_t index = 0; done && index < input->size / PAGE; index++) {
		unsigned char bytes[CHANGE_BYTES];
		size_t offset;

		if (change_place(arm, index, &offset, bytes))
			done = restore_page(from, to, index);
	}
	done = done && ftruncate(to, (off_t)input->size) == 0;
	if (!done)
		snprintf(result->failure, sizeof(result->failure),
			 "the copy could not be restored: %s", strerror(errno));
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return done;
}
