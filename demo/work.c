/* work.c - what every arm does, through its view of the file */
/* SPDX-License-Identifier: MIT */
#include "demo.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t value = (a + 1) * UINT64_C(0x9e3779b97f4a7c15) + b;

	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

uint64_t hash(const unsigned char *bytes, size_t length, uint64_t seed)
{
	uint64_t word;

	for (; length >= sizeof(word); length -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		seed = (seed ^ word) * UINT64_C(0xff51afd7ed558ccd);
		seed ^= seed >> 32;
		bytes += sizeof(word);
	}
	word = 0;
	memcpy(&word, bytes, length);
	return (seed ^ word) * UINT64_C(0xff51afd7ed558ccd);
}

double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

bool view_fail(struct view *view, const char *format, ...)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	char *failure = view->result->failure;
	va_list arguments;

	pthread_mutex_lock(&lock);
	if (!*failure) {
		va_start(arguments, format);
		vsnprintf(failure, sizeof(view->result->failure), format,
			  arguments);
		va_end(arguments);
	}
	pthread_mutex_unlock(&lock);
	return false;
}

/* One walk from the first byte to the last; compared with read(2) or not. */
struct walk {
	struct view *view;
	int compare_fd;        /* -1: no */
	unsigned char *buffer; /* two chunks */
	uint64_t sum;
	uint64_t same;
};

static bool chunk_compare(struct walk *walk, const unsigned char *bytes,
			  uint64_t offset, size_t length)
{
	unsigned char *other = walk->buffer + CHUNK;
	ssize_t got = pread(walk->compare_fd, other, length, (off_t)offset);

	if (got != (ssize_t)length)
		return view_fail(walk->view, "read(2): %s",
				 got < 0 ? strerror(errno) : "end of file");
	if (memcmp(bytes, other, length))
		return view_fail(walk->view,
				 "differs from read(2) within 1 MiB of byte "
				 "%ju",
				 (uintmax_t)offset);
	walk->same += length;
	/*
	 * Or the page cache would count as the arm's memory.  From the first
	 * byte, as a large folio leaves only when all of it may.
	 */
	posix_fadvise(walk->compare_fd, 0, (off_t)(offset + length),
		      POSIX_FADV_DONTNEED);
	return true;
}

static void walk_body(void *argument)
{
	struct walk *walk = argument;
	struct view *view = walk->view;

	for (uint64_t offset = 0; offset < view->size; offset += CHUNK) {
		uint64_t left = view->size - offset;
		size_t length = left < CHUNK ? (size_t)left : CHUNK;
		const unsigned char *bytes =
			view->ops->look(view, offset, length, walk->buffer);

		if (!bytes)
			return;
		if (walk->compare_fd < 0)
			walk->sum += hash(bytes, length, offset);
		else if (!chunk_compare(walk, bytes, offset, length))
			return;
	}
}

static bool walk_run(struct walk *walk)
{
	struct view *view = walk->view;
	bool passed;

	walk->buffer = malloc(2 * (size_t)CHUNK);
	if (!walk->buffer)
		return view_fail(view, "out of memory");
	if (view->ops->expect)
		view->ops->expect(view, false);
	passed = view->ops->guard(view, walk_body, walk) &&
		 !*view->result->failure;
	free(walk->buffer);
	return passed;
}

bool work_scan(struct view *view)
{
	struct walk walk = { .view = view, .compare_fd = -1 };
	double start = now();
	bool passed = walk_run(&walk);

	view->result->scan_s = now() - start;
	view->result->scan_sum = walk.sum;
	return passed;
}

bool work_verify(struct view *view, const char *path)
{
	struct walk walk = { .view = view };
	bool passed;

	walk.compare_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (walk.compare_fd < 0)
		return view_fail(view, "%s: %s", path, strerror(errno));
	passed = walk_run(&walk);
	close(walk.compare_fd);
	view->result->verified = walk.same;
	return passed;
}

struct reader {
	struct view *view;
	unsigned int number;
	uint64_t sum;
	pthread_t thread;
	unsigned char buffer[PAGE];
};

static void reader_body(void *argument)
{
	struct reader *reader = argument;
	struct view *view = reader->view;
	uint64_t pages = (view->size + PAGE - 1) / PAGE;

	for (unsigned int i = 0; i < READS_PER_THREAD; i++) {
		uint64_t offset = mix(reader->number, i) % pages * PAGE;
		uint64_t left = view->size - offset;
		size_t length = left < PAGE ? (size_t)left : PAGE;
		const unsigned char *bytes =
			view->ops->look(view, offset, length, reader->buffer);

		if (!bytes)
			return;
		reader->sum += hash(bytes, length, offset);
	}
}

static void *reader_main(void *argument)
{
	struct reader *reader = argument;

	reader->view->ops->guard(reader->view, reader_body, reader);
	return NULL;
}

bool work_random(struct view *view)
{
	static struct reader readers[THREADS];
	double start = now();
	unsigned int started = 0;

	if (view->ops->expect)
		view->ops->expect(view, true);
	for (; started < THREADS; started++) {
		struct reader *reader = &readers[started];
		int error;

		reader->view = view;
		reader->number = started;
		error = pthread_create(&reader->thread, NULL, reader_main,
				       reader);
		if (error) {
			view_fail(view, "a thread: %s", strerror(error));
			break;
		}
	}
	while (started--) {
		pthread_join(readers[started].thread, NULL);
		view->result->random_sum += readers[started].sum;
	}
	view->result->random_s = now() - start;
	return !*view->result->failure;
}
