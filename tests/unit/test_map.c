/* test_map.c - space/map.c: something new is there */
/* SPDX-License-Identifier: MIT */
#include "unit/space_world.h"

#define RW (PROT_READ | PROT_WRITE)

/* A request that is good; each test spoils a part. */
static struct space_map_request good_request(void)
{
	return (struct space_map_request){
		.address = at(4),
		.length = 2 * PAGE_SIZE,
		.prot = PROT_READ | PROT_WRITE,
		.flags = MAP_SHARED | MAP_FIXED,
		.handle = &world.handle[0],
		.offset = 4 * PAGE_SIZE,
	};
}

/* The page where it went, or a negative errno. */
static int map(const struct space_map_request *request)
{
	uint64_t address = 0;
	int error;

	clear_log();
	error = space_map(&world.space, request, &address);
	world_rest();
	return error ? error : (int)page_of(address);
}

static void test_fixed(void **state)
{
	struct space_map_request request = good_request();
	const struct vma *vma;

	(void)state;
	assert_int_equal(map(&request), 4);
	assert_picture("....AA..");
	assert_string_equal(world.log, "map 4+2 replace\n");
	vma = space_find(&world.space, at(4));
	assert_int_equal(vma->mapping.index, 4);
	assert_int_equal(vma_prot(vma), PROT_READ | PROT_WRITE);
	assert_true(vma->mapping.shared);
	assert_int_equal(world.space.total_pages, 2);
	assert_int_equal(world.handle[0].references, 2);
}

static void test_private(void **state)
{
	struct space_map_request request = good_request();
	const struct vma *vma;

	(void)state;
	request.flags = MAP_PRIVATE | MAP_FIXED;
	world.handle[0].writable = false;
	assert_int_equal(map(&request), 4);
	vma = space_find(&world.space, at(4));
	assert_false(vma->mapping.shared);
	assert_int_equal(vma->flags, RW | VM_MAY_FLAGS | VM_ACCOUNT);
	assert_int_equal(vma_may_prot(vma), PROT_READ | PROT_WRITE | PROT_EXEC);
}

/* Over the middle of one mapping, over several, over holes and strangers. */
static void test_fixed_replaces(void **state)
{
	(void)state;
	draw_map("aaaaaaaa");
	assert_int_equal(map_pages(1, 2, 3, 0, PROT_READ, MAP_SHARED), 0);
	assert_picture("aa|bbb|aaa");
	assert_string_equal(world.log, "map 2+3 replace\n");
	assert_int_equal(map_pages(2, 1, 8, 0, PROT_WRITE, MAP_PRIVATE), 0);
	assert_picture("a|CCCCCCCC");
	draw_map("..........#..bb");
	assert_int_equal(map_pages(1, 7, 7, 0, PROT_READ, MAP_SHARED), 0);
	assert_picture("a|CCCCCC|bbbbbbb|b.");
}

static void test_not_fixed(void **state)
{
	struct space_map_request request = good_request();

	(void)state;
	request.flags = MAP_SHARED;
	assert_int_equal(map(&request), 4);
	assert_string_equal(world.log, "map 4+2\n");
	/* taken now: the highest hole */
	assert_int_equal(map(&request), 62);
	request.address = 0;
	assert_int_equal(map(&request), 60);
	request.length = 1;
	assert_int_equal(map(&request), 59);
}

/* The host knows of memory that the space does not. */
static void test_strangers(void **state)
{
	struct space_map_request request = good_request();

	(void)state;
	draw_map("....#.........................................."
		 "...............##");
	request.flags = MAP_SHARED;
	/* the hint, 62 and 61 are refused; 59 = 62 + 2 - 1 - 2 ... */
	assert_int_equal(map(&request), 59);
	assert_string_equal(world.log,
			    "map 4+2\nmap 62+2\nmap 61+2\nmap 59+2\n");
	request.flags = MAP_SHARED | MAP_FIXED_NOREPLACE;
	assert_int_equal(map(&request), -EEXIST);
	request.flags = MAP_SHARED | MAP_FIXED;
	assert_int_equal(map(&request), 4);
}

static void test_strangers_everywhere(void **state)
{
	struct space_map_request request = good_request();

	(void)state;
	for (int i = 0; i < WORLD_PAGES; i++)
		world.page[i] =
			(struct host_page){ .mapped = true, .stranger = true };
	request.flags = MAP_SHARED;
	assert_int_equal(map(&request), -ENOMEM);
	assert_true(world.calls < 10);
}

static void test_noreplace(void **state)
{
	struct space_map_request request = good_request();

	(void)state;
	draw_map("...aa...");
	request.flags = MAP_SHARED | MAP_FIXED_NOREPLACE;
	assert_int_equal(map(&request), -EEXIST);
	request.flags |= MAP_FIXED;
	assert_int_equal(map(&request), -EEXIST);
	assert_picture("...aa...");
	request.address = at(5);
	assert_int_equal(map(&request), 5);
	assert_string_equal(world.log, "map 5+2\n");
	request.address++;
	assert_int_equal(map(&request), -EINVAL);
}

static void test_bad_arguments(void **state)
{
	struct space_map_request request = good_request();

	(void)state;
	request.handle = NULL;
	assert_int_equal(map(&request), -EBADF);
	request.offset = 1; /* comes first */
	assert_int_equal(map(&request), -EINVAL);
	request = good_request();
	request.offset = PAGE_SIZE + 1;
	assert_int_equal(map(&request), -EINVAL);
	assert_non_null(strstr(error_sentence(), "offset"));
	request = good_request();
	request.length = 0;
	assert_int_equal(map(&request), -EINVAL);
	request.length = UINT64_MAX;
	assert_int_equal(map(&request), -ENOMEM);
	request.length = UINT64_MAX - PAGE_MASK;
	assert_int_equal(map(&request), -ENOMEM);
	request = good_request();
	request.flags |= MAP_HUGETLB;
	assert_int_equal(map(&request), -EINVAL);
	request = good_request();
	request.flags |= MAP_GROWSDOWN;
	assert_int_equal(map(&request), -EINVAL);
	request = good_request();
	request.handle = NULL;
	request.flags |= MAP_ANONYMOUS | MAP_GROWSDOWN;
	assert_int_equal(map(&request), -EINVAL);
	request = good_request();
	request.address = at(63);
	assert_int_equal(map(&request), -ENOMEM);
	request.address = at(0) - PAGE_SIZE;
	assert_int_equal(map(&request), -EPERM);
	assert_string_equal(world.log, "");
}

static void test_offsets(void **state)
{
	struct space_map_request request = good_request();

	(void)state;
	request.length = PAGE_SIZE;
	request.offset = UINT64_C(0x7ffffffffffff000);
	assert_int_equal(map(&request), -EOVERFLOW);
	request.offset = UINT64_C(0x8000000000000000);
	assert_int_equal(map(&request), -EOVERFLOW);
	request.offset = UINT64_C(0xfffffffffffff000);
	assert_int_equal(map(&request), -EOVERFLOW);
	request.offset = UINT64_C(0x7fffffffffffe000);
	assert_int_equal(map(&request), 4);
	request.length = 2 * PAGE_SIZE;
	assert_int_equal(map(&request), -EOVERFLOW);
	/* the place is judged before the offset */
	request.address = at(63);
	assert_int_equal(map(&request), -ENOMEM);
}

static void test_kinds(void **state)
{
	struct space_map_request request = good_request();

	(void)state;
	request.flags = MAP_FIXED;
	assert_int_equal(map(&request), -EINVAL);
	request.flags = MAP_FIXED | MAP_TYPE;
	assert_int_equal(map(&request), -EINVAL);
	request.flags = MAP_FIXED | MAP_SHARED_VALIDATE;
	assert_int_equal(map(&request), 4);
	assert_int_equal(space_find(&world.space, at(4))->flags,
			 RW | VM_MAY_FLAGS | VM_SHARED | VM_MAYSHARE);
	request.flags = MAP_FIXED | MAP_SHARED_VALIDATE | MAP_SYNC;
	assert_int_equal(map(&request), -EOPNOTSUPP);
	/* what MAP_SHARED does not know it ignores */
	request.flags = MAP_FIXED | MAP_SHARED | MAP_SYNC | MAP_STACK |
			MAP_DENYWRITE;
	assert_int_equal(map(&request), 4);
	/* the sizes of huge pages that Linux names, and no others */
	request.flags = MAP_FIXED | MAP_SHARED_VALIDATE | (31 << 26);
	assert_int_equal(map(&request), 4);
	request.flags = MAP_FIXED | MAP_SHARED_VALIDATE | (int)(1u << 31);
	assert_int_equal(map(&request), -EOPNOTSUPP);
	/* unknown rights are ignored, as mmap(2) does */
	request.flags = MAP_FIXED | MAP_SHARED;
	request.prot = 0x70000000 | PROT_READ;
	assert_int_equal(map(&request), 4);
	assert_int_equal(vma_prot(space_find(&world.space, at(4))), PROT_READ);
}

static void test_access(void **state)
{
	struct space_map_request request = good_request();

	(void)state;
	world.handle[0].writable = false;
	assert_int_equal(map(&request), -EACCES);
	assert_non_null(strstr(error_sentence(), "reading only"));
	request.prot = PROT_READ;
	assert_int_equal(map(&request), 4);
	assert_int_equal(vma_may_prot(space_find(&world.space, at(4))),
			 PROT_READ | PROT_EXEC);
	world.handle[0].readable = false;
	assert_int_equal(map(&request), -EACCES);
	request.flags = MAP_PRIVATE | MAP_FIXED;
	assert_int_equal(map(&request), -EACCES);
	/* EOPNOTSUPP comes before that, EACCES of the place's limits too */
	request.flags = MAP_SHARED_VALIDATE | MAP_FIXED | MAP_SYNC;
	assert_int_equal(map(&request), -EOPNOTSUPP);
}

static void test_limit_of_mappings(void **state)
{
	(void)state;
	world.space.limit[SPACE_LIMIT_MAPPINGS] = 2;
	draw_map("aaa.bbb.");
	/* at the limit, no cut in three, but one more (as Linux) */
	assert_int_equal(map_pages(1, 1, 1, 0, PROT_READ, MAP_SHARED), -ENOMEM);
	assert_picture("aaa.bbb.");
	assert_int_equal(map_pages(2, 7, 1, 0, PROT_READ, MAP_SHARED), 0);
	assert_int_equal(world.space.map_count, 3);
	/* over it nothing, even if it were to replace all */
	assert_int_equal(map_pages(2, 0, 8, 0, PROT_READ, MAP_SHARED), -ENOMEM);
	assert_picture("aaa.bbb|c");
}

static void test_address_space_limit(void **state)
{
	(void)state;
	set_limit(SPACE_LIMIT_ADDRESS_SPACE, 6);
	draw_map("aaaa....");
	assert_int_equal(map_pages(1, 4, 3, 0, PROT_READ, MAP_SHARED), -ENOMEM);
	/* what is replaced does not count */
	assert_int_equal(map_pages(1, 3, 3, 0, PROT_READ, MAP_SHARED), 0);
	assert_picture("aaa|bbb..");
	assert_int_equal(map_pages(1, 7, 1, 0, PROT_READ, MAP_SHARED), -ENOMEM);
	assert_int_equal(world.space.total_pages, 6);
}

static int step_over_all(void)
{
	return map_pages(2, 1, 8, 0, PROT_READ, MAP_SHARED);
}

static int step_into_the_middle(void)
{
	return map_pages(1, 2, 1, 2, PROT_READ, MAP_PRIVATE);
}

static int step_join(void)
{
	return map_pages(0, 5, 2, 5, PROT_READ, MAP_SHARED);
}

static void test_host_refuses(void **state)
{
	(void)state;
	draw_map("AAAAA..aaabb#");
	assert_int_equal(fail_each_call(step_into_the_middle), 1);
	assert_picture("AA|b|AA..aaa|bb#");
	assert_int_equal(fail_each_call(step_join), 1);
	assert_picture("AA|b|AA|aaaaa|bb#");
	assert_int_equal(fail_each_call(step_over_all), 1);
	assert_picture("A|cccccccc|a|bb#");
}

static void test_no_memory(void **state)
{
	struct space_map_request request = good_request();

	(void)state;
	world.no_memory = true;
	assert_int_equal(map(&request), -ENOMEM);
	assert_string_equal(world.log, "");
	world.no_memory = false;
	assert_int_equal(map(&request), 4);
}

/* What the user closed lives on in the mapping, and goes with it. */
static void test_handle_is_held(void **state)
{
	(void)state;
	draw_map("aaaa");
	assert_int_equal(world.handle[0].references, 2);
	assert_int_equal(unmap_pages(1, 1), 0);
	assert_int_equal(world.handle[0].references, 3);
	assert_int_equal(unmap_pages(0, 4), 0);
	assert_int_equal(world.handle[0].references, 1);
}

/* An end while things are mapped; the host's refusal is told. */
static void test_finish(void **state)
{
	(void)state;
	draw_map("aa.bb.cc");
	world.watch = false; /* for what the host keeps there is no hope */
	world.fail_at = 2;
	clear_log();
	assert_int_equal(space_finish(&world.space), -ENOMEM);
	assert_string_equal(world.log, "unmap 0+2\nunmap 3+2\nunmap 6+2\n");
	assert_int_equal(world.memory, 0);
	for (unsigned i = 0; i < WORLD_OBJECTS; i++)
		assert_int_equal(world.handle[i].references, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_start, world_end)
		TEST(test_fixed),
		TEST(test_private),
		TEST(test_fixed_replaces),
		TEST(test_not_fixed),
		TEST(test_strangers),
		TEST(test_strangers_everywhere),
		TEST(test_noreplace),
		TEST(test_bad_arguments),
		TEST(test_offsets),
		TEST(test_kinds),
		TEST(test_access),
		TEST(test_limit_of_mappings),
		TEST(test_address_space_limit),
		TEST(test_host_refuses),
		TEST(test_no_memory),
		TEST(test_handle_is_held),
		cmocka_unit_test_setup(test_finish, world_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
