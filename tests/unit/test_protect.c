/* test_protect.c - space/protect.c: what the program may do changes */
/* SPDX-License-Identifier: MIT */
#include "unit/space_world.h"

#define RW (PROT_READ | PROT_WRITE)

static void test_whole(void **state)
{
	(void)state;
	draw_map(".aaaa.");
	assert_int_equal(protect_pages(1, 4, RW), 0);
	assert_picture(".AAAA.");
	assert_string_equal(world.log, "protect 1+4 rw-\n");
	assert_int_equal(protect_pages(1, 4, PROT_NONE), 0);
	assert_int_equal(space_find(&world.space, at(1))->prot, PROT_NONE);
}

static void test_parts(void **state)
{
	(void)state;
	draw_map(".aaaaaaaa.");
	assert_int_equal(protect_pages(1, 2, RW), 0);
	assert_picture(".AA|aaaaaa.");
	assert_int_equal(protect_pages(7, 2, RW), 0);
	assert_picture(".AA|aaaa|AA.");
	assert_int_equal(protect_pages(4, 1, RW), 0);
	assert_picture(".AA|a|A|aa|AA.");
	assert_int_equal(world.handle[0].references, 6);
}

/* The host is told of what changes, in as few calls as that takes. */
static void test_only_changes_are_told(void **state)
{
	(void)state;
	draw_map("aabbAAccBB");
	assert_int_equal(protect_pages(1, 8, RW), 0);
	assert_picture("a|A|BB|AA|CC|BB");
	assert_string_equal(world.log, "protect 1+3 rw-\nprotect 6+2 rw-\n");
	assert_int_equal(protect_pages(1, 8, RW), 0);
	assert_string_equal(world.log, "");
}

/* As Linux: what is before the hole is changed all the same. */
static void test_holes(void **state)
{
	(void)state;
	draw_map(".aaa.bbb.");
	assert_int_equal(protect_pages(2, 4, RW), -ENOMEM);
	assert_picture(".a|AA.bbb.");
	assert_int_equal(protect_pages(7, 5, RW), -ENOMEM);
	assert_picture(".a|AA.bb|B.");
	assert_int_equal(protect_pages(0, 2, PROT_NONE), -ENOMEM);
	assert_picture(".a|AA.bb|B.");
	assert_int_equal(protect_pages(4, 1, RW), -ENOMEM);
	assert_string_equal(world.log, "");
}

/* What is before the forbidden one is changed; the rest is not. */
static void test_forbidden(void **state)
{
	(void)state;
	world.handle[1].writable = false;
	draw_map("aabbaa");
	assert_int_equal(protect_pages(0, 6, RW), -EACCES);
	assert_picture("AA|bb|aa");
	assert_non_null(strstr(error_sentence(), "may not be written"));
	assert_int_equal(protect_pages(2, 2, RW), -EACCES);
	assert_int_equal(protect_pages(2, 2, PROT_NONE), 0);
	assert_int_equal(protect_pages(2, 2, PROT_READ | PROT_EXEC), 0);
	assert_picture("AA|bb|aa");
}

static void test_arguments(void **state)
{
	struct space *space = &world.space;

	(void)state;
	draw_map("aaaa");
	assert_int_equal(space_protect(space, at(0) + 1, PAGE_SIZE, RW),
			 -EINVAL);
	assert_int_equal(space_protect(space, at(0) + 1, 0, RW), -EINVAL);
	assert_int_equal(space_protect(space, at(0), 0, RW), 0);
	assert_int_equal(space_protect(space, at(40), 0, 0x1000), 0);
	assert_int_equal(space_protect(space, at(0), PAGE_SIZE, 0x10), -EINVAL);
	assert_int_equal(space_protect(space, at(0), UINT64_MAX, RW), -ENOMEM);
	assert_int_equal(space_protect(space, at(0), UINT64_MAX - at(0), RW),
			 -ENOMEM);
	/* this one fits in 64 bits, and finds the end of the mapping */
	assert_picture("aaaa");
	assert_int_equal(space_protect(space, at(2),
				       UINT64_MAX - at(2) - PAGE_SIZE, RW),
			 -ENOMEM);
	assert_picture("aa|AA");
	/* PROT_SEM is known */
	assert_int_equal(space_protect(space, at(0), 1, RW | 0x8), 0);
	assert_picture("A|a|AA");
	world_rest();
}

static void test_growing(void **state)
{
	(void)state;
	draw_map(".aa.");
	assert_int_equal(protect_pages(1, 1,
				       RW | PROT_GROWSDOWN | PROT_GROWSUP),
			 -EINVAL);
	assert_int_equal(protect_pages(1, 1, RW | PROT_GROWSDOWN), -EINVAL);
	assert_int_equal(protect_pages(0, 2, RW | PROT_GROWSDOWN), -EINVAL);
	assert_int_equal(protect_pages(3, 1, RW | PROT_GROWSDOWN), -ENOMEM);
	assert_int_equal(protect_pages(1, 1, RW | PROT_GROWSUP), -EINVAL);
	assert_int_equal(protect_pages(0, 2, RW | PROT_GROWSUP), -ENOMEM);
	assert_picture(".aa.");
}

/* Refused before anything is done; what needs no more VMAs is let through. */
static void test_limit_of_mappings(void **state)
{
	(void)state;
	draw_map("aaaa.bbbb");
	world.space.map_count_limit = 3;
	assert_int_equal(protect_pages(1, 2, RW), -ENOMEM);
	assert_string_equal(world.log, "");
	assert_picture("aaaa.bbbb");
	assert_int_equal(protect_pages(1, 3, RW), 0);
	assert_picture("a|AAA.bbbb");
	assert_int_equal(protect_pages(5, 1, RW), -ENOMEM);
	/* the border slides, both ways, and they may join */
	assert_int_equal(protect_pages(1, 1, PROT_READ), 0);
	assert_picture("aa|AA.bbbb");
	assert_int_equal(protect_pages(0, 2, RW), 0);
	assert_picture("AAAA.bbbb");
	assert_int_equal(protect_pages(0, 4, PROT_READ), 0);
	assert_picture("aaaa.bbbb");
}

/* First and last of a range of several are cut. */
static void test_limit_with_two_cuts(void **state)
{
	(void)state;
	draw_map("aabbcc");
	world.space.map_count_limit = 4;
	assert_int_equal(protect_pages(1, 4, RW), -ENOMEM);
	assert_picture("aa|bb|cc");
	world.space.map_count_limit = 5;
	assert_int_equal(protect_pages(1, 4, RW), 0);
	assert_picture("a|A|BB|C|c");
	/* the cut part of the last goes over to the one before it */
	assert_int_equal(unmap_pages(0, 6), 0);
	draw_map("aAaa");
	world.space.map_count_limit = 3;
	assert_int_equal(protect_pages(0, 3, RW), 0);
	assert_picture("AAA|a");
}

static int step_several(void)
{
	return protect_pages(1, 10, RW);
}

static int step_middle(void)
{
	return protect_pages(4, 2, PROT_NONE);
}

/* Each call fails in turn, after half of its pages; all is restored. */
static void test_host_refuses(void **state)
{
	(void)state;
	draw_map("aabbAAccBBaa");
	assert_int_equal(fail_each_call(step_several), 3);
	assert_picture("a|A|BB|AA|CC|BB|A|a");
	assert_int_equal(unmap_pages(0, 12), 0);
	draw_map("aaaaaaaa");
	assert_int_equal(fail_each_call(step_middle), 1);
	assert_int_equal(world.space.map_count, 3);
}

/* Nothing can be restored: the tree at least is as it was. */
static void test_host_refuses_for_good(void **state)
{
	(void)state;
	draw_map("aaAAbb");
	world.fail_at = 2;
	world.fail_after = true;
	clear_log();
	assert_int_equal(space_protect(&world.space, at(0), 6 * PAGE_SIZE, RW),
			 -ENOMEM);
	assert_picture("aa|AA|bb");
	space_check(&world.space);
	assert_string_equal(world.log, "protect 0+2 rw-\nprotect 4+2 rw-\n"
				       "protect 4+2 r--\nprotect 0+2 r--\n");
	/* the host is brought in line, so that the end finds it so */
	world.fail_at = 0;
	assert_int_equal(
		fake_protect(&world.mmu, at(0), 2 * PAGE_SIZE, PROT_READ), 0);
	assert_int_equal(
		fake_protect(&world.mmu, at(4), 2 * PAGE_SIZE, PROT_READ), 0);
}

static void test_no_memory(void **state)
{
	(void)state;
	world.no_memory = true;
	assert_int_equal(protect_pages(0, 1, RW), -ENOMEM);
	assert_non_null(strstr(error_sentence(), "no memory"));
	world.no_memory = false;
	assert_int_equal(protect_pages(0, 1, RW), -ENOMEM);
	assert_non_null(strstr(error_sentence(), "nothing is mapped"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_start, world_end)
		TEST(test_whole),
		TEST(test_parts),
		TEST(test_only_changes_are_told),
		TEST(test_holes),
		TEST(test_forbidden),
		TEST(test_arguments),
		TEST(test_growing),
		TEST(test_limit_of_mappings),
		TEST(test_limit_with_two_cuts),
		TEST(test_host_refuses),
		TEST(test_host_refuses_for_good),
		TEST(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
