/* test_advise.c - space/advise.c, advise_walk.c: flags, and whose pages */
/* SPDX-License-Identifier: MIT */
#include "space/advise.h"
#include "unit/space_world.h"

#include "space/space_private.h"

#define RW (PROT_READ | PROT_WRITE)

static int advise(uint64_t first, uint64_t count, int advice)
{
	int error = space_advise(&world.space, at(first), count * PAGE_SIZE,
				 advice);

	world_rest();
	return error;
}

/* ---- flags ---- */

static void test_check(void **state)
{
	(void)state;
	assert_int_equal(space_advice_check(at(0), 1, MADV_NORMAL), 1);
	assert_int_equal(space_advice_check(at(0), 0, MADV_NORMAL), 0);
	assert_int_equal(space_advice_check(at(0), 0, 5), -EINVAL);
	assert_int_equal(space_advice_check(at(0), 0, MADV_HWPOISON), 0);
	assert_int_equal(space_advice_check(at(0), 1, MADV_HWPOISON), -EPERM);
	assert_int_equal(space_advice_check(at(0) + 1, 1, MADV_COLD), -EINVAL);
	assert_int_equal(space_advice_check(at(0), UINT64_MAX, MADV_COLD),
			 -EINVAL);
	assert_int_equal(
		space_advice_check(at(0), UINT64_MAX - at(1), MADV_COLD), 1);
}

/*
 *   aaaaaaaa  RANDOM [2,5)   aa|aaa|aaa   NORMAL again   aaaaaaaa
 */
static void test_cut_and_joined(void **state)
{
	(void)state;
	draw_map(".aaaaaaaa.");
	assert_int_equal(advise(3, 3, MADV_RANDOM), 0);
	assert_picture(".aa|aaa|aaa.");
	assert_true(flags_at(4) & VM_RAND_READ);
	assert_false(flags_at(2) & VM_RAND_READ);
	assert_int_equal(advise(4, 5, MADV_RANDOM), 0);
	assert_picture(".aa|aaaaaa.");
	assert_int_equal(advise(1, 8, MADV_SEQUENTIAL), 0);
	assert_picture(".aaaaaaaa.");
	assert_int_equal(flags_at(1) & (VM_RAND_READ | VM_SEQ_READ),
			 VM_SEQ_READ);
	assert_int_equal(advise(1, 8, MADV_NORMAL), 0);
	assert_int_equal(flags_at(8) & (VM_RAND_READ | VM_SEQ_READ), 0);
	assert_string_equal(world.log, ""); /* no word of it to the host */
}

static void test_holes(void **state)
{
	(void)state;
	draw_map(".aa.bb.");
	assert_int_equal(advise(0, 7, MADV_DONTDUMP), -ENOMEM);
	assert_true(flags_at(1) & VM_DONTDUMP);
	assert_true(flags_at(5) & VM_DONTDUMP);
	assert_int_equal(advise(6, 4, MADV_DONTDUMP), -ENOMEM);
	assert_int_equal(advise(3, 1, MADV_DONTDUMP), -ENOMEM);
	assert_int_equal(advise(4, 2, MADV_DODUMP), 0);
	assert_false(flags_at(5) & VM_DONTDUMP);
}

/* What is before the mapping that refuses is advised. */
static void test_refused(void **state)
{
	(void)state;
	draw_map("aabb");
	space_find(&world.space, at(2))->flags |= VM_IO;
	assert_int_equal(advise(0, 4, MADV_DONTFORK), 0);
	assert_int_equal(advise(0, 4, MADV_DOFORK), -EINVAL);
	assert_false(flags_at(0) & VM_DONTCOPY);
	assert_true(flags_at(2) & VM_DONTCOPY);
	assert_int_equal(advise(0, 4, MADV_DODUMP), -EINVAL);
	assert_int_equal(advise(0, 4, MADV_WIPEONFORK), -EINVAL);
	assert_int_equal(advise(0, 2, MADV_COLLAPSE), -EINVAL);
	assert_int_equal(advise(0, 2, MADV_MERGEABLE), 0); /* passed over */
	assert_false(flags_at(0) & VM_MERGEABLE);
}

static void test_limit(void **state)
{
	(void)state;
	draw_map("aaaa");
	space_set_limit(&world.space, SPACE_LIMIT_MAPPINGS, 2);
	assert_int_equal(advise(1, 2, MADV_HUGEPAGE), -EAGAIN);
	assert_picture("aaaa");
	assert_int_equal(advise(2, 2, MADV_HUGEPAGE), 0);
	assert_int_equal(advise(0, 4, MADV_NOHUGEPAGE), 0);
	assert_int_equal(flags_at(3) & (VM_HUGEPAGE | VM_NOHUGEPAGE),
			 VM_NOHUGEPAGE);
	space_set_limit(&world.space, SPACE_LIMIT_MAPPINGS,
			SPACE_MAP_COUNT_LIMIT);
}

/* ---- whose pages ---- */

static struct space_walk walk_of(uint64_t first, uint64_t count, int advice)
{
	return (struct space_walk){ .advice = advice,
				    .at = at(first),
				    .end = at(first + count) };
}

static void expect_run(struct space_walk *walk, uint64_t first, uint64_t count,
		       const struct object *object)
{
	struct space_run run;

	assert_int_equal(space_advise_next(&world.space, walk, &run), 1);
	assert_int_equal(run.start, at(first));
	assert_int_equal(run.end, at(first + count));
	assert_ptr_equal(run.object, object);
	if (object)
		assert_int_equal(run.index, first);
	space_run_drop(&run);
}

static int next_result(struct space_walk *walk)
{
	struct space_run run;
	int result = space_advise_next(&world.space, walk, &run);

	assert_int_not_equal(result, 1);
	return result;
}

static void test_runs(void **state)
{
	struct space_walk walk = walk_of(0, 9, MADV_WILLNEED);

	(void)state;
	draw_map(".aaBB.cc.");
	expect_run(&walk, 1, 2, &world.object[0]);
	expect_run(&walk, 3, 2, &world.object[1]);
	expect_run(&walk, 6, 2, &world.object[2]);
	assert_int_equal(next_result(&walk), 0);
	assert_int_equal(next_result(&walk), 0);
	assert_true(walk.hole);
	walk = walk_of(2, 3, MADV_COLD);
	expect_run(&walk, 2, 1, &world.object[0]);
	expect_run(&walk, 3, 2, &world.object[1]);
	assert_int_equal(next_result(&walk), 0);
	assert_false(walk.hole);
}

static void test_runs_refused(void **state)
{
	struct space_walk walk = walk_of(0, 4, MADV_REMOVE);

	(void)state;
	draw_map("AAbb");
	space_find(&world.space, at(0))->flags |= VM_PFNMAP;
	assert_int_equal(next_result(&walk), -EOPNOTSUPP);
	walk = walk_of(0, 2, MADV_PAGEOUT);
	assert_int_equal(next_result(&walk), -EINVAL);
	walk = walk_of(0, 2, MADV_GUARD_INSTALL);
	assert_int_equal(next_result(&walk), -EINVAL);
	walk = walk_of(0, 2, MADV_DONTNEED);
	assert_int_equal(next_result(&walk), -EINVAL);
	walk = walk_of(2, 2, MADV_FREE);
	assert_int_equal(next_result(&walk), -EINVAL);
	space_find(&world.space, at(0))->flags &= ~VM_PFNMAP;
}

static unsigned forgotten, guarded, unguarded;
static int host_error;

static int fake_forget(struct mmu *mmu, uint64_t start, uint64_t length,
		       bool shared)
{
	(void)mmu;
	(void)start;
	assert_true(shared);
	forgotten += (unsigned)(length >> PAGE_SHIFT);
	return host_error;
}

static int fake_guard(struct mmu *mmu, uint64_t start, uint64_t length,
		      bool guard)
{
	(void)mmu;
	(void)start;
	if (host_error)
		return host_error;
	*(guard ? &guarded : &unguarded) += (unsigned)(length >> PAGE_SHIFT);
	return 0;
}

/* Shared pages stay; the host drops translations, and keeps guards. */
static void test_host_is_told(void **state)
{
	struct mmu_ops ops = *world.mmu.ops;
	struct space_walk walk = walk_of(0, 4, MADV_DONTNEED);

	(void)state;
	ops.forget = fake_forget;
	ops.guard = fake_guard;
	world.mmu.ops = &ops;
	forgotten = guarded = unguarded = 0;
	host_error = 0;
	draw_map("AAbb");
	expect_run(&walk, 0, 2, NULL);
	expect_run(&walk, 2, 2, NULL);
	assert_int_equal(forgotten, 4);
	walk = walk_of(1, 2, MADV_GUARD_INSTALL);
	expect_run(&walk, 1, 1, NULL);
	expect_run(&walk, 2, 1, NULL);
	assert_int_equal(guarded, 2);
	walk = walk_of(0, 4, MADV_GUARD_REMOVE);
	expect_run(&walk, 0, 2, NULL);
	assert_int_equal(unguarded, 2);
	host_error = -ENOMEM;
	walk = walk_of(0, 4, MADV_DONTNEED);
	assert_int_equal(next_result(&walk), -ENOMEM);
	host_error = -EOPNOTSUPP; /* a kernel that knows no guards */
	walk = walk_of(0, 4, MADV_GUARD_INSTALL);
	assert_int_equal(next_result(&walk), -EINVAL);
	world.mmu.ops = &fake_ops;
}

/* Bytes that will be discarded are nobody else's until they are. */
static void test_backing_is_taken(void **state)
{
	struct mmu_ops ops = *world.mmu.ops;
	struct space_walk walk = walk_of(8, 4, MADV_DONTNEED);
	struct space_run run;
	uint64_t index;

	(void)state;
	ops.forget = fake_forget;
	world.mmu.ops = &ops;
	host_error = 0;
	assert_int_equal(map_anonymous(8, 4, RW, MAP_PRIVATE), 0);
	assert_true(
		backing_place(&world.space.backing, at(20), PAGE_SIZE, &index));
	assert_int_equal(space_advise_next(&world.space, &walk, &run), 1);
	assert_ptr_equal(run.handle, world.space.backing.handle);
	assert_int_equal(space_run_pages(&run), 4);
	assert_false(
		backing_place(&world.space.backing, at(20), PAGE_SIZE, &index));
	space_run_drop(&run);
	assert_true(
		backing_place(&world.space.backing, at(20), PAGE_SIZE, &index));
	world.mmu.ops = &fake_ops;
}

static void test_run_at(void **state)
{
	struct space_run run;

	(void)state;
	draw_map(".aab.");
	assert_true(space_run_at(&world.space, at(0), at(5), &run));
	assert_int_equal(run.start, at(1));
	assert_int_equal(run.end, at(3));
	space_run_drop(&run);
	assert_true(space_run_at(&world.space, at(2), at(3), &run));
	assert_int_equal(run.index, 2);
	space_run_drop(&run);
	assert_false(space_run_at(&world.space, at(4), at(5), &run));
	space_run_drop(&run);
}

#define in_world(test) \
	cmocka_unit_test_setup_teardown(test, world_start, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_world(test_check),
		in_world(test_cut_and_joined),
		in_world(test_holes),
		in_world(test_refused),
		in_world(test_limit),
		in_world(test_runs),
		in_world(test_runs_refused),
		in_world(test_host_is_told),
		cmocka_unit_test_setup_teardown(test_backing_is_taken,
						world_start_backed, world_end),
		in_world(test_run_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
