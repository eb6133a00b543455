/* refusals.c - what the kernel refuses, and in which words */
/* SPDX-License-Identifier: MIT */
#include "program.h"
#include "signals.h"

#define no_map(error, ...)                                   \
	do {                                                 \
		must(mmap(NULL, __VA_ARGS__) == MAP_FAILED); \
		must(errno == (error));                      \
	} while (0)

static void mapping(int fd, int reader, int writer)
{
	const int both = PROT_READ | PROT_WRITE;

	no_map(EACCES, FILE_BYTES, both, MAP_SHARED, reader, 0);
	no_map(EACCES, FILE_BYTES, PROT_READ, MAP_SHARED, writer, 0);
	no_map(EACCES, FILE_BYTES, PROT_READ, MAP_PRIVATE, writer, 0);
	no_map(EINVAL, 0, PROT_READ, MAP_SHARED, fd, 0);
	no_map(EINVAL, FILE_BYTES, PROT_READ, MAP_SHARED, fd, 100);
	no_map(EINVAL, FILE_BYTES, PROT_READ, 0, fd, 0);
	no_map(EBADF, FILE_BYTES, PROT_READ, MAP_SHARED, 799, 0);
	no_map(ENOMEM, SIZE_MAX - PAGE, PROT_READ, MAP_SHARED, fd, 0);
	no_map(EOVERFLOW, FILE_BYTES, PROT_READ, MAP_SHARED, fd,
	       (off_t)(INT64_MAX & ~(int64_t)4095));
	no_map(EOPNOTSUPP, FILE_BYTES, PROT_READ,
	       MAP_SHARED_VALIDATE | 0x1000000, fd, 0);
	no_map(ENODEV, FILE_BYTES, PROT_READ, MAP_SHARED, open(".", O_RDONLY),
	       0);
	no_map(EBADF, FILE_BYTES, PROT_READ, MAP_SHARED,
	       open("refusals", O_PATH), 0);
}

static void read_only(int reader)
{
	unsigned char *bytes =
		map_file(reader, FILE_BYTES, PROT_READ, MAP_SHARED);
	unsigned char *private;

	must(is_pattern(bytes, FILE_BYTES, 0));
	must(store_signal(bytes) == SIGSEGV);
	must(mprotect(bytes, FILE_BYTES, PROT_READ | PROT_WRITE) == -1);
	must(errno == EACCES);
	must(mprotect(bytes + 5 * PAGE, PAGE, PROT_WRITE) == -1);
	must(errno == EACCES);
	must(mprotect(bytes, FILE_BYTES, PROT_NONE) == 0);
	must(mprotect(bytes, FILE_BYTES, PROT_READ) == 0);
	must(madvise(bytes, PAGE, MADV_REMOVE) == -1 && errno == EACCES);
	must(munmap(bytes, FILE_BYTES) == 0);
	private = map_file(reader, FILE_BYTES, PROT_READ, MAP_PRIVATE);
	must(mprotect(private, FILE_BYTES, PROT_READ | PROT_WRITE) == 0);
	private[3] = 1;
	must(munmap(private, FILE_BYTES) == 0);
}

static void with_gaps(int fd)
{
	unsigned char *bytes = map_shared(fd);

	must(munmap(bytes + 10 * PAGE, PAGE) == 0);
	must(msync(bytes, FILE_BYTES, MS_SYNC) == -1 && errno == ENOMEM);
	must(msync(bytes, 10 * PAGE, MS_SYNC) == 0);
	must(msync(bytes, PAGE, MS_SYNC | MS_ASYNC) == -1 && errno == EINVAL);
	must(msync(bytes + 1, PAGE, MS_SYNC) == -1 && errno == EINVAL);
	must(madvise(bytes, FILE_BYTES, MADV_WILLNEED) == -1);
	must(errno == ENOMEM);
	must(madvise(bytes + 1, PAGE, MADV_WILLNEED) == -1 && errno == EINVAL);
	must(madvise(bytes, PAGE, 12345) == -1 && errno == EINVAL);
	must(mlock(bytes, FILE_BYTES) == -1 && errno == ENOMEM);
	must(munlock(bytes, FILE_BYTES) == -1 && errno == ENOMEM);
	must(mprotect(bytes + 1, PAGE, PROT_READ) == -1 && errno == EINVAL);
	must(munmap(bytes + 1, PAGE) == -1 && errno == EINVAL);
	must(munmap(bytes, 0) == -1 && errno == EINVAL);
	must(munmap(bytes, FILE_BYTES) == 0);
	must(mprotect(bytes, FILE_BYTES, PROT_READ) == -1 && errno == ENOMEM);
	must(mremap(bytes, PAGE, 2 * PAGE, 0) == MAP_FAILED);
	must(errno == EFAULT);
}

static void by_descriptor(int fd, int reader)
{
	unsigned char *bytes = map_shared(fd);
	unsigned char byte = 0;

	must(pread(fd, &byte, 1, -1) == -1 && errno == EINVAL);
	must(pwrite(fd, &byte, 1, -1) == -1 && errno == EINVAL);
	must(pread(799, &byte, 1, 0) == -1 && errno == EBADF);
	must(pwrite(reader, &byte, 1, 0) == -1 && errno == EBADF);
	must(ftruncate(reader, 0) == -1 && errno == EINVAL);
	must(ftruncate(fd, -1) == -1 && errno == EINVAL);
	must(truncate("refusals", -1) == -1 && errno == EINVAL);
	must(truncate("nothing of that name", 0) == -1 && errno == ENOENT);
	must(fallocate(fd, 0, 0, 0) == -1 && errno == EINVAL);
	must(posix_fallocate(fd, 0, -1) == EINVAL);
	must(posix_fallocate(reader, 0, 1) == EBADF);
	must(read(fd, NULL, 0) == 0);
	must(is_pattern(bytes, FILE_BYTES, 0));
	must(munmap(bytes, FILE_BYTES) == 0);
}

int main(int count, char **arguments)
{
	int reader;
	int writer;
	int fd;

	begin(count, arguments);
	signals_begin();
	fd = make_file("refusals", FILE_BYTES);
	reader = open("refusals", O_RDONLY);
	writer = open("refusals", O_WRONLY);
	must(reader >= 0 && writer >= 0);
	mapping(fd, reader, writer);
	read_only(reader);
	with_gaps(fd);
	by_descriptor(fd, reader);
	return 0;
}
