/* bound.c - a path that is bound to what another file holds */
/* SPDX-License-Identifier: MIT */
/* Natively it is a link, which is as good.  What is bound need not exist. */
#include "program.h"

#include <sys/sendfile.h>

static unsigned char buffer[FILE_BYTES];

static void it_is_there(void)
{
	struct stat status;

	must(stat("bound", &status) == 0 && S_ISREG(status.st_mode));
	must(status.st_size == (off_t)FILE_BYTES);
	must(access("bound", R_OK) == 0 && access("./bound", F_OK) == 0);
	must(access("unbound", F_OK) == -1 && errno == ENOENT);
	must(open("bound", O_RDWR | O_CREAT | O_EXCL, 0666) == -1);
	must(errno == EEXIST);
}

static void reads(int fd)
{
	unsigned char *bytes = map_file(fd, FILE_BYTES, PROT_READ, MAP_SHARED);

	must(read(fd, buffer, 100) == 100 && is_pattern(buffer, 100, 0));
	must(lseek(fd, 0, SEEK_CUR) == 100);
	must(pread(fd, buffer, FILE_BYTES, PAGE) ==
	     (ssize_t)(FILE_BYTES - PAGE));
	must(is_pattern(buffer, FILE_BYTES - PAGE, PAGE));
	must(pread(fd, buffer, 10, FILE_BYTES) == 0);
	must(is_pattern(bytes, FILE_BYTES, 0));
	must(munmap(bytes, FILE_BYTES) == 0);
}

static void writes(int fd)
{
	unsigned char *bytes = map_shared(fd);
	FILE *stream;

	bytes[PAGE] = 0x61;
	must(pread(fd, buffer, 1, PAGE) == 1 && buffer[0] == 0x61);
	must(pwrite(fd, "written", 7, 2 * PAGE) == 7);
	must(memcmp(bytes + 2 * PAGE, "written", 7) == 0);
	stream = fopen("bound", "r+");
	must(stream && fseek(stream, 3 * PAGE, SEEK_SET) == 0);
	must(fputs("printed", stream) >= 0 && fclose(stream) == 0);
	must(memcmp(bytes + 3 * PAGE, "printed", 7) == 0);
	must(msync(bytes, FILE_BYTES, MS_SYNC) == 0 && fsync(fd) == 0);
	must(munmap(bytes, FILE_BYTES) == 0);
}

/* As any file says it; and goes on. */
static void memory_must_be_there(int fd)
{
	void *volatile nowhere = (void *)8;
	char byte = 0;

	must(pwrite(fd, nowhere, 10, 0) == -1 && errno == EFAULT);
	must(pread(fd, nowhere, 10, 0) == -1 && errno == EFAULT);
	must(pread(fd, &byte, 1, 0) == 1);
	must(pwrite(fd, &byte, 1, 0) == 1);
}

int main(int count, char **arguments)
{
	int fd;

	begin(count, arguments);
	it_is_there();
	fd = open("bound", O_RDWR);
	must(fd >= 0);
	reads(fd);
	writes(fd);
	memory_must_be_there(fd);
	must(close(fd) == 0);
	fd = open("bound", O_RDONLY);
	must(fd >= 0 && write(fd, "x", 1) == -1 && errno == EBADF);
	must(close(fd) == 0);
	return 0;
}
