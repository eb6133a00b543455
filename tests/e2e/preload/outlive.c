/* outlive.c - mappings after close and unlink; the file's times */
/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <sys/stat.h>

static void after_unlink(void)
{
	int fd = make_file("gone", FILE_BYTES);
	unsigned char *bytes = map_shared(fd);
	unsigned char *again;

	bytes[9 * PAGE] = 0x91;
	must(close(fd) == 0);
	must(bytes[9 * PAGE] == 0x91);
	fd = open("gone", O_RDWR);
	must(unlink("gone") == 0);
	must(is_pattern(bytes + 10 * PAGE, 50 * PAGE, 10 * PAGE));
	bytes[62 * PAGE] = 0x92;
	again = map_shared(fd);
	must(again[9 * PAGE] == 0x91 && again[62 * PAGE] == 0x92);
	must(close(fd) == 0);
	/* another file of that name is another file */
	fd = make_file("gone", FILE_BYTES);
	must(map_shared(fd)[9 * PAGE] == pattern(9 * PAGE));
	must(again[9 * PAGE] == 0x91);
	must(munmap(bytes, FILE_BYTES) == 0);
	must(again[62 * PAGE] == 0x92);
	close(fd);
}

static void after_rename(void)
{
	int fd = make_file("before", FILE_BYTES);
	unsigned char *bytes = map_shared(fd);
	unsigned char byte;
	int other;

	must(rename("before", "after") == 0);
	bytes[PAGE] = 0x93;
	other = open("after", O_RDONLY);
	must(other >= 0 && pread(other, &byte, 1, PAGE) == 1);
	must(byte == 0x93);
	close(other);
	close(fd);
}

static bool is_later(struct timespec one, struct timespec other)
{
	return one.tv_sec > other.tv_sec ||
	       (one.tv_sec == other.tv_sec && one.tv_nsec > other.tv_nsec);
}

/* A store, and msync, make the file younger; loads do not. */
static void times(void)
{
	const struct timespec old[2] = { { 1000, 0 }, { 1000, 0 } };
	int fd = make_file("times", FILE_BYTES);
	volatile unsigned char *bytes = map_shared(fd);
	struct stat status;

	must(futimens(fd, old) == 0);
	must(bytes[3 * PAGE] == pattern(3 * PAGE));
	must(fstat(fd, &status) == 0 && status.st_mtim.tv_sec == 1000);
	bytes[3 * PAGE] = 1;
	must(msync((void *)bytes, FILE_BYTES, MS_SYNC) == 0);
	must(fstat(fd, &status) == 0 && is_later(status.st_mtim, old[1]));
	must(futimens(fd, old) == 0);
	must(pwrite(fd, "x", 1, 0) == 1);
	must(fstat(fd, &status) == 0 && is_later(status.st_mtim, old[1]));
	close(fd);
}

int main(int count, char **arguments)
{
	begin(count, arguments);
	after_unlink();
	after_rename();
	times();
	return 0;
}
