/* real.c - finding libc's own functions */
/* SPDX-License-Identifier: MIT */
#include "real.h"

#include "raw.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

static void find_mutexes(void);

static ssize_t early_read(int fd, void *buffer, size_t length)
{
	return raw_return(raw(SYS_read, fd, buffer, length));
}

static ssize_t early_write(int fd, const void *bytes, size_t length)
{
	return raw_return(raw(SYS_write, fd, bytes, length));
}

static ssize_t early_pread(int fd, void *buffer, size_t length, off_t offset)
{
	return raw_return(raw(SYS_pread64, fd, buffer, length, offset));
}

static ssize_t early_pwrite(int fd, const void *bytes, size_t length,
			    off_t offset)
{
	return raw_return(raw(SYS_pwrite64, fd, bytes, length, offset));
}

static ssize_t early_readv(int fd, const struct iovec *parts, int count)
{
	return raw_return(raw(SYS_readv, fd, parts, count));
}

static ssize_t early_writev(int fd, const struct iovec *parts, int count)
{
	return raw_return(raw(SYS_writev, fd, parts, count));
}

static ssize_t early_preadv(int fd, const struct iovec *parts, int count,
			    off_t offset)
{
	return raw_return(raw(SYS_preadv, fd, parts, count, offset, 0));
}

static ssize_t early_pwritev(int fd, const struct iovec *parts, int count,
			     off_t offset)
{
	return raw_return(raw(SYS_pwritev, fd, parts, count, offset, 0));
}

static ssize_t early_preadv2(int fd, const struct iovec *parts, int count,
			     off_t offset, int flags)
{
	return raw_return(raw(SYS_preadv2, fd, parts, count, offset, 0, flags));
}

static ssize_t early_pwritev2(int fd, const struct iovec *parts, int count,
			      off_t offset, int flags)
{
	return raw_return(
		raw(SYS_pwritev2, fd, parts, count, offset, 0, flags));
}

static ssize_t early_splice(int in, off_t *in_offset, int out,
			    off_t *out_offset, size_t length,
			    unsigned int flags)
{
	return raw_return(
		raw(SYS_splice, in, in_offset, out, out_offset, length, flags));
}

static int early_openat(int folder, const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode = 0;

	va_start(arguments, flags);
	if (flags & (O_CREAT | O_TMPFILE))
		mode = va_arg(arguments, mode_t);
	va_end(arguments);
	return (int)raw_return(raw(SYS_openat, folder, path, flags, mode));
}

static int early_close(int fd)
{
	return (int)raw_return(raw(SYS_close, fd));
}

static int early_fsync(int fd)
{
	return (int)raw_return(raw(SYS_fsync, fd));
}

static int early_fdatasync(int fd)
{
	return (int)raw_return(raw(SYS_fdatasync, fd));
}

static int early_sync_file_range(int fd, off_t offset, off_t length,
				 unsigned int flags)
{
	return (int)raw_return(
		raw(SYS_sync_file_range, fd, offset, length, flags));
}

static int early_fallocate(int fd, int mode, off_t offset, off_t length)
{
	return (int)raw_return(raw(SYS_fallocate, fd, mode, offset, length));
}

static int early_posix_fallocate(int fd, off_t offset, off_t length)
{
	return (int)-raw(SYS_fallocate, fd, 0, offset, length);
}

static int early_msync(void *address, size_t length, int flags)
{
	return (int)raw_return(raw(SYS_msync, address, length, flags));
}

/* Finds libc's own first.  An allocator that needs a mutex for that is alone
 * yet, and goes on without. */
static bool resolve_mutexes(void)
{
	static __thread bool here __attribute__((tls_model("initial-exec")));

	if (here)
		return false;
	here = true;
	find_mutexes();
	here = false;
	return true;
}

static int early_mutex_lock(pthread_mutex_t *mutex)
{
	return resolve_mutexes() ? real.mutex_lock(mutex) : 0;
}

static int early_mutex_trylock(pthread_mutex_t *mutex)
{
	return resolve_mutexes() ? real.mutex_trylock(mutex) : 0;
}

static int early_mutex_timedlock(pthread_mutex_t *mutex,
				 const struct timespec *until)
{
	return resolve_mutexes() ? real.mutex_timedlock(mutex, until) : 0;
}

static int early_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
				 const struct timespec *until)
{
	return resolve_mutexes() ? real.mutex_clocklock(mutex, clock, until)
				 : 0;
}

struct real real = {
	.read = early_read,
	.write = early_write,
	.pread = early_pread,
	.pwrite = early_pwrite,
	.readv = early_readv,
	.writev = early_writev,
	.preadv = early_preadv,
	.pwritev = early_pwritev,
	.preadv2 = early_preadv2,
	.pwritev2 = early_pwritev2,
	.splice = early_splice,
	.openat = early_openat,
	.close = early_close,
	.fsync = early_fsync,
	.fdatasync = early_fdatasync,
	.sync_file_range = early_sync_file_range,
	.fallocate = early_fallocate,
	.posix_fallocate = early_posix_fallocate,
	.msync = early_msync,
	.mutex_lock = early_mutex_lock,
	.mutex_trylock = early_mutex_trylock,
	.mutex_timedlock = early_mutex_timedlock,
	.mutex_clocklock = early_mutex_clocklock,
};

/* Leaves what stands there if libc has no such function. */
static void resolve(void *pointer, const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (found)
		memcpy(pointer, &found, sizeof(found));
}

static void find_mutexes(void)
{
	resolve(&real.mutex_lock, "pthread_mutex_lock");
	resolve(&real.mutex_trylock, "pthread_mutex_trylock");
	resolve(&real.mutex_timedlock, "pthread_mutex_timedlock");
	resolve(&real.mutex_clocklock, "pthread_mutex_clocklock");
}

void real_resolve(void)
{
	find_mutexes();
	resolve(&real.read, "read");
	resolve(&real.write, "write");
	resolve(&real.pread, "pread64");
	resolve(&real.pwrite, "pwrite64");
	resolve(&real.readv, "readv");
	resolve(&real.writev, "writev");
	resolve(&real.preadv, "preadv64");
	resolve(&real.pwritev, "pwritev64");
	resolve(&real.preadv2, "preadv64v2");
	resolve(&real.pwritev2, "pwritev64v2");
	resolve(&real.splice, "splice");
	resolve(&real.openat, "openat64");
	resolve(&real.close, "close");
	resolve(&real.fsync, "fsync");
	resolve(&real.fdatasync, "fdatasync");
	resolve(&real.sync_file_range, "sync_file_range");
	resolve(&real.fallocate, "fallocate64");
	resolve(&real.posix_fallocate, "posix_fallocate64");
	resolve(&real.msync, "msync");
	resolve(&real.fopen, "fopen64");
	resolve(&real.fdopen, "fdopen");
	resolve(&real.freopen, "freopen64");
	resolve(&real.fclose, "fclose");
	resolve(&real.fflush, "fflush");
	resolve(&real.vdprintf, "vdprintf");
	resolve(&real.vdprintf_checked, "__vdprintf_chk");
	resolve(&real.fork_bare, "_Fork");
}
