/* test_remap.c - space/remap.c, remap_move.c: mappings change size and place */
/* SPDX-License-Identifier: MIT */
#include "unit/remap_world.h"

/* ---- arguments ---- */

static int bare(uint64_t from, uint64_t old, uint64_t new, int flags,
		uint64_t to)
{
	struct space_remap_request request = {
		.old_address = from,
		.old_length = old,
		.new_length = new,
		.new_address = to,
		.flags = flags,
	};
	uint64_t address = 0;
	int error = space_remap(&world.space, &request, &address);

	world_rest();
	return error;
}

static void test_arguments(void **state)
{
	const uint64_t page = PAGE_SIZE;

	(void)state;
	draw_map("..AAAA..BB..");
	assert_int_equal(bare(at(2), page, page, 8, 0), -EINVAL);
	assert_int_equal(bare(at(2) + 1, page, page, 0, 0), -EINVAL);
	assert_int_equal(bare(at(2), page, 0, 0, 0), -EINVAL);
	assert_int_equal(bare(at(2), page, UINT64_MAX, 0, 0), -EINVAL);
	assert_int_equal(bare(at(2), page, at(65), MOVE, 0), -EINVAL);
	assert_int_equal(bare(at(2), page, page, MREMAP_FIXED, at(20)),
			 -EINVAL);
	assert_int_equal(bare(at(2), page, page, MREMAP_DONTUNMAP, at(20)),
			 -EINVAL);
	assert_int_equal(bare(at(2), page, page, TO, at(20) + 1), -EINVAL);
	assert_int_equal(bare(at(2), page, page, TO, at(64)), -EINVAL);
	assert_int_equal(bare(at(2), page, page, TO, UINT64_MAX - PAGE_MASK),
			 -EINVAL);
	assert_int_equal(bare(at(2), page, 2 * page, LEAVE, at(20)), -EINVAL);
	assert_picture("..AAAA..BB..");
	/* what is not asked for does not matter */
	assert_int_equal(bare(at(2), 4 * page, page, 0, 1), 0);
	assert_picture("..A.....BB..");
	/* parts of a page count as one */
	assert_int_equal(bare(at(2), 1, page + 1, 0, 0), 0);
	assert_picture("..AA....BB..");
}

static void test_overlap(void **state)
{
	(void)state;
	draw_map("....AAAA....");
	assert_int_equal(remap(4, 4, 4, TO, 4), -EINVAL);
	assert_int_equal(remap(4, 4, 4, TO, 7), -EINVAL);
	assert_int_equal(remap(4, 4, 4, TO, 1), -EINVAL);
	assert_int_equal(remap(4, 2, 5, TO, 0), -EINVAL);
	assert_int_equal(remap(4, 4, 4, TO, 0), 0);
	assert_picture("AAAA........");
	/* the rest of the same mapping may be the new place */
	assert_int_equal(remap(0, 2, 2, TO, 2), 2);
	assert_picture("..AA....");
	assert_int_equal(index_of(2), 4);
}

static void test_nothing_there(void **state)
{
	(void)state;
	draw_map("..AA..BB");
	assert_int_equal(remap(4, 1, 1, 0, 0), -EFAULT);
	assert_int_equal(remap(4, 1, 2, MOVE, 0), -EFAULT);
	assert_int_equal(remap(4, 1, 1, TO, 20), -EFAULT);
	assert_int_equal(remap(4, 4, 4, TO, 20), -EFAULT);
	assert_int_equal(remap(2, 3, 4, MOVE, 0), -EFAULT);
	assert_int_equal(remap(2, 3, 4, TO, 6), -EFAULT);
	/* a new place is left alone then */
	assert_picture("..AA..BB");
	/* the same size in place is nothing to do, whatever is there */
	assert_int_equal(remap(2, 9, 9, 0, 0), 2);
}

/* ---- in place ---- */

static void test_shrink(void **state)
{
	(void)state;
	draw_map("..AAAAAA..BBCC");
	assert_int_equal(remap(2, 6, 4, 0, 0), 2);
	assert_string_equal(world.log, "unmap 6+2\n");
	assert_picture("..AAAA....BB|CC");
	/* from the middle: what comes behind the old length stays */
	assert_int_equal(remap(2, 3, 1, MOVE, 0), 2);
	assert_picture("..A..A....BB|CC");
	/* over holes and other mappings */
	assert_int_equal(remap(2, 9, 1, 0, 0), 2);
	assert_picture("..A........B|CC");
	assert_int_equal(world.space.total_pages, 4);
}

static void test_shrink_past_the_end(void **state)
{
	(void)state;
	draw_map("..AA");
	assert_int_equal(bare(at(2), UINT64_C(1) << 60, PAGE_SIZE, 0, 0),
			 -EINVAL);
	assert_int_equal(remap(2, 63, 1, 0, 0), -EINVAL);
	assert_int_equal(remap(2, 62, 1, 0, 0), 2);
	assert_picture("..A.");
}

static void test_grow_in_place(void **state)
{
	(void)state;
	draw_map("..AA....BB");
	assert_int_equal(remap(2, 2, 5, 0, 0), 2);
	assert_string_equal(world.log, "map 4+3\n");
	assert_picture("..AAAAA.BB");
	assert_int_equal(world.space.map_count, 2);
	/* from the middle of it */
	assert_int_equal(remap(6, 1, 2, 0, 0), 6);
	assert_picture("..AAAAAA|BB");
	/* no room */
	assert_int_equal(remap(2, 6, 7, 0, 0), -ENOMEM);
	/* not the end of the mapping */
	assert_int_equal(remap(2, 2, 3, 0, 0), -ENOMEM);
	assert_picture("..AAAAAA|BB");
}

static void test_grow_to_the_end(void **state)
{
	(void)state;
	draw_map("AA");
	assert_int_equal(remap(0, 2, 64, 0, 0), 0);
	assert_int_equal(remap(0, 64, 65, 0, 0), -ENOMEM);
	assert_int_equal(remap(0, 64, 2, 0, 0), 0);
	assert_int_equal(remap(0, 2, 2, TO, 60), 60);
	assert_int_equal(remap(60, 2, 5, 0, 0), -ENOMEM);
	assert_int_equal(remap(60, 2, 4, 0, 0), 60);
}

/*      |AA|..|AA|  pages 2, 3 and 6, 7 of one object  */
static void test_grow_joins_the_next(void **state)
{
	(void)state;
	draw_map("..AA..AA");
	assert_int_equal(world.space.map_count, 2);
	assert_int_equal(remap(2, 2, 4, 0, 0), 2);
	assert_picture("..AAAAAA");
	assert_int_equal(world.space.map_count, 1);
	/* another page follows: no */
	assert_int_equal(map_pages(0, 12, 2, 0, RW, MAP_SHARED), 0);
	assert_int_equal(remap(2, 6, 10, 0, 0), 2);
	assert_picture("..AAAAAAAAAA|AA");
}

/* ---- elsewhere ---- */

static void test_grow_moves(void **state)
{
	(void)state;
	draw_map("..AABB");
	assert_int_equal(remap(2, 2, 4, MOVE, 0), 60);
	assert_string_equal(world.log, "move 2+2\nmap 60+4\n");
	assert_picture("....BB");
	assert_int_equal(index_of(60), 2);
	assert_int_equal(vma_bytes(vma_of_page(63)), 4 * PAGE_SIZE);
	assert_int_equal(world.space.total_pages, 6);
}

/* From the middle of a mapping, which is cut. */
static void test_grow_moves_a_part(void **state)
{
	(void)state;
	draw_map("..AAAA");
	assert_int_equal(remap(3, 2, 3, MOVE, 0), 61);
	assert_picture("..A..A");
	assert_int_equal(index_of(61), 3);
	assert_int_equal(index_of(63), 5);
}

static void test_strangers_are_passed(void **state)
{
	(void)state;
	draw_map("..AAA...#...........................................");
	world.page[62] = (struct host_page){ .mapped = true, .stranger = true };
	assert_int_equal(remap(2, 2, 4, MOVE, 0), 57);
	assert_picture("....A...#");
	/* behind it, too: not in place then */
	draw_map("......AA#");
	assert_int_equal(remap(6, 2, 3, 0, 0), -ENOMEM);
	assert_int_equal(remap(6, 2, 3, MOVE, 0), 54);
	assert_picture("....A...#");
}

static void test_fixed(void **state)
{
	(void)state;
	draw_map("..AAAA..BBBB");
	assert_int_equal(remap(3, 2, 2, TO, 9), 9);
	assert_string_equal(world.log, "unmap 9+2\nmove 3+2\n"
				       "map 9+2 replace\n");
	assert_picture("..A..A..B|AA|B");
	assert_int_equal(index_of(9), 3);
	assert_int_equal(world.space.total_pages, 6);
	/* back: joined again */
	assert_int_equal(remap(9, 2, 2, TO, 3), 3);
	assert_picture("..AAAA..B..B");
	assert_int_equal(world.space.map_count, 3);
}

static void test_fixed_resizes(void **state)
{
	(void)state;
	draw_map("..AAAA......");
	assert_int_equal(remap(2, 4, 2, TO, 8), 8);
	assert_picture("........AA..");
	assert_int_equal(remap(8, 2, 4, TO, 0), 0);
	assert_picture("AAAA........");
	assert_int_equal(index_of(3), 5);
}

/* What was to shrink may have reached over more than its mapping. */
static void test_fixed_shrinks_across(void **state)
{
	(void)state;
	draw_map("..AABBCC");
	assert_int_equal(remap(3, 4, 1, TO, 20), 20);
	assert_picture("..A....C");
	assert_int_equal(index_of(20), 3);
}

static void test_private_moves(void **state)
{
	(void)state;
	assert_int_equal(map_pages(1, 2, 4, 0, RW, MAP_PRIVATE), 0);
	assert_int_equal(remap(3, 2, 3, TO, 10), 10);
	assert_string_equal(world.log, "move 3+2\nmap 10+3 replace\n");
	assert_picture("..B..B....BBB");
	assert_int_equal(index_of(10), 1);
	assert_int_equal(remap(2, 0, 1, MOVE, 0), -EINVAL);
}

static void test_duplicate(void **state)
{
	(void)state;
	draw_map("..AAAA..");
	assert_int_equal(remap(3, 0, 2, TO, 8), 8);
	assert_string_equal(world.log, "map 8+2 replace\n");
	assert_picture("..AAAA..AA");
	assert_int_equal(index_of(8), 3);
	assert_int_equal(remap(2, 0, 2, 0, 0), -ENOMEM);
	assert_int_equal(remap(2, 0, 2, MOVE, 0), 62);
	assert_int_equal(index_of(62), 2);
	assert_picture("..AAAA..AA");
}

/* ---- the old place stays ---- */

static void test_leave_shared(void **state)
{
	(void)state;
	draw_map("..AAAA..");
	assert_int_equal(remap(3, 2, 2, LEAVE, 10), 10);
	assert_string_equal(world.log, "move 3+2 keep\nmap 10+2 replace\n");
	assert_picture("..AAAA....AA");
	assert_int_equal(index_of(10), 3);
	/* a hint, free and not */
	assert_int_equal(remap(2, 1, 1, LEAVE & ~MREMAP_FIXED, 20), 20);
	assert_int_equal(remap(2, 1, 1, LEAVE & ~MREMAP_FIXED, 4), 63);
	assert_int_equal(world.space.total_pages, 8);
}

static void test_leave_private(void **state)
{
	(void)state;
	assert_int_equal(map_anonymous(2, 4, RW, MAP_PRIVATE), 0);
	store_to(2);
	assert_int_equal(remap(2, 4, 4, LEAVE, 10), 10);
	assert_string_equal(world.log, "move 2+4 keep\nmap 10+4 replace\n");
	assert_picture("..NNNN....NNNN");
	assert_int_equal(vma_of_page(2)->anon, 0);
	assert_int_not_equal(vma_of_page(10)->anon, 0);
	assert_int_equal(index_of(10), page_of(at(2)) + WORLD_BASE / PAGE_SIZE);
	/* of a part: the rest may have pages of the family still */
	assert_int_equal(remap(10, 1, 1, LEAVE, 20), 20);
	assert_int_equal(vma_of_page(10)->anon, vma_of_page(20)->anon);
}

/* All of the old VMA is unlocked, and not joined to its neighbour. */
static void test_leave_locked(void **state)
{
	(void)state;
	world.space.flags |= SPACE_MAY_LOCK;
	assert_int_equal(map_anonymous(6, 4, RW, MAP_PRIVATE | MAP_LOCKED), 0);
	store_to(6);
	assert_int_equal(world.space.locked_pages, 4);
	assert_int_equal(remap(7, 2, 2, LEAVE, 20), 20);
	assert_picture("......NNNN..........NN");
	assert_int_equal(vma_of_page(6)->flags & VM_LOCKED_MASK, 0);
	assert_int_equal(vma_of_page(20)->flags & VM_LOCKED_MASK, VM_LOCKED);
	assert_int_equal(world.space.locked_pages, 2);
	assert_int_equal(wanted.length, 0);
}

/* ---- where the index of anonymous memory follows ---- */

/*
 *   |NN|....|NN|......      nothing was stored: it joins whom it comes to
 *   |NNNN|........
 */
static void test_index_follows(void **state)
{
	(void)state;
	assert_int_equal(map_anonymous(2, 2, RW, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(8, 2, RW, MAP_PRIVATE), 0);
	assert_int_equal(remap(8, 2, 2, TO, 4), 4);
	assert_picture("..NNNN....");
	/* joined to itself on the way */
	assert_int_equal(remap(2, 4, 4, TO, 6), 6);
	assert_picture("......NNNN");
	assert_int_equal(remap(6, 4, 4, LEAVE, 2), 2);
	assert_picture("..NNNNNNNN");
	assert_int_equal(world.space.map_count, 1);
}

static void test_index_stays(void **state)
{
	(void)state;
	assert_int_equal(map_anonymous(2, 2, RW, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(8, 2, RW, MAP_PRIVATE), 0);
	store_to(8);
	assert_int_equal(remap(8, 2, 2, TO, 4), 4);
	assert_picture("..NN|NN....");
	assert_int_equal(index_of(4), WORLD_BASE / PAGE_SIZE + 8);
	/* home again, it goes on where what comes there begins */
	assert_int_equal(map_anonymous(10, 1, RW, MAP_PRIVATE), 0);
	assert_int_equal(remap(4, 2, 2, TO, 8), 8);
	assert_picture("..NN....NNN");
	assert_int_not_equal(vma_of_page(10)->anon, 0);
}

/* ---- several at once ---- */

static void test_several(void **state)
{
	(void)state;
	draw_map("..AA.BBCC...");
	assert_int_equal(remap(3, 5, 5, TO, 20), 20);
	assert_picture("..A.....C...");
	assert_int_equal(index_of(20), 3);
	assert_int_equal(index_of(22), 5);
	assert_int_equal(index_of(24), 7);
	assert_null(space_find(&world.space, at(21)));
	assert_int_equal(world.space.map_count, 5);
	/* a hole where it begins */
	assert_int_equal(remap(21, 3, 3, TO, 30), -EFAULT);
	/* not with another size, nor with a hint */
	assert_int_equal(remap(22, 3, 2, TO, 30), 30);
	assert_int_equal(remap(30, 2, 2, TO, 22), 22);
	assert_int_equal(remap(22, 3, 4, TO, 30), -EFAULT);
	assert_int_equal(remap(20, 3, 3, LEAVE & ~MREMAP_FIXED, 30), -EFAULT);
}

static uint64_t own_address;

static int own_place(struct quire_object *handle,
		     const struct handle_area *area, uint64_t *address)
{
	assert_ptr_equal(handle, &world.handle[1]);
	assert_int_equal(area->offset, 4 * PAGE_SIZE);
	assert_int_equal(area->length, 3 * PAGE_SIZE);
	assert_int_equal(area->address, 0);
	*address = own_address;
	return own_address ? 0 : -ENODEV;
}

static void test_own_place(void **state)
{
	static const struct handle_hooks hooks = { .place = own_place };

	(void)state;
	draw_map("..AABBCC........");
	world.handle[1].hooks = &hooks;
	/* it might not be obeyed: alone or not at all */
	assert_int_equal(remap(2, 4, 4, TO, 20), -EFAULT);
	assert_picture("....BB|CC..");
	assert_int_equal(remap(4, 4, 4, TO, 30), -EFAULT);
	assert_picture("....BB|CC..");
	/* nowhere, where it is taken, where nothing can be, and where it can */
	own_address = 0;
	assert_int_equal(remap(4, 2, 3, MOVE, 0), -ENODEV);
	own_address = at(5);
	assert_int_equal(remap(4, 2, 3, MOVE, 0), -ENOMEM);
	own_address = at(8) + 1;
	assert_int_equal(remap(4, 2, 3, MOVE, 0), -EINVAL);
	own_address = at(62);
	assert_int_equal(remap(4, 2, 3, MOVE, 0), -ENOMEM);
	own_address = PAGE_SIZE;
	assert_int_equal(remap(4, 2, 3, MOVE, 0), -EPERM);
	own_address = at(8);
	assert_int_equal(remap(4, 2, 3, MOVE, 0), 8);
	assert_picture("......CC|BBB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_arguments),
		TEST(test_overlap),
		TEST(test_nothing_there),
		TEST(test_shrink),
		TEST(test_shrink_past_the_end),
		TEST(test_grow_in_place),
		TEST(test_grow_to_the_end),
		TEST(test_grow_joins_the_next),
		TEST(test_grow_moves),
		TEST(test_grow_moves_a_part),
		TEST(test_strangers_are_passed),
		TEST(test_fixed),
		TEST(test_fixed_resizes),
		TEST(test_fixed_shrinks_across),
		TEST(test_private_moves),
		TEST(test_duplicate),
		TEST(test_leave_shared),
		TEST_SOFT(test_leave_private),
		TEST_SOFT(test_leave_locked),
		TEST_SOFT(test_index_follows),
		TEST_SOFT(test_index_stays),
		TEST(test_several),
		TEST(test_own_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
