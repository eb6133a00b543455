/* killed.c - a child of vfork() that dies in the midst of a write */
/* SPDX-License-Identifier: MIT */
#include "held.h"

#include <pthread.h>

#define ROUNDS 300 /* more than anybody may leave behind */

static struct held held;
static _Atomic pid_t child;

static void *kill_it(void *argument)
{
	held_await(&held);
	must(kill(child, SIGKILL) == 0);
	return argument;
}

static void die_in(int fd)
{
	pthread_t killer;
	pid_t found;

	must(pthread_create(&killer, NULL, kill_it, NULL) == 0);
	found = vfork();
	if (found == 0) {
		child = (pid_t)syscall(SYS_getpid);
		pwrite(fd, held.bytes, PAGE, 0);
		_exit(1);
	}
	must(pthread_join(killer, NULL) == 0);
	must(waitpid(found, NULL, 0) == found);
}

int main(int count, char **arguments)
{
	unsigned char *bytes;
	int fd;

	begin(count, arguments);
	fd = make_file("written", FILE_BYTES);
	bytes = map_shared(fd);
	must(unlink("written") == 0);
	if (!held_make(&held))
		return 0;
	for (size_t i = 0; i < ROUNDS; i++)
		die_in(fd);
	bytes[5] = 55;
	must(fsync(fd) == 0);
	must(pwrite(fd, "A", 1, 6) == 1 && bytes[6] == 'A');
	must(bytes[5] == 55 && bytes[7] == pattern(7));
	held_end(&held);
	return 0;
}
