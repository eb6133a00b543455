/* test_remap_limits.c - mremap: limits, mappings of their kind, refusals */
/* SPDX-License-Identifier: MIT */
#include "unit/remap_world.h"

/* ---- limits ---- */

static void test_address_limit(void **state)
{
	(void)state;
	draw_map("..AA..BB");
	set_limit(SPACE_LIMIT_ADDRESS_SPACE, 5);
	assert_int_equal(remap(2, 2, 4, 0, 0), -ENOMEM);
	assert_int_equal(remap(2, 2, 4, MOVE, 0), -ENOMEM);
	assert_int_equal(remap(2, 2, 2, LEAVE, 20), -ENOMEM);
	assert_int_equal(remap(2, 2, 2, TO, 20), 20);
	assert_int_equal(remap(20, 2, 3, 0, 0), 20);
	assert_int_equal(world.space.total_pages, 5);
}

static void test_data_limit(void **state)
{
	(void)state;
	assert_int_equal(map_anonymous(2, 2, RW, MAP_PRIVATE), 0);
	set_limit(SPACE_LIMIT_DATA, 3);
	assert_int_equal(remap(2, 2, 4, 0, 0), -ENOMEM);
	assert_int_equal(remap(2, 2, 2, LEAVE, 20), -ENOMEM);
	assert_int_equal(remap(2, 2, 3, 0, 0), 2);
	assert_int_equal(world.space.data_pages, 3);
}

static void test_commit_limit(void **state)
{
	(void)state;
	world.space.overcommit = SPACE_OVERCOMMIT_NEVER;
	set_limit(SPACE_LIMIT_COMMIT, 5);
	assert_int_equal(map_anonymous(2, 4, RW, MAP_PRIVATE), 0);
	assert_int_equal(remap(2, 4, 6, 0, 0), -ENOMEM);
	assert_int_equal(remap(2, 4, 6, TO, 20), -ENOMEM);
	assert_int_equal(remap(2, 2, 2, LEAVE, 20), -ENOMEM);
	assert_int_equal(remap(2, 4, 4, TO, 20), 20);
	assert_int_equal(remap(20, 1, 1, LEAVE, 30), 30);
	assert_int_equal(world.space.committed_pages, 5);
	assert_int_equal(remap(30, 1, 1, TO, 40), 40);
	assert_int_equal(world.space.committed_pages, 5);
}

static void test_locked_limit(void **state)
{
	(void)state;
	set_limit(SPACE_LIMIT_LOCKED, 3);
	assert_int_equal(map_anonymous(2, 2, RW, MAP_PRIVATE | MAP_LOCKED), 0);
	assert_int_equal(remap(2, 2, 4, 0, 0), -EAGAIN);
	assert_int_equal(remap(2, 2, 3, 0, 0), 2);
	assert_int_equal(wanted.start, at(4));
	assert_int_equal(wanted.length, PAGE_SIZE);
	assert_true(wanted.write);
	assert_int_equal(world.space.locked_pages, 3);
	assert_int_equal(remap(2, 3, 3, TO, 20), 20);
	assert_int_equal(wanted.length, 0);
	assert_int_equal(world.space.locked_pages, 3);
	assert_true(vma_of_page(20)->mapping.locked);
	assert_int_equal(remap(20, 3, 2, TO, 30), 30);
	assert_int_equal(wanted.length, 0);
	assert_int_equal(remap(30, 2, 3, TO, 40), 40);
	assert_int_equal(wanted.start, at(42));
	assert_int_equal(wanted.length, PAGE_SIZE);
}

/* Linux wants three mappings to be free, and two more for cuts. */
static void test_mapping_limit(void **state)
{
	(void)state;
	draw_map("A.A.A.BB");
	space_set_limit(&world.space, SPACE_LIMIT_MAPPINGS, 9);
	assert_int_equal(remap(0, 1, 1, TO, 20), -ENOMEM);
	assert_int_equal(remap(0, 1, 2, TO, 20), -ENOMEM);
	assert_int_equal(remap(0, 1, 1, LEAVE, 20), -ENOMEM);
	/* before what is there is looked at */
	assert_int_equal(remap(40, 1, 1, TO, 20), -ENOMEM);
	space_set_limit(&world.space, SPACE_LIMIT_MAPPINGS, 10);
	assert_int_equal(remap(0, 1, 1, TO, 20), 20);
	space_set_limit(&world.space, SPACE_LIMIT_MAPPINGS, 7);
	assert_int_equal(remap(4, 1, 3, MOVE, 0), -ENOMEM);
	assert_int_equal(remap(4, 1, 2, MOVE, 0), 4);
	space_set_limit(&world.space, SPACE_LIMIT_MAPPINGS, 8);
	assert_int_equal(remap(4, 2, 3, MOVE, 0), 61);
}

/* ---- mappings of their kind ---- */

static void test_special(void **state)
{
	(void)state;
	draw_map("..AAAA");
	vma_of_page(2)->flags |= VM_PFNMAP | VM_DONTEXPAND;
	assert_int_equal(remap(2, 4, 5, MOVE, 0), -EFAULT);
	assert_int_equal(remap(2, 0, 4, MOVE, 0), -EFAULT);
	assert_int_equal(remap(2, 4, 4, LEAVE, 20), -EINVAL);
	assert_int_equal(remap(2, 4, 2, 0, 0), 2);
	assert_int_equal(remap(2, 2, 2, TO, 20), 20);
	vma_of_page(20)->flags &= ~(VM_PFNMAP | VM_DONTEXPAND);
	vma_of_page(20)->flags |= VM_IO;
	assert_int_equal(remap(20, 2, 3, MOVE, 0), -ENOMEM);
}

static void test_huge(void **state)
{
	(void)state;
	world.handle[0].huge_shift = 14; /* four pages */
	draw_map("....AAAAAAAA....");
	vma_of_page(4)->flags |= VM_HUGETLB;
	assert_int_equal(remap(4, 8, 9, MOVE, 0), -EINVAL);
	assert_int_equal(remap(5, 4, 4, TO, 20), -EINVAL);
	assert_int_equal(remap(4, 4, 4, TO, 21), -EINVAL);
	assert_int_equal(remap(4, 8, 8, 0, 21), -EINVAL);
	assert_int_equal(remap(4, 8, 7, 0, 0), 4);
	assert_picture("....AAAAAAAA....");
	assert_int_equal(remap(4, 8, 3, 0, 0), 4);
	assert_picture("....AAAA........");
	assert_int_equal(remap(4, 1, 1, TO, 8), 8);
	assert_picture("........AAAA....");
}

/* ---- refusals of the host, and of memory ---- */

/* All VMAs that the pool has without asking for memory. */
static void *hoard[1024];
static unsigned hoarded;

static void empty_pool(unsigned leave)
{
	void *item;

	world.no_memory = true;
	while ((item = pool_take(&world.space.pool)) != NULL) {
		assert_true(hoarded < 1024);
		hoard[hoarded++] = item;
	}
	while (leave-- > 0)
		pool_drop(&world.space.pool, hoard[--hoarded]);
}

static void fill_pool(void)
{
	world.no_memory = false;
	while (hoarded > 0)
		pool_drop(&world.space.pool, hoard[--hoarded]);
}

static void test_each_call_fails(void **state)
{
	(void)state;
	draw_map("..AA..BB");
	assert_int_equal(fail_each_call(step_grow), 1);
	assert_picture("..AAAA|BB");
	assert_int_equal(fail_each_call(step_move), 1);
	assert_picture("....AA|BB");
	assert_int_equal(unmap_pages(20, 3), 0);
	draw_map("..AA");
	assert_int_equal(fail_each_call(step_leave), 1);
}

/* What was at the new place is gone all the same, as in Linux. */
static void test_refused_after_unmap(void **state)
{
	(void)state;
	draw_map("..AA..BB");
	world.fail_at = 2;
	assert_int_equal(remap(2, 2, 2, TO, 6), -ENOMEM);
	world.fail_at = 0;
	assert_picture("..AA....");
	/* and of several, those before the one that is refused have moved */
	draw_map("......BB");
	world.fail_at = 2;
	clear_log();
	assert_int_equal(remap(2, 6, 6, TO, 20), -ENOMEM);
	world.fail_at = 0;
	assert_picture("......BB............AA");
}

/* As many VMAs as it takes beforehand, one fewer each time. */
static void test_no_memory(void **state)
{
	unsigned enough = 0;

	(void)state;
	draw_map("..AABB......");
	for (;; enough++) {
		int page;

		empty_pool(enough);
		page = remap(3, 2, 2, TO, 8);
		fill_pool();
		if (page == 8)
			break;
		assert_int_equal(page, -ENOMEM);
		assert_string_equal(world.log, "");
		assert_picture("..AA|BB......");
	}
	assert_in_range(enough, 4, 30);
	assert_picture("..A..B..A|B..");
}

/* ---- what is seen of it ---- */

static char stations[256];

static void note_station(void *context, const char *station, const char *line)
{
	(void)context;
	if (strcmp(station, "mremap") != 0)
		return;
	snprintf(stations + strlen(stations),
		 sizeof(stations) - strlen(stations), "%s\n", line);
}

static void test_trace(void **state)
{
	(void)state;
	draw_map("..AA..");
	trace_set(note_station, NULL);
	assert_int_equal(remap(2, 2, 1, 0, 0), 2);
	assert_int_equal(remap(2, 1, 2, 0, 0), 2);
	assert_int_equal(remap(2, 2, 2, LEAVE, 20), 20);
	trace_set(NULL, NULL);
	assert_string_equal(stations,
			    "0x12000 shrinks to 0x1000 bytes\n"
			    "0x12000 grows in place to 0x2000 bytes\n"
			    "0x12000 moves to 0x24000, 0x2000 bytes; the old "
			    "place stays, empty\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_address_limit),
		TEST_SOFT(test_data_limit),
		TEST_SOFT(test_commit_limit),
		TEST_SOFT(test_locked_limit),
		TEST(test_mapping_limit),
		TEST(test_special),
		TEST(test_huge),
		TEST(test_each_call_fails),
		TEST(test_refused_after_unmap),
		TEST(test_no_memory),
		TEST(test_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
