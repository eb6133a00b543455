/* test_unmap.c - space/unmap.c: what is there goes */
/* SPDX-License-Identifier: MIT */
#include "space/advise.h"
#include "unit/space_world.h"

static void test_whole(void **state)
{
	(void)state;
	draw_map("..AAAA..");
	assert_int_equal(unmap_pages(2, 4), 0);
	assert_picture("........");
	assert_string_equal(world.log, "unmap 2+4\n");
}

static void test_beginning(void **state)
{
	(void)state;
	draw_map("..AAAA..");
	assert_int_equal(unmap_pages(2, 1), 0);
	assert_picture("...AAA..");
	/* the rest shows what it showed: compare_host() */
}

static void test_end(void **state)
{
	(void)state;
	draw_map("..AAAA..");
	assert_int_equal(unmap_pages(5, 2), 0);
	assert_picture("..AAA...");
	/* only what is mapped is said to the host */
	assert_string_equal(world.log, "unmap 5+1\n");
}

static void test_middle(void **state)
{
	(void)state;
	draw_map("..AAAA..");
	assert_int_equal(unmap_pages(3, 2), 0);
	assert_picture("..A..A..");
	assert_int_equal(world.space.map_count, 2);
	assert_int_equal(world.handle[0].references, 3);
}

/* One call for each run; the strangers in the holes stay. */
static void test_several_and_holes(void **state)
{
	(void)state;
	draw_map(".AAbbC..#.AA#BB.");
	assert_int_equal(unmap_pages(2, 12), 0);
	assert_picture(".A......#...#.B.");
	assert_string_equal(world.log, "unmap 2+4\nunmap 10+2\nunmap 13+1\n");
}

static void test_nothing_there(void **state)
{
	(void)state;
	draw_map("aa......bb");
	assert_int_equal(unmap_pages(2, 6), 0);
	assert_picture("aa......bb");
	assert_string_equal(world.log, "");
}

static void test_length_is_rounded_up(void **state)
{
	(void)state;
	draw_map("aaaa");
	assert_int_equal(space_unmap(&world.space, at(1), 1), 0);
	world_rest();
	assert_picture("a.aa");
	assert_int_equal(space_unmap(&world.space, at(2), PAGE_SIZE + 1), 0);
	world_rest();
	assert_picture("a...");
}

static void test_refusals(void **state)
{
	struct space *space = &world.space;

	(void)state;
	draw_map("aaaa");
	assert_int_equal(space_unmap(space, at(0) + 1, PAGE_SIZE), -EINVAL);
	assert_non_null(strstr(error_sentence(), "inside a page"));
	assert_int_equal(space_unmap(space, at(0), 0), -EINVAL);
	assert_int_equal(space_unmap(space, at(64) + PAGE_SIZE, PAGE_SIZE),
			 -EINVAL);
	assert_int_equal(space_unmap(space, at(0), 65 * PAGE_SIZE), -EINVAL);
	assert_int_equal(space_unmap(space, at(0), UINT64_MAX), -EINVAL);
	assert_int_equal(space_unmap(space, at(64), 1), -EINVAL);
	/* below the lowest address nothing is mapped, which is no error */
	assert_int_equal(space_unmap(space, 0, PAGE_SIZE), 0);
	assert_picture("aaaa");
	assert_string_equal(world.log, "");
	assert_int_equal(space_unmap(space, at(0), 64 * PAGE_SIZE), 0);
	assert_picture("....");
}

static void test_limit_of_mappings(void **state)
{
	(void)state;
	draw_map("aaa.bbb");
	world.space.limit[SPACE_LIMIT_MAPPINGS] = 2;
	assert_int_equal(unmap_pages(1, 1), -ENOMEM);
	assert_picture("aaa.bbb");
	assert_string_equal(world.log, "");
	/* a cut that makes no more VMAs is good */
	assert_int_equal(unmap_pages(2, 4), 0);
	assert_picture("aa....b");
	world.space.limit[SPACE_LIMIT_MAPPINGS] = 3;
	assert_int_equal(unmap_pages(0, 1), 0);
	draw_map("aaa");
	assert_int_equal(unmap_pages(1, 1), 0);
	assert_picture("a.a...b");
}

static int step_middle(void)
{
	return unmap_pages(3, 2);
}

static void test_host_refuses(void **state)
{
	(void)state;
	draw_map("..AAAA..");
	assert_int_equal(fail_each_call(step_middle), 1);
	assert_picture("..A..A..");
}

/* The second run stays; the first is gone, and host and tree agree on it. */
static void test_host_refuses_a_later_run(void **state)
{
	(void)state;
	draw_map("AA..BB..CC");
	world.fail_at = 2;
	assert_int_equal(unmap_pages(0, 10), -ENOMEM);
	assert_picture("....BB..CC");
	assert_string_equal(world.log, "unmap 0+2\nunmap 4+2\n");
}

/* The pool is empty: the very first operation needs memory for VMAs. */
static bool may_be_dropped(uint64_t page)
{
	return vma_of_page(page)->mapping.untrapped;
}

/* What the host has only half done may leave addresses to a stranger: what is
 * there is not dropped any more, whatever becomes of the VMA. */
static void test_what_may_be_a_strangers(void **state)
{
	struct space *space = &world.space;

	(void)state;
	draw_map("..aaaa..AA");
	assert_true(may_be_dropped(2));
	assert_false(may_be_dropped(8));
	world.fail_at = 1;
	assert_int_equal(unmap_pages(3, 1), -ENOMEM);
	world.fail_at = 0;
	assert_picture("..aaaa..AA");
	assert_false(may_be_dropped(3));
	/* cut, and given other flags */
	assert_int_equal(space_advise(space, at(3), PAGE_SIZE, MADV_RANDOM), 0);
	assert_picture("..a|a|aa..AA");
	for (uint64_t page = 2; page < 6; page++)
		assert_false(may_be_dropped(page));
	/* and joined, from either side */
	assert_int_equal(map_pages(0, 6, 1, 6, PROT_READ, MAP_SHARED), 0);
	assert_false(may_be_dropped(6));
	assert_int_equal(map_pages(0, 1, 1, 1, PROT_READ, MAP_SHARED), 0);
	assert_picture(".aa|a|aaa.AA");
	assert_false(may_be_dropped(1));
	assert_int_equal(map_pages(0, 20, 1, 20, PROT_READ, MAP_SHARED), 0);
	assert_true(may_be_dropped(20));
}

/* Whoever takes such a range over drops nothing there, either. */
static void test_joined_to_what_may_be_a_strangers(void **state)
{
	struct space *space = &world.space;

	(void)state;
	draw_map("..aa..");
	assert_int_equal(space_advise(space, at(2), PAGE_SIZE, MADV_RANDOM), 0);
	assert_picture("..a|a..");
	world.fail_at = 1;
	assert_int_equal(unmap_pages(3, 1), -ENOMEM);
	world.fail_at = 0;
	assert_true(may_be_dropped(2));
	assert_int_equal(space_advise(space, at(3), PAGE_SIZE, MADV_RANDOM), 0);
	assert_picture("..aa..");
	assert_false(may_be_dropped(2));
}

static void test_no_memory(void **state)
{
	(void)state;
	world.no_memory = true;
	assert_int_equal(space_unmap(&world.space, at(0), PAGE_SIZE), -ENOMEM);
	assert_non_null(strstr(error_sentence(), "no memory"));
	world.no_memory = false;
	assert_int_equal(space_unmap(&world.space, at(0), PAGE_SIZE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_start, world_end)
		TEST(test_whole),
		TEST(test_beginning),
		TEST(test_end),
		TEST(test_middle),
		TEST(test_several_and_holes),
		TEST(test_nothing_there),
		TEST(test_length_is_rounded_up),
		TEST(test_refusals),
		TEST(test_limit_of_mappings),
		TEST(test_host_refuses),
		TEST(test_host_refuses_a_later_run),
		TEST(test_what_may_be_a_strangers),
		TEST(test_joined_to_what_may_be_a_strangers),
		TEST(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
