/* mmu_moves.h - what moves, or stays where it was, on every host mmu */
/* SPDX-License-Identifier: MIT */
/*
 * Private: pages 2 and 5 have been stored to, and page 3 had other rights for a
 * while, so that the kernel has the mapping in several parts.
 */
#ifndef QUIRE_TESTS_MMU_MOVES_H
#define QUIRE_TESTS_MMU_MOVES_H

#include "unit/mmu_world.h"
#include "unit/refuse_calls.h"

#define LONGER (LENGTH + 4 * PAGE_SIZE)

static inline uint64_t new_place(void)
{
	return base + 4 * LENGTH;
}

/* What the page shows, read through a shown page; a copy needs no showing. */
static inline int shown_byte(uint64_t place, uint64_t page, bool shared)
{
	uint64_t address = place + page * PAGE_SIZE;

	assert_int_equal(mmu_install(mmu, address, PAGE_SIZE, shared), 0);
	return load(address);
}

static inline int expected_byte(uint64_t page, bool shared)
{
	return (!shared && (page == 2 || page == 5) ? 'A' : 'a') + (int)page;
}

static inline bool nothing_at(uint64_t place, uint64_t length)
{
	unsigned char resident;
	uint64_t at = place;

	while (at < place + length &&
	       memory_resident(at, PAGE_SIZE, &resident) == -ENOMEM)
		at += PAGE_SIZE;
	return at == place + length;
}

static inline void assert_mapping(uint64_t place, uint64_t pages, bool shared)
{
	for (uint64_t i = 0; i < pages; i++)
		assert_int_equal(shown_byte(place, i, shared),
				 expected_byte(i, shared));
}

static inline struct mmu_move prepare_move(int memory, bool shared)
{
	struct mmu_move move = {
		.from = base,
		.length = LENGTH,
		.to = mapping_of(memory, shared),
	};

	assert_int_equal(memory_file_resize(memory, LONGER), 0);
	for (unsigned i = 0; i < LONGER / PAGE_SIZE; i++)
		fill_page(memory, i);
	map(memory, shared);
	move.to.start = new_place();
	if (shared)
		return move;
	assert_int_equal(mmu_protect(mmu, base + 3 * PAGE_SIZE, PAGE_SIZE,
				     PROT_READ),
			 0);
	for (uint64_t i = 2; i <= 5; i += 3) {
		shown_byte(base, i, false);
		store(base + i * PAGE_SIZE, (unsigned char)('A' + i));
	}
	assert_int_equal(mmu_protect(mmu, base + 3 * PAGE_SIZE, PAGE_SIZE,
				     PROT_READ | PROT_WRITE),
			 0);
	return move;
}

/* ---- success ---- */

/* A touch of what was not shown traps, at the place where it is now. */
static inline void expect_it_traps(uint64_t address, bool shared)
{
	struct touch touch;

	start_load(&touch, address);
	expect_trap(address, false);
	assert_int_equal(mmu_install(mmu, address, PAGE_SIZE, shared), 0);
	finish(&touch);
}

static void test_a_split_mapping_moves(void **state)
{
	struct mmu_move move = prepare_move(*(int *)*state, false);

	assert_int_equal(mmu_move(mmu, &move), 0);
	assert_true(nothing_at(base, LENGTH));
	expect_it_traps(new_place() + PAGE_SIZE, false);
	assert_mapping(new_place(), PAGES, false);
	assert_int_equal(mmu_unmap(mmu, new_place(), LENGTH), 0);
}

static void test_a_split_mapping_grows(void **state)
{
	struct mmu_move move = prepare_move(*(int *)*state, false);

	move.to.length = LONGER;
	assert_int_equal(mmu_move(mmu, &move), 0);
	assert_true(nothing_at(base, LENGTH));
	expect_it_traps(new_place() + LENGTH, false);
	assert_mapping(new_place(), LONGER / PAGE_SIZE, false);
	store(new_place() + LENGTH, 'X');
	assert_int_equal(load(new_place() + LENGTH), 'X');
	assert_int_equal(mmu_unmap(mmu, new_place(), LONGER), 0);
}

static void test_a_split_mapping_is_kept(void **state)
{
	struct mmu_move move = prepare_move(*(int *)*state, false);

	move.keep = true;
	assert_int_equal(mmu_move(mmu, &move), 0);
	assert_mapping(new_place(), PAGES, false);
	expect_it_traps(base + 2 * PAGE_SIZE, false);
	for (uint64_t i = 0; i < PAGES; i++)
		assert_int_equal(shown_byte(base, i, false), 'a' + (int)i);
	assert_int_equal(mmu_unmap(mmu, new_place(), LENGTH), 0);
}

/* ---- a stranger ---- */

static inline void stranger_in_the_way(int memory, bool shared)
{
	struct mmu_move move = prepare_move(memory, shared);
	uint64_t stranger = new_place() + 7 * PAGE_SIZE;

	assert_int_equal(memory_map_at(stranger, PAGE_SIZE, PROT_READ, true,
				       memory, PAGE_SIZE, false),
			 0);
	assert_int_equal(mmu_move(mmu, &move), -EEXIST);
	assert_int_equal(load(stranger), 'b');
	assert_true(nothing_at(new_place(), 7 * PAGE_SIZE));
	assert_mapping(base, PAGES, shared);
	move.to.replace = true;
	assert_int_equal(mmu_move(mmu, &move), 0);
	assert_mapping(new_place(), PAGES, shared);
	assert_int_equal(mmu_unmap(mmu, new_place(), LENGTH), 0);
}

static void test_a_stranger_in_the_way(void **state)
{
	stranger_in_the_way(*(int *)*state, false);
}

static void test_a_stranger_in_the_way_of_a_shared_one(void **state)
{
	stranger_in_the_way(*(int *)*state, true);
}

/* ---- failures ---- */

struct wanted_move {
	int memory;
	uint64_t length; /* of the new mapping */
	bool shared;
	bool keep;
};

/* With one call refused; false: there are no more.  Nothing has changed, if the
 * mmu has not helped itself and moved all the same. */
static inline bool move_with_refusal(const struct wanted_move *wanted,
				     int calls)
{
	struct mmu_move move = prepare_move(wanted->memory, wanted->shared);
	bool refused;
	int error;

	move.to.length = wanted->length;
	move.keep = wanted->keep;
	refuse_call(-1, calls, ENOMEM);
	error = mmu_move(mmu, &move);
	refused = stop_refusing();
	if (error) {
		assert_true(refused);
		assert_int_equal(error, -ENOMEM);
		assert_true(nothing_at(new_place(), wanted->length));
		assert_mapping(base, PAGES, wanted->shared);
	} else {
		assert_mapping(new_place(), wanted->length / PAGE_SIZE,
			       wanted->shared);
	}
	assert_int_equal(mmu_unmap(mmu, base, LENGTH), 0);
	assert_int_equal(mmu_unmap(mmu, new_place(), wanted->length), 0);
	return refused;
}

static inline void fail_each_call(const struct wanted_move *wanted)
{
	int calls = 0;

	while (move_with_refusal(wanted, calls))
		calls++;
	assert_true(calls > 3);
}

static void test_each_call_of_a_move_fails(void **state)
{
	fail_each_call(
		&(struct wanted_move){ *(int *)*state, LENGTH, false, false });
}

static void test_each_call_of_growth_fails(void **state)
{
	fail_each_call(
		&(struct wanted_move){ *(int *)*state, LONGER, false, false });
}

static void test_each_call_of_keeping_fails(void **state)
{
	fail_each_call(
		&(struct wanted_move){ *(int *)*state, LENGTH, false, true });
}

static void test_each_call_of_a_shared_move_fails(void **state)
{
	fail_each_call(
		&(struct wanted_move){ *(int *)*state, LENGTH, true, false });
}

#define MMU_MOVES                                                           \
	TEST(test_a_split_mapping_moves), TEST(test_a_split_mapping_grows), \
		TEST(test_a_split_mapping_is_kept),                         \
		TEST(test_a_stranger_in_the_way),                           \
		TEST(test_a_stranger_in_the_way_of_a_shared_one),           \
		TEST(test_each_call_of_a_move_fails),                       \
		TEST(test_each_call_of_growth_fails),                       \
		TEST(test_each_call_of_keeping_fails),                      \
		TEST(test_each_call_of_a_shared_move_fails)

#endif
