/* program.h - what the programs that are run under the preload library share */
/* SPDX-License-Identifier: MIT */
/*
 * Each program knows nothing of Quire: it says what the kernel does, passes
 * without the library, and must pass with it.
 */
#ifndef QUIRE_TESTS_PRELOAD_PROGRAM_H
#define QUIRE_TESTS_PRELOAD_PROGRAM_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define FILE_PAGES ((size_t)64)
#define FILE_BYTES (FILE_PAGES * PAGE)

#define must(condition)                                                 \
	do {                                                            \
		if (!(condition))                                       \
			program_failed(__FILE__, __LINE__, #condition); \
	} while (0)

__attribute__((noreturn)) static inline void program_failed(const char *file,
							    int line,
							    const char *what)
{
	int error = errno;

	fprintf(stderr, "%s:%d: not so: %s (errno %d, %s)\n", file, line, what,
		error, strerror(error));
	_exit(1);
}

/* What the files are full of. */
static inline unsigned char pattern(size_t offset)
{
	return (unsigned char)(offset / PAGE * 7 + offset % 251 + 1);
}

static inline void fill(unsigned char *bytes, size_t length, size_t offset)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = pattern(offset + i);
}

static inline bool is_pattern(const volatile unsigned char *bytes,
			      size_t length, size_t offset)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] != pattern(offset + i))
			return false;
	}
	return true;
}

/* A new file of the pattern, open for reading and writing. */
static inline int make_file(const char *name, size_t length)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	unsigned char page[4096];

	must(fd >= 0);
	for (size_t done = 0; done < length; done += PAGE) {
		size_t some = length - done < PAGE ? length - done : PAGE;

		fill(page, some, done);
		must(write(fd, page, some) == (ssize_t)some);
	}
	return fd;
}

static inline unsigned char *map_file(int fd, size_t length, int protection,
				      int flags)
{
	void *bytes = mmap(NULL, length, protection, flags, fd, 0);

	must(bytes != MAP_FAILED);
	return bytes;
}

static inline unsigned char *map_shared(int fd)
{
	return map_file(fd, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED);
}

/* The child ends with status 0. */
static inline void must_end_well(pid_t child)
{
	int status = 0;

	must(child > 0);
	must(waitpid(child, &status, 0) == child);
	must(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* body(argument) in a child by fork(). */
static inline void in_child(void (*body)(void *), void *argument)
{
	pid_t child = fork();

	if (child == 0) {
		body(argument);
		_exit(0);
	}
	must_end_well(child);
}

/* Begins in the folder that the first argument names. */
static inline void begin(int count, char **arguments)
{
	must(count > 1);
	must(chdir(arguments[1]) == 0);
}

#endif
