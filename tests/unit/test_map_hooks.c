/* test_map_hooks.c - space/map.c: objects with hooks, and huge pages */
/* SPDX-License-Identifier: MIT */
#include "unit/space_world.h"

#define RW (PROT_READ | PROT_WRITE)

/* ---- hooks ---- */

static uint64_t hook_place;
static int hook_error;
static struct handle_area hook_area;
static struct quire_object *hook_frames;
static uint64_t hook_frames_offset;

static int place_hook(struct quire_object *handle,
		      const struct handle_area *area, uint64_t *address)
{
	assert_ptr_equal(handle, &world.handle[0]);
	hook_area = *area;
	*address = hook_place;
	return hook_error;
}

static int map_hook(struct quire_object *handle, struct handle_area *area)
{
	assert_ptr_equal(handle, &world.handle[0]);
	hook_area = *area;
	area->frames = hook_frames;
	area->frames_offset = hook_frames_offset;
	return hook_error;
}

static const struct handle_hooks places = { .place = place_hook };
static const struct handle_hooks maps = { .map = map_hook };

/* What no space can hold is not even asked for. */
static void test_place_hook_of_too_much(void **state)
{
	struct space_map_request request = {
		.length = UINT64_C(1) << 40,
		.flags = MAP_SHARED,
		.handle = &world.handle[0],
	};
	uint64_t address;

	(void)state;
	world.handle[0].hooks = &places;
	hook_place = at(20);
	hook_error = 0;
	hook_area.length = 0;
	assert_int_equal(space_map(&world.space, &request, &address), -ENOMEM);
	assert_int_equal(hook_area.length, 0);
}

/* At the hook's place, or a negative errno. */
static int map_placed(int flags)
{
	struct space_map_request request = {
		.address = at(9) + 1,
		.length = 2 * PAGE_SIZE,
		.prot = PROT_READ,
		.flags = flags,
		.handle = &world.handle[0],
		.offset = world.handle[0].huge_shift ? 0 : PAGE_SIZE,
	};
	uint64_t address;
	int error = space_map(&world.space, &request, &address);

	world_rest();
	return error ? error : (int)page_of(address);
}

static void test_place_hook(void **state)
{
	(void)state;
	world.handle[0].hooks = &places;
	hook_error = 0;
	hook_place = at(20);
	assert_int_equal(map_placed(MAP_SHARED), 20);
	assert_int_equal(hook_area.address, at(9));
	assert_int_equal(hook_area.length, 2 * PAGE_SIZE);
	assert_int_equal(hook_area.offset, PAGE_SIZE);
	/* what is wrong with an answer */
	assert_int_equal(map_placed(MAP_SHARED), -ENOMEM);
	hook_place = at(30) + 1;
	assert_int_equal(map_placed(MAP_SHARED), -EINVAL);
	hook_place = at(63);
	assert_int_equal(map_placed(MAP_SHARED), -ENOMEM);
	hook_place = UINT64_MAX & ~PAGE_MASK;
	assert_int_equal(map_placed(MAP_SHARED), -ENOMEM);
	hook_place = at(0) - PAGE_SIZE;
	assert_int_equal(map_placed(MAP_SHARED), -EPERM);
	hook_place = at(30);
	hook_error = -EAGAIN;
	assert_int_equal(map_placed(MAP_SHARED), -EAGAIN);
	/* who says where is not asked, nor is another object's */
	assert_int_equal(map_pages(0, 40, 1, 0, PROT_READ, MAP_SHARED), 0);
	assert_int_equal(map_placed(MAP_SHARED | MAP_ANONYMOUS), 9);
	/* a stranger is there */
	hook_error = 0;
	draw_map("..............................#");
	assert_int_equal(map_placed(MAP_SHARED), -ENOMEM);
}

static void test_map_hook(void **state)
{
	(void)state;
	world.handle[0].hooks = &maps;
	hook_frames = NULL;
	hook_error = -ENODEV;
	assert_int_equal(map_pages(0, 4, 2, 4, RW, MAP_SHARED), -ENODEV);
	assert_string_equal(world.log, "");
	hook_error = 0;
	assert_int_equal(map_pages(0, 4, 2, 4, RW, MAP_SHARED), 0);
	assert_int_equal(hook_area.address, at(4));
	assert_int_equal(hook_area.prot, RW);
	assert_int_equal(flags_at(4) & VM_SPECIAL, 0);
}

/* Frames of b in a's name. */
static void test_frames(void **state)
{
	char *text;

	(void)state;
	world.handle[0].hooks = &maps;
	world.handle[1].shown = &world.handle[0];
	hook_error = 0;
	hook_frames = &world.handle[1];
	hook_frames_offset = 17 * PAGE_SIZE;
	assert_int_equal(map_pages(0, 4, 2, 4, RW, MAP_SHARED | MAP_LOCKED), 0);
	assert_int_equal(flags_at(4), VM_IO | VM_PFNMAP | VM_DONTEXPAND |
					      VM_DONTDUMP | VM_SHARED |
					      VM_MAYSHARE | VM_MAY_FLAGS |
					      (uint64_t)RW);
	assert_int_equal(vma_of_page(4)->mapping.index, 17);
	assert_false(vma_of_page(4)->mapping.locked);
	assert_int_equal(world.space.locked_pages, 0);
	assert_int_equal(world.handle[1].references, 2);
	text = report_text(SPACE_REPORT_MAPS);
	assert_non_null(strstr(text, " a\n"));
	assert_non_null(strstr(text, " 00011000 "));
	free(text);
	/* never one with a neighbour */
	hook_frames_offset = 19 * PAGE_SIZE;
	assert_int_equal(map_pages(0, 6, 2, 6, RW, MAP_SHARED), 0);
	assert_picture("....BB|BB");
	hook_frames_offset = 1;
	assert_int_equal(map_pages(0, 6, 2, 6, RW, MAP_SHARED), -EINVAL);
}

/* ---- huge pages ---- */

#define HUGE_PAGES 512
#define HUGE_SPACE (8 * HUGE_PAGES)

static int start_huge(void **state)
{
	(void)state;
	world_start_at(UINT64_C(1) << 31, HUGE_SPACE, false);
	world.handle[0].huge_shift = 21;
	return 0;
}

static void test_huge(void **state)
{
	struct space_map_request request = {
		.length = 5,
		.prot = RW,
		.flags = MAP_SHARED | MAP_HUGETLB,
		.handle = &world.handle[0],
	};
	uint64_t address;

	(void)state;
	assert_int_equal(space_map(&world.space, &request, &address), 0);
	assert_int_equal(page_of(address), HUGE_SPACE - HUGE_PAGES);
	assert_int_equal(vma_of_page(page_of(address))->flags &
				 (VM_HUGETLB | VM_DONTEXPAND | VM_ACCOUNT),
			 VM_HUGETLB | VM_DONTEXPAND);
	assert_int_equal(world.space.total_pages, HUGE_PAGES);
	request.offset = PAGE_SIZE;
	assert_int_equal(space_map(&world.space, &request, &address), -EINVAL);
	request.offset = 0;
	request.flags |= MAP_FIXED;
	request.address = at(1);
	assert_int_equal(space_map(&world.space, &request, &address), -EINVAL);
	request.address = at(HUGE_PAGES);
	request.flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | MAP_LOCKED;
	world.space.overcommit = SPACE_OVERCOMMIT_NEVER;
	assert_int_equal(space_map(&world.space, &request, &address), 0);
	assert_int_equal(flags_at(HUGE_PAGES) & (VM_NORESERVE | VM_LOCKED),
			 VM_NORESERVE);
	request.length = UINT64_MAX - PAGE_MASK;
	assert_int_equal(space_map(&world.space, &request, &address), -ENOMEM);
}

/* The object's hooks are asked as any other's. */
static void test_huge_places(void **state)
{
	(void)state;
	world.handle[0].hooks = &places;
	hook_error = 0;
	hook_place = at(HUGE_PAGES + 1);
	assert_int_equal(map_placed(MAP_SHARED), -EINVAL);
	hook_place = at(HUGE_PAGES);
	assert_int_equal(map_placed(MAP_SHARED), HUGE_PAGES);
	assert_int_equal(unmap_pages(HUGE_PAGES, HUGE_PAGES), 0);
}

static void test_huge_map_hook(void **state)
{
	(void)state;
	world.handle[0].hooks = &maps;
	hook_frames = NULL;
	hook_error = -EPERM;
	assert_int_equal(map_pages(0, 0, HUGE_PAGES, 0, RW, MAP_SHARED),
			 -EPERM);
	hook_error = 0;
	assert_int_equal(map_pages(0, 0, HUGE_PAGES, 0, RW, MAP_SHARED), 0);
	assert_int_equal(hook_area.length, HUGE_PAGES * PAGE_SIZE);
	hook_frames = &world.handle[1];
	hook_frames_offset = 0;
	assert_int_equal(map_pages(0, 0, HUGE_PAGES, 0, RW, MAP_SHARED),
			 -EINVAL);
}

/* Nothing ends inside a huge page, whoever cuts. */
static void test_huge_cuts(void **state)
{
	(void)state;
	assert_int_equal(map_pages(0, 0, 2 * HUGE_PAGES, 0, RW, MAP_SHARED), 0);
	assert_int_equal(unmap_pages(1, 1), -EINVAL);
	assert_int_equal(unmap_pages(0, 1), -EINVAL);
	assert_int_equal(unmap_pages(2 * HUGE_PAGES - 1, 7), -EINVAL);
	assert_int_equal(map_pages(1, HUGE_PAGES + 1, 1, 0, RW, MAP_SHARED),
			 -EINVAL);
	assert_int_equal(world.space.map_count, 1);
	assert_int_equal(
		map_pages(1, HUGE_PAGES, HUGE_PAGES, 0, RW, MAP_SHARED), 0);
	assert_int_equal(unmap_pages(0, HUGE_PAGES), 0);
	assert_int_equal(world.space.map_count, 1);
}

/* MAP_HUGETLB memory: the size is in the request, and in the object. */
static void test_huge_anonymous(void **state)
{
	struct space_map_request request = {
		.length = 1,
		.prot = RW,
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB,
		.handle = &world.handle[0],
		.huge_shift = 21,
	};
	uint64_t address;

	(void)state;
	assert_int_equal(space_map(&world.space, &request, &address), 0);
	assert_int_equal(vma_of_page(page_of(address))->flags &
				 (VM_HUGETLB | VM_ANONYMOUS),
			 VM_HUGETLB);
	assert_int_equal(address & ((1 << 21) - 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define START(name, start) \
	cmocka_unit_test_setup_teardown(name, start, world_end)
#define TEST(name) START(name, world_start)
#define HUGE(name) START(name, start_huge)
		TEST(test_place_hook),     TEST(test_place_hook_of_too_much),
		TEST(test_map_hook),       TEST(test_frames),
		HUGE(test_huge),           HUGE(test_huge_cuts),
		HUGE(test_huge_anonymous), HUGE(test_huge_places),
		HUGE(test_huge_map_hook),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
