/* file_store.c - a store in a regular file or a block device */
/* SPDX-License-Identifier: MIT */
/*
 * Two descriptors of one file: `direct` for what is aligned, `fd` for the
 * rest and for everything else.  A step is cut to its aligned part; store.c
 * carries on with what is left, which is not aligned and so is buffered.
 *
 * Both paths see each other's bytes: before a direct transfer Linux writes
 * the range's dirty cached pages home, and after a direct write it drops the
 * cached ones (generic_file_direct_write, iomap_dio_rw).  That holds for one
 * after the other; two at once on one page are the caller's error.
 *
 * Where others write to the file by the page cache, what they dirty and what
 * we write may share a folio of it, however far apart: a direct write would
 * find it dirty again, and the kernel would say EIO to the next fsync().  There
 * only reads are direct, and of these only what the page cache does not have:
 * what was just written there would have to go home first.
 */
#include "store/file_private.h"

#include "os/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux 6.5; Debian 12's headers are older. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

struct file_store {
	struct store store;
	struct ring *ring;           /* [I] NULL: the workers do it */
	struct worker_pool *workers; /* [I] */
	struct worker_share writes;  /* and flushes, where there is no ring */
	struct ring_user user;       /* the same, where there is one */
	int fd;                      /* [I] buffered */
	int direct;                  /* [I] -1: none */
	bool direct_writes;          /* [I] */
};

static struct file_store *file_of(struct store *store)
{
	return container_of(store, struct file_store, store);
}

/* ---- transfers ---- */

static uint64_t bytes_of(const struct store_io *io)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < io->step_iov_count; i++)
		bytes += io->step_iov[i].iov_len;
	return bytes;
}

/* Has the page cache all of it, or some of it that is not home?  cachestat(2) */
static bool is_cached(const struct file_store *file, const struct store_io *io)
{
	struct {
		uint64_t offset, length;
	} range = { io->step_offset, bytes_of(io) };
	struct {
		uint64_t cached, dirty, writeback, evicted, evicted_lately;
	} found = { 0 };

	if (syscall(SYS_cachestat, file->fd, &range, &found, 0))
		return false;
	return found.dirty || found.writeback ||
	       found.cached << PAGE_SHIFT >= range.length;
}

/* May io's step go past the page cache? */
static bool may_be_direct(const struct file_store *file,
			  const struct store_io *io)
{
	return file->direct_writes ||
	       (io->operation == STORE_READ && !is_cached(file, io));
}

/* The descriptor for io's step, which is cut to what that one can move. */
static int step_descriptor(const struct file_store *file, struct store_io *io)
{
	bool may = file->direct >= 0 && may_be_direct(file, io);

	if (may && file_trim_to_aligned(io))
		return file->direct;
	return file->fd;
}

/*
 * The kernel takes the pages of its cache that it could not write for clean,
 * and knows of some file systems' blocks what is not so: what is written to
 * them once more would be lost without an error.  It begins anew.  Pages that
 * others wrote and that failed go with them: whoever wrote these is told by his
 * own fsync(2).
 */
static void forget_what_failed(const struct file_store *file,
			       const struct store_io *io, int64_t result)
{
	if (io->operation == STORE_FLUSH && result < 0)
		posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void ring_complete(struct ring_op *op, int64_t result)
{
	struct store_io *io = container_of(op, struct store_io, step.ring);
	struct file_store *file = file_of(io->store);

	if (result == -EINVAL && op->fd == file->direct) {
		op->fd = file->fd;
		ring_submit(file->ring, op);
		return;
	}
	forget_what_failed(file, io, result);
	io->step_complete(io, result);
}

static void submit_to_ring(struct file_store *file, struct store_io *io)
{
	static const enum ring_operation operations[] = {
		[STORE_READ] = RING_READV,
		[STORE_WRITE] = RING_WRITEV,
		[STORE_FLUSH] = RING_FSYNC,
	};
	struct ring_op *op = &io->step.ring;

	op->operation = operations[io->operation];
	op->fd = step_descriptor(file, io);
	op->iov = io->step_iov;
	op->iov_count = io->step_iov_count;
	op->offset = io->step_offset;
	op->ahead = io->urgency == STORE_AHEAD;
	op->user = &file->user;
	op->complete = ring_complete;
	ring_submit(file->ring, op);
}

static int64_t move(const struct store_io *io, int fd)
{
	int count = (int)io->step_iov_count;
	off_t offset = (off_t)io->step_offset;
	int64_t moved;

	if (io->operation == STORE_READ)
		moved = preadv(fd, io->step_iov, count, offset);
	else if (io->operation == STORE_WRITE)
		moved = pwritev(fd, io->step_iov, count, offset);
	else
		moved = fdatasync(fd);
	return moved < 0 ? -errno : moved;
}

static int64_t move_now(const struct file_store *file, struct store_io *io)
{
	int fd = step_descriptor(file, io);
	int64_t result = move(io, fd);

	if (result == -EINVAL && fd == file->direct)
		result = move(io, file->fd);
	forget_what_failed(file, io, result);
	return result;
}

/* By the caller's thread, which is not to end before others are told. */
static void move_here(const struct file_store *file, struct store_io *io)
{
	int before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	io->step_complete(io, move_now(file, io));
	pthread_setcancelstate(before, NULL);
}

static void run(struct work *work)
{
	struct store_io *io = container_of(work, struct store_io, step.work);

	struct file_store *file = file_of(io->store);
	int64_t result = move_now(file, io);

	if (io->operation != STORE_READ)
		worker_share_done(&file->writes);
	io->step_complete(io, result);
}

/* Beyond RLIMIT_FSIZE the kernel would send SIGXFSZ, too, and the caller's thread
 * may be the program's: ours block it. */
static bool passes_limit(const struct store_io *io)
{
	struct rlimit limit;

	return io->operation == STORE_WRITE &&
	       !getrlimit(RLIMIT_FSIZE, &limit) &&
	       io->step_offset + bytes_of(io) > limit.rlim_cur;
}

static void file_submit(struct store *store, struct store_io *io)
{
	struct file_store *file = file_of(store);

	if (io->urgency == STORE_NOW && !passes_limit(io)) {
		move_here(file, io);
	} else if (file->ring) {
		submit_to_ring(file, io);
	} else {
		io->step.work.run = run;
		if (io->operation == STORE_READ)
			worker_submit(file->workers, &io->step.work);
		else
			worker_share_submit(&file->writes, &io->step.work);
	}
}

/* ---- size ---- */

static int file_size(struct store *store, uint64_t *size)
{
	struct file_store *file = file_of(store);
	struct stat found;
	int failed = fstat(file->fd, &found);

	if (!failed && S_ISBLK(found.st_mode))
		failed = ioctl(file->fd, BLKGETSIZE64, size);
	else if (!failed)
		*size = (uint64_t)found.st_size;
	if (failed)
		return error_say(-errno, "the file's size can't be had: %s",
				 strerror(errno));
	return 0;
}

static int set_length(int fd, uint64_t size)
{
	int failed;

	if (!memory_file_fits(fd, size))
		return -EFBIG;
	do
		failed = ftruncate(fd, (off_t)size);
	while (failed && errno == EINTR);
	return failed ? -errno : 0;
}

static int file_resize(struct store *store, uint64_t size)
{
	struct file_store *file = file_of(store);
	struct stat found;
	int error;

	if (!fstat(file->fd, &found) && S_ISBLK(found.st_mode))
		return error_say(-EOPNOTSUPP,
				 "the size of a block device is fixed");
	error = set_length(file->fd, size);
	if (error)
		return error_say(error, "the file can't have %llu bytes: %s",
				 (unsigned long long)size, strerror(-error));
	return 0;
}

static int change_room(int fd, int mode, uint64_t offset, uint64_t length)
{
	int failed;

	do
		failed = fallocate(fd, mode, (off_t)offset, (off_t)length);
	while (failed && errno == EINTR);
	return failed ? -errno : 0;
}

/* Blocks behind the end that a failed fallocate(2) has got are given back, if
 * nobody else has made the file longer. */
static void undo_room(struct file_store *file, uint64_t before)
{
	uint64_t now;

	if (!file_size(&file->store, &now) && now == before)
		set_length(file->fd, now);
}

/*
 * First the room, then the length: where there is no room nobody sees another
 * length, and there is none to be taken back, which others may have added to.
 * Never shorter, whatever others do; where a file system cannot keep the length,
 * what a failure leaves behind stays.
 */
static int take_room(struct file_store *file, uint64_t offset, uint64_t length)
{
	uint64_t before;
	int error = file_size(&file->store, &before);

	if (error)
		return error;
	if (!memory_file_fits(file->fd, offset + length))
		return -EFBIG;
	error = change_room(file->fd, FALLOC_FL_KEEP_SIZE, offset, length);
	if (error && error != -EOPNOTSUPP)
		undo_room(file, before);
	else
		error = change_room(file->fd, 0, offset, length);
	return error;
}

static int file_allocate(struct store *store, uint64_t offset, uint64_t length)
{
	int error = take_room(file_of(store), offset, length);

	if (!error)
		return 0;
	return error_say(error, "%llu bytes at %llu can't be allocated: %s",
			 (unsigned long long)length, (unsigned long long)offset,
			 strerror(-error));
}

/* A file system without holes may still be able to say zeros. */
static int file_discard(struct store *store, uint64_t offset, uint64_t length)
{
	static const int modes[] = { FALLOC_FL_PUNCH_HOLE,
				     FALLOC_FL_ZERO_RANGE };
	int fd = file_of(store)->fd;
	int error = -EOPNOTSUPP;

	for (int i = 0; i < 2 && error == -EOPNOTSUPP; i++) {
		error = change_room(fd, modes[i] | FALLOC_FL_KEEP_SIZE, offset,
				    length);
		if (error == -ENOSYS)
			error = -EOPNOTSUPP;
	}
	if (!error)
		return 0;
	return error_say(error, "%llu bytes at %llu can't be discarded: %s",
			 (unsigned long long)length, (unsigned long long)offset,
			 strerror(-error));
}

/* ---- life ---- */

static void file_destroy(struct store *store)
{
	struct file_store *file = file_of(store);

	if (file->direct >= 0)
		close(file->direct);
	close(file->fd);
	free(file);
}

static const struct store_ops file_ops = {
	.submit = file_submit,
	.size = file_size,
	.resize = file_resize,
	.allocate = file_allocate,
	.discard = file_discard,
	.destroy = file_destroy,
};

static int check_kind(int fd)
{
	struct stat found;

	if (fstat(fd, &found))
		return error_say(-errno, "not an open file: %s",
				 strerror(errno));
	if (S_ISDIR(found.st_mode))
		return error_say(-EISDIR, "a directory can't be mapped");
	if (!S_ISREG(found.st_mode) && !S_ISBLK(found.st_mode))
		return error_say(-ENODEV, "only a regular file or a block "
					  "device can be mapped");
	return 0;
}

/*
 * The access mode must allow the transfers.  O_APPEND would have each write
 * land at the end, and O_DIRECT refuse what is not aligned: such a file is
 * opened anew, as these flags may be shared with another holder.
 */
static int check_mode(int *fd, bool writable)
{
	int flags = fcntl(*fd, F_GETFL);
	int access = flags & O_ACCMODE;
	int plain;

	if (flags < 0)
		return error_say(-errno, "not an open file: %s",
				 strerror(errno));
	if (access == O_WRONLY || (flags & O_PATH))
		return error_say(-EBADF, "the file isn't open for reading");
	if (writable && access != O_RDWR)
		return error_say(-EACCES, "the file isn't open for writing");
	if (!(flags & (O_APPEND | O_DIRECT)))
		return 0;
	plain = file_reopen(*fd, writable ? O_RDWR : O_RDONLY);
	if (plain < 0)
		return error_say(plain,
				 "a file open with O_APPEND or O_DIRECT "
				 "can't be opened without: %s",
				 strerror(-plain));
	close(*fd);
	*fd = plain;
	return 0;
}

int file_store_create(const struct store_context *context, int fd,
		      bool writable, struct store **store)
{
	struct file_store *file = calloc(1, sizeof(*file));
	int error = file ? check_kind(fd) : -ENOMEM;

	if (!error)
		error = check_mode(&fd, writable);
	if (error) {
		close(fd);
		free(file);
		return error;
	}
	file->store.ops = &file_ops;
	file->store.writable = writable;
	file->ring = context->ring;
	file->workers = context->workers;
	worker_share_init(&file->writes, context->workers);
	ring_user_init(&file->user);
	file->fd = fd;
	file->direct = file_open_direct(fd, writable);
	file->direct_writes = !context->others_write;
	*store = &file->store;
	return 0;
}
