/* test_merge.c - space/merge.c: neighbours that could be one VMA are one */
/* SPDX-License-Identifier: MIT */
#include "unit/space_world.h"

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
	assert_string_equal(world.log, "protect 4+2 rw-\n");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_start, world_end)
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
