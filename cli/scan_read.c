/* scan_read.c - the threads of a scan */
/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "scan.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RUN_PAGES 64 /* looked at between two looks at scan->stop */

struct reader {
	struct scan *scan;
	uint64_t next;   /* page, or position in the random order */
	uint64_t last;   /* half open */
	uint64_t offset; /* of the page being read, for the message */
	uint64_t checksum;
	int error;     /* of reading; 0 */
	char why[512]; /* empty: it went well */
	pthread_t thread;
	unsigned char page[QUIRE_PAGE_SIZE];
};

/* Depends on every bit, and on the place; a sum of them on no order. */
static uint64_t page_hash(const unsigned char *bytes, size_t length,
			  uint64_t index)
{
	uint64_t hash = index * UINT64_C(0x9e3779b97f4a7c15);
	uint64_t word;

	for (; length >= sizeof(word); length -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
		hash ^= hash >> 32;
		bytes += sizeof(word);
	}
	word = 0;
	memcpy(&word, bytes, length);
	return (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
}

/* Whether read(2) sees the same bytes; if not, reader->why says so. */
static bool same_by_read(struct reader *reader, const unsigned char *bytes,
			 size_t length)
{
	struct scan *scan = reader->scan;
	ssize_t got = pread(scan->verify_fd, reader->page, length,
			    (off_t)reader->offset);
	size_t i = 0;

	if (got < 0) {
		snprintf(reader->why, sizeof(reader->why),
			 "cannot read %s at byte %ju by read(2): %s", scan->uri,
			 (uintmax_t)reader->offset, strerror(errno));
		return false;
	}
	while (i < (size_t)got && bytes[i] == reader->page[i])
		i++;
	if (i == length)
		return true;
	snprintf(reader->why, sizeof(reader->why),
		 "%s: the mapping and read(2) differ at byte %ju", scan->uri,
		 (uintmax_t)(reader->offset + i));
	return false;
}

static bool read_page(struct reader *reader, uint64_t index)
{
	struct scan *scan = reader->scan;
	const unsigned char *bytes;
	uint64_t left;
	size_t length;

	reader->offset = index * QUIRE_PAGE_SIZE;
	bytes = scan->mapped.address + reader->offset;
	left = scan->mapped.length - reader->offset;
	length = left < QUIRE_PAGE_SIZE ? (size_t)left : QUIRE_PAGE_SIZE;
	reader->checksum += page_hash(bytes, length, index);
	progress_add(&scan->progress, length);
	return !scan->verify || same_by_read(reader, bytes, length);
}

/* Runs guarded: owns nothing, holds nothing. */
static void read_pages(void *argument)
{
	struct reader *reader = argument;
	struct scan *scan = reader->scan;

	while (reader->next < reader->last) {
		uint64_t position = reader->next++;

		if (position % RUN_PAGES == 0 && atomic_load(&scan->stop))
			return;
		if (scan->random)
			position = page_order_at(&scan->order, position);
		if (!read_page(reader, position))
			return;
	}
}

static void *reader_main(void *argument)
{
	struct reader *reader = argument;
	struct scan *scan = reader->scan;

	reader->error = quire_guard(quire_host_space(scan->mapped.quire),
				    read_pages, reader, NULL);
	if (reader->error)
		snprintf(reader->why, sizeof(reader->why),
			 "cannot read %s at byte %ju: %s", scan->uri,
			 (uintmax_t)reader->offset, sentence(reader->error));
	if (*reader->why)
		atomic_store(&scan->stop, true);
	return NULL;
}

static void readers_deal(struct scan *scan, struct reader *readers)
{
	uint64_t share = scan->pages / scan->threads;
	uint64_t rest = scan->pages % scan->threads;
	uint64_t next = 0;

	for (uint32_t i = 0; i < scan->threads; i++) {
		readers[i].scan = scan;
		readers[i].next = next;
		next += share + (i < rest);
		readers[i].last = next;
	}
}

/* The first reader is the calling thread. */
static void readers_run(struct scan *scan, struct reader *readers)
{
	uint32_t started = 1;

	for (; started < scan->threads; started++) {
		int error = pthread_create(&readers[started].thread, NULL,
					   reader_main, &readers[started]);

		if (!error)
			continue;
		atomic_store(&scan->stop, true);
		snprintf(readers[0].why, sizeof(readers[0].why),
			 "cannot start thread %u: %s", started + 1,
			 strerror(error));
		break;
	}
	reader_main(&readers[0]);
	while (started-- > 1)
		pthread_join(readers[started].thread, NULL);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int scan_read(struct scan *scan)
{
	struct reader *readers = calloc(scan->threads, sizeof(*readers));
	int status = EXIT_SUCCESS;
	double start;

	if (!readers)
		return fail("out of memory");
	readers_deal(scan, readers);
	progress_start(&scan->progress, scan->uri, scan->mapped.length);
	start = now();
	if (scan->pages)
		readers_run(scan, readers);
	scan->seconds = now() - start;
	progress_stop(&scan->progress);
	for (uint32_t i = 0; i < scan->threads; i++) {
		scan->checksum += readers[i].checksum;
		if (*readers[i].why && !status)
			status = fail("%s", readers[i].why);
	}
	free(readers);
	return status;
}
