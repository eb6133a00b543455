/* foreign_world.h - somebody changes the store past the object */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_FOREIGN_WORLD_H
#define QUIRE_TESTS_FOREIGN_WORLD_H

#include "unit/writeback_world.h"

#define LAST (PAGES - 1)
#define OLD SIZE /* inside the last page */

static inline uint64_t at(uint64_t index, uint64_t offset)
{
	return index * PAGE_SIZE + offset;
}

/* A byte of the store, changed by whoever else. */
static inline void set_home(uint64_t offset, unsigned char byte)
{
	assert_int_equal(write_at(thing.home, &byte, 1, offset), 1);
}

static inline int refresh(uint64_t offset, uint64_t length)
{
	return object_refresh(thing.object, offset, length);
}

static inline int result_of(pthread_t thread)
{
	void *result;

	assert_int_equal(pthread_join(thread, &result), 0);
	return (int)(intptr_t)result;
}

static inline void assert_object(uint64_t offset, unsigned char byte)
{
	assert_int_equal(object_byte(thing.object, offset), byte);
}

static inline void assert_state(uint64_t index, enum page_state state)
{
	assert_int_equal(state_of(thing.object, index), state);
}

/* In memory for good, and clean. */
static inline void lock_page(uint64_t index)
{
	assert_int_equal(object_lock_pages(thing.object, index, 1), 0);
	object_byte(thing.object, at(index, 0));
}

/* The store becomes longer, by bytes that are all this one. */
static inline void grow_home(uint64_t size, unsigned char byte)
{
	uint64_t old = size_of_store(thing.home);
	unsigned char *bytes = new_buffer(size - old);

	memset(bytes, byte, size - old);
	assert_int_equal(store_resize(thing.home, size), 0);
	assert_int_equal(write_at(thing.home, bytes, size - old, old),
			 size - old);
	free(bytes);
}

static inline void cut_home(uint64_t size)
{
	assert_int_equal(store_resize(thing.home, size), 0);
}

static inline void assert_all(uint64_t from, uint64_t to, unsigned char byte)
{
	for (uint64_t i = from; i < to; i += i % 7 + 1)
		assert_object(i, byte);
	assert_object(to - 1, byte);
}

/* A store through a mapping may go past the end, inside the last page. */
static inline void soil_tail(void)
{
	unsigned char *bytes = object_window(thing.object, 0);

	assert_int_equal(object_hold(thing.object, LAST, 1, true), 0);
	memset(bytes + OLD, 0xbb, page_round_up(OLD) - OLD);
	object_let_go(thing.object, LAST, 1, true);
}

#ifdef QUIRE_DEBUG
/* Acts once, when a thread gets to the point with this page. */
static struct {
	enum hook point;
	uint64_t index;
	void (*act)(void);
	_Atomic bool armed;
	_Atomic bool done;
} trap;

static inline void spring(enum hook point, const void *table, uint64_t index)
{
	if (point == trap.point && index == trap.index &&
	    table == &thing.object->table &&
	    atomic_exchange(&trap.armed, false)) {
		trap.act();
		atomic_store(&trap.done, true);
	}
}

static inline void lay_trap(enum hook point, uint64_t index, void (*act)(void))
{
	trap.point = point;
	trap.index = index;
	trap.act = act;
	atomic_store(&trap.done, false);
	atomic_store(&trap.armed, true);
	hook_register(spring);
}

static inline void wait_until_sprung(void)
{
	while (!atomic_load(&trap.done))
		sched_yield();
}

static inline int leave_traps(void **state)
{
	hook_register(NULL);
	return close_world(state);
}

static inline void nothing(void)
{
}
#endif

#endif
