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
#include "standing.h"

#include <pthread.h>
#include <sys/mman.h>

#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif

#define FETCH_BYTES ((size_t)1 << 20)
#define MOST_BYTES ((size_t)0x7ffff000) /* of one call; the kernel's */
#define STEP_TRIES 16 /* each was stopped for long in the midst of it */

/* ---- what the server is told ---- */

/* Too many of this process's are under way: some will end. */
static void wait_for_others(void)
{
	const struct timespec moment = { .tv_nsec = 1000000 };

	raw(SYS_ppoll, NULL, 0, &moment, NULL, 0);
}

/* By which the next server knows that it was begun. */
static uint64_t new_token(void)
{
	static _Atomic uint64_t last;

	return atomic_fetch_add(&last, 1) + 1;
}

/* => place and given_up are set */
static int begin_write(struct begun *begun, int fd, off_t offset, size_t length)
{
	struct call call = {
		.request.type = REQUEST_WRITE_BEGIN,
		.request.id = new_token(),
		.request.address = begun->given_up,
		.request.offset = (uint64_t)offset,
		.request.length = length,
		.send = { fd },
		.send_count = 1,
	};
	int error;

	begun->line = -1;
	while ((error = client_call_on(&call, &begun->line)) == -ENOBUFS)
		wait_for_others();
	begun->id = error ? error : (int64_t)call.reply.id;
	if (begun->id <= 0)
		client_line_close(&begun->line);
	return error;
}

int io_write_begin(struct begun *begun, int fd, off_t offset, size_t length)
{
	*begun = (struct begun){ .place = -1 };
	return begin_write(begun, fd, offset, length);
}

/* -ESTALE: only if it repeats.  look: of the file, if it may stand. */
static int end_write(struct begun *begun, const struct stretch *written,
		     bool repeats, const struct look *look)
{
	struct call call = {
		.request.type = REQUEST_WRITE_END,
		.request.id = (uint64_t)begun->id,
		.request.offset = (uint64_t)written->offset,
		.request.length = written->length,
		.request.flags = (repeats ? WRITE_REPEATS : 0) |
				 (written->unsure ? WRITE_UNSURE : 0),
	};
	int error;

	if (begun->id <= 0)
		return 0;
	standing_ask(begun, look, &call);
	error = client_call_on(&call, &begun->line);
	client_line_close(&begun->line);
	standing_end(begun, look, &call);
	return error;
}

void io_write_end(struct begun *begun, const struct stretch *written)
{
	end_write(begun, written, false, NULL);
}

void io_tell_written(int fd, const struct stretch *written)
{
	uint64_t signals = signals_block();
	struct begun begun;

	if (!io_write_begin(&begun, fd, written->unsure ? 0 : written->offset,
			    written->unsure ? 0 : written->length))
		io_write_end(&begun, written);
	signals_restore(signals);
}

/* ---- the kernel's part ---- */

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
	struct io some = { .parts = from };
	size_t room = FETCH_BYTES;

	for (int i = 0; i < io->count && some.count < 16 && room > 0; i++) {
		const struct iovec *part = &io->parts[i];
		struct iovec *to_come = &from[some.count];

		if (done >= part->iov_len) {
			done -= part->iov_len;
			continue;
		}
		to_come->iov_base = (char *)part->iov_base + done;
		to_come->iov_len = part->iov_len - done;
		if (to_come->iov_len > room)
			to_come->iov_len = room;
		room -= to_come->iov_len;
		some.count++;
		done = 0;
	}
	io_touch(&some, false);
	return raw(SYS_process_vm_readv, raw(SYS_getpid), &to, 1, from,
		   some.count, 0);
}

/* A whole write would have ended at RLIMIT_FSIZE, without a signal. */
static void forget_limit(void)
{
	const uint64_t limit = UINT64_C(1) << (SIGXFSZ - 1);
	const struct timespec none = { 0 };

	raw(SYS_rt_sigtimedwait, &limit, NULL, &none, sizeof(limit));
}

/* A write in steps, each of which ends early where the whole would have. */
static long write_fetched(const struct io *io, char *buffer)
{
	size_t length = io->length < MOST_BYTES ? io->length : MOST_BYTES;
	size_t done = 0;
	long result = 0;

	while (done < length) {
		off_t offset = io->offset;
		struct iovec part = { buffer, 0 };
		long got = fetch(io, done, buffer);

		result = got;
		if (got <= 0)
			break;
		if ((size_t)got > length - done)
			got = (long)(length - done);
		part.iov_len = (size_t)got;
		if (offset != IO_AT_POSITION)
			offset += (off_t)done;
		result = kernel_write(io, &part, 1, offset);
		if (result == -EFBIG && done)
			forget_limit();
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

/* ---- once more ---- */

/* Bytes that were fetched, to where they belong. */
static int write_step(const struct io *io, const char *buffer, size_t length,
		      off_t offset)
{
	struct iovec part = { (char *)(uintptr_t)buffer, length };
	const struct stretch whole = { offset, length, false };
	int flags = io_is_append(io) ? RWF_NOAPPEND : 0;
	int error = -ESTALE;

	for (int i = 0; error == -ESTALE && i < STEP_TRIES; i++) {
		struct begun begun;
		long result = io_write_begin(&begun, io->fd, offset, length);

		if (result)
			return (int)result;
		result = raw(SYS_pwritev2, io->fd, &part, 1, offset, 0, flags);
		error = end_write(&begun, &whole, true, NULL);
		if (result != (long)length)
			error = raw_failed(result) ? (int)result : -EIO;
		else if (error != -ESTALE)
			error = 0;
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
	error = write_steps(io, (char *)buffer, length, offset);
	raw(SYS_munmap, buffer, FETCH_BYTES);
	/* a kernel that cannot write into what appends; or stopped for ever */
	return error == -EOPNOTSUPP || error == -ESTALE ? 0 : error;
}

/* ---- the write ---- */

enum place {
	PLACE_GIVEN,
	PLACE_POSITION, /* of the description, which others may share */
	PLACE_END,      /* of the file, wherever that is */
};

static enum place place_of(const struct io *io)
{
	if (io_is_append(io))
		return PLACE_END;
	return io->offset == IO_AT_POSITION ? PLACE_POSITION : PLACE_GIVEN;
}

/* Where it would go now; negative: nowhere. */
static off_t place_now(const struct io *io, enum place place)
{
	if (place == PLACE_END)
		return (off_t)io_size(io->fd);
	return place == PLACE_POSITION ? io_position(io->fd) : io->offset;
}

/*
 * What the file has grown by is seen by its size.  So if others have appended
 * as well, nothing more need be said; their bytes are not to be read anew, as
 * there may be stores to them.
 */
static struct stretch written_behind(const struct io *io, off_t before,
				     size_t length)
{
	struct stretch written = { before, length, false };

	if ((off_t)io_size(io->fd) != before + (off_t)length)
		written.length = 0;
	return written;
}

static struct stretch written_at(const struct io *io, enum place place,
				 off_t before, size_t length)
{
	if (place == PLACE_END)
		return written_behind(io, before, length);
	if (place == PLACE_POSITION)
		return io_passed(io->fd, before, length);
	return (struct stretch){ before, length, false };
}

/* Whatever is written at a place that may move lies behind it: of the last
 * page, as a write home of that may have looked at the old end. */
static int begin_at(struct begun *begun, const struct io *io, enum place place,
		    off_t offset, const struct look *look)
{
	int error;

	if (place == PLACE_GIVEN) {
		if (standing_begin(begun, look, offset, io->length))
			return 0;
		error = begin_write(begun, io->fd, offset, io->length);
		if (begun->id <= 0)
			standing_free(begun);
		return error;
	}
	if (place == PLACE_END)
		offset &= ~(off_t)4095;
	return io_write_begin(begun, io->fd, offset, 0);
}

static long write_announced(const struct io *io, enum place place, off_t offset,
			    const struct look *look)
{
	struct stretch written = { offset, 0, false };
	struct begun begun;
	off_t now;
	long result;
	int error = begin_at(&begun, io, place, offset, look);

	if (error)
		return error;
	/* others may have gone on while the server was asked */
	now = place_now(io, place);
	if (now > offset)
		offset = now;
	result = write_parts(io);
	if (result > 0)
		written = written_at(io, place, offset, (size_t)result);
	error = end_write(&begun, &written,
			  !written.unsure && result > 0 &&
				  written.length == (size_t)result,
			  look);
	if (error == -ESTALE)
		error = write_once_more(io, (size_t)result, written.offset);
	else
		error = 0; /* it is written, whatever came of the mappings */
	return error ? error : result;
}

ssize_t io_write_taken(const struct io *io, const struct look *look)
{
	enum place place = place_of(io);
	off_t offset;
	uint64_t signals;
	long result;

	pthread_testcancel(); /* as libc's own */
	offset = place_now(io, place);
	if (offset < 0 || io->length == 0)
		return raw_return(write_parts(io));
	signals = signals_block();
	result = write_announced(io, place, offset, look);
	signals_restore(signals);
	return raw_return(result);
}

void io_write_again(const struct io *io, struct look *look, off_t before,
		    size_t length)
{
	enum place place;
	struct stretch written;
	uint64_t signals;

	if (!look->regular)
		look_at(io->fd, look);
	if (!look_again(look) || look->bound)
		return;
	place = place_of(io);
	if (place == PLACE_GIVEN)
		before = io->offset;
	else if (place == PLACE_END) /* by what it has grown */
		before = place_now(io, place);
	written = written_at(io, place, before, length);
	signals = signals_block();
	if (written.length == length && !written.unsure)
		write_once_more(io, length, written.offset);
	else
		io_tell_written(io->fd, &written);
	signals_restore(signals);
}
