/* stdio_watch.h - streams of libc's own that write to files */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_STDIO_WATCH_H
#define QUIRE_PRELOAD_STDIO_WATCH_H

#include <stdint.h>
#include <stdio.h>

/*
 * libc writes for them where nothing of ours sees it.  A stream that was
 * opened for writing is remembered; whenever it is flushed or closed by the
 * program, and its file is taken by then, the server looks at the file anew.
 */
void stdio_watch(FILE *stream);
void stdio_watch_end(FILE *stream);
/* It was flushed; NULL: all were. */
void stdio_watch_flushed(FILE *stream);
/* A file became taken: says so in the summary if a stream writes to it. */
void stdio_watch_taken(uint64_t device, uint64_t inode, const char *path);

#endif
