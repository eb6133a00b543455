/* locks.c - POSIX locks stay, whatever is done with the file's mappings */
/* SPDX-License-Identifier: MIT */
#include "program.h"

static void take_lock(int fd)
{
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = 100,
		.l_len = 10,
	};

	must(fcntl(fd, F_SETLK, &lock) == 0);
}

/* Seen from another process: the lock is this one's parent's. */
static void is_locked(void *name)
{
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = 0,
		.l_len = 0,
	};
	int fd = open(name, O_RDWR);

	must(fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0);
	must(lock.l_type == F_WRLCK && lock.l_pid == getppid());
	must(lock.l_start == 100 && lock.l_len == 10);
}

int main(int count, char **arguments)
{
	char name[] = "locks";
	unsigned char *bytes;
	int fd;

	begin(count, arguments);
	fd = make_file(name, FILE_BYTES);
	take_lock(fd);
	bytes = map_shared(fd);
	in_child(is_locked, name);
	bytes[0] = 1;
	must(msync(bytes, FILE_BYTES, MS_SYNC) == 0);
	must(pwrite(fd, "x", 1, PAGE) == 1);
	must(fsync(fd) == 0);
	in_child(is_locked, name);
	must(truncate(name, 2 * FILE_BYTES) == 0);
	must(bytes[0] == 1);
	in_child(is_locked, name);
	must(ftruncate(fd, FILE_BYTES) == 0);
	must(munmap(bytes, FILE_BYTES) == 0);
	in_child(is_locked, name);
	bytes = map_shared(fd);
	must(bytes[PAGE] == 'x');
	must(munmap(bytes, FILE_BYTES) == 0);
	in_child(is_locked, name);
	return 0;
}
