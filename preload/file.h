/* file.h - reads and writes by descriptor, for wrappers, streams, syscall() */
/* SPDX-License-Identifier: MIT */
/* Each is what its name without file_ is to the program: -1 and errno. */
#ifndef QUIRE_PRELOAD_FILE_H
#define QUIRE_PRELOAD_FILE_H

#include <fcntl.h>
#include <sys/types.h>
#include <sys/uio.h>

ssize_t file_read(int fd, void *buffer, size_t length);
ssize_t file_pread(int fd, void *buffer, size_t length, off_t offset);
ssize_t file_readv(int fd, const struct iovec *parts, int count);
ssize_t file_preadv(int fd, const struct iovec *parts, int count, off_t offset);
ssize_t file_preadv2(int fd, const struct iovec *parts, int count, off_t offset,
		     int flags);
ssize_t file_write(int fd, const void *bytes, size_t length);
ssize_t file_pwrite(int fd, const void *bytes, size_t length, off_t offset);
ssize_t file_writev(int fd, const struct iovec *parts, int count);
ssize_t file_pwritev(int fd, const struct iovec *parts, int count,
		     off_t offset);
ssize_t file_pwritev2(int fd, const struct iovec *parts, int count,
		      off_t offset, int flags);
ssize_t file_copy_range(int in, off_t *in_offset, int out, off_t *out_offset,
			size_t length, unsigned int flags);
ssize_t file_sendfile(int out, int in, off_t *offset, size_t length);
ssize_t file_splice(int in, off_t *in_offset, int out, off_t *out_offset,
		    size_t length, unsigned int flags);
int file_fsync(int fd);
int file_fdatasync(int fd);
int file_ftruncate(int fd, off_t length);
int file_truncate(const char *path, off_t length);
int file_fallocate(int fd, int mode, off_t offset, off_t length);
int file_open(int folder, const char *path, int flags, mode_t mode);

#endif
