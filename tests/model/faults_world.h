/* faults_world.h - one object and its mapping, and who comes in between */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_FAULTS_WORLD_H
#define QUIRE_TESTS_FAULTS_WORLD_H

#include "model/engine_world.h"

#define PAGES 64u

static struct faulty_object here;
static unsigned char *mapped;

static inline void open_here(uint64_t budget_pages, unsigned trap_threads,
			     quire_log_function *log)
{
	struct quire_options options = engine_options(budget_pages);
	struct quire_object_options object = object_options();

	options.trap_threads = trap_threads;
	options.log = log;
	here = faulty_object_open(engine_open(&options), PAGES * PAGE, &object);
	mapped = map_shared(&here);
}

static inline int open_ample(void **state)
{
	(void)state;
	open_here(2 * PAGES, 1, no_log);
	return 0;
}

static inline int close_here(void **state)
{
	(void)state;
	script(&here, "");
	faulty_store_release(here.faulty);
	unmap(here.quire, mapped, PAGES * PAGE);
	assert_int_equal(quire_object_close(here.handle), 0);
	assert_int_equal(quire_close(here.quire), 0);
	return 0;
}

static inline void sync_here(void)
{
	require(quire_object_sync(here.handle, 0, 0, MS_SYNC) == 0);
}

/* Waits for nothing, as it may be done in the midst of a read. */
static inline void drop_clean(void)
{
	object_drop_clean(here.handle->object, 0, UINT64_MAX);
}

/* What was stored is at home, and is what is read from there. */
static inline void assert_home(uint64_t offset, unsigned char byte)
{
	unsigned char again;

	sync_here();
	assert_int_equal(home_at(&here, offset), byte);
	assert_int_equal(mapped[offset], byte);
	drop_clean();
	assert_int_equal(quire_object_pread(here.handle, &again, 1, offset), 1);
	assert_int_equal(again, byte);
	assert_int_equal(mapped[offset], byte);
}

static inline void *sync_main(void *done)
{
	sync_here();
	atomic_store((_Atomic bool *)done, true);
	return NULL;
}

struct resize {
	uint64_t size;
	_Atomic bool done;
	_Atomic pthread_t thread;
};

static struct resize resize;

static inline void *resize_main(void *argument)
{
	(void)argument;
	require(quire_object_resize(here.handle, resize.size) == 0);
	atomic_store(&resize.done, true);
	return NULL;
}

static inline void resize_beside(uint64_t size)
{
	resize.size = size;
	atomic_store(&resize.done, false);
	resize.thread = thread_of(resize_main, NULL);
}

/* Somebody waits for page index to change. */
static inline bool awaited(uint64_t index)
{
	return word_of(here.handle, index) & WORD_WAITERS;
}

/* Starts a write of page 0 that is held; the thread is in its sync. */
static inline pthread_t hold_write(_Atomic bool *done)
{
	pthread_t thread;

	script(&here, "write do hold");
	atomic_store(done, false);
	thread = thread_of(sync_main, done);
	wait_until(faulty_store_held(here.faulty) == 1);
	script(&here, "");
	return thread;
}

static inline void grow_back(void)
{
	join(resize.thread);
	assert_int_equal(quire_object_resize(here.handle, PAGES * PAGE), 0);
}

static inline void assert_zeros_from(uint64_t offset)
{
	unsigned char bytes[PAGE];

	for (; offset < PAGES * PAGE; offset += PAGE) {
		assert_true(quire_object_pread(here.handle, bytes, PAGE,
					       offset) > 0);
		assert_int_equal(bytes[0], 0);
		assert_int_equal(mapped[offset], 0);
	}
}

#endif
