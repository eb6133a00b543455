/* maps.h - /proc/self/maps as it would be without us */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_MAPS_H
#define QUIRE_PRELOAD_MAPS_H

#include <stdbool.h>

/* True: path is this process's maps or smaps, and something is taken; *fd is
 * what opening it came to. */
bool maps_open(const char *path, int flags, int *fd);

#endif
