/* soft_world.h - a software MMU with memory and holds that tests count */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_SOFT_WORLD_H
#define QUIRE_TESTS_SOFT_WORLD_H

#include "mmu/mmu_soft_private.h"
#include "unit/unit.h"

#include <errno.h>
#include <sys/mman.h>

#define HIGHEST (UINT64_C(1) << 48)
#define HUGE (UINT64_C(1) << 21)
#define GIANT (UINT64_C(1) << 30)
#define PAGES_OF_HUGE 512
#define ANY 0x7fffffff

/* Private pages have small indices. */
#define SLOTS 4096

static uint64_t world_mapped; /* bytes of tables */
static int world_memory;      /* tables that are still to be had */
static int world_holds[SLOTS];
static char world_owner; /* its address is a page's owner */

static inline void *world_map(size_t bytes)
{
	if (world_memory <= 0)
		return NULL;
	world_memory--;
	world_mapped += bytes;
	return calloc(1, bytes);
}

static inline void world_unmap(void *memory, size_t bytes)
{
	world_mapped -= bytes;
	free(memory);
}

static inline void world_hold(void *context, uint64_t index)
{
	int *holds = context;

	holds[index]++;
}

static inline void world_drop(void *context, uint64_t index)
{
	int *holds = context;

	holds[index]--;
}

static inline struct mmu_soft_options world_options(void)
{
	return (struct mmu_soft_options){
		.highest = HIGHEST,
		.arena = GIANT,
		.arena_end = 2 * GIANT,
		.map = world_map,
		.unmap = world_unmap,
		.hold = world_hold,
		.drop = world_drop,
		.context = world_holds,
	};
}

static inline struct mmu *world_create(void)
{
	const struct mmu_soft_options options = world_options();
	struct mmu *mmu;

	world_memory = ANY;
	assert_int_equal(mmu_soft_create(&options, &mmu), 0);
	return mmu;
}

/* What was taken has been given back, and every hold was dropped. */
static inline void world_destroy(struct mmu *mmu)
{
	mmu_destroy(mmu);
	assert_int_equal(world_mapped, 0);
	for (int i = 0; i < SLOTS; i++)
		assert_int_equal(world_holds[i], 0);
}

static inline struct soft_translation shared_page(uint64_t index,
						  uint32_t flags)
{
	return (struct soft_translation){ &world_owner, index,
					  flags | SOFT_PRESENT };
}

/* With the hold that soft_set() takes over. */
static inline struct soft_translation private_page(uint64_t slot,
						   uint32_t flags)
{
	world_holds[slot]++;
	return shared_page(slot, flags | SOFT_PRIVATE);
}

static inline void set(struct mmu *mmu, uint64_t address,
		       struct soft_translation translation)
{
	assert_int_equal(soft_set(mmu, address, &translation), 0);
}

static inline struct soft_counts counts_of(struct mmu *mmu)
{
	struct soft_counts counts;

	soft_count(mmu, &counts);
	return counts;
}

static inline void assert_table_count(struct mmu *mmu, uint64_t tables)
{
	assert_int_equal(soft_own(mmu)->tables, tables);
}

static inline void assert_page(struct mmu *mmu, uint64_t address,
			       uint64_t index, uint32_t flags)
{
	const struct soft_translation found = soft_look(mmu, address);

	assert_int_equal(found.flags, flags | SOFT_PRESENT);
	assert_int_equal(found.index, index);
	assert_ptr_equal(found.owner, &world_owner);
}

static inline void assert_nothing(struct mmu *mmu, uint64_t address)
{
	const struct soft_translation found = soft_look(mmu, address);

	assert_int_equal(found.flags, 0);
	assert_int_equal(found.index, 0);
	assert_null(found.owner);
}

#endif
