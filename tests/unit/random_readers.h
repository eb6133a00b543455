/* random_readers.h - threads that load at random, and strangers beside them */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_RANDOM_READERS_H
#define QUIRE_TESTS_RANDOM_READERS_H

#include "unit/engine_tools.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

static inline unsigned char load(const unsigned char *byte)
{
	return *(const volatile unsigned char *)byte;
}

/* Of a mapping of a file that make_file() made. */
struct reader {
	pthread_t thread;
	const unsigned char *bytes;
	size_t size;
	unsigned least; /* loads, however early it is to stop */
	unsigned seed;
	size_t wrong;
};

static _Atomic bool stop;

static inline void *read_at_random(void *argument)
{
	struct reader *reader = argument;

	for (unsigned i = 0; i < reader->least || !atomic_load(&stop); i++) {
		size_t at;

		reader->seed = reader->seed * 1664525 + 1013904223;
		at = (reader->seed >> 8) % reader->size;
		reader->wrong += load(reader->bytes + at) != byte_at(at);
	}
	return NULL;
}

static inline void start_readers(struct reader *reader, unsigned count,
				 const unsigned char *bytes, size_t size,
				 unsigned least)
{
	atomic_store(&stop, false);
	for (unsigned i = 0; i < count; i++) {
		reader[i] = (struct reader){ .bytes = bytes,
					     .size = size,
					     .least = least,
					     .seed = i + 1 };
		reader[i].thread = start_thread(read_at_random, &reader[i]);
	}
}

static inline void end_readers(const struct reader *reader, unsigned count)
{
	atomic_store(&stop, true);
	for (unsigned i = 0; i < count; i++) {
		pthread_join(reader[i].thread, NULL);
		assert_int_equal(reader[i].wrong, 0);
	}
}

/*
 * A stranger stands where something was unmapped, and loses nothing.  False:
 * another thread's mapping is there by now.  On any thread.
 */
static inline bool be_a_stranger(unsigned char *place, size_t size)
{
	if (mmap(place, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		 0) != place)
		return false;
	memset(place, 0x5a, size);
	sched_yield();
	for (size_t i = 0; i < size; i++)
		need(place[i] == 0x5a);
	munmap(place, size);
	return true;
}

#endif
