/* user.c - a process that gives its rights up after it has begun */
/* SPDX-License-Identifier: MIT */
/* Exit status 77: it has none. */
#include "program.h"

#include <grp.h>

#define NOBODY 65534

static void as_nobody(int fd, unsigned char *earlier)
{
	unsigned char *bytes = map_shared(fd);

	must(bytes[PAGE] == 0x33 && earlier[2 * PAGE] == pattern(2 * PAGE));
	bytes[20 * PAGE] = 0x34;
	must(earlier[20 * PAGE] == 0x34);
	must(pwrite(fd, "x", 1, 21 * PAGE) == 1 && bytes[21 * PAGE] == 'x');
	must(write(open("/dev/null", O_WRONLY), bytes + 40 * PAGE, PAGE) ==
	     (ssize_t)PAGE);
	must(munmap(bytes, FILE_BYTES) == 0);
}

static void child_as_nobody(void *memory)
{
	unsigned char *bytes = memory;

	bytes[30 * PAGE] = 0x35;
	must(bytes[31 * PAGE] == pattern(31 * PAGE));
}

/* Mapped first when the rights are gone already. */
static void late(void *name)
{
	int fd = open(name, O_RDWR);
	unsigned char *bytes;

	must(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 &&
	     setuid(NOBODY) == 0);
	bytes = map_shared(fd);
	must(bytes[7 * PAGE] == pattern(7 * PAGE));
	bytes[8 * PAGE] = 0x36;
	in_child(child_as_nobody, bytes);
	must(bytes[30 * PAGE] == 0x35);
}

int main(int count, char **arguments)
{
	unsigned char *bytes;
	int fd;

	if (geteuid() != 0)
		return 77;
	begin(count, arguments);
	fd = make_file("late", FILE_BYTES);
	close(fd);
	in_child(late, "late");
	fd = make_file("user", FILE_BYTES);
	bytes = map_shared(fd);
	bytes[PAGE] = 0x33;
	must(setgroups(0, NULL) == 0);
	must(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
	as_nobody(fd, bytes);
	in_child(child_as_nobody, bytes);
	must(bytes[30 * PAGE] == 0x35);
	must(msync(bytes, FILE_BYTES, MS_SYNC) == 0);
	return 0;
}
