/* top.h - `quire top`: what the files of a process do, again and again */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_TOP_H
#define QUIRE_CLI_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* The counts of `quire stat` that are shown, of all engines together. */
enum top_count {
	TOP_BUDGET,
	TOP_RESIDENT,
	TOP_RESIDENT_PEAK,
	TOP_DIRTY,
	TOP_TRAPS,
	TOP_HITS,
	TOP_MISSES,
	TOP_PAGES_READ,
	TOP_PAGES_WRITTEN,
	TOP_EVICTIONS,
	TOP_COUNTS
};

/* The numbers of a file, in the order in which its columns stand. */
enum top_column {
	TOP_FILE_RESIDENT,
	TOP_FILE_MAPPED,
	TOP_FILE_READ,
	TOP_FILE_WRITTEN,
	TOP_FILE_EVICTED,
	TOP_FILE_DIRTY,
	TOP_FILE_HITS,
	TOP_FILE_MISSES,
	TOP_FILE_STALLED_NS,
	TOP_COLUMNS,
	TOP_FILE_PATH = TOP_COLUMNS /* to sort by */
};

struct top_file {
	char *path;
	uint64_t value[TOP_COLUMNS]; /* bytes, counts, nanoseconds */
};

/* Begins zeroed. */
struct top_sample {
	uint64_t time_ns;
	unsigned int engines;
	uint64_t count[TOP_COUNTS];
	struct top_file *file;
	size_t files;
};

/* 0 or a negative errno, of peer_query(); *engine: whose it is. */
int top_ask(pid_t pid, struct top_sample *sample, unsigned int *engine);
void top_forget(struct top_sample *sample);

/* An engine's answers to "stat" and "files" come into the sample.  Lines that
 * are not understood are passed over.  false: no memory. */
void top_take_stat(struct top_sample *sample, char *text);
bool top_take_files(struct top_sample *sample, char *text);

struct top_view {
	pid_t pid;
	enum top_column sorted;
	unsigned int width;  /* columns of the screen, 0: no matter */
	unsigned int height; /* rows, 0: all files */
};

/* By which column a key sorts.  false: it is none of those. */
bool top_key(int key, enum top_column *column);
void top_sort(struct top_sample *sample, enum top_column column);
/* One frame as text; before: the sample of the frame before, for rates, or
 * NULL.  The sample is sorted as the view says. */
void top_frame(const struct top_view *view, const struct top_sample *before,
	       const struct top_sample *sample, FILE *stream);

/* Frames on the terminal until q is pressed.  The command's exit status. */
int top_screen(pid_t pid, uint32_t interval_s);

#endif
