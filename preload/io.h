/* io.h - one read or write, in whatever words the program asked for it */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_IO_H
#define QUIRE_PRELOAD_IO_H

#include "look.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/uio.h>

#define IO_AT_POSITION ((off_t)-1) /* the descriptor's own */

struct io {
	int fd;
	const struct iovec *parts;
	int count;
	size_t length; /* of all parts */
	off_t offset;  /* or IO_AT_POSITION */
	int flags;     /* RWF_... */
};

/* False: the kernel will refuse it; it shall. */
bool io_measure(struct io *io);
/* Where the descriptor stands; negative: nowhere. */
off_t io_position(int fd);
/* Does any part of it lie in memory that is taken? */
bool io_is_in_taken(const struct io *io);
/* Sees to it that the pages under the parts are there, where system calls do
 * not trap; store: to be written to. */
void io_touch(const struct io *io, bool store);

/* The write of a taken file: the server steps back meanwhile.  As pwritev2. */
ssize_t io_write_taken(const struct io *io, const struct look *look);
/* Around what else changes bytes [offset, +length) of a taken file.  0: no
 * one need be told; negative: an error; or what io_write_end() wants. */
int64_t io_write_begin(int fd, off_t offset, size_t length);
int io_write_end(int64_t id, off_t offset, size_t length);
/* After a write of length bytes that found its file not taken: if it has
 * become so meanwhile, writes them once more. */
void io_write_again(struct io *io, struct look *look, size_t length);

/* Of a stand-in: by the server. */
ssize_t io_bound_read(const struct io *io);
ssize_t io_bound_write(const struct io *io);

#endif
