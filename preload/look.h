/* look.h - is this file one that the server has? */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_LOOK_H
#define QUIRE_PRELOAD_LOOK_H

#include "client.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What is known of the file behind a descriptor, or a path. */
struct look {
	bool regular;
	uint64_t device;
	uint64_t inode;
	uint64_t size;
	uint64_t changed_ns;       /* when it had changed last */
	struct taken_entry *entry; /* NULL: not taken */
	bool bound;                /* a stand-in: the server has all of it */
};

/* True: it is taken.  Says what it is of any that is open. */
bool look_at(int fd, struct look *look);
bool look_at_path(int folder, const char *path, int flags, struct look *look);
/* Once more, at the table only: a file may have become taken. */
bool look_again(struct look *look);

/* Before the kernel reads [offset, +length) of it: what is dirty goes home.
 * Length 0: all behind.  0 or a negative errno. */
int look_before_read(const struct look *look, int fd, off_t offset,
		     size_t length);

#endif
