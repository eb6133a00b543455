/* discard_world.h - an object over known bytes, and one of scratch, to discard pages of */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_DISCARD_WORLD_H
#define QUIRE_TESTS_DISCARD_WORLD_H

#include "unit/swap_world.h"

#define PAGES UINT64_C(256)
#define ZERO(page) assert_int_equal(object_byte(thing.object, at(page)), 0)

static struct object_world *world;
static struct thing thing; /* over a store of known bytes */
static struct scratch scratch;

static inline int open_world(void **state)
{
	(void)state;
	error_clear();
	world = world_open(64);
	thing = thing_of(world, PAGES * PAGE_SIZE);
	scratch = scratch_of(world, PAGES);
	return 0;
}

static inline int close_world(void **state)
{
	(void)state;
	thing_end(&thing);
	scratch_end(&scratch);
	world_close(world);
	return 0;
}

static inline uint64_t at(uint64_t page)
{
	return page << PAGE_SHIFT;
}

static inline void assert_kept(uint64_t page)
{
	assert_int_equal(object_byte(thing.object, at(page)),
			 byte_at(at(page)));
}

#define IN_WORLD(test) \
	cmocka_unit_test_setup_teardown(test, open_world, close_world)

#endif
