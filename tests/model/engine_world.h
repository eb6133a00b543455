/* engine_world.h - an engine, and objects over stores that misbehave */
/* SPDX-License-Identifier: MIT */
/*
 *   program -> mapping, pin, copy -> object -> faulty store -> memory store
 *                                              (script)        (home)
 *
 * home_read() looks at home itself, past the script.
 */
#ifndef QUIRE_TESTS_ENGINE_WORLD_H
#define QUIRE_TESTS_ENGINE_WORLD_H

#include "engine/engine.h"
#include "engine/object_open.h"

#include "unit/trap_choice.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define PAGE ((size_t)QUIRE_PAGE_SIZE)

/* An assertion that any thread may make. */
#define require(condition)                                                    \
	do {                                                                  \
		if (!(condition)) {                                           \
			fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__,         \
				__LINE__, #condition, quire_strerror_last()); \
			abort();                                              \
		}                                                             \
	} while (0)

static inline void no_log(void *context, enum quire_log_level level,
			  const char *line)
{
	(void)context;
	if (level == QUIRE_LOG_ERROR)
		print_error("%s\n", line);
}

/* What tests want; the flusher stays asleep unless it is kicked. */
static inline struct quire_options engine_options(uint64_t budget_pages)
{
	return (struct quire_options){
		.size = sizeof(struct quire_options),
		.budget = budget_pages * PAGE,
		.io = QUIRE_IO_THREADS,
		.io_threads = 4,
		.dirty_percent = 100,
		.flush_interval_ms = 3600 * 1000,
		.full_wait_ms = 60 * 1000,
		.flags = QUIRE_NO_REPORT,
		.log = no_log,
		.trap = chosen_trap(),
	};
}

static inline struct quire *engine_open(const struct quire_options *options)
{
	struct quire *quire;
	int error = quire_open(options, &quire);

	if (error)
		fail_msg("no engine: %s", quire_strerror_last());
	return quire;
}

static inline struct quire *engine_of_pages(uint64_t budget_pages)
{
	struct quire_options options = engine_options(budget_pages);

	return engine_open(&options);
}

static inline struct quire_statistics statistics_of(struct quire *quire)
{
	struct quire_statistics statistics = { .size = sizeof(statistics) };

	assert_int_equal(quire_get_statistics(quire, &statistics), 0);
	return statistics;
}

/* No readahead: what is read is what is asked for. */
static inline struct quire_object_options object_options(void)
{
	return (struct quire_object_options){
		.size = sizeof(struct quire_object_options),
		.readahead = QUIRE_PAGE_SIZE,
	};
}

/* Every byte tells its page and its place in it. */
static inline unsigned char home_byte(uint64_t offset)
{
	return (unsigned char)(1 + (offset / PAGE * 7 + offset % 241) % 255);
}

static inline void home_fill(struct store *home, uint64_t size)
{
	unsigned char *bytes = aligned_alloc(PAGE, page_round_up(size) + PAGE);
	struct store_io io = {
		.operation = STORE_WRITE,
		.iov = { { bytes, size } },
		.iov_count = 1,
	};

	assert_non_null(bytes);
	for (uint64_t i = 0; i < size; i++)
		bytes[i] = home_byte(i);
	assert_int_equal(store_transfer(home, &io), size);
	free(bytes);
}

struct faulty_object {
	struct quire *quire;
	struct quire_object *handle;
	struct store *faulty;
	struct store *home;
	uint64_t size;
};

/* An object of pages over a faulty store; home is full of home_byte(). */
static inline struct faulty_object faulty_object_open(
	struct quire *quire, uint64_t size,
	const struct quire_object_options *given)
{
	struct faulty_object object = { .quire = quire, .size = size };
	struct quire_object_options options;

	assert_int_equal(object_open_begin(quire, given, &options), 0);
	assert_int_equal(memory_store_create(size, &object.home), 0);
	home_fill(object.home, size);
	assert_int_equal(faulty_store_create(&quire->stores, object.home, "",
					     &object.faulty),
			 0);
	assert_int_equal(object_over_store(quire, "faulty", NULL, size,
					   object.faulty, &options,
					   &object.handle),
			 0);
	return object;
}

static inline void script(struct faulty_object *object, const char *text)
{
	assert_int_equal(faulty_store_script(object->faulty, text), 0);
}

static inline void home_read(struct faulty_object *object, void *bytes,
			     size_t length, uint64_t offset)
{
	unsigned char *whole = aligned_alloc(PAGE, page_round_up(length));
	struct store_io io = {
		.operation = STORE_READ,
		.offset = offset,
		.iov = { { whole, length } },
		.iov_count = 1,
	};

	assert_non_null(whole);
	assert_int_equal(store_transfer(object->home, &io), length);
	memcpy(bytes, whole, length);
	free(whole);
}

static inline unsigned char home_at(struct faulty_object *object,
				    uint64_t offset)
{
	unsigned char byte;

	home_read(object, &byte, 1, offset);
	return byte;
}

static inline unsigned char *map_object(struct quire *quire,
					struct quire_object *handle,
					size_t length, int prot, int flags)
{
	void *address = quire_mmap(quire_host_space(quire), NULL, length, prot,
				   flags, handle, 0);

	if (address == MAP_FAILED)
		fail_msg("mmap: %s", quire_strerror_last());
	return address;
}

static inline unsigned char *map_shared(struct faulty_object *object)
{
	return map_object(object->quire, object->handle,
			  page_round_up(object->size), PROT_READ | PROT_WRITE,
			  MAP_SHARED);
}

static inline void unmap(struct quire *quire, void *address, size_t length)
{
	assert_int_equal(quire_munmap(quire_host_space(quire), address, length),
			 0);
}

/* The word of a page, as it is now. */
static inline uint64_t word_of(const struct quire_object *handle,
			       uint64_t index)
{
	return atomic_load(object_word(handle->object, index));
}

static inline enum page_state state_of(const struct quire_object *handle,
				       uint64_t index)
{
	return word_state(word_of(handle, index));
}

/* Until the condition holds; a test that hangs here is ended by its runner. */
#define wait_until(condition)          \
	do {                           \
		while (!(condition))   \
			sched_yield(); \
	} while (0)

static inline pthread_t thread_of(void *(*body)(void *), void *argument)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, body, argument), 0);
	return thread;
}

static inline void join(pthread_t thread)
{
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* A load or a store that may fail. */
static inline int load(struct quire *quire, const unsigned char *address,
		       unsigned char *byte)
{
	return quire_peek(quire_host_space(quire), address, byte, 1);
}

static inline int store(struct quire *quire, unsigned char *address,
			unsigned char byte)
{
	return quire_poke(quire_host_space(quire), address, &byte, 1);
}

#endif
