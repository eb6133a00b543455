/* crowd.c - more threads that write than there are channels to a server */
/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <pthread.h>

#define THREADS ((size_t)100)
#define ROUNDS 100
#define CROWD_BYTES (THREADS * PAGE)

static int fd;
static volatile unsigned char *bytes;

/* In a page of its own: a store and a write, and what each has there. */
static void *write_on(void *argument)
{
	size_t first = (size_t)(uintptr_t)argument * PAGE;

	for (unsigned i = 0; i < ROUNDS; i++) {
		size_t at = first + i;
		unsigned char byte = (unsigned char)(i + 1), had = 0;

		bytes[first + PAGE - 1] = byte;
		must(pwrite(fd, &byte, 1, (off_t)at) == 1);
		must(bytes[at] == byte);
		must(pread(fd, &had, 1, (off_t)at) == 1 && had == byte);
		must(bytes[first + PAGE - 1] == byte);
	}
	return NULL;
}

int main(int count, char **arguments)
{
	pthread_t threads[THREADS];

	begin(count, arguments);
	fd = make_file("crowd", CROWD_BYTES);
	bytes = map_file(fd, CROWD_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED);
	for (size_t i = 0; i < THREADS; i++)
		must(pthread_create(&threads[i], NULL, write_on,
				    (void *)(uintptr_t)i) == 0);
	for (size_t i = 0; i < THREADS; i++)
		must(pthread_join(threads[i], NULL) == 0);
	return 0;
}
