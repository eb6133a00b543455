/* test_grow.c - space/grow.c: stacks, and the data segment */
/* SPDX-License-Identifier: MIT */
#include "unit/space_world.h"

#define RW (PROT_READ | PROT_WRITE)
#define STACK (MAP_PRIVATE | MAP_GROWSDOWN)

static int expand(uint64_t page)
{
	int error;

	clear_log();
	error = space_expand_stack(&world.space, at(page) + 5);
	world_rest();
	return error;
}

/* Small enough for a space of a few pages. */
static void set_guard_gap(uint64_t pages)
{
	world.space.guard_gap = pages * PAGE_SIZE;
}

static void test_stack_grows(void **state)
{
	(void)state;
	set_guard_gap(4);
	assert_int_equal(map_anonymous(20, 2, RW, STACK), 0);
	assert_int_equal(expand(18), 0);
	assert_string_equal(world.log, "map 18+2\n");
	assert_int_equal(vma_of_page(18)->mapping.start, at(18));
	assert_int_equal(vma_of_page(18)->mapping.index, at(18) >> PAGE_SHIFT);
	assert_int_equal(world.space.map_count, 1);
	assert_int_equal(world.space.total_pages, 4);
	/* as Linux: from now on it has private pages of its own */
	assert_int_equal(vma_of_page(18)->anon, 1);
	/* mapped by now, or all the time: nothing to do */
	assert_int_equal(expand(18), 0);
	assert_int_equal(expand(21), 0);
	assert_string_equal(world.log, "");
	assert_int_equal(expand(0), 0);
	assert_int_equal(vma_of_page(0)->mapping.end, at(22));
}

static void test_stack_is_refused(void **state)
{
	(void)state;
	set_guard_gap(4);
	draw_map("..........aa");
	assert_int_equal(expand(9), -EFAULT);
	assert_int_equal(expand(12), -EFAULT);
	assert_int_equal(map_anonymous(0, 2, RW, STACK), 0);
	assert_int_equal(space_expand_stack(&world.space, at(0) - 1), -EPERM);
	assert_int_equal(space_expand_stack(&world.space, 0), -EPERM);
	assert_picture("NN........aa");
}

static int step_expand(void)
{
	return expand(15);
}

static void test_stack_and_host(void **state)
{
	(void)state;
	set_guard_gap(4);
	assert_int_equal(map_anonymous(20, 2, RW, STACK), 0);
	assert_int_equal(fail_each_call(step_expand), 1);
	assert_int_equal(vma_of_page(15)->mapping.end, at(22));
	/* a stranger in the way is no memory left */
	draw_map(".............#");
	assert_int_equal(expand(12), -ENOMEM);
	assert_int_equal(expand(14), 0);
}

/*
 *   aa....~~~~SS    a is too near at four pages, and no nearer
 */
static void test_guard_gap(void **state)
{
	(void)state;
	set_guard_gap(4);
	draw_map("aa");
	assert_int_equal(map_anonymous(10, 2, RW, STACK), 0);
	assert_int_equal(expand(5), -ENOMEM);
	assert_int_equal(expand(6), 0);
	assert_string_equal(world.log, "map 6+4\n");
	/* what nobody can touch does not mind, nor another stack */
	assert_int_equal(protect_pages(0, 2, PROT_NONE), 0);
	assert_int_equal(expand(5), 0);
	assert_int_equal(map_anonymous(1, 2, RW, STACK), 0);
	assert_int_equal(expand(3), 0);
	assert_int_equal(world.space.map_count, 3);
}

static void test_stack_limits(void **state)
{
	(void)state;
	set_guard_gap(4);
	assert_int_equal(map_anonymous(40, 4, RW, STACK), 0);
	set_limit(SPACE_LIMIT_STACK, 6);
	assert_int_equal(expand(37), -ENOMEM);
	assert_int_equal(expand(38), 0);
	set_limit(SPACE_LIMIT_STACK, 60);
	set_limit(SPACE_LIMIT_ADDRESS_SPACE, 8);
	assert_int_equal(expand(35), -ENOMEM);
	assert_int_equal(expand(36), 0);
	set_limit(SPACE_LIMIT_ADDRESS_SPACE, 60);
	/* a stack is no data */
	set_limit(SPACE_LIMIT_DATA, 0);
	world.space.overcommit = SPACE_OVERCOMMIT_NEVER;
	set_limit(SPACE_LIMIT_COMMIT, 10);
	assert_int_equal(expand(33), -ENOMEM);
	assert_int_equal(expand(34), 0);
	assert_int_equal(world.space.committed_pages, 10);
}

static void test_locked_stack(void **state)
{
	(void)state;
	set_guard_gap(4);
	set_limit(SPACE_LIMIT_LOCKED, 6);
	assert_int_equal(map_anonymous(40, 4, RW, STACK | MAP_LOCKED), 0);
	assert_int_equal(expand(37), -ENOMEM);
	assert_int_equal(expand(38), 0);
	assert_int_equal(world.space.locked_pages, 6);
}

static void test_locked_host_stack(void **state)
{
	(void)state;
	set_guard_gap(4);
	assert_int_equal(map_pages(0, 40, 4, 0, RW,
				   STACK | MAP_ANONYMOUS | MAP_LOCKED),
			 0);
	assert_int_equal(world.object[0].locked, 4);
	assert_int_equal(expand(37), 0);
	assert_int_equal(world.object[0].locked, 7);
	assert_int_equal(unmap_pages(37, 7), 0);
	assert_int_equal(world.object[0].locked, 0);
}

/* On the host's MMU it stands at the end of an object of its own. */
static void test_host_stack(void **state)
{
	uint64_t last = object_pages(&world.object[0]);

	(void)state;
	set_guard_gap(4);
	assert_int_equal(map_anonymous(20, 2, RW, STACK), SPACE_NEEDS_OBJECT);
	assert_int_equal(map_pages(0, 20, 2, 0, RW, STACK | MAP_ANONYMOUS), 0);
	assert_int_equal(vma_of_page(20)->mapping.index, last - 2);
	assert_int_equal(expand(18), 0);
	assert_int_equal(vma_of_page(18)->mapping.index, last - 4);
	/* Until what was unmapped is discarded. */
	atomic_store(&world.handle[0].dying, 1);
	assert_int_equal(expand(16), -EAGAIN);
	atomic_store(&world.handle[0].dying, 0);
	assert_int_equal(expand(16), 0);
	assert_picture("................AAAAAA");
}

/* A part that was moved away has the pages below. */
static void test_pages_below_are_taken(void **state)
{
	uint64_t last = object_pages(&world.object[0]);

	(void)state;
	set_guard_gap(4);
	assert_int_equal(map_pages(0, 20, 2, 0, RW, STACK | MAP_ANONYMOUS), 0);
	assert_int_equal(
		map_pages(0, 40, 1, last - 4, RW, MAP_SHARED | MAP_FIXED), 0);
	assert_int_equal(expand(19), 0);
	assert_int_equal(expand(18), -ENOMEM);
}

/* ---- brk ---- */

#define HEAP 8 /* the page where it begins */

static int start_heap(void **state)
{
	world_start_soft(state);
	set_guard_gap(4);
	world.space.break_start = world.space.break_end = at(HEAP) + 100;
	return 0;
}

/* Moves the break to a byte of a page; where it is then, as bytes. */
static int move(uint64_t address, uint64_t *now)
{
	struct space_range grown;
	int error;

	clear_log();
	error = space_brk(&world.space, address, now, &grown);
	world_rest();
	return error;
}

static void assert_move(uint64_t address)
{
	uint64_t now = 0;

	assert_int_equal(move(address, &now), 0);
	assert_int_equal(now, address);
}

static void assert_stays(uint64_t address, int error)
{
	uint64_t before = world.space.break_end;
	uint64_t now = 0;

	assert_int_equal(move(address, &now), error);
	assert_int_equal(now, before);
	assert_int_equal(world.space.break_end, before);
}

static void test_break_moves(void **state)
{
	(void)state;
	/* within the first page: begun inside it, so nothing is mapped yet */
	assert_move(at(HEAP) + 200);
	assert_string_equal(world.log, "");
	assert_int_equal(world.space.map_count, 0);
	assert_move(at(HEAP + 1) + 1);
	assert_string_equal(world.log, "map 9+1\n");
	assert_picture(".........N.");
	assert_int_equal(vma_of_page(9)->flags, VM_ANONYMOUS | VM_ACCOUNT |
							VM_MAY_FLAGS |
							(uint64_t)RW);
	assert_int_equal(world.space.data_pages, 1);
	assert_int_equal(world.space.committed_pages, 1);
	assert_move(at(HEAP + 6));
	assert_picture(".........NNNNN.");
	assert_int_equal(world.space.map_count, 1);
	assert_move(at(HEAP + 3) - 1);
	assert_string_equal(world.log, "unmap 11+3\n");
	assert_picture(".........NN.");
	/* 0 asks where it is */
	assert_stays(0, 0);
	assert_stays(at(HEAP), 0);
	assert_move(at(HEAP) + 100);
	assert_picture("...........");
}

static void test_no_break(void **state)
{
	uint64_t now = 1;

	(void)state;
	world.space.break_start = world.space.break_end = 0;
	assert_int_equal(move(at(20), &now), 0);
	assert_int_equal(now, 0);
	assert_int_equal(world.space.map_count, 0);
}

static void test_break_flags(void **state)
{
	(void)state;
	world.space.flags = SPACE_READ_IMPLIES_EXEC | SPACE_MAY_LOCK;
	world.space.default_flags = VM_LOCKED;
	assert_move(at(HEAP + 3));
	assert_int_equal(vma_prot(vma_of_page(9)), RW | PROT_EXEC);
	assert_int_equal(world.space.locked_pages, 2);
	assert_true(vma_of_page(9)->mapping.locked);
}

/* What comes next is a page and its guard gap away. */
static void test_break_and_neighbours(void **state)
{
	(void)state;
	draw_map("....................aa");
	assert_stays(at(20), -ENOMEM);
	assert_stays(at(21), -ENOMEM);
	assert_move(at(19));
	assert_move(at(10));
	assert_int_equal(map_anonymous(30, 2, RW, STACK), 0);
	assert_int_equal(unmap_pages(20, 2), 0);
	assert_stays(at(26), -ENOMEM);
	assert_move(at(25));
	/* something else stands in the middle of it */
	assert_move(at(12));
	assert_int_equal(map_pages(1, 10, 1, 0, PROT_READ, MAP_SHARED), 0);
	assert_move(at(9));
	assert_picture(".........."); /* it goes as well, as in Linux */
	assert_move(at(12));
	assert_int_equal(unmap_pages(9, 3), 0);
	assert_stays(at(9), -ENOMEM);
}

/* It never joins what ends where it begins, even if it could. */
static void test_break_begins_alone(void **state)
{
	(void)state;
	world.space.break_start = world.space.break_end = at(HEAP);
	assert_int_equal(map_anonymous(6, 2, RW, MAP_PRIVATE), 0);
	assert_move(at(10));
	assert_picture("......NN|NN.");
	assert_move(at(12));
	assert_picture("......NN|NNNN.");
	/* a part that is not like it any more ends it, too */
	assert_int_equal(protect_pages(11, 1, PROT_READ), 0);
	assert_move(at(13));
	assert_picture("......NN|NNN|n|N.");
}

static void test_break_limits(void **state)
{
	(void)state;
	assert_move(at(HEAP + 2));
	set_limit(SPACE_LIMIT_DATA, 3);
	assert_stays(at(HEAP + 3) + 101, -ENOMEM);
	assert_move(at(HEAP + 3) + 100);
	space_set_limit(&world.space, SPACE_LIMIT_DATA, SPACE_NO_LIMIT);
	assert_int_equal(map_anonymous(60, 1, RW, MAP_PRIVATE), 0);
	set_limit(SPACE_LIMIT_DATA, 5);
	assert_stays(at(HEAP + 5) + 1, -ENOMEM);
	space_set_limit(&world.space, SPACE_LIMIT_DATA, SPACE_NO_LIMIT);
	set_limit(SPACE_LIMIT_ADDRESS_SPACE, 5);
	assert_stays(at(HEAP + 6), -ENOMEM);
	space_set_limit(&world.space, SPACE_LIMIT_ADDRESS_SPACE,
			SPACE_NO_LIMIT);
	set_limit(SPACE_LIMIT_COMMIT, 1);
	assert_stays(at(HEAP + 6), -ENOMEM);
	assert_move(at(HEAP + 5));
	space_set_limit(&world.space, SPACE_LIMIT_COMMIT, SPACE_NO_LIMIT);
	world.space.limit[SPACE_LIMIT_MAPPINGS] = 1;
	assert_stays(at(HEAP + 6), -ENOMEM);
	world.space.limit[SPACE_LIMIT_MAPPINGS] = 2;
	assert_move(at(HEAP + 6));
	world.space.default_flags = VM_LOCKED;
	set_limit(SPACE_LIMIT_LOCKED, 1);
	assert_stays(at(HEAP + 8), -EAGAIN);
	world.space.default_flags = 0;
	world.space.break_start = world.space.break_end = PAGE_SIZE;
	assert_stays(at(0), -EPERM);
	world.space.break_start = at(HEAP) + 100;
	world.space.break_end = at(HEAP + 6);
	assert_stays(at(65), -ENOMEM);
	assert_stays(UINT64_MAX, -ENOMEM);
	assert_int_equal(unmap_pages(60, 1), 0);
	assert_move(at(64));
}

static int step_more(void)
{
	uint64_t now;

	return move(at(HEAP + 7), &now);
}

static int step_less(void)
{
	uint64_t now;

	return move(at(HEAP + 2), &now);
}

static void test_break_and_host(void **state)
{
	(void)state;
	assert_int_equal(fail_each_call(step_more), 1);
	assert_int_equal(world.space.break_end, at(HEAP + 7));
	assert_int_equal(fail_each_call(step_less), 1);
	assert_int_equal(world.space.break_end, at(HEAP + 2));
	draw_map("............#");
	assert_stays(at(HEAP + 6), -ENOMEM);
}

static void test_break_without_memory(void **state)
{
	(void)state;
	world.no_memory = true;
	assert_stays(at(HEAP + 6), -ENOMEM);
	world.no_memory = false;
	assert_move(at(HEAP + 6));
}

/* On the host's MMU it lies in the backing, or cannot be. */
static void test_backed_break(void **state)
{
	(void)state;
	set_guard_gap(4);
	world.space.break_start = world.space.break_end = at(HEAP);
	assert_move(at(HEAP + 2));
	assert_move(at(HEAP + 4));
	assert_picture("........CCCC");
	assert_int_equal(vma_of_page(8)->mapping.index, 8);
	assert_true(vma_of_page(8)->mapping.shared);
	backing_take(&world.space.backing, &world.handle[2], 50, 1);
	assert_stays(at(HEAP + 6), -ENOMEM);
	backing_give(&world.space.backing, &world.handle[2], 50, 1);
	assert_move(at(HEAP + 1));
	assert_string_equal(world.discards, "c 9+3\n");
}

/* The heap has a name in the maps. */
static void test_heap_is_named(void **state)
{
	char *text;

	(void)state;
	assert_move(at(HEAP + 2));
	assert_int_equal(map_anonymous(20, 1, RW, MAP_PRIVATE), 0);
	text = report_text(SPACE_REPORT_MAPS);
	assert_string_equal(text, "00019000-0001a000 rw-p 00000000 00:00 0"
				  "                                  [heap]\n"
				  "00024000-00025000 rw-p 00000000 00:00 0 \n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define START(name, start) \
	cmocka_unit_test_setup_teardown(name, start, world_end)
#define SOFT(name) START(name, world_start_soft)
#define HEAP_TEST(name) START(name, start_heap)
		SOFT(test_stack_grows),
		SOFT(test_stack_is_refused),
		SOFT(test_stack_and_host),
		SOFT(test_guard_gap),
		SOFT(test_stack_limits),
		SOFT(test_locked_stack),
		START(test_locked_host_stack, world_start),
		START(test_host_stack, world_start_backed),
		START(test_pages_below_are_taken, world_start),
		HEAP_TEST(test_break_moves),
		HEAP_TEST(test_no_break),
		HEAP_TEST(test_break_flags),
		HEAP_TEST(test_break_and_neighbours),
		HEAP_TEST(test_break_begins_alone),
		HEAP_TEST(test_break_limits),
		HEAP_TEST(test_break_and_host),
		HEAP_TEST(test_break_without_memory),
		START(test_backed_break, world_start_backed),
		HEAP_TEST(test_heap_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
