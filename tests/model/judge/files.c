/* files.c - memfds, sealed ones, files on disk, /dev/zero */
/* SPDX-License-Identifier: MIT */
#include "model/judge/files.h"

#include "model/judge/op.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum body_kind {
	BODY_MEMFD,
	BODY_DISK,
	BODY_TMPFS,
	BODY_APPEND, /* a memfd that is append-only */
	BODY_ZERO,   /* /dev/zero */
};

static const struct {
	const char *label;
	enum body_kind kind;
	uint64_t size;
	int seals;
} bodies[BODIES] = {
	{ "one", BODY_MEMFD, 12 * PAGE, 0 },
	{ "two", BODY_MEMFD, 5 * PAGE + 100, 0 },
	{ "empty", BODY_MEMFD, 0, 0 },
	{ "disk", BODY_DISK, 9 * PAGE + 4088, 0 },
	{ "tmpfs", BODY_TMPFS, 3 * PAGE + 8, 0 },
	{ "sealed", BODY_MEMFD, 4 * PAGE + 56, F_SEAL_WRITE },
	{ "future", BODY_MEMFD, 6 * PAGE, F_SEAL_FUTURE_WRITE },
	{ "append", BODY_APPEND, 4 * PAGE, 0 },
	{ "zero", BODY_ZERO, 0, 0 },
	{ "long", BODY_MEMFD, 60 * PAGE, 0 },
};

static const struct {
	const char *label;
	unsigned body;
	int access;
} handles[HANDLES] = {
	{ "one", 0, O_RDWR },
	{ "two", 1, O_RDWR },
	{ "one_read_only", 0, O_RDONLY },
	{ "two_read_only", 1, O_RDONLY },
	{ "empty", 2, O_RDWR },
	{ "disk", 3, O_RDWR },
	{ "disk_read_only", 3, O_RDONLY },
	{ "tmpfs", 4, O_RDWR },
	{ "sealed", 5, O_RDWR },
	{ "sealed_read_only", 5, O_RDONLY },
	{ "future", 6, O_RDWR },
	{ "future_read_only", 6, O_RDONLY },
	{ "append", 7, O_RDWR },
	{ "append_read_only", 7, O_RDONLY },
	{ "zero", 8, O_RDWR },
	{ "zero_read_only", 8, O_RDONLY },
	{ "long", 9, O_RDWR },
};

static bool left_out[HANDLES];
static bool body_left_out[BODIES];

const char *file_label(unsigned handle)
{
	return handle < HANDLES ? handles[handle].label : "-1";
}

unsigned file_body(unsigned handle)
{
	return handles[handle].body;
}

bool file_is_writable(unsigned handle)
{
	return handles[handle].access != O_RDONLY;
}

bool file_is_readable(unsigned handle)
{
	return handles[handle].access != O_WRONLY;
}

bool file_has_size(unsigned handle)
{
	return bodies[handles[handle].body].kind != BODY_ZERO;
}

uint64_t body_size(unsigned body)
{
	return bodies[body].size;
}

const char *body_label(unsigned body)
{
	return bodies[body].label;
}

void file_leave_out(unsigned handle)
{
	left_out[handle] = true;
}

bool body_exists(const char *label)
{
	for (unsigned i = 0; i < BODIES; i++)
		if (!strcmp(bodies[i].label, label))
			return true;
	return false;
}

bool body_leave_out(const char *label)
{
	for (unsigned i = 0; i < BODIES; i++)
		if (!strcmp(bodies[i].label, label)) {
			body_left_out[i] = true;
			return true;
		}
	return false;
}

bool file_exists(unsigned handle)
{
	return handle < HANDLES && !left_out[handle] &&
	       !body_left_out[handles[handle].body];
}

/* ---- bodies ---- */

static int make_unlinked(const char *folder)
{
	return open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static int make_empty(unsigned body)
{
	const char *folder = getenv("TMPDIR");

	switch (bodies[body].kind) {
	case BODY_DISK:
		return make_unlinked(folder ? folder : "/var/tmp");
	case BODY_TMPFS:
		return make_unlinked("/dev/shm");
	case BODY_ZERO:
		return open("/dev/zero", O_RDWR | O_CLOEXEC);
	default:
		return memfd_create(bodies[body].label,
				    MFD_CLOEXEC | MFD_ALLOW_SEALING);
	}
}

static bool fill(unsigned body, int fd)
{
	uint64_t words[PAGE / 8];
	uint64_t size = bodies[body].size;

	for (uint64_t at = 0; at < size; at += PAGE) {
		size_t length = size - at < PAGE ? size - at : PAGE;

		for (uint64_t i = 0; i < PAGE / 8; i++)
			words[i] = UNIQUE_WORD((uint64_t)(body + 1) << 40 |
					       (at / 8 + i));
		if (pwrite(fd, words, length, (off_t)at) != (ssize_t)length)
			return false;
	}
	return true;
}

static bool restrict_body(unsigned body, int fd)
{
	int flags = FS_APPEND_FL;

	if (bodies[body].kind == BODY_APPEND)
		return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
	if (!bodies[body].seals)
		return true;
	return fcntl(fd, F_ADD_SEALS, bodies[body].seals) == 0;
}

static int reopen(int fd, int access)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, access | O_CLOEXEC);
}

static bool make_body(struct file_set *files, unsigned body)
{
	struct stat status;
	int fd = make_empty(body);

	files->body[body] = fd;
	if (fd < 0)
		return false;
	if (bodies[body].kind != BODY_ZERO && !fill(body, fd))
		return false;
	if (fstat(fd, &status))
		return false;
	files->device[body] = status.st_dev;
	files->inode[body] = status.st_ino;
	return true;
}

/* An append-only file is opened before it is made so: nobody may open it for
 * writing without O_APPEND afterwards. */
static bool make_handles(struct file_set *files, unsigned body)
{
	for (unsigned i = 0; i < HANDLES; i++) {
		if (handles[i].body != body || !file_exists(i))
			continue;
		files->handle[i] = reopen(files->body[body], handles[i].access);
		if (files->handle[i] < 0)
			return false;
	}
	return restrict_body(body, files->body[body]);
}

bool files_make(struct file_set *files)
{
	bool made = true;

	memset(files, 0, sizeof(*files));
	for (unsigned i = 0; i < BODIES; i++)
		files->body[i] = -1;
	for (unsigned i = 0; i < HANDLES; i++)
		files->handle[i] = -1;
	for (unsigned i = 0; i < BODIES; i++) {
		if (body_left_out[i])
			continue;
		if (!make_body(files, i) || !make_handles(files, i)) {
			body_left_out[i] = true;
			made = false;
		}
	}
	return made;
}

void files_close(struct file_set *files)
{
	for (unsigned i = 0; i < HANDLES; i++)
		if (files->handle[i] >= 0)
			close(files->handle[i]);
	for (unsigned i = 0; i < BODIES; i++)
		if (files->body[i] >= 0)
			close(files->body[i]);
}

bool files_probe(void)
{
	struct file_set files;

	files_make(&files);
	files_close(&files);
	/* Without these nothing is worth comparing. */
	return !body_left_out[0] && !body_left_out[1] && !body_left_out[2];
}
