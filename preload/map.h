/* map.h - what the C library's wrappers and syscall() share */
/* SPDX-License-Identifier: MIT */
/* Each is what its name without map_ is to the program: errno, MAP_FAILED. */
#ifndef QUIRE_PRELOAD_MAP_H
#define QUIRE_PRELOAD_MAP_H

#include <stddef.h>
#include <sys/types.h>

void *map_mmap(void *address, size_t length, int protection, int flags, int fd,
	       off_t offset);
int map_munmap(void *address, size_t length);
void *map_mremap_to(void *address, size_t length, size_t new_length, int flags,
		    void *to);
int map_mprotect(void *address, size_t length, int protection);
int map_pkey_mprotect(void *address, size_t length, int protection, int key);
int map_msync(void *address, size_t length, int flags);
int map_madvise(void *address, size_t length, int advice);
int map_mlock(const void *address, size_t length);
int map_mlock2(const void *address, size_t length, unsigned int flags);
int map_munlock(const void *address, size_t length);
int map_mlockall(int flags);
int map_munlockall(void);

/* A mapping that came to be while mlockall(MCL_FUTURE) holds; under
 * ranges_lock(). */
void lock_new_range(void *address, size_t length, int flags);

#endif
