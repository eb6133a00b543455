/* at_once.c - writes past the object that need no worker */
/* SPDX-License-Identifier: MIT */
/*
 * A program that writes by write(2) what it has mapped asks twice for each, and
 * to be handed to a worker and back costs more than all the rest.  Where
 * nothing of the range is dirty, nothing else is under way with the file, and
 * the kernel's cache has what was written, nothing can block, and the loop does
 * it by itself.  Whatever is otherwise is left to the worker, who does all of
 * it.
 */
#include "server/server_private.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>

/* From the file systems' sources: not in every linux/magic.h. */
#define F2FS_MAGIC 0xf2f52010
#define BCACHEFS_MAGIC 0xca451a4e
#define ZFS_MAGIC 0x2fc12fc1

bool file_is_local(int fd)
{
	struct statfs status;

	if (fstatfs(fd, &status))
		return false;
	switch ((uint32_t)status.f_type) {
	case EXT4_SUPER_MAGIC:
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case TMPFS_MAGIC:
	case F2FS_MAGIC:
	case BCACHEFS_MAGIC:
	case ZFS_MAGIC:
		return true;
	default: /* a program may be behind it, or another machine */
		return false;
	}
}

/* Without asking a file server. */
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
	file = file_find_local(job->client->server, &access);
	if (!file || write_make(job, file) ||
	    !write_remember_at_once(job->write))
		return;
	write_has_begun(job->write);
	job->at_once = true;
}

/* What the file has there; NULL: not all of it is in the kernel's cache, or the
 * file has another size than the object. */
static const void *fetch(void *context)
{
	const struct job *job = context;
	const struct server_file *file = job->write->file;
	uint64_t skipped = job->request.offset & PAGE_MASK;
	struct iovec iov = { job->client->server->written,
			     skipped + job->request.length };
	struct stat status;

	if (fstat(file->own_fd, &status) ||
	    (uint64_t)status.st_size != object_size(file_object(file)) ||
	    preadv2(file->own_fd, &iov, 1,
		    (off_t)(job->request.offset - skipped),
		    RWF_NOWAIT) != (ssize_t)iov.iov_len)
		return NULL;
	return iov.iov_base;
}

void write_end_at_once(struct job *job)
{
	const struct request *request = &job->request;
	struct server_write *write = job->write;

	if (!write->file->local || write->overdue || write->doubtful ||
	    (request->flags & WRITE_UNSURE) ||
	    !is_small(request->offset, request->length))
		return;
	write->word = standing_place(job);
	job->at_once = write_merge_at_once(write, request->offset,
					   request->length, fetch, job);
	if (write_is_standing(write))
		write_stands(job);
	else if (job->at_once)
		write_has_ended(write);
	if (job->at_once)
		job->write = NULL;
}
