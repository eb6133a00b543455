/* swap_world.h - scratch objects, as engines make them over a swap file */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_SWAP_WORLD_H
#define QUIRE_TESTS_SWAP_WORLD_H

#include "unit/object_world.h"
#include "writeback/writeback.h"

struct scratch {
	struct object *object;
	struct store *home;   /* the memory store, behind all faults */
	struct store *faulty; /* where the scripts go */
};

static inline struct scratch scratch_of(struct object_world *world,
					uint64_t pages)
{
	struct object_parameters parameters = {
		.identity.name = "scratch",
		.size = pages << PAGE_SHIFT,
		.capacity = 2 * pages << PAGE_SHIFT,
		.least_capacity = pages << PAGE_SHIFT,
		.readahead = 1,
		.discard = true,
	};
	struct scratch scratch = { .home = new_memory_store(pages
							    << PAGE_SHIFT) };
	struct pager *pager;

	assert_int_equal(faulty_store_create(NULL, scratch.home, NULL,
					     &scratch.faulty),
			 0);
	assert_int_equal(swap_pager_create(scratch.faulty, 2 * pages, &pager),
			 0);
	assert_int_equal(object_create(&world->host, &parameters, pager,
				       &scratch.object),
			 0);
	return scratch;
}

static inline void scratch_end(struct scratch *scratch)
{
	assert_true(object_drop_handle(scratch->object));
	assert_true(object_end(scratch->object, true));
}

/* Writes what is dirty, and takes all out of memory that may leave. */
static inline void swap_out(struct object_world *world, struct object *object)
{
	struct writeback writeback;

	assert_int_equal(writeback_init(&writeback, &world->host, 1u << 20,
					3600 * 1000 * MS),
			 0);
	assert_int_equal(
		writeback_sync(&writeback, object, 0, UINT64_MAX, false), 0);
	writeback_stop(&writeback);
	writeback_finish(&writeback);
	object_invalidate(object, 0, UINT64_MAX);
}

/* True if the store has a byte of the page that is not zero. */
static inline bool at_home(struct store *home, uint64_t index)
{
	static const unsigned char zeros[PAGE_SIZE];
	unsigned char bytes[PAGE_SIZE] = { 0 };

	read_at(home, bytes, PAGE_SIZE, index << PAGE_SHIFT);
	return memcmp(bytes, zeros, PAGE_SIZE) != 0;
}

static inline bool is_dirty(struct object *object, uint64_t index)
{
	return object_next_dirty(object, index) == index;
}

#endif
