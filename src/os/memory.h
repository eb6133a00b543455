/* memory.h - host memory: anonymous, memfd, mapped; by raw system calls */
/* SPDX-License-Identifier: MIT */
/*
 * Raw, so that a preloaded mmap() cannot lead back into the library.
 * All return 0 or a negative errno.
 */
#ifndef QUIRE_OS_MEMORY_H
#define QUIRE_OS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Zeroed private memory without reserve, not inherited by a child. */
int memory_map(size_t bytes, void **memory);
void memory_unmap(void *memory, size_t bytes);
/* For struct pool: NULL when there is none. */
void *memory_pool_map(size_t bytes);
/* Gives the frames of [memory, +bytes) back: they read as zero again. */
void memory_clear(void *memory, size_t bytes);

/* A sealed-for-exec, close-on-exec memfd of size 0. */
int memory_file_create(const char *name, int *fd);
int memory_file_resize(int fd, uint64_t size);
int memory_file_punch(int fd, uint64_t offset, uint64_t length);
/* All of it, or an error. */
int memory_file_write(int fd, const void *bytes, size_t length,
		      uint64_t offset);
int memory_file_read(int fd, void *bytes, size_t length, uint64_t offset);
/* A shared view of [0, length), not inherited by a child. */
int memory_file_view(int fd, size_t length, void **view);

/*
 * mmap(2) of fd (-1: nothing, PROT_NONE) at address, exactly there:
 * replace: MAP_FIXED, else MAP_FIXED_NOREPLACE (-EEXIST).
 * The mapping is not inherited by a child (MADV_DONTFORK).
 */
int memory_map_at(uint64_t address, size_t length, int prot, bool shared,
		  int fd, uint64_t offset, bool replace);
int memory_unmap_at(uint64_t address, size_t length);
int memory_protect(uint64_t address, size_t length, int prot);
/* Drops the translations, of locked memory as well; the file's pages stay, a
 * private copy does not. */
int memory_forget(uint64_t address, size_t length);
/* Touches the pages for reading, from inside the kernel; as far as it goes. */
void memory_populate(uint64_t address, size_t length);

#endif
