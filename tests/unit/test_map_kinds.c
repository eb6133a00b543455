/* test_map_kinds.c - space/map_kind.c, map.c: what may be mapped */
/* SPDX-License-Identifier: MIT */
#include "unit/space_world.h"

#define RW (PROT_READ | PROT_WRITE)

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif

static int map_shared(unsigned object, int prot)
{
	return map_pages(object, 4, 2, 4, prot, MAP_SHARED);
}

static int map_private(unsigned object, int prot)
{
	return map_pages(object, 4, 2, 4, prot, MAP_PRIVATE);
}

static void test_noexec(void **state)
{
	(void)state;
	world.handle[0].flags = HANDLE_NOEXEC;
	assert_int_equal(map_private(0, PROT_READ | PROT_EXEC), -EPERM);
	assert_int_equal(map_private(0, PROT_READ), 0);
	assert_int_equal(vma_may_prot(vma_of_page(4)), RW);
	assert_int_equal(protect_pages(4, 2, PROT_EXEC), -EACCES);
	/* who may not read is told that first */
	world.handle[0].readable = false;
	assert_int_equal(map_private(0, PROT_EXEC), -EACCES);
}

static void test_append_only(void **state)
{
	(void)state;
	world.handle[0].flags = HANDLE_APPEND_ONLY;
	assert_int_equal(map_shared(0, PROT_READ), -EACCES);
	assert_int_equal(map_shared(0, RW), -EACCES);
	assert_int_equal(map_private(0, RW), 0);
	world.handle[0].writable = false;
	assert_int_equal(map_shared(0, PROT_READ), 0);
}

static void test_busy(void **state)
{
	(void)state;
	world.handle[0].flags = HANDLE_BUSY;
	assert_int_equal(map_shared(0, RW), -ETXTBSY);
	assert_int_equal(map_shared(0, PROT_READ), 0);
	assert_int_equal(map_private(0, RW), 0);
	world.handle[0].writable = false;
	assert_int_equal(map_shared(0, RW), -EACCES);
}

static void test_unmappable(void **state)
{
	(void)state;
	world.handle[0].flags = HANDLE_UNMAPPABLE;
	assert_int_equal(map_shared(0, PROT_READ), -ENODEV);
	assert_int_equal(map_private(0, PROT_READ), -ENODEV);
	/* before a wrong kind of growth is complained of, after noexec */
	assert_int_equal(map_pages(0, 4, 2, 4, PROT_READ,
				   MAP_PRIVATE | MAP_GROWSDOWN),
			 -ENODEV);
	world.handle[0].flags |= HANDLE_NOEXEC;
	assert_int_equal(map_private(0, PROT_EXEC), -EPERM);
}

static void test_seals(void **state)
{
	static const uint32_t seals[] = { HANDLE_SEAL_WRITE,
					  HANDLE_SEAL_FUTURE_WRITE };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		world.handle[0].flags = seals[i];
		world.handle[0].writable = true;
		assert_int_equal(map_shared(0, RW), -EPERM);
		assert_int_equal(map_shared(0, PROT_READ), 0);
		assert_int_equal(vma_may_prot(vma_of_page(4)),
				 PROT_READ | PROT_EXEC);
		assert_int_equal(protect_pages(4, 2, RW), -EACCES);
		assert_int_equal(map_private(0, RW), 0);
		/* opened for reading: shared in name only */
		world.handle[0].writable = false;
		assert_int_equal(map_shared(0, PROT_READ), 0);
		assert_int_equal(flags_at(4) & (VM_SHARED | VM_MAYSHARE),
				 VM_MAYSHARE);
	}
}

static void test_read_implies_exec(void **state)
{
	(void)state;
	world.space.flags = SPACE_READ_IMPLIES_EXEC;
	assert_int_equal(map_private(0, PROT_READ), 0);
	assert_int_equal(vma_prot(vma_of_page(4)), PROT_READ | PROT_EXEC);
	assert_int_equal(map_private(0, PROT_WRITE), 0);
	assert_int_equal(vma_prot(vma_of_page(4)), PROT_WRITE);
	world.handle[0].flags = HANDLE_NOEXEC;
	assert_int_equal(map_private(0, PROT_READ), 0);
	assert_int_equal(vma_prot(vma_of_page(4)), PROT_READ);
}

/* What mmap's flags leave in the VMA. */
static void test_flags(void **state)
{
	static const struct {
		int flags;
		uint64_t vm;
	} cases[] = {
		{ MAP_PRIVATE, VM_ACCOUNT },
		{ MAP_PRIVATE | MAP_NORESERVE, VM_NORESERVE },
		{ MAP_PRIVATE | MAP_STACK, VM_ACCOUNT | VM_NOHUGEPAGE },
		{ MAP_PRIVATE | MAP_SYNC, VM_ACCOUNT | VM_SYNC },
		{ MAP_PRIVATE | MAP_LOCKED, VM_ACCOUNT | VM_LOCKED },
		{ MAP_SHARED, VM_SHARED | VM_MAYSHARE },
		{ MAP_SHARED | MAP_NORESERVE,
		  VM_SHARED | VM_MAYSHARE | VM_NORESERVE },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(map_pages(0, 4, 2, 4, RW, cases[i].flags), 0);
		assert_int_equal(flags_at(4), cases[i].vm | VM_MAY_FLAGS | RW);
	}
}

/* ---- anonymous memory ---- */

static void test_anonymous_private(void **state)
{
	(void)state;
	assert_int_equal(map_anonymous(4, 2, RW, MAP_PRIVATE), 0);
	assert_picture("....NN..");
	assert_string_equal(world.log, "map 4+2 replace\n");
	assert_int_equal(flags_at(4), VM_ANONYMOUS | VM_ACCOUNT | VM_MAY_FLAGS |
					      (uint64_t)RW);
	assert_int_equal(vma_of_page(4)->mapping.index, at(4) >> PAGE_SHIFT);
	assert_false(vma_of_page(4)->mapping.shared);
	/* neighbours are one, replaced parts too; what is apart is not */
	assert_int_equal(map_anonymous(6, 2, RW, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(5, 1, RW, MAP_PRIVATE), 0);
	assert_picture("....NNNN");
	assert_int_equal(map_anonymous(5, 1, PROT_READ, MAP_PRIVATE), 0);
	assert_picture("....N|n|NN");
	assert_int_equal(unmap_pages(5, 2), 0);
	assert_picture("....N..N");
	assert_int_equal(vma_of_page(7)->mapping.index, at(7) >> PAGE_SHIFT);
	assert_int_equal(protect_pages(7, 1, PROT_NONE), 0);
}

static void test_anonymous_kinds(void **state)
{
	(void)state;
	assert_int_equal(map_anonymous(4, 2, RW, 0), -EINVAL);
	assert_int_equal(map_anonymous(4, 2, RW, MAP_SHARED_VALIDATE), -EINVAL);
	assert_int_equal(map_anonymous(4, 2, RW, MAP_SHARED | MAP_GROWSDOWN),
			 -EINVAL);
	assert_int_equal(map_anonymous(4, 2, RW, MAP_PRIVATE | MAP_GROWSDOWN),
			 0);
	assert_int_equal(flags_at(4) & VM_GROWSDOWN, VM_GROWSDOWN);
	/* the caller gives the object of what is shared; the offset is 0 */
	assert_int_equal(map_pages(1, 8, 2, 7, RW, MAP_SHARED | MAP_ANONYMOUS),
			 0);
	assert_int_equal(vma_of_page(8)->mapping.index, 0);
	assert_int_equal(flags_at(8) & VM_ANONYMOUS, 0);
}

static void test_droppable(void **state)
{
	const uint64_t expected = VM_DROPPABLE | VM_NORESERVE | VM_WIPEONFORK |
				  VM_DONTDUMP | VM_ANONYMOUS | VM_MAY_FLAGS |
				  (uint64_t)RW;

	(void)state;
	assert_int_equal(map_anonymous(4, 2, RW, MAP_DROPPABLE), 0);
	assert_int_equal(flags_at(4), expected);
	assert_int_equal(map_anonymous(4, 2, RW, MAP_DROPPABLE | MAP_LOCKED),
			 -EINVAL);
	assert_int_equal(map_anonymous(4, 2, RW, MAP_DROPPABLE | MAP_HUGETLB),
			 -EINVAL);
	assert_int_equal(map_anonymous(4, 2, RW, MAP_DROPPABLE | MAP_GROWSDOWN),
			 -EINVAL);
	/* of an object nothing is droppable */
	assert_int_equal(map_pages(0, 4, 2, 4, RW, MAP_DROPPABLE), -EINVAL);
}

static int step_anonymous(void)
{
	return map_anonymous(3, 4, RW, MAP_PRIVATE);
}

static void test_anonymous_refused(void **state)
{
	(void)state;
	draw_map("..aabbcc..");
	assert_int_equal(fail_each_call(step_anonymous), 1);
	assert_picture("..a|NNNN|c..");
}

/* ---- anonymous memory of the host's MMU ---- */

static void test_backed(void **state)
{
	const struct vma *vma;

	(void)state;
	assert_int_equal(map_anonymous(4, 2, RW, MAP_PRIVATE), 0);
	vma = vma_of_page(4);
	assert_ptr_equal(vma->handle, &world.handle[2]);
	assert_int_equal(vma->mapping.index, 4);
	assert_true(vma->mapping.shared);
	assert_int_equal(vma->flags & (VM_ANONYMOUS | VM_SHARED | VM_MAYSHARE),
			 VM_ANONYMOUS);
	assert_int_equal(map_anonymous(6, 2, RW, MAP_PRIVATE), 0);
	assert_picture("....CCCC");
	/* what goes is discarded, and may be mapped again */
	assert_int_equal(unmap_pages(5, 2), 0);
	assert_picture("....C..C");
	assert_string_equal(world.discards, "c 5+2\n");
	assert_int_equal(map_anonymous(5, 2, RW, MAP_PRIVATE), 0);
	assert_picture("....CCCC");
	assert_string_equal(world.discards, "");
	assert_int_equal(unmap_pages(0, 64), 0);
	assert_string_equal(world.discards, "c 4+4\n");
}

/* The bytes of what is replaced are discarded later, when the new mapping may
 * be stored to already: so it needs pages of its own. */
static void test_replacing_the_backed(void **state)
{
	(void)state;
	assert_int_equal(map_anonymous(4, 4, RW, MAP_PRIVATE), 0);
	assert_int_equal(map_anonymous(6, 4, RW, MAP_PRIVATE),
			 SPACE_NEEDS_OBJECT);
	assert_picture("....CCCC");
	assert_int_equal(map_pages(0, 6, 4, 0, RW, MAP_PRIVATE | MAP_ANONYMOUS),
			 0);
	assert_picture("....CC|AAAA");
	assert_string_equal(world.discards, "c 6+2\n");
	/* of its own: its place in the backing is free */
	assert_int_equal(map_anonymous(8, 2, RW, MAP_PRIVATE), 0);
	assert_picture("....CC|AA|CC");
	assert_string_equal(world.discards, "a 2+2\n");
	/* what is no anonymous memory is replaced in place */
	assert_int_equal(map_pages(1, 12, 2, 12, RW, MAP_SHARED), 0);
	assert_int_equal(map_anonymous(12, 2, RW, MAP_PRIVATE), 0);
	assert_int_equal(vma_of_page(12)->mapping.index, 12);
}

/* Where the backing is taken the mapping stands on an object of its own. */
static void test_backing_taken(void **state)
{
	struct space_map_request request = {
		.address = at(4),
		.length = 2 * PAGE_SIZE,
		.prot = RW,
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
	};
	struct backing *backing = &world.space.backing;
	uint64_t address, index;

	(void)state;
	assert_true(backing_place(backing, at(4), PAGE_SIZE, &index));
	assert_int_equal(index, 4);
	backing_take(backing, &world.handle[2], 10, 3);
	assert_false(backing_place(backing, at(4), PAGE_SIZE, &index));
	assert_int_equal(space_map(&world.space, &request, &address),
			 SPACE_NEEDS_OBJECT);
	request.handle = &world.handle[0];
	assert_int_equal(space_map(&world.space, &request, &address), 0);
	world_rest();
	assert_picture("....AA..");
	assert_int_equal(vma_of_page(4)->mapping.index, 0);
	assert_int_equal(unmap_pages(4, 1), 0);
	assert_string_equal(world.discards, "a 0+1\n");
	/* another's pages are not the backing's */
	backing_take(backing, &world.handle[1], 10, 3);
	backing_give(backing, &world.handle[2], 10, 3);
	assert_true(backing_place(backing, at(4), PAGE_SIZE, &index));
	assert_false(backing_place(backing, at(63), 2 * PAGE_SIZE, &index));
	assert_false(
		backing_place(backing, at(0) - PAGE_SIZE, PAGE_SIZE, &index));
	assert_true(backing_in_place(backing, &world.handle[2], at(7), 7));
	assert_false(backing_in_place(backing, &world.handle[2], at(7), 8));
	assert_false(backing_in_place(backing, &world.handle[1], at(7), 7));
	assert_false(backing_in_place(backing, &world.handle[2], 0, 0));
}

static void test_no_backing(void **state)
{
	uint64_t index;

	(void)state;
	assert_int_equal(map_anonymous(4, 2, RW, MAP_PRIVATE),
			 SPACE_NEEDS_OBJECT);
	assert_false(
		backing_place(&world.space.backing, at(4), PAGE_SIZE, &index));
	assert_picture("........");
}

/* Pages of two granules are counted in both. */
static void test_granules(void **state)
{
	_Atomic uint16_t taken[3] = { 0 };
	struct quire_object handle = { .object = &world.object[0] };
	struct backing backing;
	uint64_t index;

	(void)state;
	atomic_init(&handle.references, 2);
	world.object[0].pages = 1200;
	backing_init(&backing, &handle, at(0), taken);
	assert_true(backing_bytes(1200) >= sizeof(taken));
	assert_int_equal(backing_bytes(1200) & PAGE_MASK, 0);
	backing_take(&backing, &handle, 500, 24);
	assert_int_equal(taken[0], 12);
	assert_int_equal(taken[1], 12);
	assert_int_equal(taken[2], 0);
	assert_false(backing_place(&backing, at(0), PAGE_SIZE, &index));
	assert_false(backing_place(&backing, at(1023), 2 * PAGE_SIZE, &index));
	assert_true(backing_place(&backing, at(1024), PAGE_SIZE, &index));
	backing_give(&backing, &handle, 500, 24);
	assert_true(backing_place(&backing, at(0), 1200 * PAGE_SIZE, &index));
	backing_finish(&backing);
	assert_int_equal(handle.references, 1);
	backing_finish(&backing);
	assert_int_equal(handle.references, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define START(name, start) \
	cmocka_unit_test_setup_teardown(name, start, world_end)
#define TEST(name) START(name, world_start)
#define SOFT(name) START(name, world_start_soft)
#define BACKED(name) START(name, world_start_backed)
		TEST(test_noexec),
		TEST(test_append_only),
		TEST(test_busy),
		TEST(test_unmappable),
		TEST(test_seals),
		TEST(test_read_implies_exec),
		TEST(test_flags),
		SOFT(test_anonymous_private),
		SOFT(test_anonymous_kinds),
		SOFT(test_droppable),
		SOFT(test_anonymous_refused),
		BACKED(test_backed),
		BACKED(test_replacing_the_backed),
		BACKED(test_backing_taken),
		TEST(test_no_backing),
		TEST(test_granules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
