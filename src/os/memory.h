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
#include <sys/uio.h>
#include <sys/types.h>

/* Zeroed private memory without reserve, not inherited by a child. */
int memory_map(size_t bytes, void **memory);
void memory_unmap(void *memory, size_t bytes);
/* For struct pool: NULL when there is none.  Whole huge pages are such, if the
 * kernel likes. */
void *memory_pool_map(size_t bytes);
/* Gives the frames of [memory, +bytes) back: they read as zero again. */
void memory_clear(void *memory, size_t bytes);

/* A sealed-for-exec, close-on-exec memfd of size 0. */
int memory_file_create(const char *name, int *fd);
/* -EFBIG beyond RLIMIT_FSIZE, without its signal. */
int memory_file_resize(int fd, uint64_t size);
/* May the file become so large, by RLIMIT_FSIZE? */
bool memory_file_fits(int fd, uint64_t size);
int memory_file_punch(int fd, uint64_t offset, uint64_t length);
/* All of it, or an error. */
int memory_file_write(int fd, const void *bytes, size_t length,
		      uint64_t offset);
int memory_file_read(int fd, void *bytes, size_t length, uint64_t offset);
/* A shared view of [0, length), not inherited by a child. */
int memory_file_view(int fd, size_t length, void **view);
/* The same, for reading only; -ENOMEM also where a process may have so many
 * addresses only (RLIMIT_AS), as it is one that can be done without. */
int memory_file_view_read(int fd, size_t length, void **view);

/*
 * mmap(2) of fd (-1: nothing, PROT_NONE) at address, exactly there:
 * replace: MAP_FIXED, else MAP_FIXED_NOREPLACE (-EEXIST).
 * The mapping is not inherited by a child (MADV_DONTFORK).
 */
int memory_map_at(uint64_t address, size_t length, int prot, bool shared,
		  int fd, uint64_t offset, bool replace);
int memory_unmap_at(uint64_t address, size_t length);
int memory_protect(uint64_t address, size_t length, int prot);
/* Drops the translations, since Linux 5.18 of locked memory as well; the file's
 * pages stay, a private copy does not. */
int memory_forget(uint64_t address, size_t length);
/*
 * The same for many ranges at once (at most 1024) of a mapping that is only
 * read: one round of the processors in place of one for each.  Where the kernel
 * cannot (before Linux 6.16) nothing is done.
 */
void memory_forget_many(const struct iovec *ranges, unsigned count);
/* The same, whatever the kernel: when it returns they show nothing, and what a
 * private mapping had of its own there is gone. */
void memory_drop_many(const struct iovec *ranges, unsigned count);
/* A private mapping of a file, and where it goes. */
struct memory_move {
	uint64_t from;
	uint64_t length; /* of what moves */
	uint64_t to;
	uint64_t new_length; /* as long, or longer */
	int fd;              /* where what more there is comes from, */
	uint64_t offset;     /* if the first byte comes from here */
	bool keep;           /* MREMAP_DONTUNMAP */
	bool replace;        /* what else stands there goes; else -EEXIST */
};
/*
 * mremap(2) to exactly there; private copies go along.  It may be several
 * mappings for the kernel.  What is longer has no rights yet.  On failure
 * nothing has changed, but for what was replaced; and what can go neither on
 * nor back, as the kernel has no room or somebody has come, is unmapped.
 */
int memory_move(const struct memory_move *move);
/* Undoes one that succeeded: 0, or the error, and what cannot is unmapped. */
int memory_move_back(const struct memory_move *move);
/* MADV_GUARD_INSTALL, _REMOVE.  -EINVAL: this kernel has none. */
int memory_guard(uint64_t address, size_t length, bool guard);
/* Whoever asks for guards may ask where they are: a descriptor for it; and how
 * many pages from address on have none.  A kernel before 6.15 does not tell. */
int memory_pagemap_open(int *fd);
size_t memory_unguarded(int pagemap, uint64_t address, size_t pages);
/* Touches the pages from inside the kernel, up to the first that cannot be
 * had: MADV_POPULATE_READ, _WRITE. */
int memory_populate(uint64_t address, size_t length, bool write);
/* mincore(2). */
int memory_resident(uint64_t address, size_t length, unsigned char *vector);

/* memcpy(), and -EFAULT where to cannot be written. */
int memory_give(void *to, const void *from, size_t length);
/* memcpy(), and an error where from cannot be read, or this is not allowed. */
int memory_fetch(void *to, uint64_t from, size_t length);
/* Of the machine, swap included, in bytes. */
uint64_t memory_total(void);

#endif
