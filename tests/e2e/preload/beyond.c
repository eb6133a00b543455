/* beyond.c - a file that grows far beyond what it was when it was mapped */
/* SPDX-License-Identifier: MIT */
#include "program.h"

#define FAR ((off_t)80 << 30)

static off_t size_of(int fd)
{
	struct stat status;

	must(fstat(fd, &status) == 0);
	return status.st_size;
}

/* Memory for it may be refused, but not given wrongly. */
static void look_at_the_end(int fd)
{
	unsigned char *end =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, FAR);

	must(end != MAP_FAILED || errno == ENOMEM);
	if (end == MAP_FAILED)
		return;
	must(memcmp(end, "far", 3) == 0);
	must(munmap(end, PAGE) == 0);
}

static void grow(int fd, unsigned char *bytes)
{
	char text[4] = "";
	int more = open("grown", O_WRONLY | O_APPEND);

	must(pwrite(fd, "far", 3, FAR) == 3);
	must(size_of(fd) == FAR + 3);
	must(pread(fd, text, 3, FAR) == 3 && strcmp(text, "far") == 0);
	look_at_the_end(fd);
	must(more >= 0 && write(more, "ther", 4) == 4);
	must(size_of(fd) == FAR + 7);
	close(more);
	must(ftruncate(fd, 2 * FAR) == 0 && size_of(fd) == 2 * FAR);
	must(posix_fallocate(fd, 2 * FAR - 1, 2) == 0);
	must(size_of(fd) == 2 * FAR + 1);
	must(bytes[7] == 77);
	bytes[8] = 78;
	must(pwrite(fd, "Q", 1, 9) == 1 && bytes[9] == 'Q');
	must(fsync(fd) == 0 && size_of(fd) == 2 * FAR + 1);
}

/* A mapping that was that long from the beginning has it all. */
static void grow_into(void)
{
	int fd = make_file("reached", FILE_BYTES);
	unsigned char *bytes = map_file(fd, 2 * FAR, PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_NORESERVE);

	must(is_pattern(bytes, FILE_BYTES, 0));
	must(pwrite(fd, "far", 3, FAR) == 3);
	must(memcmp(bytes + FAR, "far", 3) == 0);
	must(ftruncate(fd, FILE_BYTES) == 0);
	must(munmap(bytes, 2 * FAR) == 0);
	close(fd);
}

static bool can_be_so_long(void)
{
	int fd = open("long", O_RDWR | O_CREAT | O_TRUNC, 0600);
	bool can = ftruncate(fd, 3 * FAR) == 0;

	must(unlink("long") == 0);
	close(fd);
	return can;
}

int main(int count, char **arguments)
{
	unsigned char *bytes;
	int fd;

	begin(count, arguments);
	if (!can_be_so_long())
		return 0;
	fd = make_file("grown", FILE_BYTES);
	bytes = map_shared(fd);
	bytes[7] = 77;
	grow(fd, bytes);
	must(ftruncate(fd, FILE_BYTES) == 0);
	must(bytes[7] == 77 && bytes[8] == 78);
	must(is_pattern(bytes + PAGE, FILE_BYTES - PAGE, PAGE));
	must(munmap(bytes, FILE_BYTES) == 0);
	close(fd);
	grow_into();
	return 0;
}
