/* stdio_watch.h - streams of libc's own that write to files */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_STDIO_WATCH_H
#define QUIRE_PRELOAD_STDIO_WATCH_H

#include <stdint.h>
#include <stdio.h>

/*
 * libc writes for them where nothing of ours sees it.  A stream that was
 * opened for writing is remembered; when it is flushed or closed by the
 * program, and its file is taken by then, what is in its buffer is a write as
 * any other; for what libc has written by itself before, the server looks at
 * the file anew, but keeps what was stored.
 */
void stdio_watch(FILE *stream);
void stdio_watch_end(FILE *stream);
/* fflush() of it; NULL: of all of them that are remembered.  What its buffer
 * holds is announced to the server. */
int stdio_watch_flush(FILE *stream);
/* A file became taken: says so in the summary if a stream writes to it. */
void stdio_watch_taken(uint64_t device, uint64_t inode, const char *path);

#endif
