/* full_disk.c - stores to a file on a full disk, and to one beside it */
/* SPDX-License-Identifier: MIT */
/*
 * The first folder is on a small disk that "filler" nearly fills, the second on
 * another one.  What is said of the file that does not fit is the kernel's to
 * choose: a signal at the store or an error of msync(2).  Nobody waits for ever.
 */
#include "program.h"
#include "signals.h"

#define LARGE_BYTES ((size_t)8 << 20)

static int new_file(const char *folder, const char *name)
{
	int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = openat(directory, name, O_RDWR | O_CREAT | O_TRUNC, 0666);

	must(fd >= 0 && ftruncate(fd, (off_t)LARGE_BYTES) == 0);
	close(directory);
	return fd;
}

/* The first page that cannot be stored to. */
static size_t store_until_full(volatile unsigned char *bytes)
{
	size_t at = 0;

	while (at < LARGE_BYTES && store_signal(bytes + at) == 0)
		at += PAGE;
	must(at < LARGE_BYTES && signals_seen.si_signo == SIGBUS);
	must(signals_seen.si_code == BUS_ADRERR);
	must(signals_seen.si_addr == bytes + at);
	return at;
}

/* All of a file that fits. */
static void beside(void *folder)
{
	int fd = new_file(folder, "beside");
	unsigned char *bytes =
		map_file(fd, LARGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED);

	for (int round = 0; round < 3; round++) {
		for (size_t at = 0; at < LARGE_BYTES; at += PAGE)
			bytes[at] = pattern(at);
		for (size_t at = 0; at < LARGE_BYTES; at += PAGE)
			must(bytes[at] == pattern(at));
		must(msync(bytes, LARGE_BYTES, MS_SYNC) == 0);
		must(fsync(fd) == 0);
	}
	must(munmap(bytes, LARGE_BYTES) == 0);
	must(close(fd) == 0);
}

/* Told once of what was not written before. */
static void must_get_home(unsigned char *bytes, int fd, size_t stored)
{
	unsigned char byte;

	must(msync(bytes, LARGE_BYTES, MS_SYNC) == 0 || errno == ENOSPC);
	must(msync(bytes, LARGE_BYTES, MS_SYNC) == 0);
	must(fsync(fd) == 0);
	for (size_t at = 0; at <= stored; at += PAGE)
		must(pread(fd, &byte, 1, (off_t)at) == 1 && byte == 1);
}

static void full(const char *folder, char *other)
{
	int fd = new_file(folder, "full");
	unsigned char *bytes =
		map_file(fd, LARGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED);
	pid_t child = fork();
	size_t at;

	if (child == 0) { /* meanwhile */
		beside(other);
		_exit(0);
	}
	at = store_until_full(bytes);
	must_end_well(child);
	in_child(beside, other); /* and after that */
	must(msync(bytes, LARGE_BYTES, MS_SYNC) == 0 || errno == ENOSPC);
	for (size_t i = 0; i < at; i += PAGE)
		must(load_signal(bytes + i) == 0 && bytes[i] == 1);
	/* There is room: the page that was refused comes back. */
	must(unlink("filler") == 0);
	while (store_signal(bytes + at))
		must(signals_seen.si_signo == SIGBUS);
	must_get_home(bytes, fd, at);
	must(munmap(bytes, LARGE_BYTES) == 0);
	must(close(fd) == 0);
}

int main(int count, char **arguments)
{
	begin(count, arguments);
	must(count > 2);
	signals_begin();
	full(".", arguments[2]);
	return 0;
}
