/* other_calls.c - system calls that no library stands in front of */
/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <sys/socket.h>

int main(int count, char **arguments)
{
	int fd;
	unsigned char *bytes;
	struct stat status;
	int ends[2];

	begin(count, arguments);
	fd = make_file("others", FILE_BYTES);
	bytes = map_shared(fd);
	must(symlink("others", "link") == 0);
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	must(send(ends[0], bytes + 9 * PAGE - 20, 40, 0) == 40);
	must(recv(ends[1], bytes + 20 * PAGE - 20, 40, MSG_WAITALL) == 40);
	must(is_pattern(bytes + 20 * PAGE - 20, 40, 9 * PAGE - 20));
	strcpy((char *)bytes + 30 * PAGE, "others");
	must(munmap(bytes, FILE_BYTES) == 0);
	bytes = map_shared(fd);
	must(stat((char *)bytes + 30 * PAGE, &status) == 0);
	must(status.st_size == (off_t)FILE_BYTES);
	must(readlink("link", (char *)bytes + 40 * PAGE, 6) == 6);
	must(memcmp(bytes + 40 * PAGE, "others", 6) == 0);
	close(ends[0]);
	close(ends[1]);
	close(fd);
	return 0;
}
