/* io_write.c - the write of a file that is taken */
/* SPDX-License-Identifier: MIT */
/*
 * The kernel holds the file's lock while it takes the bytes from memory.  Were
 * they to trap then, the server might have to write to the same file to make
 * room, and would wait for that lock.  So bytes in taken memory are fetched
 * first, through the kernel, which ends at what is not there as a write would.
 *
 * A write that took so long that the server has let others' pages go home (this
 * process was stopped) may have been written over: if it is known where its
 * bytes went they are written once more, in steps that take no time.
 */
#include "io.h"

#include "raw.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#ifndef RWF_APPEND
#define RWF_APPEND 0x10
#endif
#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif

#define FETCH_BYTES ((size_t)1 << 20)
#define STEP_TRIES 16 /* each was stopped for long in the midst of it */

int64_t io_write_begin(int fd, off_t offset, size_t length)
{
	struct call call = {
		.request.type = REQUEST_WRITE_BEGIN,
		.request.offset = (uint64_t)offset,
		.request.length = length,
		.send = { fd },
		.send_count = 1,
	};
	int error = client_call(&call);

	return error ? error : (int64_t)call.reply.id;
}

/* -ESTALE: only if it repeats. */
static int end_write(int64_t id, off_t offset, size_t length, bool repeats)
{
	struct call call = {
		.request.type = REQUEST_WRITE_END,
		.request.id = (uint64_t)id,
		.request.offset = (uint64_t)offset,
		.request.length = length,
		.request.flags = repeats ? WRITE_REPEATS : 0,
	};

	if (id <= 0)
		return 0;
	return client_call(&call);
}

int io_write_end(int64_t id, off_t offset, size_t length)
{
	return end_write(id, offset, length, false);
}

static long kernel_write(const struct io *io, const struct iovec *parts,
			 int count, off_t offset)
{
	if (offset == IO_AT_POSITION && io->flags == 0)
		return raw(SYS_writev, io->fd, parts, count);
	if (io->flags == 0)
		return raw(SYS_pwritev, io->fd, parts, count, offset, 0);
	return raw(SYS_pwritev2, io->fd, parts, count, offset, 0, io->flags);
}

/* Up to FETCH_BYTES of the parts, from done on, into buffer. */
static long fetch(const struct io *io, size_t done, char *buffer)
{
	struct iovec to = { buffer, FETCH_BYTES };
	struct iovec from[16];
	unsigned int count = 0;

	for (int i = 0; i < io->count && count < 16; i++) {
		const struct iovec *part = &io->parts[i];

		if (done >= part->iov_len) {
			done -= part->iov_len;
			continue;
		}
		from[count].iov_base = (char *)part->iov_base + done;
		from[count++].iov_len = part->iov_len - done;
		done = 0;
	}
	return raw(SYS_process_vm_readv, raw(SYS_getpid), &to, 1, from, count,
		   0);
}

/* A write in steps, each of which ends early where the whole would have. */
static long write_fetched(const struct io *io, char *buffer)
{
	size_t done = 0;
	long result = 0;

	while (done < io->length) {
		off_t offset = io->offset;
		struct iovec part = { buffer, 0 };
		long got = fetch(io, done, buffer);

		result = got;
		if (got <= 0)
			break;
		part.iov_len = (size_t)got;
		if (offset != IO_AT_POSITION)
			offset += (off_t)done;
		result = kernel_write(io, &part, 1, offset);
		if (result <= 0)
			break;
		done += (size_t)result;
		if (result < got)
			break;
	}
	return done ? (long)done : result;
}

static long map_buffer(void)
{
	return raw(SYS_mmap, NULL, FETCH_BYTES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static long write_parts(const struct io *io)
{
	long buffer;
	long result;

	if (!io_is_in_taken(io))
		return kernel_write(io, io->parts, io->count, io->offset);
	buffer = map_buffer();
	if (raw_failed(buffer))
		return buffer;
	result = write_fetched(io, (char *)buffer);
	raw(SYS_munmap, buffer, FETCH_BYTES);
	return result;
}

static bool is_append(const struct io *io)
{
	long flags = raw(SYS_fcntl, io->fd, F_GETFL);

	return (!raw_failed(flags) && flags & O_APPEND) ||
	       io->flags & RWF_APPEND;
}

static uint64_t size_of(int fd)
{
	struct stat status;

	if (raw_failed(raw(SYS_fstat, fd, &status)))
		return 0;
	return (uint64_t)status.st_size;
}

/* ---- once more ---- */

/* Bytes that were fetched, to where they belong. */
static int write_step(const struct io *io, const char *buffer, size_t length,
		      off_t offset)
{
	struct iovec part = { (char *)(uintptr_t)buffer, length };
	int flags = is_append(io) ? RWF_NOAPPEND : 0;
	int error = -ESTALE;

	for (int i = 0; error == -ESTALE && i < STEP_TRIES; i++) {
		int64_t id = io_write_begin(io->fd, offset, length);
		long result = id < 0 ? (long)id
				     : raw(SYS_pwritev2, io->fd, &part, 1,
					   offset, 0, flags);

		error = end_write(id, offset, length, true);
		if (result != (long)length)
			error = raw_failed(result) ? (int)result : -EIO;
	}
	return error;
}

/* The first length bytes of the parts. */
static int write_steps(const struct io *io, char *buffer, size_t length,
		       off_t offset)
{
	size_t done = 0;
	int error = 0;

	while (!error && done < length) {
		long got = fetch(io, done, buffer);

		if (got <= 0)
			return got ? (int)got : -EIO;
		if ((size_t)got > length - done)
			got = (long)(length - done);
		error = write_step(io, buffer, (size_t)got,
				   offset + (off_t)done);
		done += (size_t)got;
	}
	return error;
}

static int write_once_more(const struct io *io, size_t length, off_t offset)
{
	long buffer = map_buffer();
	int error;

	if (raw_failed(buffer))
		return (int)buffer;
	io_touch(io, false);
	error = write_steps(io, (char *)buffer, length, offset);
	raw(SYS_munmap, buffer, FETCH_BYTES);
	/* a kernel that cannot write into what appends; or stopped for ever */
	return error == -EOPNOTSUPP || error == -ESTALE ? 0 : error;
}

/* ---- the write ---- */

/* The range that came to be written, in the end. */
struct written {
	off_t offset;
	size_t length;
};

/* At the end of the file, wherever that is: all that is behind its old one.
 * If it is cut by now, the last bytes that there are. */
static struct written written_behind(const struct io *io, uint64_t old_end,
				     size_t length)
{
	uint64_t end = size_of(io->fd);

	if (end >= old_end + length)
		return (struct written){ (off_t)old_end,
					 (size_t)(end - old_end) };
	if (length > end)
		length = (size_t)end;
	return (struct written){ (off_t)(end - length), length };
}

/* Others may write through the same description meanwhile: all that its position
 * has passed over was written by somebody. */
static size_t written_here(const struct io *io, off_t before, size_t length)
{
	off_t after = io_position(io->fd);

	if (after - before > (off_t)length)
		length = (size_t)(after - before);
	return length;
}

/* Others wrote there, too: which bytes are this write's is not known. */
static bool is_alone(const struct written *written, long result)
{
	return result > 0 && written->length == (size_t)result;
}

ssize_t io_write_taken(const struct io *io, const struct look *look)
{
	bool append = is_append(io);
	bool here = !append && io->offset == IO_AT_POSITION;
	off_t offset = io->offset;
	struct written written;
	uint64_t signals;
	int64_t id;
	long result;
	int error;

	if (append)
		offset = (off_t)(look->size & ~UINT64_C(4095));
	else if (here)
		offset = io_position(io->fd);
	if (offset < 0 || io->length == 0)
		return raw_return(write_parts(io));
	signals = signals_block();
	id = io_write_begin(io->fd, offset, append || here ? 0 : io->length);
	result = id < 0 ? (long)id : write_parts(io);
	written = (struct written){ offset, result > 0 ? (size_t)result : 0 };
	if (append && result > 0)
		written = written_behind(io, look->size, (size_t)result);
	else if (here && result > 0)
		written.length = written_here(io, offset, (size_t)result);
	error = end_write(id, written.offset, written.length,
			  is_alone(&written, result));
	if (error == -ESTALE)
		error = write_once_more(io, (size_t)result, written.offset);
	signals_restore(signals);
	return raw_return(result > 0 && error ? error : result);
}

void io_write_again(struct io *io, struct look *look, size_t length)
{
	off_t offset = io->offset;
	uint64_t signals;

	if (!look->regular)
		look_at(io->fd, look);
	if (!look_again(look) || look->bound)
		return;
	if (offset == IO_AT_POSITION)
		offset = io_position(io->fd) - (off_t)length;
	else if (is_append(io))
		offset = (off_t)size_of(io->fd) - (off_t)length;
	if (offset < 0)
		return;
	signals = signals_block();
	write_once_more(io, length, offset);
	signals_restore(signals);
}
