/* stopped.c - a process that is stopped while it writes keeps nobody waiting */
/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <sys/uio.h>

#define BYTES ((size_t)4 << 20)
#define ROUNDS 8
#define OURS 100 /* bytes at the beginning that the writer does not write */

/* For ever the same bytes, a large write after the other; most of its time it
 * is in the kernel, and there it is stopped. */
static void write_on(int fd)
{
	char *bytes = malloc(BYTES);
	struct iovec parts[64];

	must(bytes != NULL);
	memset(bytes, 'w', BYTES);
	for (int i = 0; i < 64; i++)
		parts[i] = (struct iovec){ bytes, BYTES / 64 };
	parts[63].iov_len -= OURS;
	for (;;)
		must(pwritev(fd, parts, 64, OURS) == (ssize_t)(BYTES - OURS));
}

/* It is seen to have begun, and is stopped somewhere in the midst of it. */
static void stop(pid_t child, int round)
{
	int status;

	usleep(1000 * (unsigned)round); /* not always at the same place */
	must(kill(child, SIGSTOP) == 0);
	must(waitpid(child, &status, WUNTRACED) == child);
	must(WIFSTOPPED(status));
}

/* All that others do with the file. */
static void use(int fd, unsigned char *bytes, int round)
{
	unsigned char byte;

	bytes[round] = (unsigned char)('0' + round);
	must(pread(fd, &byte, 1, round) == 1 && byte == '0' + round);
	must(msync(bytes, BYTES, MS_SYNC) == 0);
	must(fsync(fd) == 0);
}

int main(int count, char **arguments)
{
	unsigned char *bytes;
	pid_t child;
	int fd;

	begin(count, arguments);
	alarm(120);
	fd = make_file("stopped", BYTES);
	bytes = map_file(fd, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED);
	child = fork();
	if (child == 0)
		write_on(fd);
	while (((volatile unsigned char *)bytes)[BYTES - 1] != 'w')
		usleep(1000);
	for (int i = 0; i < ROUNDS; i++) {
		stop(child, i);
		use(fd, bytes, i);
		must(kill(child, SIGCONT) == 0);
	}
	must(kill(child, SIGKILL) == 0);
	must(waitpid(child, NULL, 0) == child);
	for (int i = 0; i < ROUNDS; i++)
		must(bytes[i] == '0' + i);
	must(bytes[ROUNDS] == pattern(ROUNDS));
	for (size_t i = OURS; i < BYTES; i++)
		must(bytes[i] == 'w');
	return 0;
}
