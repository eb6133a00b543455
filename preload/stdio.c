/* stdio.c - streams on what is taken go by our reads and writes */
/* SPDX-License-Identifier: MIT */
/*
 * libc's own streams call the kernel by ways that no library can step into.
 * A stream that is opened on a file which is taken, or bound, by then, is one
 * of fopencookie(3)'s, with a descriptor for fileno(3).  Not so wide ones:
 * what they write would be lost.
 */
#include "bound.h"
#include "client.h"
#include "file.h"
#include "lock.h"
#include "look.h"
#include "raw.h"
#include "real.h"
#include "stdio_watch.h"

#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* libc's flags of a stream, of which it has no public names. */
#define STREAM_NO_READS 0x4
#define STREAM_NO_WRITES 0x8
#define STREAM_PUTTING 0x800
#define STREAM_APPENDING 0x1000

struct cookie {
	int fd;
	FILE *stream;
	struct cookie *next;
};

static struct cookie *cookies;
static struct lock lock;

static ssize_t cookie_read(void *cookie, char *buffer, size_t length)
{
	return file_read(((struct cookie *)cookie)->fd, buffer, length);
}

/* 0, not -1, is how it says that it failed. */
static ssize_t cookie_write(void *cookie, const char *bytes, size_t length)
{
	ssize_t done = file_write(((struct cookie *)cookie)->fd, bytes, length);

	return done < 0 ? 0 : done;
}

static int cookie_seek(void *cookie, off_t *offset, int whence)
{
	long at =
		raw(SYS_lseek, ((struct cookie *)cookie)->fd, *offset, whence);

	if (raw_failed(at))
		return (int)raw_return(at);
	*offset = at;
	return 0;
}

static int cookie_close(void *memory)
{
	struct cookie *cookie = memory;
	int result = real.close(cookie->fd);

	lock_take(&lock);
	for (struct cookie **at = &cookies; *at; at = &(*at)->next) {
		if (*at == cookie) {
			*at = cookie->next;
			break;
		}
	}
	lock_drop(&lock);
	free(cookie);
	return result;
}

static struct cookie *cookie_of(const FILE *stream)
{
	struct cookie *cookie;

	lock_take(&lock);
	for (cookie = cookies; cookie; cookie = cookie->next) {
		if (cookie->stream == stream)
			break;
	}
	lock_drop(&lock);
	return cookie;
}

/* On fd, which is the stream's if that succeeds. */
static FILE *cookie_open(int fd, const char *mode)
{
	const cookie_io_functions_t functions = {
		.read = cookie_read,
		.write = cookie_write,
		.seek = cookie_seek,
		.close = cookie_close,
	};
	struct cookie *cookie = malloc(sizeof(*cookie));

	if (!cookie)
		return NULL;
	*cookie = (struct cookie){ .fd = fd };
	cookie->stream = fopencookie(cookie, mode, functions);
	if (!cookie->stream) {
		free(cookie);
		return NULL;
	}
	cookie->stream->_fileno = fd;
	lock_take(&lock);
	cookie->next = cookies;
	cookies = cookie;
	lock_drop(&lock);
	return cookie->stream;
}

/* Those of open(2) that mode means; -1: libc will say what is wrong. */
static int mode_flags(const char *mode)
{
	int flags;

	switch (*mode) {
	case 'r':
		flags = O_RDONLY;
		break;
	case 'w':
		flags = O_WRONLY | O_CREAT | O_TRUNC;
		break;
	case 'a':
		flags = O_WRONLY | O_CREAT | O_APPEND;
		break;
	default:
		return -1;
	}
	for (mode++; *mode && *mode != ','; mode++) {
		if (*mode == '+')
			flags = (flags & ~O_ACCMODE) | O_RDWR;
		else if (*mode == 'x')
			flags |= O_EXCL;
		else if (*mode == 'e')
			flags |= O_CLOEXEC;
	}
	return flags;
}

/* With characters of another set libc makes it a wide one. */
static bool is_wide(const char *mode)
{
	return strstr(mode, ",ccs=");
}

static void refuse_wide(void)
{
	client_note("a wide stream on a mapped file is libc's: its writes are "
		    "seen when it is flushed");
}

static FILE *watched(FILE *stream, int flags)
{
	if (stream && client_ready() && (flags & O_ACCMODE) != O_RDONLY)
		stdio_watch(stream);
	return stream;
}

/* Is path more than libc can know of? */
static bool is_ours(const char *path)
{
	struct look look;

	if (!path || !client_ready())
		return false;
	if (bound_is(AT_FDCWD, path) || strncmp(path, "/proc/", 6) == 0)
		return true;
	return client_has_taken() && look_at_path(AT_FDCWD, path, 0, &look);
}

static FILE *stream_on(int fd, const char *mode)
{
	struct look look;

	if (!look_at(fd, &look))
		return watched(real.fdopen(fd, mode), mode_flags(mode));
	if (!is_wide(mode))
		return cookie_open(fd, mode);
	refuse_wide();
	return watched(real.fdopen(fd, mode), mode_flags(mode));
}

static FILE *stream_open(const char *path, const char *mode)
{
	int flags = mode_flags(mode);
	FILE *stream;
	int fd;

	if (!real.fopen)
		real_resolve();
	if (flags < 0 || !is_ours(path))
		return watched(real.fopen(path, mode), flags);
	fd = file_open(AT_FDCWD, path, flags, 0666);
	if (fd < 0)
		return NULL;
	stream = stream_on(fd, mode);
	if (!stream)
		raw(SYS_close, fd);
	return stream;
}
EXPORT(fopen, stream_open);
EXPORT(fopen64, stream_open);

/* As libc: the descriptor must allow what mode wants; "a" makes it append. */
static bool fits(int fd, int flags)
{
	long has = raw(SYS_fcntl, fd, F_GETFL);
	int access = flags & O_ACCMODE;

	if (raw_failed(has)) {
		errno = (int)-has;
		return false;
	}
	if ((has & O_ACCMODE) != O_RDWR && (has & O_ACCMODE) != access) {
		errno = EINVAL;
		return false;
	}
	if (flags & O_APPEND && !(has & O_APPEND))
		raw(SYS_fcntl, fd, F_SETFL, has | O_APPEND);
	return true;
}

static FILE *stream_of(int fd, const char *mode)
{
	int flags = mode_flags(mode);
	struct look look;

	if (!real.fdopen)
		real_resolve();
	if (flags < 0 || !client_has_taken() || !look_at(fd, &look))
		return watched(real.fdopen(fd, mode), flags);
	if (!fits(fd, flags))
		return NULL;
	return stream_on(fd, mode);
}
EXPORT(fdopen, stream_of);

/* It has another file now, and nothing of the old one in its buffer. */
static void begin_stream_anew(FILE *stream, int flags)
{
	int access = flags & O_ACCMODE;

	__fpurge(stream);
	stream->_flags &= ~(STREAM_NO_READS | STREAM_NO_WRITES |
			    STREAM_PUTTING | STREAM_APPENDING);
	if (access == O_RDONLY)
		stream->_flags |= STREAM_NO_WRITES;
	else if (access == O_WRONLY)
		stream->_flags |= STREAM_NO_READS;
	if (flags & O_APPEND)
		stream->_flags |= STREAM_APPENDING;
	stream->_IO_read_base = stream->_IO_buf_base;
	stream->_IO_read_ptr = stream->_IO_buf_base;
	stream->_IO_read_end = stream->_IO_buf_base;
	stream->_IO_write_base = stream->_IO_buf_base;
	stream->_IO_write_ptr = stream->_IO_buf_base;
	stream->_IO_write_end = stream->_IO_buf_base;
	stream->_offset = -1;
	clearerr(stream);
}

/* libc's own freopen() of a cookie's stream crashes. */
static FILE *reopen_cookie(const char *path, const char *mode,
			   const struct cookie *cookie)
{
	int flags = mode_flags(mode);
	char link[64];
	int fd;

	if (flags < 0) {
		errno = EINVAL;
		fd = -1;
	} else {
		own_link(cookie->fd, link);
		real.fflush(cookie->stream);
		fd = file_open(AT_FDCWD, path ? path : link, flags, 0666);
	}
	if (fd < 0) {
		int error = errno;

		real.fclose(cookie->stream);
		errno = error;
		return NULL;
	}
	raw(SYS_dup3, fd, cookie->fd, flags & O_CLOEXEC);
	raw(SYS_close, fd);
	begin_stream_anew(cookie->stream, flags);
	return cookie->stream;
}

static FILE *stream_reopen(const char *path, const char *mode, FILE *stream)
{
	const struct cookie *cookie = cookie_of(stream);

	if (!real.freopen)
		real_resolve();
	if (cookie)
		return reopen_cookie(path, mode, cookie);
	stdio_watch_end(stream);
	return watched(real.freopen(path, mode, stream), mode_flags(mode));
}
EXPORT(freopen, stream_reopen);
EXPORT(freopen64, stream_reopen);

static int stream_flush(FILE *stream)
{
	int result;

	if (!real.fflush)
		real_resolve();
	result = stdio_watch_flush(stream);
	return real.fflush(stream) ? EOF : result;
}
EXPORT(fflush, stream_flush);

static int stream_close(FILE *stream)
{
	int result;

	if (!real.fclose)
		real_resolve();
	result = stdio_watch_flush(stream);
	stdio_watch_end(stream);
	return real.fclose(stream) ? EOF : result;
}
EXPORT(fclose, stream_close);

/* ---- dprintf, a stream for one line ---- */

static int print_taken(int fd, const char *format, va_list arguments)
{
	char *text = NULL;
	int length = vasprintf(&text, format, arguments);
	int done = 0;

	while (done < length) {
		ssize_t some =
			file_write(fd, text + done, (size_t)(length - done));

		if (some < 0) {
			free(text);
			return -1;
		}
		done += (int)some;
	}
	free(text);
	return length;
}

static int print_list(int fd, const char *format, va_list arguments)
{
	struct look look;

	if (!real.vdprintf)
		real_resolve();
	if (client_has_taken() && look_at(fd, &look))
		return print_taken(fd, format, arguments);
	return real.vdprintf(fd, format, arguments);
}
EXPORT(vdprintf, print_list);

static int print(int fd, const char *format, ...)
{
	va_list arguments;
	int result;

	va_start(arguments, format);
	result = print_list(fd, format, arguments);
	va_end(arguments);
	return result;
}
EXPORT(dprintf, print);

static int print_list_checked(int fd, int flag, const char *format,
			      va_list arguments)
{
	struct look look;

	if (client_has_taken() && look_at(fd, &look))
		return print_taken(fd, format, arguments);
	if (!real.vdprintf_checked)
		return real.vdprintf(fd, format, arguments);
	return real.vdprintf_checked(fd, flag, format, arguments);
}
EXPORT(__vdprintf_chk, print_list_checked);

static int print_checked(int fd, int flag, const char *format, ...)
{
	va_list arguments;
	int result;

	va_start(arguments, format);
	result = print_list_checked(fd, flag, format, arguments);
	va_end(arguments);
	return result;
}
EXPORT(__dprintf_chk, print_checked);
