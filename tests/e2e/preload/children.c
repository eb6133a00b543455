/* children.c - exec, vfork, posix_spawn and threads with mapped files */
/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <pthread.h>
#include <spawn.h>

extern char **environ;

/* The new image finds in the file what its parent stored by mapping. */
static int as_child(const char *name)
{
	int fd = open(name, O_RDWR);
	unsigned char *bytes;
	unsigned char byte = 0;

	must(fd >= 0 && pread(fd, &byte, 1, 10 * PAGE) == 1 && byte == 0x61);
	bytes = map_shared(fd);
	must(bytes[10 * PAGE] == 0x61);
	bytes[11 * PAGE]++;
	return 0;
}

static void by_exec(char *self)
{
	pid_t child = fork();

	if (child == 0) {
		execl(self, self, ".", "child", NULL);
		_exit(1);
	}
	must_end_well(child);
}

static void by_vfork(char *self)
{
	pid_t child = vfork();

	if (child == 0) {
		int other = open("/dev/null", O_WRONLY);

		dup2(other, 30);
		close(other);
		execl(self, self, ".", "child", NULL);
		_exit(1);
	}
	must_end_well(child);
	must(fcntl(30, F_GETFD) == -1);
}

static void by_spawn(char *self)
{
	char *arguments[] = { self, ".", "child", NULL };
	pid_t child = -1;

	must(posix_spawn(&child, self, NULL, NULL, arguments, environ) == 0);
	must_end_well(child);
	must(system("true") == 0);
}

/* All in one file, each its own bytes. */
static void *in_thread(void *memory)
{
	unsigned char *place = memory;

	for (int round = 0; round < 50; round++) {
		for (size_t i = 0; i < FILE_PAGES; i++)
			place[i * PAGE]++;
	}
	return NULL;
}

static void by_threads(void)
{
	int fd = make_file("threads", FILE_BYTES);
	unsigned char *bytes = map_shared(fd);
	pthread_t thread[6];

	for (int i = 0; i < 6; i++)
		must(pthread_create(&thread[i], NULL, in_thread,
				    bytes + i * 16) == 0);
	for (int i = 0; i < 6; i++)
		must(pthread_join(thread[i], NULL) == 0);
	for (size_t i = 0; i < FILE_PAGES; i++)
		must(bytes[i * PAGE + 16] ==
		     (unsigned char)(pattern(i * PAGE + 16) + 50));
	close(fd);
}

int main(int count, char **arguments)
{
	char self[4096] = { 0 };
	unsigned char *bytes;
	int fd;

	if (count > 2)
		return as_child("children");
	must(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	begin(count, arguments);
	fd = make_file("children", FILE_BYTES);
	bytes = map_shared(fd);
	bytes[10 * PAGE] = 0x61;
	by_exec(self);
	by_vfork(self);
	by_spawn(self);
	must(bytes[11 * PAGE] == (unsigned char)(pattern(11 * PAGE) + 3));
	by_threads();
	return 0;
}
