/* test_remap_backed.c - space/remap_pieces.c: memory on objects moves */
/* SPDX-License-Identifier: MIT */
#include "unit/remap_world.h"

/* The backing is object c, page for page. */
static unsigned taken(void)
{
	return atomic_load(&world.taken[0]);
}

static void test_backed_move(void **state)
{
	(void)state;
	assert_int_equal(map_anonymous(2, 4, RW, MAP_PRIVATE), 0);
	assert_int_equal(remap(2, 4, 4, TO, 20), 20);
	assert_string_equal(world.log, "map 20+4 replace\nunmap 2+4\n");
	/* its bytes went along */
	assert_string_equal(world.discards, "");
	assert_int_equal(index_of(20), 2);
	assert_int_equal(taken(), 4);
	/* further: still away; a part goes home, and joins nothing */
	assert_int_equal(remap(20, 4, 4, TO, 30), 30);
	assert_int_equal(taken(), 4);
	assert_int_equal(remap(31, 2, 2, TO, 3), 3);
	assert_int_equal(taken(), 2);
	assert_picture("...CC.....");
	/* both end, with their bytes */
	assert_int_equal(unmap_pages(30, 4), 0);
	assert_string_equal(world.discards, "c 2+1\nc 5+1\n");
	assert_int_equal(taken(), 0);
	assert_int_equal(unmap_pages(3, 1), 0);
	assert_string_equal(world.discards, "c 3+1\n");
	assert_int_equal(taken(), 0);
}

/* What is in its place, and what is not, is replaced. */
static void test_backed_replaces(void **state)
{
	(void)state;
	assert_int_equal(map_anonymous(2, 2, RW, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(20, 2, RW, MAP_PRIVATE), 0);
	assert_int_equal(remap(2, 2, 2, TO, 20), 20);
	assert_string_equal(world.discards, "c 20+2\n");
	assert_int_equal(taken(), 2);
	assert_int_equal(map_pages(0, 20, 1, 0, RW, MAP_SHARED), 0);
	assert_string_equal(world.discards, "c 2+1\n");
	assert_int_equal(taken(), 1);
	assert_int_equal(index_of(21), 3);
}

static void test_backed_grows(void **state)
{
	(void)state;
	assert_int_equal(map_anonymous(2, 2, RW, MAP_PRIVATE), 0);
	assert_int_equal(remap(2, 2, 4, 0, 0), 2);
	assert_string_equal(world.log, "map 4+2\n");
	assert_picture("..CCCC..");
	assert_int_equal(world.space.map_count, 1);
	/* somebody's pages are away: the backing is not to be had there */
	assert_int_equal(map_anonymous(10, 1, RW, MAP_PRIVATE), 0);
	assert_int_equal(remap(10, 1, 1, TO, 20), 20);
	assert_int_equal(remap(2, 4, 6, 0, 0), SPACE_NEEDS_OBJECT);
	assert_picture("..CCCC..");
	assert_int_equal(remap_with(1, 2, 4, 6, 0, 0), 2);
	assert_picture("..CCCC|BB");
	assert_int_equal(index_of(6), 0);
	assert_int_equal(world.handle[1].references, 2);
}

/* Two that Linux has as one grow and move as one. */
static void test_backed_pieces(void **state)
{
	(void)state;
	assert_int_equal(map_anonymous(2, 2, RW, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(10, 1, RW, MAP_PRIVATE), 0);
	assert_int_equal(remap(10, 1, 1, TO, 20), 20);
	assert_int_equal(remap_with(1, 2, 2, 4, 0, 0), 2);
	assert_picture("..CC|BB..");
	assert_int_equal(remap(2, 4, 5, TO, 40), SPACE_NEEDS_OBJECT);
	assert_int_equal(remap_with(0, 2, 4, 5, TO, 40), 40);
	assert_string_equal(world.log, "map 40+2 replace\nmap 42+2 replace\n"
				       "map 44+1 replace\nunmap 2+4\n");
	assert_string_equal(world.discards, "");
	assert_int_equal(index_of(40), 2);
	assert_int_equal(index_of(42), 0);
	assert_int_equal(index_of(44), 0);
	assert_int_equal(taken(), 3);
	/* a part of each, and no more than there is */
	assert_int_equal(remap(41, 2, 2, TO, 50), 50);
	assert_int_equal(index_of(50), 3);
	assert_int_equal(index_of(51), 0);
	assert_int_equal(remap_with(0, 43, 3, 4, MOVE, 0), -EFAULT);
	assert_int_equal(unmap_pages(40, 20), 0);
	assert_int_equal(taken(), 1);
}

/* Back where the backing has a place for it, it grows there in one piece. */
static void test_backed_grows_at_home(void **state)
{
	(void)state;
	assert_int_equal(map_anonymous(2, 2, RW, MAP_PRIVATE), 0);
	assert_int_equal(remap(2, 2, 2, TO, 20), 20);
	assert_int_equal(remap(20, 2, 4, 0, 0), SPACE_NEEDS_OBJECT);
	assert_int_equal(remap(20, 2, 2, TO, 2), 2);
	assert_int_equal(taken(), 0);
	assert_int_equal(remap(2, 2, 4, 0, 0), 2);
	assert_int_equal(world.space.map_count, 1);
}

static void test_backed_leaves(void **state)
{
	(void)state;
	world.space.flags |= SPACE_MAY_LOCK;
	assert_int_equal(map_anonymous(2, 4, RW, MAP_PRIVATE | MAP_LOCKED), 0);
	assert_int_equal(remap(3, 2, 2, LEAVE, 20), SPACE_NEEDS_OBJECT);
	assert_picture("..CCCC..");
	assert_int_equal(remap_with(1, 3, 2, 2, LEAVE, 20), 20);
	assert_string_equal(world.log, "map 20+2 replace\nmap 3+2 replace\n");
	assert_string_equal(world.discards, "");
	assert_picture("..C|BB|C..............CC");
	assert_int_equal(index_of(20), 3);
	assert_int_equal(index_of(3), 0);
	assert_int_equal(taken(), 2);
	assert_int_equal(world.space.locked_pages, 2);
	assert_true(vma_of_page(20)->flags & VM_LOCKED);
}

/* Several leave: each gets its own pages of the spare object. */
static void test_backed_leaves_several(void **state)
{
	(void)state;
	assert_int_equal(map_anonymous(2, 2, RW, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(6, 2, RW, MAP_PRIVATE), 0);
	assert_int_equal(remap(2, 6, 6, LEAVE, 20), SPACE_NEEDS_OBJECT);
	assert_int_equal(remap_with(1, 2, 6, 6, LEAVE, 20), 20);
	assert_picture("..BB..BB............CC..CC");
	assert_int_equal(index_of(2), 0);
	assert_int_equal(index_of(6), 2);
	assert_int_equal(taken(), 4);
}

/* ---- refusals ---- */

static void test_each_backed_call_fails(void **state)
{
	(void)state;
	assert_int_equal(map_anonymous(2, 1, RW, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(10, 1, RW, MAP_PRIVATE), 0);
	assert_int_equal(remap(10, 1, 1, TO, 30), 30);
	assert_int_equal(remap_with(1, 2, 1, 2, 0, 0), 2);
	assert_picture("..C|B....");
	/* two pieces, a tail, and the old place */
	assert_int_equal(fail_each_call(step_move), 4);
	assert_int_equal(taken(), 2);
	assert_int_equal(remap(20, 2, 2, TO, 2), 2);
	assert_int_equal(unmap_pages(22, 1), 0);
	assert_int_equal(taken(), 1);
}

static void test_each_call_fails_leaving(void **state)
{
	(void)state;
	assert_int_equal(map_anonymous(2, 2, RW, MAP_PRIVATE), 0);
	assert_int_equal(fail_each_call(step_leave), 2);
	assert_int_equal(taken(), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_BACKED(test_backed_move),
		TEST_BACKED(test_backed_replaces),
		TEST_BACKED(test_backed_grows),
		TEST_BACKED(test_backed_pieces),
		TEST_BACKED(test_backed_grows_at_home),
		TEST_BACKED(test_backed_leaves),
		TEST_BACKED(test_backed_leaves_several),
		TEST_BACKED(test_each_backed_call_fails),
		TEST_BACKED(test_each_call_fails_leaving),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
