/* system_calls.c - system calls on pages that are not there yet */
/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <sys/uio.h>

static unsigned char buffer[FILE_BYTES];

static void write_from(int to)
{
	int fd = make_file("from", 16 * PAGE);
	unsigned char *bytes = map_shared(fd);

	must(pwrite(to, bytes + PAGE - 10, 3 * PAGE, 0) == 3 * (ssize_t)PAGE);
	must(pread(to, buffer, 3 * PAGE, 0) == 3 * (ssize_t)PAGE);
	must(is_pattern(buffer, 3 * PAGE, PAGE - 10));
	/* what is behind the end cannot be read: so far, or not at all */
	must(pwrite(to, bytes + 15 * PAGE, 2 * PAGE, 0) == (ssize_t)PAGE);
	must(pwrite(to, bytes + 16 * PAGE, 10, 0) == -1 && errno == EFAULT);
	close(fd);
}

/* From a mapping of the very file that is written. */
static void write_to_itself(void)
{
	int fd = make_file("itself", FILE_BYTES);
	unsigned char *bytes = map_shared(fd);

	bytes[5 * PAGE + 5] = 0x19;
	must(pwrite(fd, bytes + 5 * PAGE, 8 * PAGE, 30 * PAGE) ==
	     8 * (ssize_t)PAGE);
	must(bytes[30 * PAGE + 5] == 0x19);
	must(is_pattern(bytes + 31 * PAGE, PAGE, 6 * PAGE));
	must(pread(fd, bytes + 50 * PAGE, 2 * PAGE, 5 * PAGE) ==
	     2 * (ssize_t)PAGE);
	must(bytes[50 * PAGE + 5] == 0x19);
	must(is_pattern(bytes + 51 * PAGE, PAGE, 6 * PAGE));
	close(fd);
}

static void read_into(int from)
{
	int fd = make_file("into", 16 * PAGE);
	unsigned char *bytes = map_shared(fd);

	must(pread(from, bytes + 3 * PAGE - 7, 2 * PAGE, 0) ==
	     2 * (ssize_t)PAGE);
	must(is_pattern(bytes + 3 * PAGE - 7, 2 * PAGE, 0));
	must(bytes[3 * PAGE - 8] == pattern(3 * PAGE - 8));
	must(pread(from, bytes + 15 * PAGE, 2 * PAGE, 0) == (ssize_t)PAGE);
	must(pread(from, bytes + 16 * PAGE, 5, 0) == -1 && errno == EFAULT);
	must(pread(fd, buffer, 2 * PAGE, 3 * PAGE - 7) == 2 * (ssize_t)PAGE);
	must(is_pattern(buffer, 2 * PAGE, 0));
	close(fd);
}

static void through_a_pipe(void)
{
	int fd = make_file("pipe", FILE_BYTES);
	unsigned char *bytes =
		map_file(fd, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	struct iovec parts[2] = {
		{ bytes + 2 * PAGE, 100 },
		{ bytes + 8 * PAGE, 200 },
	};
	int ends[2];

	must(pipe(ends) == 0);
	must(writev(ends[1], parts, 2) == 300);
	must(read(ends[0], bytes + 60 * PAGE, 300) == 300);
	must(is_pattern(bytes + 60 * PAGE, 100, 2 * PAGE));
	must(is_pattern(bytes + 60 * PAGE + 100, 200, 8 * PAGE));
	must(pread(fd, buffer, 1, 60 * PAGE) == 1);
	must(buffer[0] == pattern(60 * PAGE)); /* it was a private page */
	close(ends[0]);
	close(ends[1]);
	close(fd);
}

int main(int count, char **arguments)
{
	int other;

	begin(count, arguments);
	other = make_file("other", FILE_BYTES);
	read_into(other);
	write_from(other);
	write_to_itself();
	through_a_pipe();
	return 0;
}
