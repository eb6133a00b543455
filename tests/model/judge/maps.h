/* maps.h - maps texts in one form */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_JUDGE_MAPS_H
#define QUIRE_JUDGE_MAPS_H

#include "model/judge/files.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAPS_LINES 128

/*
 * Appends line (without its end) to text, which has room bytes left, with what
 * differs between executors replaced: "one" for device, inode and name of that
 * body, "anonymous" for none, "shared anonymous" for shared memory of nobody.
 * How many bytes were added.  Async-signal-safe.
 */
size_t maps_add_line(const struct file_set *files, const char *line, char *text,
		     size_t room);

/* An offset that does not count, and goes on from any other such one. */
#define ANY_OFFSET UINT64_MAX

struct maps_line {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	char rights[5];
	char name[64];
};

/* The lines of a text in that form; at most MAPS_LINES. */
size_t maps_parse(const char *text, struct maps_line *lines);
/* Neighbours with equal rights and names whose offsets go on become one. */
size_t maps_join(struct maps_line *lines, size_t count, bool private_only);

#endif
