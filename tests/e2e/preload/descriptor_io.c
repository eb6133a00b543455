/* descriptor_io.c - reads and writes by descriptor against a live mapping */
/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <linux/falloc.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static unsigned char buffer[FILE_BYTES];

static void stores_are_read(int fd, unsigned char *bytes)
{
	struct iovec parts[2] = { { buffer, 100 }, { buffer + 100, 5000 } };

	bytes[5 * PAGE + 17] = 0xaa;
	must(pread(fd, buffer, 1, 5 * PAGE + 17) == 1 && buffer[0] == 0xaa);
	bytes[6 * PAGE] = 0xab;
	must(lseek(fd, 6 * PAGE, SEEK_SET) == 6 * (off_t)PAGE);
	must(read(fd, buffer, 2) == 2 && buffer[0] == 0xab);
	must(lseek(fd, 0, SEEK_CUR) == 6 * (off_t)PAGE + 2);
	bytes[7 * PAGE + 150] = 0xac;
	must(preadv(fd, parts, 2, 7 * PAGE) == 5100 && buffer[150] == 0xac);
	bytes[7 * PAGE + 150] = 0xad;
	must(lseek(fd, 7 * PAGE, SEEK_SET) == 7 * (off_t)PAGE);
	must(readv(fd, parts, 2) == 5100 && buffer[150] == 0xad);
}

static void writes_are_loaded(int fd, volatile unsigned char *bytes)
{
	struct iovec parts[2] = { { buffer, 3 }, { buffer + 3, PAGE } };

	memset(buffer, 0x31, sizeof(buffer));
	must(bytes[10 * PAGE] == pattern(10 * PAGE));
	must(pwrite(fd, buffer, 1, 10 * PAGE) == 1);
	must(bytes[10 * PAGE] == 0x31);
	must(bytes[10 * PAGE + 1] == pattern(10 * PAGE + 1));
	must(lseek(fd, 11 * PAGE - 1, SEEK_SET) > 0);
	must(write(fd, buffer, 3) == 3);
	must(bytes[11 * PAGE - 1] == 0x31 && bytes[11 * PAGE + 1] == 0x31);
	must(bytes[11 * PAGE + 2] == pattern(11 * PAGE + 2));
	must(pwritev(fd, parts, 2, 12 * PAGE) == 3 + (ssize_t)PAGE);
	must(bytes[12 * PAGE] == 0x31 && bytes[13 * PAGE + 2] == 0x31);
	must(bytes[13 * PAGE + 3] == pattern(13 * PAGE + 3));
	must(pwritev2(fd, parts, 1, 14 * PAGE, 0) == 3);
	must(bytes[14 * PAGE + 2] == 0x31);
}

/* Both in one page, one after the other, without any sync. */
static void they_mix(int fd, volatile unsigned char *bytes)
{
	volatile unsigned char *page = bytes + 20 * PAGE;

	for (size_t i = 0; i < 100; i++) {
		unsigned char value = (unsigned char)i;

		page[i] = value;
		must(pwrite(fd, &value, 1, (off_t)(20 * PAGE + 200 + i)) == 1);
		must(page[200 + i] == value);
		must(pread(fd, buffer, 300, 20 * PAGE) == 300);
		must(buffer[i] == value && buffer[200 + i] == value);
	}
	for (size_t i = 0; i < 100; i++)
		must(page[i] == i && page[200 + i] == i);
}

static void holes_are_seen(int fd, volatile unsigned char *bytes)
{
	bytes[30 * PAGE] = 0x77;
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 30 * PAGE,
		      2 * PAGE) == 0) {
		must(bytes[30 * PAGE] == 0 && bytes[32 * PAGE - 1] == 0);
		must(bytes[32 * PAGE] == pattern(32 * PAGE));
	} else {
		must(errno == EOPNOTSUPP);
	}
	must(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, PAGE,
		       1) == 0 ||
	     errno == EOPNOTSUPP);
	must(posix_fallocate(fd, 0, FILE_BYTES) == 0);
	must(bytes[33 * PAGE] == pattern(33 * PAGE));
}

static void copies_are_seen(int fd, volatile unsigned char *bytes)
{
	int other = make_file("copy", FILE_BYTES);
	off_t from = 40 * (off_t)PAGE;
	off_t to = 3 * (off_t)PAGE;

	bytes[40 * PAGE] = 0x41;
	must(copy_file_range(fd, &from, other, &to, PAGE, 0) == (ssize_t)PAGE);
	must(pread(other, buffer, PAGE, 3 * PAGE) == (ssize_t)PAGE);
	must(buffer[0] == 0x41 && is_pattern(buffer + 1, 99, 40 * PAGE + 1));
	from = 3 * (off_t)PAGE;
	to = 50 * (off_t)PAGE;
	must(copy_file_range(other, &from, fd, &to, PAGE, 0) == (ssize_t)PAGE);
	must(bytes[50 * PAGE] == 0x41);
	bytes[41 * PAGE] = 0x42;
	from = 41 * (off_t)PAGE;
	must(lseek(other, 0, SEEK_SET) == 0);
	must(sendfile(other, fd, &from, PAGE) == (ssize_t)PAGE);
	must(pread(other, buffer, 1, 0) == 1 && buffer[0] == 0x42);
	close(other);
}

static void appends_are_seen(void)
{
	int fd = make_file("appended", FILE_BYTES - 100);
	int more = open("appended", O_WRONLY | O_APPEND);
	volatile unsigned char *bytes = map_shared(fd);
	struct stat status;

	must(bytes[FILE_BYTES - 101] == pattern(FILE_BYTES - 101));
	must(bytes[FILE_BYTES - 100] == 0);
	must(more >= 0 && write(more, "appended", 8) == 8);
	must(memcmp((void *)(bytes + FILE_BYTES - 100), "appended", 8) == 0);
	must(fstat(fd, &status) == 0);
	must(status.st_size == (off_t)FILE_BYTES - 92);
	bytes[FILE_BYTES - 99] = 'P';
	must(pread(more, buffer, 1, 0) == -1 && errno == EBADF);
	must(pread(fd, buffer, 8, FILE_BYTES - 100) == 8);
	must(memcmp(buffer, "aPpended", 8) == 0);
	/* stores into the page that is appended to stay */
	bytes[FILE_BYTES - 200] = 0x17;
	must(write(more, "again", 5) == 5);
	must(bytes[FILE_BYTES - 200] == 0x17);
	must(pread(fd, buffer, 1, FILE_BYTES - 200) == 1);
	must(buffer[0] == 0x17 && bytes[FILE_BYTES - 92] == 'a');
	close(more);
	close(fd);
}

/* What goes home at the end is what another process reads then. */
static void the_file_is_right(void)
{
	int fd = make_file("whole", FILE_BYTES);
	unsigned char *bytes = map_shared(fd);

	for (size_t i = 0; i < FILE_PAGES; i++)
		bytes[i * PAGE + 9] = (unsigned char)i;
	must(fsync(fd) == 0 && fdatasync(fd) == 0);
	must(msync(bytes, FILE_BYTES, MS_SYNC) == 0);
	must(munmap(bytes, FILE_BYTES) == 0);
	must(pread(fd, buffer, FILE_BYTES, 0) == (ssize_t)FILE_BYTES);
	for (size_t i = 0; i < FILE_PAGES; i++) {
		must(buffer[i * PAGE + 9] == (unsigned char)i);
		must(buffer[i * PAGE + 10] == pattern(i * PAGE + 10));
	}
	close(fd);
}

/* Of a part of it, that ends where the mapping does not. */
static void a_part_is_synced(void)
{
	int fd = make_file("part", FILE_BYTES);
	unsigned char *bytes = map_shared(fd);

	bytes[PAGE] = 1;
	must(msync(bytes, 2 * PAGE, MS_SYNC) == 0);
	must(msync(bytes + 10 * PAGE, PAGE, MS_ASYNC) == 0);
	must(madvise(bytes + PAGE, PAGE, MADV_WILLNEED) == 0);
	must(munmap(bytes, FILE_BYTES) == 0);
	close(fd);
}

int main(int count, char **arguments)
{
	unsigned char *bytes;
	int fd;

	begin(count, arguments);
	fd = make_file("io", FILE_BYTES);
	bytes = map_shared(fd);
	must(is_pattern(bytes, FILE_BYTES, 0));
	stores_are_read(fd, bytes);
	writes_are_loaded(fd, bytes);
	they_mix(fd, bytes);
	holes_are_seen(fd, bytes);
	copies_are_seen(fd, bytes);
	appends_are_seen();
	the_file_is_right();
	a_part_is_synced();
	return 0;
}
