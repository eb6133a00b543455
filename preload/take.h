/* take.h - a mapping becomes the server's */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_TAKE_H
#define QUIRE_PRELOAD_TAKE_H

#include "look.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What mmap() was called with, and how it ended. */
struct wish {
	void *address;
	size_t length;
	int protection;
	int flags;
	int fd;
	off_t offset;
	bool shared;
	void *result;
};

/* The absolute path of what is open, in words; "": it has none. */
void path_of(int fd, char *path, size_t size);
/* 0: result; -EAGAIN: it is for the kernel to map; or what mmap() fails with. */
int take(struct wish *wish);
/* Nobody takes the file while this process lives.  -EBUSY: it is taken. */
int leave_to_kernel(const struct wish *wish, const struct look *look);
/* In a child: it has said nothing to the server yet. */
void take_after_fork(void);

#endif
