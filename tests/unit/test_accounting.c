/* test_accounting.c - space/accounting.c: what a space may have */
/* SPDX-License-Identifier: MIT */
#include "unit/space_world.h"

#include "space/space_private.h"

#define RW (PROT_READ | PROT_WRITE)

static void assert_counts(uint64_t total, uint64_t data, uint64_t locked,
			  uint64_t committed)
{
	assert_int_equal(world.space.total_pages, total);
	assert_int_equal(world.space.data_pages, data);
	assert_int_equal(world.space.locked_pages, locked);
	assert_int_equal(world.space.committed_pages, committed);
}

/* Each kind of memory counts as Linux counts it, and when a part is cut. */
static void test_counts(void **state)
{
	(void)state;
	draw_map("aaaa");
	assert_counts(4, 0, 0, 0);
	assert_int_equal(map_pages(1, 4, 4, 4, RW, MAP_SHARED), 0);
	assert_counts(8, 0, 0, 0);
	assert_int_equal(map_pages(1, 8, 4, 8, RW, MAP_PRIVATE), 0);
	assert_counts(12, 4, 0, 4);
	assert_int_equal(map_anonymous(12, 4, RW, MAP_PRIVATE | MAP_NORESERVE),
			 0);
	assert_counts(16, 8, 0, 4);
	assert_int_equal(map_anonymous(16, 4, RW, MAP_PRIVATE | MAP_GROWSDOWN),
			 0);
	assert_counts(20, 8, 0, 8);
	assert_int_equal(map_pages(2, 20, 4, 20, PROT_READ,
				   MAP_PRIVATE | MAP_LOCKED),
			 0);
	assert_counts(24, 8, 4, 8);
	assert_int_equal(unmap_pages(22, 1), 0);
	assert_counts(23, 8, 3, 8);
	assert_int_equal(unmap_pages(9, 2), 0);
	assert_counts(21, 6, 3, 6);
	assert_int_equal(map_pages(0, 8, 8, 8, PROT_READ, MAP_SHARED), 0);
	assert_counts(23, 0, 3, 4);
	assert_int_equal(unmap_pages(0, 64), 0);
	assert_counts(0, 0, 0, 0);
}

static void test_data_limit(void **state)
{
	(void)state;
	set_limit(SPACE_LIMIT_DATA, 4);
	assert_int_equal(map_anonymous(0, 3, RW, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(8, 2, RW, MAP_PRIVATE), -ENOMEM);
	assert_int_equal(map_anonymous(8, 2, PROT_READ, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(10, 9, RW, MAP_PRIVATE | MAP_GROWSDOWN),
			 0);
	assert_int_equal(map_pages(0, 20, 9, 0, RW, MAP_SHARED), 0);
	assert_int_equal(map_anonymous(3, 1, RW, MAP_PRIVATE), 0);
	/* as Linux: what is replaced counts less, whatever it is */
	assert_int_equal(map_anonymous(20, 2, RW, MAP_PRIVATE), 0);
	assert_counts(24, 6, 0, 15);
	assert_int_equal(map_anonymous(40, 1, RW, MAP_PRIVATE), -ENOMEM);
	assert_int_equal(map_anonymous(28, 2, RW, MAP_PRIVATE), -ENOMEM);
}

static void test_address_space_limit(void **state)
{
	(void)state;
	set_limit(SPACE_LIMIT_ADDRESS_SPACE, 6);
	assert_int_equal(map_anonymous(0, 6, PROT_NONE, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(8, 1, PROT_NONE, MAP_PRIVATE), -ENOMEM);
	assert_int_equal(map_anonymous(0, 6, RW, MAP_PRIVATE), 0);
	/* less than there is already: only what takes no more is let in */
	set_limit(SPACE_LIMIT_ADDRESS_SPACE, 3);
	assert_int_equal(map_anonymous(0, 6, PROT_READ, MAP_PRIVATE), -ENOMEM);
	assert_int_equal(unmap_pages(0, 6), 0);
	/* a limit in bytes is one of whole pages */
	space_set_limit(&world.space, SPACE_LIMIT_ADDRESS_SPACE,
			4 * PAGE_SIZE - 1);
	assert_int_equal(map_anonymous(0, 4, RW, MAP_PRIVATE), -ENOMEM);
	assert_int_equal(map_anonymous(0, 3, RW, MAP_PRIVATE), 0);
}

/* What a space may be told at its beginning. */
static void test_options(void **state)
{
	(void)state;
	assert_int_equal(world.space.limit[SPACE_LIMIT_STACK],
			 SPACE_STACK_LIMIT);
	assert_int_equal(world.space.guard_gap, SPACE_GUARD_GAP * PAGE_SIZE);
	assert_int_equal(space_finish(&world.space), 0);
	world.options.address_space_limit = 3;
	world.options.map_count_limit = 7;
	world.options.guard_gap = 5;
	world.options.break_start = at(4);
	space_init(&world.space, &world.options);
	assert_int_equal(world.space.limit[SPACE_LIMIT_MAPPINGS], 7);
	assert_int_equal(world.space.guard_gap, 5 * PAGE_SIZE);
	assert_int_equal(world.space.break_end, at(4));
	assert_int_equal(map_anonymous(0, 4, RW, MAP_PRIVATE), -ENOMEM);
	assert_int_equal(map_anonymous(0, 3, RW, MAP_PRIVATE), 0);
}

/* By itself more than there is. */
static void test_overcommit_guess(void **state)
{
	(void)state;
	set_limit(SPACE_LIMIT_COMMIT, 4);
	assert_int_equal(map_anonymous(0, 5, RW, MAP_PRIVATE), -ENOMEM);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(map_anonymous(4 * i, 4, RW, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(20, 5, RW, MAP_PRIVATE | MAP_NORESERVE),
			 0);
	assert_int_equal(map_anonymous(30, 5, PROT_READ, MAP_PRIVATE), 0);
	assert_int_equal(map_pages(0, 40, 5, 0, RW, MAP_SHARED), 0);
	/* only what comes on top counts */
	assert_int_equal(map_anonymous(0, 16, RW, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(14, 5, RW, MAP_PRIVATE), 0);
}

static void test_overcommit_always(void **state)
{
	(void)state;
	world.space.overcommit = SPACE_OVERCOMMIT_ALWAYS;
	set_limit(SPACE_LIMIT_COMMIT, 1);
	assert_int_equal(map_anonymous(0, 50, RW, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(50, 1, RW, MAP_PRIVATE | MAP_NORESERVE),
			 0);
	assert_int_equal(vma_of_page(50)->flags & VM_NORESERVE, VM_NORESERVE);
}

static void test_overcommit_never(void **state)
{
	(void)state;
	world.space.overcommit = SPACE_OVERCOMMIT_NEVER;
	set_limit(SPACE_LIMIT_COMMIT, 10);
	assert_int_equal(map_anonymous(0, 8, RW, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(10, 3, RW, MAP_PRIVATE), -ENOMEM);
	assert_int_equal(map_anonymous(6, 4, RW, MAP_PRIVATE), 0);
	assert_counts(10, 10, 0, 10);
	/* without reserve: not believed in this mode */
	assert_int_equal(map_anonymous(20, 1, RW, MAP_PRIVATE | MAP_NORESERVE),
			 -ENOMEM);
	assert_int_equal(map_anonymous(20, 30, PROT_READ, MAP_PRIVATE), 0);
	assert_int_equal(unmap_pages(0, 1), 0);
	assert_int_equal(map_anonymous(15, 1, RW, MAP_PRIVATE | MAP_NORESERVE),
			 0);
	assert_int_equal(vma_of_page(15)->flags & VM_NORESERVE, 0);
}

static void test_locked(void **state)
{
	const int locked = MAP_PRIVATE | MAP_LOCKED;

	(void)state;
	set_limit(SPACE_LIMIT_LOCKED, 4);
	assert_int_equal(map_anonymous(0, 3, RW, locked), 0);
	assert_int_equal(map_anonymous(8, 2, RW, locked), -EAGAIN);
	/* as Linux: what is replaced counts as well */
	assert_int_equal(map_anonymous(0, 3, RW, locked), -EAGAIN);
	assert_int_equal(map_anonymous(8, 2, RW, MAP_PRIVATE), 0);
	set_limit(SPACE_LIMIT_LOCKED, 0);
	assert_int_equal(map_anonymous(20, 1, RW, locked), -EPERM);
	world.space.flags = SPACE_MAY_LOCK;
	assert_int_equal(map_anonymous(20, 30, RW, locked), 0);
	assert_counts(35, 35, 33, 35);
	assert_true(vma_of_page(20)->mapping.locked);
}

/* mlockall(MCL_FUTURE) */
static void test_locked_by_default(void **state)
{
	(void)state;
	world.space.default_flags = VM_LOCKED | VM_LOCKONFAULT;
	set_limit(SPACE_LIMIT_LOCKED, 4);
	assert_int_equal(map_anonymous(0, 4, RW, MAP_PRIVATE), 0);
	assert_int_equal(vma_of_page(0)->flags & VM_LOCKED_MASK,
			 VM_LOCKED_MASK);
	assert_int_equal(map_anonymous(8, 1, RW, MAP_PRIVATE), -EAGAIN);
	/* nothing may be locked, and nobody asked for it: only the limit */
	set_limit(SPACE_LIMIT_LOCKED, 0);
	assert_int_equal(map_anonymous(8, 1, RW, MAP_PRIVATE), -EAGAIN);
}

/* Which pages are to be brought in at once. */
static void test_populate(void **state)
{
	static const struct {
		int flags;
		bool populate;
	} cases[] = {
		{ MAP_PRIVATE, false },
		{ MAP_PRIVATE | MAP_POPULATE, true },
		{ MAP_PRIVATE | MAP_POPULATE | MAP_NONBLOCK, false },
		{ MAP_PRIVATE | MAP_NONBLOCK, false },
		{ MAP_PRIVATE | MAP_LOCKED, true },
		{ MAP_PRIVATE | MAP_LOCKED | MAP_NONBLOCK, true },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool populate = !cases[i].populate;
		struct space_map_request request = {
			.length = PAGE_SIZE,
			.flags = cases[i].flags | MAP_ANONYMOUS,
			.populate = &populate,
		};
		uint64_t address;

		assert_int_equal(space_map(&world.space, &request, &address),
				 0);
		assert_int_equal(populate, cases[i].populate);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, world_start_soft, world_end)
		TEST(test_counts),
		TEST(test_data_limit),
		TEST(test_address_space_limit),
		TEST(test_options),
		TEST(test_overcommit_guess),
		TEST(test_overcommit_always),
		TEST(test_overcommit_never),
		TEST(test_locked),
		TEST(test_locked_by_default),
		TEST(test_populate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
