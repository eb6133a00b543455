/* arm_kernel.c - the same work through the kernel's mmap and through pread */
/* SPDX-License-Identifier: MIT */
#include "demo.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct kernel_state {
	int fd;
	unsigned char *bytes; /* mapped */
	uint64_t length;
};

static bool say(struct view *view, const char *what)
{
	return view_fail(view, "%s: %s", what, strerror(errno));
}

static const unsigned char *mmap_look(struct view *view, uint64_t offset,
				      size_t length, void *buffer)
{
	struct kernel_state *state = view->state;

	(void)length;
	(void)buffer;
	return state->bytes + offset;
}

static bool mmap_change(struct view *view, uint64_t offset, const void *bytes,
			size_t length)
{
	struct kernel_state *state = view->state;

	memcpy(state->bytes + offset, bytes, length);
	return true;
}

static bool mmap_sync(struct view *view)
{
	struct kernel_state *state = view->state;

	return msync(state->bytes, state->length, MS_SYNC) == 0 ||
	       say(view, "msync");
}

static bool file_grow(struct view *view, uint64_t size)
{
	struct kernel_state *state = view->state;

	if (ftruncate(state->fd, (off_t)size))
		return say(view, "ftruncate");
	view->size = size;
	return true;
}

/* The kernel is told what comes, as one who tunes for it would. */
static void mmap_expect(struct view *view, bool random)
{
	struct kernel_state *state = view->state;

	madvise(state->bytes, state->length,
		random ? MADV_RANDOM : MADV_SEQUENTIAL);
}

/* An error is a SIGBUS here: there is nothing to guard with. */
static bool plain(struct view *view, void (*body)(void *), void *argument)
{
	(void)view;
	body(argument);
	return true;
}

static const struct view_ops mmap_ops = {
	.look = mmap_look,
	.change = mmap_change,
	.sync = mmap_sync,
	.grow = file_grow,
	.expect = mmap_expect,
	.guard = plain,
};

static const unsigned char *pread_look(struct view *view, uint64_t offset,
				       size_t length, void *buffer)
{
	struct kernel_state *state = view->state;
	size_t done = 0;

	while (done < length) {
		ssize_t got = pread(state->fd, (char *)buffer + done,
				    length - done, (off_t)(offset + done));

		if (got <= 0) {
			say(view, "pread");
			return NULL;
		}
		done += (size_t)got;
	}
	return buffer;
}

static bool pread_change(struct view *view, uint64_t offset, const void *bytes,
			 size_t length)
{
	struct kernel_state *state = view->state;

	return pwrite(state->fd, bytes, length, (off_t)offset) ==
		       (ssize_t)length ||
	       say(view, "pwrite");
}

static bool pread_sync(struct view *view)
{
	struct kernel_state *state = view->state;

	return fsync(state->fd) == 0 || say(view, "fsync");
}

static void pread_expect(struct view *view, bool random)
{
	struct kernel_state *state = view->state;

	posix_fadvise(state->fd, 0, 0,
		      random ? POSIX_FADV_RANDOM : POSIX_FADV_SEQUENTIAL);
}

static const struct view_ops pread_ops = {
	.look = pread_look,
	.change = pread_change,
	.sync = pread_sync,
	.grow = file_grow,
	.expect = pread_expect,
	.guard = plain,
};

static bool with_mapping(struct view *view, const struct input *input,
			 work_function *work, bool writing)
{
	struct kernel_state *state = view->state;
	int prot = writing ? PROT_READ | PROT_WRITE : PROT_READ;
	bool passed;

	state->length = input->size + (writing ? APPEND_BYTES : 0);
	state->bytes =
		mmap(NULL, state->length, prot, MAP_SHARED, state->fd, 0);
	if (state->bytes == MAP_FAILED)
		return say(view, "mmap");
	passed = work(view, input);
	munmap(state->bytes, state->length);
	return passed;
}

static bool with_file(const struct view_ops *ops, const struct input *input,
		      struct result *result, work_function *work, bool writing)
{
	const char *path = writing ? input->copy : input->path;
	struct kernel_state state = { 0 };
	struct view view = { ops, result, input->size, &state };
	bool passed;

	state.fd = open(path, (writing ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (state.fd < 0)
		return say(&view, path);
	passed = ops == &mmap_ops ? with_mapping(&view, input, work, writing)
				  : work(&view, input);
	close(state.fd);
	return passed;
}

bool arm_mmap(const struct input *input, struct result *result,
	      work_function *reading, work_function *writing)
{
	return with_file(&mmap_ops, input, result, reading, false) &&
	       (!input->copy ||
		with_file(&mmap_ops, input, result, writing, true));
}

bool arm_pread(const struct input *input, struct result *result,
	       work_function *reading, work_function *writing)
{
	return with_file(&pread_ops, input, result, reading, false) &&
	       (!input->copy ||
		with_file(&pread_ops, input, result, writing, true));
}
