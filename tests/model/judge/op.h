/* op.h - one thing to do with an address space, for every executor alike */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_JUDGE_OP_H
#define QUIRE_JUDGE_OP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define PAGE UINT64_C(4096)
/* Low and large, so that the kernel places nothing there by itself. */
#define WINDOW UINT64_C(0x200000000000)
#define WINDOW_PAGES 48
#define WINDOW_END (WINDOW + WINDOW_PAGES * PAGE)
#define PROCESSES 4
#define NO_FILE 255u

enum op_kind {
	OP_MMAP,
	OP_MUNMAP,
	OP_MPROTECT,
	OP_MREMAP,
	OP_MSYNC,
	OP_MADVISE,
	OP_MINCORE,
	OP_MLOCK,
	OP_MLOCK2,
	OP_MUNLOCK,
	OP_MLOCKALL,
	OP_MUNLOCKALL,
	OP_LOAD,
	OP_STORE,
	OP_FETCH,
	OP_RESIZE,
	OP_PWRITE,
	OP_PREAD,
	OP_FORK,  /* the child is process `length` */
	OP_EXIT,  /* unmaps all; nothing more is done there */
	OP_LIMIT, /* `flags` says which, `length` how many pages */
	OP_KINDS
};

/* What is counted begins with the window: what else a process has is left
 * out. */
enum limit_kind {
	LIMIT_ADDRESS_SPACE,
	LIMIT_DATA,
	LIMIT_LOCKED,
	LIMIT_STACK,
	LIMITS
};
#define NO_LIMIT UINT64_MAX /* as a count of pages */
/* Without a limit of its own a process may lock so many: more than any
 * sequence does, and little enough to be set without a right to it. */
#define LOCKED_PAGES 1024

struct op {
	enum op_kind kind;
	unsigned process;
	bool look; /* compare all bytes after it */
	uint64_t address;
	uint64_t length;
	uint64_t new_address;
	uint64_t new_length;
	uint64_t offset;
	uint64_t value; /* to store */
	int prot;
	int flags; /* or the advice, or the limit */
	unsigned file;
};

struct outcome {
	int64_t result; /* -1 and error; else 0, a count, or a place */
	int error;
	int signal; /* of an access; then result is -1 */
	int code;
	uint64_t fault_address;
	uint64_t value; /* what was loaded, read, or what a vector held */
};

const char *op_name(enum op_kind kind);
/* -1: there is no such name.  A name of length bytes. */
int op_by_name(const char *name, size_t length);
/* "EINVAL", or "E1234" in static memory. */
const char *errno_name(int error);
int errno_by_name(const char *name, size_t length);
const char *advice_name(int advice);
int advice_by_name(const char *name, size_t length);
/* LIMITS: there is no such name. */
enum limit_kind limit_by_name(const char *name, size_t length);
/* One flag of mmap, mremap, msync ... by its name; -1: none. */
int flag_by_name(const char *name, size_t length);

/* As a line of C. */
void op_print(const struct op *op, FILE *stream);
void outcome_print(const struct op *op, const struct outcome *outcome,
		   FILE *stream);

/* The op gives an address of its own choice, which nobody has fixed. */
bool op_is_placed_freely(const struct op *op);

#endif
