/* writeback_world.h - an object whose dirty pages go home, and the flusher */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_WRITEBACK_WORLD_H
#define QUIRE_TESTS_WRITEBACK_WORLD_H

#include "unit/object_world.h"

#include "writeback/writeback.h"

#define PAGES 64
#define SIZE (PAGES * PAGE_SIZE - 1000)
#define BOUND 16
#define NEVER (UINT64_MAX / 4)

static struct object_world *world;
static struct thing thing;
static struct writeback writeback;

static inline int open_with(uint64_t bound, uint64_t interval_ns)
{
	error_clear();
	world = world_open(256);
	thing = thing_of(world, SIZE);
	return writeback_init(&writeback, &world->host, bound, interval_ns);
}

static inline int open_world(void **state)
{
	(void)state;
	return open_with(BOUND, NEVER);
}

static inline int close_world(void **state)
{
	(void)state;
	writeback_stop(&writeback);
	writeback_finish(&writeback);
	thing_end(&thing);
	world_close(world);
	return 0;
}

static inline int sync_range(uint64_t index, uint64_t count)
{
	return writeback_sync(&writeback, thing.object, index, count, false);
}

static inline int sync_all(void)
{
	return sync_range(0, UINT64_MAX);
}

static inline void dirty(uint64_t index, unsigned char byte)
{
	set_byte(thing.object, index * PAGE_SIZE + 9, byte);
}

static inline unsigned char home(uint64_t index)
{
	return home_byte(&thing, index * PAGE_SIZE + 9);
}

static inline uint64_t dirty_pages(void)
{
	return object_dirty_pages(thing.object);
}

static inline uint64_t counted(enum counter counter)
{
	return count_get(&world->counters, counter);
}

static inline void *sync_thread(void *argument)
{
	(void)argument;
	return (void *)(intptr_t)sync_all();
}

static inline int join_result(pthread_t thread)
{
	void *result;

	assert_int_equal(pthread_join(thread, &result), 0);
	return (int)(intptr_t)result;
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_world, close_world)

#endif
