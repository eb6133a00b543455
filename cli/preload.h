/* preload.h - the library that goes before a program's own */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_PRELOAD_H
#define QUIRE_CLI_PRELOAD_H

#include <stddef.h>

/*
 * Where libquire-preload.so is: $QUIRE_PRELOAD, or beside this program, as it
 * was built or installed.  0, or EXIT_FAILURE and a sentence.
 */
int preload_find(char *path, size_t size);

/*
 * The environment of a program that is run: the library first, before what was
 * to be loaded already, and the server's socket.  0 or -ENOMEM.
 */
int preload_environment(const char *library, const char *socket);

/*
 * Where this program is itself loaded with the library (`quire run` within
 * `quire run`) it begins anew without: an engine's own memory must not be
 * mapped by another one.  Returns where that is not so.
 */
void preload_leave(char **argv);

/* list, of LD_PRELOAD, without our library; malloc'ed, NULL: no memory. */
char *preload_without(const char *list);

#endif
