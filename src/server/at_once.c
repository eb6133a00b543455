/* at_once.c - writes past the object that need no worker */
/* SPDX-License-Identifier: MIT */
/*
 * A program that writes by write(2) what it has mapped asks twice for each, and
 * to be handed to a worker and back costs more than all the rest.  Where
 * nothing of the range is dirty, nothing else is under way with it, and the
 * kernel's cache has what was written, nothing can block, and the loop does it
 * by itself.  Whatever is otherwise is left to the worker, who does all of it.
 */
#include "server/server_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

/* What is known of the descriptor without asking a file server. */
static bool know_access(int fd, struct file_access *access)
{
	int flags = fcntl(fd, F_GETFL);
	struct statx status;

	if (flags < 0 || (flags & O_PATH) || (flags & O_ACCMODE) != O_RDWR ||
	    statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		  STATX_TYPE | STATX_INO, &status) ||
	    !S_ISREG(status.stx_mode))
		return false;
	*access = (struct file_access){
		.device = makedev(status.stx_dev_major, status.stx_dev_minor),
		.inode = status.stx_ino,
		.readable = true,
		.writable = true,
	};
	return true;
}

/* Of the pages that hold the bytes. */
static bool any_dirty(struct object *object, uint64_t offset, uint64_t length)
{
	uint64_t end = ((offset + length - 1) >> PAGE_SHIFT) + 1;

	return object_next_dirty(object, offset >> PAGE_SHIFT) < end;
}

static bool is_small(uint64_t offset, uint64_t length)
{
	return length > 0 && length <= SERVER_AT_ONCE &&
	       offset <= INT64_MAX - SERVER_AT_ONCE;
}

void write_begin_at_once(struct job *job)
{
	const struct request *request = &job->request;
	struct file_access access;
	struct server_file *file;

	if (job->reply.id || !is_small(request->offset, request->length) ||
	    !know_access(job->fds[0], &access))
		return;
	file = file_find_open(job->client->server, &access);
	if (!file || write_make(job, file))
		return;
	/* Listed first: what becomes dirty from now on stays in memory, and
	 * what it was is remembered. */
	object_foreign_remember(file_object(file), &job->write->foreign);
	if (any_dirty(file_object(file), request->offset, request->length))
		return;
	write_listed(job->write);
	job->at_once = true;
}

/* Into bytes, from the first page on; false: not all of it is in the kernel's
 * cache, or the file has another size than the object. */
static bool read_cached(const struct server_file *file,
			const struct request *request, void *bytes)
{
	uint64_t skipped = request->offset & PAGE_MASK;
	struct iovec iov = { bytes, skipped + request->length };
	struct stat status;

	return !file->binding && fstat(file->own_fd, &status) == 0 &&
	       (uint64_t)status.st_size == object_size(file_object(file)) &&
	       preadv2(file->own_fd, &iov, 1,
		       (off_t)(request->offset - skipped),
		       RWF_NOWAIT) == (ssize_t)iov.iov_len;
}

void write_end_at_once(struct job *job)
{
	const struct request *request = &job->request;
	struct server_write *write = job->write;
	struct server *server = write->server;
	struct object *object = file_object(write->file);

	if (write->overdue || write->doubtful || write->remembered_count ||
	    (request->flags & WRITE_UNSURE) ||
	    !is_small(request->offset, request->length) ||
	    any_dirty(object, request->offset, request->length) ||
	    !read_cached(write->file, request, server->written) ||
	    !object_refresh_at_once(object, request->offset, request->length,
				    server->written))
		return;
	write_done(write);
	job->write = NULL;
	job->at_once = true;
}
