/* files.h - the files that are mapped: each executor makes its own */
/* SPDX-License-Identifier: MIT */
/*
 * A body is a file, a handle one way in which it is open.  Their order and
 * contents are the same everywhere; a kind that cannot be made here (say, an
 * append-only file without the right to make one) is left out everywhere.
 *
 * Each word of eight bytes begins with the instruction `ret`, or is zero, so
 * that wherever a fetch lands there is something harmless to execute.
 */
#ifndef QUIRE_JUDGE_FILES_H
#define QUIRE_JUDGE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BODIES 10
#define HANDLES 17

struct file_set {
	int body[BODIES]; /* open for both, or what is the body's own; -1 */
	int handle[HANDLES];
	dev_t device[BODIES];
	ino_t inode[BODIES];
};

/* Makes new ones.  False: a body that there should be cannot be made. */
bool files_make(struct file_set *files);
void files_close(struct file_set *files);
/* Finds out which can be made; before any executor begins. */
bool files_probe(void);
/* After the probe.  A handle that an executor cannot open at all. */
void file_leave_out(unsigned handle);
bool file_exists(unsigned handle);
bool body_exists(const char *label);
/* Leaves out all handles of the body of that name.  False: there is none. */
bool body_leave_out(const char *label);

const char *file_label(unsigned handle);
unsigned file_body(unsigned handle);
bool file_is_writable(unsigned handle);
bool file_is_readable(unsigned handle);
/* Not /dev/zero. */
bool file_has_size(unsigned handle);
uint64_t body_size(unsigned body);
/* "one" */
const char *body_label(unsigned body);

/* A word that nobody else writes. */
#define UNIQUE_WORD(number) (((uint64_t)(number) << 8) | 0xc3)

#endif
