/* test_space_lock.c - space/lock.c: which pages stay in memory */
/* SPDX-License-Identifier: MIT */
#include "space/advise.h"
#include "unit/space_world.h"

#define ROOM 1000

static int lock(uint64_t first, uint64_t count, uint64_t flags)
{
	int error = space_lock(&world.space, at(first), count * PAGE_SIZE,
			       flags, ROOM);

	world_rest();
	return error;
}

static int unlock(uint64_t first, uint64_t count)
{
	int error = space_unlock(&world.space, at(first), count * PAGE_SIZE);

	world_rest();
	return error;
}

static uint64_t lock_flags_at(uint64_t page)
{
	return space_find(&world.space, at(page))->flags & VM_LOCKED_MASK;
}

/*
 *   .aaaaaa.  mlock [2,5)  .a|aaa|aa.  munlock  .aaaaaa.
 */
static void test_cut_and_joined(void **state)
{
	(void)state;
	draw_map(".aaaaaa.");
	assert_int_equal(lock(2, 3, VM_LOCKED), 0);
	assert_picture(".a|aaa|aa.");
	assert_int_equal(world.space.locked_pages, 3);
	assert_int_equal(world.object[0].locked, 3);
	assert_int_equal(lock_flags_at(2), VM_LOCKED);
	assert_int_equal(lock(2, 3, VM_LOCKED), 0);
	assert_int_equal(world.object[0].locked, 3);
	/* It is locked already: only how it is brought in changes. */
	assert_int_equal(lock(1, 6, VM_LOCKED | VM_LOCKONFAULT), 0);
	assert_picture(".aaaaaa.");
	assert_int_equal(world.object[0].locked, 6);
	assert_int_equal(lock_flags_at(6), VM_LOCKED | VM_LOCKONFAULT);
	assert_int_equal(unlock(2, 1), 0);
	assert_picture(".a|a|aaaa.");
	assert_int_equal(world.object[0].locked, 5);
	assert_int_equal(unlock(1, 6), 0);
	assert_picture(".aaaaaa.");
	assert_int_equal(world.object[0].locked, 0);
	assert_int_equal(world.space.locked_pages, 0);
}

/* What is before a hole is locked; the address may be inside a page. */
static void test_holes(void **state)
{
	(void)state;
	draw_map(".aa.bb.");
	assert_int_equal(lock(1, 4, VM_LOCKED), -ENOMEM);
	assert_int_equal(world.object[0].locked, 2);
	assert_int_equal(world.object[1].locked, 0);
	assert_int_equal(unlock(0, 3), -ENOMEM);
	assert_int_equal(world.object[0].locked, 2);
	assert_int_equal(unlock(1, 2), 0);
	assert_int_equal(lock(6, 2, VM_LOCKED), -ENOMEM);
	assert_int_equal(space_lock(&world.space, at(4) + 4000, 200, VM_LOCKED,
				    ROOM),
			 0);
	assert_int_equal(world.object[1].locked, 2);
	/* As Linux counts, modulo 2^64. */
	assert_int_equal(space_lock(&world.space, at(4), UINT64_MAX, VM_LOCKED,
				    ROOM),
			 0);
	assert_int_equal(space_lock(&world.space, at(4), UINT64_MAX - PAGE_SIZE,
				    VM_LOCKED, ROOM),
			 -ENOMEM);
	assert_int_equal(unlock(4, 2), 0);
}

static void test_limits(void **state)
{
	(void)state;
	draw_map(".aaaaaa.");
	set_limit(SPACE_LIMIT_LOCKED, 3);
	assert_int_equal(lock(1, 4, VM_LOCKED), -ENOMEM);
	assert_int_equal(lock(1, 3, VM_LOCKED), 0);
	assert_int_equal(lock(2, 2, VM_LOCKED), 0); /* counted once */
	assert_int_equal(lock(3, 2, VM_LOCKED), -ENOMEM);
	assert_int_equal(unlock(1, 1), 0);
	assert_int_equal(lock(3, 2, VM_LOCKED), 0);
	assert_int_equal(space_lock_all(&world.space, MCL_CURRENT, ROOM),
			 -ENOMEM);
	set_limit(SPACE_LIMIT_LOCKED, 0);
	assert_int_equal(lock(1, 1, VM_LOCKED), -EPERM);
	assert_int_equal(space_lock_all(&world.space, MCL_FUTURE, ROOM),
			 -EPERM);
	world.space.flags |= SPACE_MAY_LOCK;
	assert_int_equal(lock(1, 6, VM_LOCKED), 0);
	assert_int_equal(unlock(1, 6), 0);
}

/* Not more than the budget has room for, but for what is locked on fault. */
static void test_room(void **state)
{
	struct space *space = &world.space;

	(void)state;
	draw_map("aaaabbbb");
	assert_int_equal(space_lock(space, at(0), 4 * PAGE_SIZE, VM_LOCKED, 3),
			 -ENOMEM);
	assert_int_equal(world.object[0].locked, 0);
	assert_int_equal(space_lock(space, at(0), 4 * PAGE_SIZE,
				    VM_LOCKED | VM_LOCKONFAULT, 3),
			 0);
	assert_int_equal(space_lock(space, at(4), 3 * PAGE_SIZE, VM_LOCKED, 3),
			 0);
	assert_int_equal(space_lock(space, at(4), 3 * PAGE_SIZE, VM_LOCKED, 3),
			 0);
	assert_int_equal(space_lock(space, at(7), PAGE_SIZE, VM_LOCKED, 3),
			 -ENOMEM);
	assert_int_equal(space_lock_all(space, MCL_CURRENT, 7), -ENOMEM);
	assert_int_equal(space_lock_all(space, MCL_CURRENT, 8), 0);
	assert_int_equal(space_lock_all(space, 0, 0), 0);
	assert_int_equal(space->locked_pages, 0);
}

static void test_refused_changes_nothing(void **state)
{
	(void)state;
	draw_map("aaaa");
	world.no_memory = true;
	assert_int_equal(lock(0, 4, VM_LOCKED), -ENOMEM);
	world.no_memory = false;
	space_set_limit(&world.space, SPACE_LIMIT_MAPPINGS, 2);
	assert_int_equal(lock(1, 2, VM_LOCKED), -ENOMEM);
	assert_int_equal(world.object[0].locked, 0);
	assert_int_equal(lock(0, 4, VM_LOCKED), 0);
	assert_int_equal(unlock(1, 2), -ENOMEM);
	assert_int_equal(world.object[0].locked, 4);
	assert_picture("aaaa");
	space_set_limit(&world.space, SPACE_LIMIT_MAPPINGS,
			SPACE_MAP_COUNT_LIMIT);
}

static void test_never_locked(void **state)
{
	struct vma *vma;

	(void)state;
	draw_map("aabb");
	vma = space_find(&world.space, at(0));
	vma->flags |= VM_IO;
	assert_int_equal(lock(0, 4, VM_LOCKED), 0); /* passed over */
	assert_int_equal(lock_flags_at(0), 0);
	assert_int_equal(lock_flags_at(2), VM_LOCKED);
	assert_int_equal(world.object[0].locked, 0);
	vma->flags &= ~VM_IO;
}

static void test_all(void **state)
{
	struct space *space = &world.space;

	(void)state;
	draw_map("aa.bb");
	assert_int_equal(space_lock_all(space, MCL_FUTURE | MCL_ONFAULT, ROOM),
			 0);
	assert_int_equal(lock_flags_at(0), 0);
	assert_int_equal(map_pages(2, 6, 2, 6, PROT_READ, MAP_SHARED), 0);
	assert_int_equal(lock_flags_at(6), VM_LOCKED | VM_LOCKONFAULT);
	assert_int_equal(world.object[2].locked, 2);
	/* What is now, and no longer what will be. */
	assert_int_equal(space_lock_all(space, MCL_CURRENT, ROOM), 0);
	assert_int_equal(space->locked_pages, 6);
	assert_int_equal(lock_flags_at(6), VM_LOCKED);
	assert_int_equal(map_pages(2, 9, 1, 9, PROT_READ, MAP_SHARED), 0);
	assert_int_equal(lock_flags_at(9), 0);
	assert_int_equal(space_lock_all(space, 0, 0), 0);
	assert_int_equal(space->locked_pages, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(world.object[i].locked, 0);
	world_rest();
}

/* Locks go with what is unmapped, and with the space. */
static void test_unmap_gives_back(void **state)
{
	(void)state;
	draw_map(".aaaaaa.");
	assert_int_equal(lock(1, 6, VM_LOCKED), 0);
	assert_int_equal(unmap_pages(3, 2), 0);
	assert_int_equal(world.object[0].locked, 4);
	assert_int_equal(map_pages(1, 1, 1, 0, PROT_READ, MAP_SHARED), 0);
	assert_int_equal(world.object[0].locked, 3);
	assert_int_equal(space_unmap_all(&world.space), 0);
	assert_int_equal(world.object[0].locked, 0);
}

#define in_world(test) \
	cmocka_unit_test_setup_teardown(test, world_start, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_world(test_cut_and_joined),
		in_world(test_holes),
		in_world(test_limits),
		in_world(test_room),
		in_world(test_refused_changes_nothing),
		in_world(test_never_locked),
		in_world(test_all),
		in_world(test_unmap_gives_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
