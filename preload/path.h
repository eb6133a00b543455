/* path.h - paths made absolute, in words */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_PATH_H
#define QUIRE_PRELOAD_PATH_H

#include <stdbool.h>
#include <stddef.h>

/*
 * path, seen from folder if it is relative, without //, . and .., in result:
 * in words, links are not followed.  False: longer than size.
 */
bool path_absolute(const char *folder, const char *path, char *result,
		   size_t size);

#endif
