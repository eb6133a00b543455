/* bound.h - paths that mean something else */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_BOUND_H
#define QUIRE_PRELOAD_BOUND_H

#include <stdbool.h>

/* True: path is bound, and *fd is what opening it came to: a descriptor, or -1
 * and errno. */
bool bound_open(int folder, const char *path, int flags, int *fd);
/* True: path is bound. */
bool bound_is(int folder, const char *path);
/* The name in /proc of a descriptor of ours; link has 64 bytes. */
void own_link(int fd, char *link);

#endif
