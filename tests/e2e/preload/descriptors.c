/* descriptors.c - a program that closes whatever is open */
/* SPDX-License-Identifier: MIT */
#include "program.h"

static void child_stores(void *memory)
{
	unsigned char *bytes = memory;

	must(bytes[PAGE] == 0x81);
	bytes[3 * PAGE] = 0x82;
}

static void still_works(const char *name)
{
	int fd = make_file(name, FILE_BYTES);
	unsigned char *bytes = map_shared(fd);

	must(is_pattern(bytes, FILE_BYTES, 0));
	bytes[PAGE] = 0x81;
	must(pwrite(fd, "x", 1, 2 * PAGE) == 1 && bytes[2 * PAGE] == 'x');
	in_child(child_stores, bytes);
	must(bytes[3 * PAGE] == 0x82);
	must(munmap(bytes, FILE_BYTES) == 0);
	close(fd);
}

int main(int count, char **arguments)
{
	int kept;

	begin(count, arguments);
	still_works("first");
	for (int fd = 3; fd < 20000; fd++)
		close(fd);
	still_works("second");
	must(close_range(3, ~0u, 0) == 0);
	still_works("third");
	closefrom(3);
	still_works("fourth");
	kept = open("/dev/null", O_WRONLY);
	must(dup2(kept, 500) == 500 && dup2(kept, kept) == kept);
	must(dup3(kept, 501, O_CLOEXEC) == 501);
	must(write(500, "x", 1) == 1);
	must(close(500) == 0 && close(500) == -1 && errno == EBADF);
	must(close_range(501, 501, 0) == 0);
	must(dup2(499, 498) == -1 && errno == EBADF);
	must(close_range(10, 9, 0) == -1 && errno == EINVAL);
	still_works("fifth");
	return 0;
}
