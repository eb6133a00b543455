/* own.h - the descriptors that are the library's, not the program's */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_OWN_H
#define QUIRE_PRELOAD_OWN_H

#include <stdbool.h>

/*
 * fd, moved out of the program's way, and the library's from now on; if it
 * cannot be moved, where it is.  To the program it is not open: close() of it
 * is EBADF.
 */
int own_take(int fd);
/* Closes it. */
void own_close(int fd);
bool own_is(int fd);
/* The first of ours in [first, last]; -1: none. */
int own_next(int first, int last);

#endif
