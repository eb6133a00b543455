/* stdio_watch.c - streams of libc's own that write to files */
/* SPDX-License-Identifier: MIT */
#include "stdio_watch.h"

#include "client.h"
#include "io.h"
#include "lock.h"
#include "look.h"
#include "raw.h"
#include "real.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio_ext.h>

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

/* The kernel may have bytes of the stream that the server does not know of:
 * it compares the file's times at each OPEN. */
static void look_anew(int fd)
{
	struct call call = {
		.request.type = REQUEST_OPEN,
		.send = { fd },
		.send_count = 1,
	};
	struct call release = { .request.type = REQUEST_RELEASE };

	if (client_call(&call))
		return;
	call_drop(&call, 0);
	release.request.id = call.reply.id;
	release.request.length = 1;
	client_call(&release);
}

/* Where the kernel will have what is in the buffer; libc goes back first by
 * what it has read and not used. */
static off_t place_of(const FILE *stream, int fd)
{
	off_t position = io_position(fd);

	if (stream->_IO_read_end != stream->_IO_write_base)
		position += stream->_IO_write_base - stream->_IO_read_end;
	return position;
}

static bool appends(int fd)
{
	long flags = raw(SYS_fcntl, fd, F_GETFL);

	return !raw_failed(flags) && flags & O_APPEND;
}

/* The stream is locked, and its buffer is not empty. */
static int flush_announced(FILE *stream, int fd, struct look *look)
{
	uint64_t signals = signals_block();
	bool append = appends(fd);
	off_t from = append ? (off_t)look->size : place_of(stream, fd);
	struct stretch written = { from, 0, false };
	off_t to = from;
	struct begun begun;
	int result;

	if (append)
		io_write_begin(&begun, fd, from & ~(off_t)4095, 0);
	else
		io_write_begin(&begun, fd, from, __fpending(stream));
	result = real.fflush(stream);
	if (append && look_at(fd, look))
		to = (off_t)look->size;
	else if (!append)
		to = io_position(fd);
	if (to > from)
		written.length = (size_t)(to - from);
	io_write_end(&begun, &written);
	signals_restore(signals);
	return result;
}

static int flush_watched(FILE *stream, int fd)
{
	struct look look;
	int result;

	if (!look_at(fd, &look) || look.bound)
		return real.fflush(stream);
	look_anew(fd);
	flockfile(stream);
	result = __fpending(stream) ? flush_announced(stream, fd, &look)
				    : real.fflush(stream);
	funlockfile(stream);
	return result;
}

/* What is watched at that place, if it is stream, or any; its descriptor. */
static FILE *watched_at(size_t place, FILE *stream, int *fd)
{
	FILE *found = NULL;

	lock_take(&lock);
	if (!stream || watches[place].stream == stream) {
		found = watches[place].stream;
		*fd = watches[place].fd;
	}
	lock_drop(&lock);
	return found;
}

int stdio_watch_flush(FILE *stream)
{
	int result = 0;

	if (atomic_load(&watch_count) == 0 || !client_has_taken())
		return 0;
	for (size_t i = 0; i < WATCH_COUNT; i++) {
		int fd = -1;
		FILE *found = watched_at(i, stream, &fd);

		if (found && flush_watched(found, fd))
			result = EOF;
	}
	return result;
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
