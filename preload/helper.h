/* helper.h - a child with our memory, for what we must not do ourselves */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_HELPER_H
#define QUIRE_PRELOAD_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * truncate(path, length) of a taken file.  To close a file drops all POSIX
 * locks that the process has on it, so a child with descriptors of its own, but
 * with our memory, opens it and asks the server.  0 or a negative errno.
 */
int helper_truncate(const char *path, off_t length);
/*
 * Loads from each page of [address, +length), or stores to it what is there,
 * as a program does it: so that it traps where system calls do not.  What ends
 * in a signal, as behind the end of a file, ends the child.
 */
void helper_touch(void *address, size_t length, bool store);
/* size.c's: by descriptor. */
int size_truncate_taken(int fd, off_t length);

#endif
