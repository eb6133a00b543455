/* held.h - a system call that stands still in the kernel until it is let go */
/* SPDX-License-Identifier: MIT */
/*
 * A write of bytes that are not there yet: it waits, with its file's lock, for
 * a userfaultfd of the program's own.
 */
#ifndef QUIRE_TESTS_PRELOAD_HELD_H
#define QUIRE_TESTS_PRELOAD_HELD_H

#include "program.h"

#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

struct held {
	int userfault;
	unsigned char *bytes; /* a page */
};

/* False: it may not be. */
static inline bool held_make(struct held *held)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	held->userfault = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (held->userfault < 0)
		return false;
	must(ioctl(held->userfault, UFFDIO_API, &api) == 0);
	held->bytes = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(held->bytes != MAP_FAILED);
	range.range.start = (uintptr_t)held->bytes;
	range.range.len = PAGE;
	must(ioctl(held->userfault, UFFDIO_REGISTER, &range) == 0);
	return true;
}

/* Somebody waits for the bytes. */
static inline void held_await(const struct held *held)
{
	struct pollfd poll_it = { .fd = held->userfault, .events = POLLIN };
	struct uffd_msg message;

	must(poll(&poll_it, 1, -1) == 1);
	must(read(held->userfault, &message, sizeof(message)) ==
	     (ssize_t)sizeof(message));
}

static inline void held_let_go(const struct held *held, unsigned char byte)
{
	static unsigned char page[4096];
	struct uffdio_copy copy = { .dst = (uintptr_t)held->bytes,
				    .src = (uintptr_t)page,
				    .len = PAGE };

	memset(page, byte, PAGE);
	must(ioctl(held->userfault, UFFDIO_COPY, &copy) == 0);
}

static inline void held_end(struct held *held)
{
	close(held->userfault);
	must(munmap(held->bytes, PAGE) == 0);
}

#endif
