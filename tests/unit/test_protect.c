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
	assert_string_equal(world.log, "trap 1+4\nprotect 1+4 rw-\n");
	assert_int_equal(protect_pages(1, 4, PROT_NONE), 0);
	assert_int_equal(vma_prot(space_find(&world.space, at(1))), PROT_NONE);
}

/* Once it all traps it goes on to. */
static void test_all_traps_before_stores(void **state)
{
	(void)state;
	draw_map(".aaaa.");
	world.fail_at = 1;
	assert_int_equal(protect_pages(1, 2, RW), -ENOMEM);
	assert_picture(".aaaa.");
	world.fail_at = 0;
	assert_int_equal(protect_pages(1, 2, RW), 0);
	assert_int_equal(protect_pages(1, 2, PROT_READ), 0);
	assert_picture(".aaaa.");
	assert_int_equal(protect_pages(1, 2, RW), 0);
	assert_string_equal(world.log, "trap 1+2\nprotect 1+2 rw-\n");
	assert_picture(".AA|aa.");
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

/* The host is told of what changes, VMA by VMA. */
static void test_only_changes_are_told(void **state)
{
	(void)state;
	draw_map("aabbAAccBB");
	assert_int_equal(protect_pages(1, 8, RW), 0);
	assert_picture("a|A|BB|AA|CC|BB");
	assert_string_equal(world.log, "trap 1+1\nprotect 1+1 rw-\n"
				       "trap 2+2\nprotect 2+2 rw-\n"
				       "trap 6+2\nprotect 6+2 rw-\n");
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
	assert_non_null(strstr(error_sentence(), "may not have these"));
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
	assert_int_equal(space_protect(space, at(0) + 1, PAGE_SIZE, RW, NULL),
			 -EINVAL);
	assert_int_equal(space_protect(space, at(0) + 1, 0, RW, NULL), -EINVAL);
	assert_int_equal(space_protect(space, at(0), 0, RW, NULL), 0);
	assert_int_equal(space_protect(space, at(40), 0, 0x1000, NULL), 0);
	assert_int_equal(space_protect(space, at(0), PAGE_SIZE, 0x10, NULL),
			 -EINVAL);
	assert_int_equal(space_protect(space, at(0), UINT64_MAX, RW, NULL),
			 -ENOMEM);
	assert_int_equal(space_protect(space, at(0), UINT64_MAX - at(0), RW,
				       NULL),
			 -ENOMEM);
	/* this one fits in 64 bits, and finds the end of the mapping */
	assert_picture("aaaa");
	assert_int_equal(space_protect(space, at(2),
				       UINT64_MAX - at(2) - PAGE_SIZE, RW,
				       NULL),
			 -ENOMEM);
	assert_picture("aa|AA");
	/* PROT_SEM is known */
	assert_int_equal(space_protect(space, at(0), 1, RW | 0x8, NULL), 0);
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

/* Refused before the host is asked; what needs no more VMAs is let through. */
static void test_limit_of_mappings(void **state)
{
	(void)state;
	draw_map("aaaa.bbbb");
	world.space.limit[SPACE_LIMIT_MAPPINGS] = 3;
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

/* The last of several is to be cut at the limit: those before it changed. */
static void test_limit_with_two_cuts(void **state)
{
	(void)state;
	draw_map("aabbcc");
	world.space.limit[SPACE_LIMIT_MAPPINGS] = 4;
	assert_int_equal(protect_pages(1, 4, RW), -ENOMEM);
	assert_picture("a|A|BB|cc");
	world.space.limit[SPACE_LIMIT_MAPPINGS] = 5;
	assert_int_equal(protect_pages(1, 4, RW), 0);
	assert_picture("a|A|BB|C|c");
	/* the cut part of the last goes over to the one before it */
	assert_int_equal(unmap_pages(0, 6), 0);
	draw_map("aAaa");
	world.space.limit[SPACE_LIMIT_MAPPINGS] = 3;
	assert_int_equal(protect_pages(0, 3, RW), 0);
	assert_picture("AAA|a");
}

static int step_middle(void)
{
	return protect_pages(4, 2, PROT_NONE);
}

/* The call fails after half of its pages, which get their rights back. */
static void test_host_refuses(void **state)
{
	(void)state;
	draw_map("aaaaaaaa");
	assert_int_equal(fail_each_call(step_middle), 1);
	assert_int_equal(world.space.map_count, 3);
}

/* Each call of several fails in turn: what comes before it is changed. */
static void test_host_refuses_a_later_one(void **state)
{
	static const char *const after[] = {
		"aa|bb|AA|cc",
		"a|A|bb|AA|cc",
		"a|A|BB|AA|cc",
		"a|A|BB|AA|CC",
	};

	(void)state;
	for (unsigned call = 0; call < 7; call++) { /* two for each */
		draw_map("aabbAAcc");
		world.fail_at = call + 1;
		assert_int_equal(protect_pages(1, 7, RW),
				 call < 6 ? -ENOMEM : 0);
		world.fail_at = 0;
		assert_picture(after[call / 2]);
		assert_int_equal(unmap_pages(0, 8), 0);
	}
}

/* Not even the old rights: the tree at least is as it was. */
static void test_host_refuses_for_good(void **state)
{
	(void)state;
	draw_map("aaAAbb");
	world.fail_at = 4;
	world.fail_after = true;
	clear_log();
	assert_int_equal(space_protect(&world.space, at(0), 6 * PAGE_SIZE, RW,
				       NULL),
			 -ENOMEM);
	assert_picture("AAAA|bb");
	space_check(&world.space);
	assert_string_equal(world.log, "trap 0+2\nprotect 0+2 rw-\n"
				       "trap 4+2\nprotect 4+2 rw-\n"
				       "protect 4+2 r--\n");
	/* the host is brought in line, so that the end finds it so */
	world.fail_at = 0;
	assert_int_equal(
		fake_protect(&world.mmu, at(4), 2 * PAGE_SIZE, PROT_READ), 0);
}

/* A stack is protected down to where it begins. */
static void test_stack(void **state)
{
	(void)state;
	world.mmu.soft = true;
	assert_int_equal(map_anonymous(2, 4, RW, MAP_PRIVATE | MAP_GROWSDOWN),
			 0);
	assert_int_equal(protect_pages(4, 1, PROT_READ | PROT_GROWSDOWN), 0);
	assert_picture("..nnn|N.");
	assert_string_equal(world.log, "protect 2+3 r--\n");
	/* from a hole below, too, as long as it is above the end */
	assert_int_equal(protect_pages(0, 3, RW | PROT_GROWSDOWN), 0);
	assert_picture("..N|nn|N.");
	assert_int_equal(protect_pages(0, 2, RW | PROT_GROWSDOWN), -ENOMEM);
	assert_int_equal(protect_pages(3, 1, RW | PROT_GROWSUP), -EINVAL);
}

static void test_read_implies_exec(void **state)
{
	(void)state;
	world.space.flags = SPACE_READ_IMPLIES_EXEC;
	draw_map("aabb");
	world.handle[2].flags = HANDLE_NOEXEC;
	assert_int_equal(map_pages(2, 4, 2, 4, PROT_READ, MAP_SHARED), 0);
	assert_int_equal(protect_pages(0, 6, PROT_NONE), 0);
	assert_int_equal(protect_pages(0, 6, PROT_READ), 0);
	assert_int_equal(vma_prot(vma_of_page(0)), PROT_READ | PROT_EXEC);
	assert_int_equal(vma_prot(vma_of_page(4)), PROT_READ);
	assert_int_equal(protect_pages(0, 2, PROT_WRITE), 0);
	assert_int_equal(vma_prot(vma_of_page(0)), PROT_WRITE);
}

/* More data than there may be; but what is data already is let through. */
static void test_data_limit(void **state)
{
	(void)state;
	assert_int_equal(map_pages(0, 0, 6, 0, PROT_READ, MAP_PRIVATE), 0);
	set_limit(SPACE_LIMIT_DATA, 2);
	assert_int_equal(protect_pages(0, 3, RW), -ENOMEM);
	assert_picture("aaaaaa");
	assert_int_equal(protect_pages(0, 2, RW), 0);
	assert_int_equal(world.space.data_pages, 2);
	assert_int_equal(protect_pages(0, 2, RW | PROT_EXEC), 0);
	assert_int_equal(protect_pages(0, 2, PROT_NONE), 0);
	assert_int_equal(world.space.data_pages, 0);
	/* shared memory is no data */
	assert_int_equal(map_pages(1, 8, 9, 0, PROT_READ, MAP_SHARED), 0);
	assert_int_equal(protect_pages(8, 9, RW), 0);
}

static void test_commit_limit(void **state)
{
	(void)state;
	world.space.overcommit = SPACE_OVERCOMMIT_NEVER;
	set_limit(SPACE_LIMIT_COMMIT, 3);
	assert_int_equal(map_pages(0, 0, 6, 0, PROT_READ, MAP_PRIVATE), 0);
	assert_int_equal(protect_pages(0, 2, RW), 0);
	assert_int_equal(world.space.committed_pages, 2);
	assert_int_equal(protect_pages(2, 2, RW), -ENOMEM);
	assert_picture("AA|aaaa");
	/* counted once, and for as long as it lives */
	assert_int_equal(protect_pages(0, 2, PROT_READ), 0);
	assert_int_equal(protect_pages(0, 2, RW), 0);
	assert_int_equal(world.space.committed_pages, 2);
	assert_int_equal(protect_pages(2, 1, RW), 0);
	assert_int_equal(unmap_pages(0, 3), 0);
	assert_int_equal(world.space.committed_pages, 0);
}

/* What nobody stored to is not counted while it cannot be stored to. */
static void test_uncommitted(void **state)
{
	(void)state;
	world.mmu.soft = true;
	assert_int_equal(map_anonymous(0, 4, RW, MAP_PRIVATE), 0);
	assert_int_equal(world.space.committed_pages, 4);
	assert_int_equal(protect_pages(0, 4, PROT_READ), 0);
	assert_int_equal(world.space.committed_pages, 0);
	assert_int_equal(protect_pages(0, 2, RW), 0);
	assert_int_equal(world.space.committed_pages, 2);
	rwlock_take_write(&world.space.lock);
	vma_prepare_anon(&world.space, vma_of_page(0));
	rwlock_drop_write(&world.space.lock);
	assert_int_equal(protect_pages(0, 2, PROT_READ), 0);
	assert_int_equal(world.space.committed_pages, 2);
}

/* Two VMAs that are one: one of them has shown a page. */
static void test_what_shows_nothing_is_not_told(void **state)
{
	(void)state;
	world.mmu.soft = true;
	world.mmu.lazy = true;
	assert_int_equal(map_anonymous(0, 4, RW, MAP_PRIVATE), 0);
	assert_int_equal(protect_pages(1, 2, PROT_READ), 0);
	assert_string_equal(world.log, "");
	rwlock_take_write(&world.space.lock);
	vma_of_page(3)->flags |= VM_SHOWN; /* as a fault does */
	rwlock_drop_write(&world.space.lock);
	assert_int_equal(protect_pages(1, 2, RW), 0); /* all is one */
	assert_string_equal(world.log, "");
	assert_int_equal(protect_pages(2, 1, PROT_READ), 0);
	assert_string_equal(world.log, "protect 2+1 r--\n");
	assert_int_equal(unmap_pages(1, 1), 0);
	assert_string_equal(world.log, "unmap 1+1\n");
	assert_int_equal(protect_pages(2, 1, RW), 0);
}

/* Locked pages that can now be stored to are to be copied at once. */
static void test_populate(void **state)
{
	struct space_range populate = { 1, 2 };
	struct space *space = &world.space;

	(void)state;
	assert_int_equal(
		map_pages(0, 2, 2, 2, PROT_READ, MAP_PRIVATE | MAP_LOCKED), 0);
	assert_int_equal(
		map_pages(1, 4, 2, 4, PROT_READ, MAP_PRIVATE | MAP_LOCKED), 0);
	draw_map("......cc");
	assert_int_equal(
		space_protect(space, at(6), 2 * PAGE_SIZE, RW, &populate), 0);
	assert_int_equal(populate.end, 0);
	assert_int_equal(
		space_protect(space, at(2), 6 * PAGE_SIZE, RW, &populate), 0);
	assert_int_equal(populate.start, at(2));
	assert_int_equal(populate.end, at(6));
	/* a refusal says so, too, and what was writable is not told again */
	assert_int_equal(space_protect(space, at(2), PAGE_SIZE, RW | PROT_EXEC,
				       &populate),
			 0);
	assert_int_equal(populate.end, 0);
	assert_int_equal(space_protect(space, at(2) + 1, 1, RW, &populate),
			 -EINVAL);
	assert_int_equal(populate.end, 0);
	world_rest();
}

static void test_huge_pages(void **state)
{
	(void)state;
	world_end(state);
	world_start_at(UINT64_C(1) << 30, 2048, false);
	world.handle[0].huge_shift = 21;
	assert_int_equal(map_pages(0, 0, 1024, 0, PROT_READ, MAP_SHARED), 0);
	assert_int_equal(protect_pages(0, 1, RW), -EINVAL);
	assert_int_equal(protect_pages(511, 513, RW), -EINVAL);
	assert_string_equal(world.log, "");
	assert_int_equal(protect_pages(512, 512, RW), 0);
	assert_int_equal(world.space.map_count, 2);
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
		TEST(test_all_traps_before_stores),
		TEST(test_parts),
		TEST(test_only_changes_are_told),
		TEST(test_holes),
		TEST(test_forbidden),
		TEST(test_arguments),
		TEST(test_growing),
		TEST(test_limit_of_mappings),
		TEST(test_limit_with_two_cuts),
		TEST(test_host_refuses),
		TEST(test_host_refuses_a_later_one),
		TEST(test_host_refuses_for_good),
		TEST(test_stack),
		TEST(test_read_implies_exec),
		TEST(test_data_limit),
		TEST(test_commit_limit),
		TEST(test_uncommitted),
		TEST(test_what_shows_nothing_is_not_told),
		TEST(test_populate),
		TEST(test_huge_pages),
		TEST(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
