/* standing.c - one small write after the other to what is mapped */
/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <pthread.h>

#define THREADS 4
#define ROUNDS 100

static int fd;
static volatile unsigned char *bytes;

/* What is written is mapped when the write is over, and nothing beside it. */
static void write_one(size_t page, unsigned char byte)
{
	size_t at = page * PAGE + byte;

	must(pwrite(fd, &byte, 1, (off_t)at) == 1);
	must(bytes[at] == byte);
	must(bytes[at + 1] == pattern(at + 1) || bytes[at + 1] == byte + 1);
}

static void write_page(size_t page)
{
	for (unsigned i = 0; i < ROUNDS; i++)
		write_one(page, (unsigned char)(i + 1));
}

static void *in_thread(void *argument)
{
	write_page((size_t)(uintptr_t)argument);
	return NULL;
}

static void in_threads(size_t first)
{
	pthread_t threads[THREADS];

	for (size_t i = 0; i < THREADS; i++)
		must(pthread_create(&threads[i], NULL, in_thread,
				    (void *)(uintptr_t)(first + i)) == 0);
	for (size_t i = 0; i < THREADS; i++)
		must(pthread_join(threads[i], NULL) == 0);
}

/* A child, and its parent meanwhile; the child's threads and children, too. */
static void in_family(size_t first)
{
	pid_t child = fork(), other;

	if (child == 0) {
		in_threads(first);
		other = vfork();
		if (other == 0) {
			char byte = 'v';

			_exit(pwrite(fd, &byte, 1, (off_t)(first * PAGE)) != 1);
		}
		must_end_well(other);
		must(bytes[first * PAGE] == 'v');
		write_page(first + THREADS);
		_exit(0);
	}
	write_page(first + THREADS + 1);
	must_end_well(child);
	must(bytes[first * PAGE] == 'v');
	must(bytes[(first + THREADS) * PAGE + ROUNDS] == ROUNDS);
	write_page(first + THREADS); /* over what the child has written */
}

/* Stores make pages dirty, and go home, between writes and beside them. */
static void *store_on(void *argument)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		bytes[20 * PAGE + 2000 + i] = (unsigned char)i;
		must(msync((void *)(uintptr_t)(bytes + 20 * PAGE), PAGE,
			   MS_SYNC) == 0);
	}
	return argument;
}

static void beside_stores(void)
{
	unsigned char had[ROUNDS];
	pthread_t thread;

	must(pthread_create(&thread, NULL, store_on, NULL) == 0);
	write_page(20);
	must(pthread_join(thread, NULL) == 0);
	must(pread(fd, had, ROUNDS, 20 * PAGE + 2000) == ROUNDS);
	for (unsigned i = 0; i < ROUNDS; i++) {
		must(had[i] == (unsigned char)i);
		must(bytes[20 * PAGE + 2000 + i] == (unsigned char)i);
		must(bytes[20 * PAGE + i + 1] == i + 1);
	}
}

/* In turns; each shows what was written to it. */
static void two_files(void)
{
	int first = fd, second = make_file("second", FILE_BYTES);
	volatile unsigned char *of_first = bytes, *of_second;

	of_second = map_shared(second);
	for (unsigned i = 1; i < ROUNDS; i++) {
		fd = i % 2 ? second : first;
		bytes = i % 2 ? of_second : of_first;
		write_one(30, (unsigned char)i);
	}
	fd = first;
	bytes = of_first;
	must(close(second) == 0);
}

/* Nothing of it is mapped for a while; and it has another size. */
static void mapped_anew(void)
{
	write_page(21);
	must(munmap((void *)(uintptr_t)bytes, FILE_BYTES) == 0);
	must(pwrite(fd, "u", 1, 22 * PAGE) == 1);
	must(ftruncate(fd, FILE_BYTES - PAGE) == 0);
	bytes = map_shared(fd);
	must(bytes[21 * PAGE + 1] == 1 && bytes[22 * PAGE] == 'u');
	write_page(23);
	must(pwrite(fd, "end", 3, FILE_BYTES - 3) == 3);
	must(bytes[FILE_BYTES - 1] == 'd');
	must(bytes[FILE_BYTES - PAGE] == 0);
	write_page(24);
}

int main(int count, char **arguments)
{
	int status;

	begin(count, arguments);
	fd = make_file("standing", FILE_BYTES);
	bytes = map_shared(fd);
	must(is_pattern(bytes, FILE_BYTES, 0));
	for (size_t page = 1; page < 4; page++)
		write_page(page);
	in_threads(4);
	in_family(8);
	beside_stores();
	two_files();
	mapped_anew();
	/* A descriptor that may not write, and one of another file. */
	status = open("standing", O_RDONLY);
	must(status >= 0 && pwrite(status, "x", 1, 0) == -1 && errno == EBADF);
	must(dup2(status, fd) == fd);
	must(pwrite(fd, "x", 1, 0) == -1 && errno == EBADF);
	must(bytes[0] == pattern(0));
	return 0;
}
