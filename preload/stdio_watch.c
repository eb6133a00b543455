/* stdio_watch.c - streams of libc's own that write to files */
/* SPDX-License-Identifier: MIT */
#include "stdio_watch.h"

#include "client.h"
#include "io.h"
#include "lock.h"
#include "look.h"

#include <stdatomic.h>

#define WATCH_COUNT 256

struct watch {
	FILE *stream;
	int fd;
	uint64_t device;
	uint64_t inode;
};

static struct watch watches[WATCH_COUNT];
static _Atomic int watch_count; /* that are in use */
static struct lock lock;

static struct watch *find(const FILE *stream)
{
	for (size_t i = 0; i < WATCH_COUNT; i++) {
		if (watches[i].stream == stream)
			return &watches[i];
	}
	return NULL;
}

void stdio_watch(FILE *stream)
{
	int fd = fileno(stream);
	struct look look;
	struct watch *watch;

	look_at(fd, &look);
	if (!look.regular)
		return;
	lock_take(&lock);
	watch = find(stream);
	if (!watch) {
		watch = find(NULL);
		if (watch)
			atomic_fetch_add(&watch_count, 1);
	}
	if (watch)
		*watch = (struct watch){ stream, fd, look.device, look.inode };
	lock_drop(&lock);
	if (!watch)
		client_note("more streams are open for writing than are "
			    "watched");
}

void stdio_watch_end(FILE *stream)
{
	struct watch *watch;

	if (atomic_load(&watch_count) == 0)
		return;
	lock_take(&lock);
	watch = find(stream);
	if (watch) {
		watch->stream = NULL;
		atomic_fetch_sub(&watch_count, 1);
	}
	lock_drop(&lock);
}

/* The kernel has the stream's bytes; the server may have older ones. */
static void look_anew(int fd)
{
	struct look look;
	int64_t id;

	if (!look_at(fd, &look) || look.bound)
		return;
	id = io_write_begin(fd, 0, 0);
	io_write_end(id, 0, look.size);
}

void stdio_watch_flushed(FILE *stream)
{
	if (atomic_load(&watch_count) == 0 || !client_has_taken())
		return;
	for (size_t i = 0; i < WATCH_COUNT; i++) {
		int fd = -1;

		lock_take(&lock);
		if (watches[i].stream && (!stream || watches[i].stream ==
							      stream))
			fd = watches[i].fd;
		lock_drop(&lock);
		if (fd >= 0)
			look_anew(fd);
	}
}

void stdio_watch_taken(uint64_t device, uint64_t inode, const char *path)
{
	char text[512];
	bool found = false;

	if (atomic_load(&watch_count) == 0)
		return;
	lock_take(&lock);
	for (size_t i = 0; i < WATCH_COUNT; i++) {
		if (watches[i].stream && watches[i].device == device &&
		    watches[i].inode == inode)
			found = true;
	}
	lock_drop(&lock);
	if (!found)
		return;
	snprintf(text, sizeof(text),
		 "%.400s: a stream opened before it was mapped writes to it; "
		 "mappings see that when it is flushed",
		 path);
	client_note(text);
}
