/* table.h - which of this process's addresses are taken */
/* SPDX-License-Identifier: MIT */
/*
 *	range  [start, end)  from offset on of  file
 *	...                                      |
 *	file   id at the server, holds on it, device, inode, path
 *
 * Ranges are sorted and do not overlap.  A file stays as long as a range is of
 * it.  Memory is mmap's, never malloc's.  The caller locks.
 */
#ifndef QUIRE_PRELOAD_TABLE_H
#define QUIRE_PRELOAD_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RANGE_SHARED 0x1u
/* Shared, of a file open for reading: the kernel has it as private. */
#define RANGE_READ_ONLY 0x2u

struct range {
	uintptr_t start;
	uintptr_t end;
	uint64_t offset; /* of start */
	uint32_t file;   /* an index */
	uint32_t flags;  /* RANGE_... */
};

struct table_file {
	uint64_t id;
	uint64_t device;
	uint64_t inode;
	uint32_t holds;  /* that the server counts */
	uint32_t ranges; /* 0: the place is free, if there are no holds */
	char *path;      /* own memory, of path_size bytes */
	size_t path_size;
};

/* A zeroed one is empty. */
struct table {
	struct range *range;
	size_t count;
	size_t capacity;
	struct table_file *file;
	size_t file_count;
	size_t file_capacity;
	/* All ranges lie in [lowest, highest); read without the lock. */
	_Atomic uintptr_t lowest;
	_Atomic uintptr_t highest;
};

/* May [start, end) have a range?  Any thread, without the lock; false is sure
 * for ranges that were there before. */
bool table_may_overlap(const struct table *table, uintptr_t start,
		       uintptr_t end);
/* The first range that reaches into [start, end); NULL: none. */
struct range *table_find(const struct table *table, uintptr_t start,
			 uintptr_t end);
/* The next after range that begins before end; NULL: none. */
struct range *table_next(const struct table *table, const struct range *range,
			 uintptr_t end);

/* So many more ranges will find room.  -ENOMEM. */
int table_reserve(struct table *table, size_t more);
/* The file of that id gets one hold more; a new one gets its name.  Its index,
 * or -ENOMEM. */
long table_hold(struct table *table, const struct table_file *file);
/* Nothing overlaps, and there is room. */
void table_insert(struct table *table, struct range range);
/* Takes what is in [start, end) out; needs room for one more. */
void table_remove(struct table *table, uintptr_t start, uintptr_t end);
/* How many ranges reach into [start, end). */
size_t table_ranges_in(const struct table *table, uintptr_t start,
		       uintptr_t end);
/*
 * What is in [from, +length) is at to instead, or as well (keep); what was
 * there is gone.  Needs room for two more, and twice table_ranges_in() the
 * source.
 */
void table_move(struct table *table, uintptr_t from, size_t length,
		uintptr_t to, bool keep);
/* range ends later; nothing is in the way. */
void table_stretch(struct table *table, struct range *range, uintptr_t end);
/* A file without ranges: its id and holds, which are the caller's to give up
 * now.  False: there is none. */
bool table_take_unused(struct table *table, uint64_t *id, uint32_t *holds);
/* In a child: the holds were the parent's. */
void table_forget_holds(struct table *table);

#endif
