/* test_merge.c - space/merge.c: neighbours that could be one VMA are one */
/* SPDX-License-Identifier: MIT */
#include "unit/space_world.h"

#include "space/space_private.h"

#define RW (PROT_READ | PROT_WRITE)

/* Page n of the space gets page n of object a. */
static int map_a(uint64_t first, uint64_t count, int prot, int flags)
{
	return map_pages(0, first, count, first, prot, flags);
}

/*
 *   ..aa....   +  ....aa..  =  ..aaaa..
 */
static void test_left(void **state)
{
	(void)state;
	assert_int_equal(map_a(2, 2, PROT_READ, MAP_SHARED), 0);
	assert_int_equal(map_a(4, 2, PROT_READ, MAP_SHARED), 0);
	assert_picture("..aaaa..");
	/* the host is told only of the new part */
	assert_string_equal(world.log, "map 4+2 replace\n");
	assert_int_equal(world.handle[0].references, 2);
}

/*
 *   ....aa..   +  ..aa....  =  ..aaaa..
 */
static void test_right(void **state)
{
	(void)state;
	assert_int_equal(map_a(4, 2, PROT_READ, MAP_SHARED), 0);
	assert_int_equal(map_a(2, 2, PROT_READ, MAP_SHARED), 0);
	assert_picture("..aaaa..");
	assert_int_equal(space_find(&world.space, at(2))->mapping.index, 2);
}

/*
 *   ..aa..aa   +  ....aa..  =  ..aaaaaa
 */
static void test_three_into_one(void **state)
{
	(void)state;
	draw_map("..aa..aa");
	assert_int_equal(map_a(4, 2, PROT_READ, MAP_SHARED), 0);
	assert_picture("..aaaaaa");
	assert_int_equal(world.space.map_count, 1);
	assert_int_equal(world.handle[0].references, 2);
}

/* Over its own middle, with the same: still one. */
static void test_replaced_by_the_same(void **state)
{
	(void)state;
	draw_map("..aaaaaa");
	assert_int_equal(map_a(4, 2, PROT_READ, MAP_SHARED), 0);
	assert_picture("..aaaaaa");
	assert_string_equal(world.log, "map 4+2 replace\n");
}

/* Down to page 0 of the object, whose index wraps under it. */
static void test_down_to_the_beginning(void **state)
{
	(void)state;
	assert_int_equal(map_pages(0, 8, 2, 8, PROT_READ, MAP_SHARED), 0);
	assert_int_equal(map_pages(0, 0, 8, 0, PROT_READ, MAP_SHARED), 0);
	assert_picture("aaaaaaaaaa.");
	assert_int_equal(space_find(&world.space, at(9))->mapping.index, 0);
}

/* What holds two apart, one thing at a time. */
static void test_apart(void **state)
{
	struct space *space = &world.space;

	(void)state;
	draw_map("..aa....");
	/* the offset does not go on */
	assert_int_equal(map_pages(0, 4, 2, 5, PROT_READ, MAP_SHARED), 0);
	assert_picture("..aa|aa..");
	/* rights */
	assert_int_equal(map_a(4, 2, RW, MAP_SHARED), 0);
	assert_picture("..aa|AA..");
	/* another object */
	assert_int_equal(map_pages(1, 4, 2, 4, PROT_READ, MAP_SHARED), 0);
	assert_picture("..aa|bb..");
	/* another handle of the same object, even if it may do the same */
	world.handle[2].object = &world.object[0];
	assert_int_equal(map_pages(2, 4, 2, 4, PROT_READ, MAP_SHARED), 0);
	assert_picture("..aa|aa..");
	/* shared and private */
	assert_int_equal(map_a(4, 2, PROT_READ, MAP_PRIVATE), 0);
	assert_picture("..aa|aa..");
	/* private, without reserve */
	assert_int_equal(map_a(6, 2, PROT_READ, MAP_PRIVATE | MAP_NORESERVE),
			 0);
	assert_picture("..aa|aa|aa..");
	/* a hole */
	assert_int_equal(map_a(9, 1, PROT_READ, MAP_PRIVATE | MAP_NORESERVE),
			 0);
	assert_picture("..aa|aa|aa.a.");
	assert_int_equal(space->map_count, 4);
	/* and then nothing */
	assert_int_equal(map_a(8, 1, PROT_READ, MAP_PRIVATE | MAP_NORESERVE),
			 0);
	assert_picture("..aa|aa|aaaa.");
}

/* May-rights alone: the handle is the same, but was writable before. */
static void test_may_rights_hold_apart(void **state)
{
	(void)state;
	assert_int_equal(map_a(2, 2, PROT_READ, MAP_SHARED), 0);
	world.handle[0].writable = false;
	assert_int_equal(map_a(4, 2, PROT_READ, MAP_SHARED), 0);
	assert_picture("..aa|aa..");
}

static void test_protect_joins_left(void **state)
{
	(void)state;
	draw_map("..AAaaaa..");
	assert_int_equal(protect_pages(4, 2, RW), 0);
	assert_picture("..AAAA|aa..");
	assert_string_equal(world.log, "trap 4+2\nprotect 4+2 rw-\n");
	assert_int_equal(protect_pages(6, 2, RW), 0);
	assert_picture("..AAAAAA..");
}

static void test_protect_joins_right(void **state)
{
	(void)state;
	draw_map("..aaaaAA..");
	assert_int_equal(protect_pages(4, 2, RW), 0);
	assert_picture("..aa|AAAA..");
	assert_int_equal(protect_pages(2, 2, RW), 0);
	assert_picture("..AAAAAA..");
}

static void test_protect_joins_three(void **state)
{
	(void)state;
	draw_map("..AAaaAA..");
	assert_int_equal(protect_pages(4, 2, RW), 0);
	assert_picture("..AAAAAA..");
	assert_int_equal(world.handle[0].references, 2);
}

/* Those that change and those that have the rights already, in one range. */
static void test_protect_joins_many(void **state)
{
	(void)state;
	draw_map("aAaAaAaA");
	assert_int_equal(protect_pages(1, 6, RW), 0);
	assert_picture("a|AAAAAAA");
	assert_int_equal(protect_pages(0, 8, PROT_READ), 0);
	assert_picture("aaaaaaaa");
}

/* Linux keeps what was once private and writable apart: it is charged. */
static void test_once_writable(void **state)
{
	(void)state;
	assert_int_equal(map_a(0, 6, PROT_READ, MAP_PRIVATE), 0);
	assert_int_equal(protect_pages(2, 2, RW), 0);
	assert_picture("aa|AA|aa");
	assert_int_equal(protect_pages(2, 2, PROT_READ), 0);
	assert_picture("aa|aa|aa");
	assert_int_equal(protect_pages(0, 2, RW), 0);
	assert_int_equal(protect_pages(0, 2, PROT_READ), 0);
	assert_picture("aaaa|aa");
	/* not so what is shared, or without reserve */
	assert_int_equal(map_a(0, 6, PROT_READ, MAP_PRIVATE | MAP_NORESERVE),
			 0);
	assert_int_equal(protect_pages(2, 2, RW), 0);
	assert_int_equal(protect_pages(2, 2, PROT_READ), 0);
	assert_picture("aaaaaa");
}

/* ---- private pages: anon numbers, as after a fault, or a fork ---- */

/*
 * Private anonymous pages n that may be read; the numbers below the picture
 * are the VMAs' anon: 0 for what nobody stored to.  'f' behind a number: a fork
 * has shared its pages.
 */
static void set_anon(uint64_t page, uint64_t anon, bool forked)
{
	struct vma *vma = vma_of_page(page);

	rwlock_take_write(&world.space.lock);
	vma->anon = anon;
	if (forked)
		vma->flags |= VM_FORKED;
	rwlock_drop_write(&world.space.lock);
}

static uint64_t anon_at(uint64_t page)
{
	return vma_of_page(page)->anon;
}

/* ..nn|NN.. with these numbers; the right part gets the left one's rights. */
static void join_two(uint64_t left, bool left_forked, uint64_t right,
		     bool right_forked)
{
	assert_int_equal(unmap_pages(0, 64), 0);
	assert_int_equal(map_anonymous(2, 2, PROT_NONE, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(4, 2, PROT_READ, MAP_PRIVATE), 0);
	set_anon(2, left, left_forked);
	set_anon(4, right, right_forked);
	assert_int_equal(protect_pages(4, 2, PROT_NONE), 0);
}

static void test_anon_of_two(void **state)
{
	(void)state;
	join_two(0, false, 0, false);
	assert_picture("..nnnn..");
	assert_int_equal(anon_at(2), 0);
	join_two(7, false, 0, false);
	assert_picture("..nnnn..");
	assert_int_equal(anon_at(2), 7);
	join_two(0, false, 7, false);
	assert_picture("..nnnn..");
	assert_int_equal(anon_at(2), 7);
	join_two(7, false, 7, false);
	assert_picture("..nnnn..");
	join_two(7, false, 8, false);
	assert_picture("..nn|nn..");
	/* of a fork: only with the very same, else no family is taken over */
	join_two(7, true, 0, false);
	assert_picture("..nn|nn..");
	join_two(0, false, 7, true);
	assert_picture("..nn|nn..");
	join_two(7, true, 7, true);
	assert_picture("..nnnn..");
	join_two(7, true, 8, true);
	assert_picture("..nn|nn..");
}

/* ..nn[NN]nn.. with these numbers: the middle one gets their rights. */
static void join_three(uint64_t left, uint64_t middle, uint64_t right)
{
	assert_int_equal(unmap_pages(0, 64), 0);
	assert_int_equal(map_anonymous(2, 2, PROT_NONE, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(4, 2, PROT_READ, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(6, 2, PROT_NONE, MAP_PRIVATE), 0);
	set_anon(2, left, false);
	set_anon(4, middle, false);
	set_anon(6, right, false);
	assert_int_equal(protect_pages(4, 2, PROT_NONE), 0);
}

static void test_anon_of_three(void **state)
{
	(void)state;
	join_three(0, 0, 0);
	assert_picture("..nnnnnn..");
	join_three(7, 0, 7);
	assert_picture("..nnnnnn..");
	join_three(0, 7, 0);
	assert_picture("..nnnnnn..");
	assert_int_equal(anon_at(2), 7);
	join_three(0, 0, 7);
	assert_picture("..nnnnnn..");
	assert_int_equal(anon_at(2), 7);
	/* each would do, but not both: the left one has it */
	join_three(7, 0, 8);
	assert_picture("..nnnn|nn..");
	assert_int_equal(anon_at(2), 7);
	join_three(8, 7, 0);
	assert_picture("..nn|nnnn..");
	assert_int_equal(anon_at(4), 7);
	join_three(8, 7, 9);
	assert_picture("..nn|nn|nn..");
}

/* A new mapping between two families. */
static void test_anon_of_new(void **state)
{
	(void)state;
	assert_int_equal(map_anonymous(2, 2, RW, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(6, 2, RW, MAP_PRIVATE), 0);
	set_anon(2, 7, false);
	set_anon(6, 8, false);
	assert_int_equal(map_anonymous(4, 2, RW, MAP_PRIVATE), 0);
	assert_picture("..NNNN|NN..");
	assert_int_equal(unmap_pages(4, 2), 0);
	set_anon(6, 7, false);
	assert_int_equal(map_anonymous(4, 2, RW, MAP_PRIVATE), 0);
	assert_picture("..NNNNNN..");
	assert_int_equal(unmap_pages(2, 4), 0);
	assert_int_equal(map_anonymous(4, 2, RW, MAP_PRIVATE), 0);
	assert_int_equal(anon_at(4), 7);
	set_anon(4, 7, true);
	assert_int_equal(map_anonymous(2, 2, RW, MAP_PRIVATE), 0);
	assert_picture("..NN|NNNN..");
}

/* A part goes over to a neighbour, and its number with it; both keep it. */
static void test_anon_of_parts(void **state)
{
	(void)state;
	assert_int_equal(map_anonymous(2, 2, PROT_NONE, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(4, 4, PROT_READ, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(8, 2, PROT_NONE, MAP_PRIVATE), 0);
	set_anon(4, 7, false);
	assert_int_equal(protect_pages(4, 1, PROT_NONE), 0);
	assert_picture("..nnn|nnn|nn..");
	assert_int_equal(anon_at(2), 7);
	assert_int_equal(anon_at(5), 7);
	assert_int_equal(protect_pages(7, 1, PROT_NONE), 0);
	assert_picture("..nnn|nn|nnn..");
	assert_int_equal(anon_at(8), 7);
	/* parts of one have one number, and find together again */
	assert_int_equal(protect_pages(5, 2, PROT_NONE), 0);
	assert_picture("..nnnnnnnn..");
}

/* Who could be one some day shares a number from the first store on. */
static void test_anon_is_shared_early(void **state)
{
	struct space *space = &world.space;

	(void)state;
	assert_int_equal(map_anonymous(2, 2, PROT_NONE, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(4, 2, PROT_READ, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(8, 2, RW, MAP_PRIVATE), 0);
	rwlock_take_write(&space->lock);
	vma_prepare_anon(space, vma_of_page(4));
	vma_prepare_anon(space, vma_of_page(2));
	vma_prepare_anon(space, vma_of_page(8));
	vma_prepare_anon(space, vma_of_page(8));
	rwlock_drop_write(&space->lock);
	assert_int_equal(anon_at(4), 1);
	assert_int_equal(anon_at(2), 1);
	assert_int_equal(anon_at(8), 2);
	assert_int_equal(space->last_anon, 2);
}

/* What is special is alone; so is what grows beside what does not. */
static void test_special(void **state)
{
	struct vma *vma;

	(void)state;
	assert_int_equal(map_anonymous(2, 2, RW, MAP_PRIVATE), 0);
	vma = vma_of_page(2);
	rwlock_take_write(&world.space.lock);
	vma_set_flags(&world.space, vma, vma->flags | VM_DONTEXPAND);
	rwlock_drop_write(&world.space.lock);
	assert_int_equal(map_anonymous(4, 2, RW, MAP_PRIVATE), 0);
	assert_picture("..NN|NN..");
	vma = vma_of_page(4);
	rwlock_take_write(&world.space.lock);
	vma_set_flags(&world.space, vma, vma->flags | VM_DONTEXPAND);
	rwlock_drop_write(&world.space.lock);
	assert_false(vma_can_merge(vma_of_page(2), vma_of_page(4)));
	assert_int_equal(protect_pages(2, 1, PROT_READ), 0);
	assert_int_equal(protect_pages(2, 1, RW), 0);
	assert_picture("..N|N|NN..");
	assert_int_equal(map_anonymous(8, 2, RW, MAP_PRIVATE | MAP_GROWSDOWN),
			 0);
	assert_int_equal(map_anonymous(10, 2, RW, MAP_PRIVATE), 0);
	assert_picture("..N|N|NN..NN|NN");
}

/* Nothing changes: the same VMA, and no spare one is needed. */
static void test_modify_to_the_same(void **state)
{
	struct vma_stock stock;
	struct vma *vma;

	(void)state;
	draw_map("..aaaa..");
	assert_int_equal(vma_stock_init(&world.space, &stock, 0), 0);
	rwlock_take_write(&world.space.lock);
	vma = vma_of_page(2);
	assert_ptr_equal(
		vma_modify(&world.space, vma,
			   &(struct vma_change){ at(3), at(4), vma->flags },
			   &stock),
		vma);
	rwlock_drop_write(&world.space.lock);
	vma_stock_finish(&world.space, &stock);
	assert_picture("..aaaa..");
}

/* Locked and not: the flags differ, and the object hears of a change. */
static void test_locked_apart(void **state)
{
	(void)state;
	assert_int_equal(map_a(2, 2, PROT_READ, MAP_SHARED), 0);
	assert_int_equal(map_a(4, 2, PROT_READ, MAP_SHARED | MAP_LOCKED), 0);
	assert_picture("..aa|aa..");
	assert_true(vma_of_page(4)->mapping.locked);
	rwlock_take_write(&world.space.lock);
	vma_set_flags(&world.space, vma_of_page(4), vma_of_page(2)->flags);
	rwlock_drop_write(&world.space.lock);
	assert_false(vma_of_page(4)->mapping.locked);
	assert_int_equal(world.space.locked_pages, 0);
	assert_int_equal(unmap_pages(4, 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_start, world_end)
#define SOFT(name) \
	cmocka_unit_test_setup_teardown(name, world_start_soft, world_end)
		TEST(test_left),
		TEST(test_right),
		TEST(test_three_into_one),
		TEST(test_replaced_by_the_same),
		TEST(test_down_to_the_beginning),
		TEST(test_apart),
		TEST(test_may_rights_hold_apart),
		TEST(test_protect_joins_left),
		TEST(test_protect_joins_right),
		TEST(test_protect_joins_three),
		TEST(test_protect_joins_many),
		TEST(test_once_writable),
		SOFT(test_anon_of_two),
		SOFT(test_anon_of_three),
		SOFT(test_anon_of_new),
		SOFT(test_anon_of_parts),
		SOFT(test_anon_is_shared_early),
		SOFT(test_special),
		TEST(test_modify_to_the_same),
		TEST(test_locked_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
