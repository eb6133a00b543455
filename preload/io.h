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

/* Bytes of a file that were written, by whoever. */
struct stretch {
	off_t offset;
	size_t length; /* 0: none but what the file has grown by */
	bool unsure;   /* and perhaps others */
};

/* A change of a taken file's bytes that the server was told of, before. */
struct begun {
	int64_t id; /* 0: nobody need be told; negative: it must not be */
	int line;   /* client.h */
	int place;  /* where it may stand, or does (standing.h); or -1 */
	uint64_t given_up; /* a write that stands no more; 0: none */
	uint64_t server;   /* client_generation() before END was said */
};

/* False: the kernel will refuse it; it shall. */
bool io_measure(struct io *io);
/* Where the descriptor stands; negative: nowhere. */
off_t io_position(int fd);
/* The size of the file behind it; 0: there is none. */
uint64_t io_size(int fd);
/* A write goes to the end of the file, whatever it says. */
bool io_is_append(const struct io *io);
/* length bytes by a descriptor that stood at before (negative: not known):
 * where they went, and with them those of others who share it. */
struct stretch io_passed(int fd, off_t before, size_t length);
/* Does any part of it lie in memory that is taken? */
bool io_is_in_taken(const struct io *io);
/* Sees to it that the pages under the parts are there, where system calls do
 * not trap; store: to be written to. */
void io_touch(const struct io *io, bool store);

/* The write of a taken file, that was looked at: the server steps back
 * meanwhile.  As pwritev2. */
ssize_t io_write_taken(const struct io *io, const struct look *look);
/*
 * Around what else changes bytes [offset, +length) of a taken file; length 0:
 * all behind.  0 or a negative errno: then there is no end.  What has happened
 * between the two is true, whatever the server says at the end; the summary
 * tells of what it could not follow.
 */
int io_write_begin(struct begun *begun, int fd, off_t offset, size_t length);
void io_write_end(struct begun *begun, const struct stretch *written);
/* The same after the fact, for what has become taken meanwhile. */
void io_tell_written(int fd, const struct stretch *written);
/* After a write of length bytes that found its file not taken: if it has
 * become so meanwhile, writes them once more where their place is known.
 * before: where the descriptor stood; negative: not known. */
void io_write_again(const struct io *io, struct look *look, off_t before,
		    size_t length);

/* Of a stand-in: by the server. */
ssize_t io_bound_read(const struct io *io);
ssize_t io_bound_write(const struct io *io);

#endif
