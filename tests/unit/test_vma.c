/* test_vma.c - space/vma.c, vma_tree.c: VMAs, found by address */
/* SPDX-License-Identifier: MIT */
#include "unit/space_world.h"

#include "space/space_private.h"

#include <pthread.h>

/*
 *   ..aa..BBB|cc..
 */
static void test_find_contains(void **state)
{
	(void)state;
	draw_map("..aa..BBBcc..");
	assert_picture("..aa..BBB|cc..");
	assert_null(space_find(&world.space, 0));
	assert_null(space_find(&world.space, at(1)));
	assert_null(space_find(&world.space, at(2) - 1));
	assert_non_null(space_find(&world.space, at(2)));
	assert_non_null(space_find(&world.space, at(4) - 1));
	assert_null(space_find(&world.space, at(4)));
	assert_int_equal(letter_at(space_find(&world.space, at(8))), 'B');
	assert_int_equal(letter_at(space_find(&world.space, at(9))), 'c');
	assert_null(space_find(&world.space, UINT64_MAX));
}

static void test_find_intersection(void **state)
{
	struct vma *vma;

	(void)state;
	draw_map("..aa..BB..");
	assert_null(space_find_intersection(&world.space, at(0), at(2)));
	assert_null(space_find_intersection(&world.space, at(4), at(6)));
	assert_null(space_find_intersection(&world.space, at(8), at(64)));
	vma = space_find_intersection(&world.space, at(0), at(2) + 1);
	assert_int_equal(vma->mapping.start, at(2));
	vma = space_find_intersection(&world.space, at(3), at(64));
	assert_int_equal(vma->mapping.start, at(2));
	vma = space_find_intersection(&world.space, at(4), at(7));
	assert_int_equal(vma->mapping.start, at(6));
}

static void test_find_below_and_neighbours(void **state)
{
	struct vma *vma;

	(void)state;
	draw_map("..aa..BB..c");
	assert_null(vma_find_below(&world.space, at(2)));
	assert_int_equal(vma_find_below(&world.space, at(2) + 1)->mapping.start,
			 at(2));
	vma = vma_find_below(&world.space, at(10));
	assert_int_equal(vma->mapping.start, at(6));
	assert_int_equal(vma_prev(vma)->mapping.start, at(2));
	assert_int_equal(space_next(vma)->mapping.start, at(10));
	assert_null(vma_prev(vma_prev(vma)));
	assert_null(space_next(space_next(vma)));
}

static void test_index_at(void **state)
{
	struct vma *vma;

	(void)state;
	assert_int_equal(map_pages(0, 4, 4, 100, PROT_READ, MAP_SHARED), 0);
	vma = space_find(&world.space, at(5));
	assert_int_equal(vma_index_at(vma, at(4)), 100);
	assert_int_equal(vma_index_at(vma, at(7) + 5), 103);
}

/* The VMA that was found last goes, then another comes at its place. */
static void test_last_hit_does_not_dangle(void **state)
{
	(void)state;
	draw_map("..aaaa..");
	assert_int_equal(letter_at(space_find(&world.space, at(3))), 'a');
	assert_int_equal(unmap_pages(2, 4), 0);
	assert_null(space_find(&world.space, at(3)));
	draw_map("...bb");
	assert_int_equal(letter_at(space_find(&world.space, at(3))), 'b');
}

/* The one that was found last is cut: the cached answer is checked. */
static void test_last_hit_is_checked(void **state)
{
	(void)state;
	draw_map("..aaaa..");
	assert_non_null(space_find(&world.space, at(2)));
	assert_int_equal(unmap_pages(3, 3), 0);
	assert_null(space_find(&world.space, at(4)));
	assert_non_null(space_find(&world.space, at(2)));
}

static void test_generation_grows(void **state)
{
	uint64_t generation = world.space.generation;

	(void)state;
	draw_map("..aaaa..");
	assert_true(world.space.generation > generation);
	generation = world.space.generation;
	assert_int_equal(protect_pages(2, 4, PROT_READ), 0);
	assert_int_equal(world.space.generation, generation);
	assert_int_equal(protect_pages(2, 4, PROT_NONE), 0);
	assert_true(world.space.generation > generation);
	generation = world.space.generation;
	assert_int_equal(unmap_pages(0, 2), 0);
	assert_int_equal(world.space.generation, generation);
	assert_int_equal(unmap_pages(2, 1), 0);
	assert_true(world.space.generation > generation);
}

static void overlapping_vmas(void *unused)
{
	struct vma_stock stock;
	struct vma *vma = vma_find(&world.space, 0);

	(void)unused;
	vma_stock_init(&world.space, &stock, 1);
	vma_set_borders(&world.space, vma, vma->mapping.start, at(6));
	space_check(&world.space);
}

static void taking_too_much(void *unused)
{
	struct vma_stock stock;

	(void)unused;
	vma_stock_init(&world.space, &stock, 0);
	vma_stock_take(&stock);
}

/* space_check() is not blind. */
static void test_check_sees(void **state)
{
	(void)state;
	draw_map("aa..b");
	world.watch = false;
	assert_check_fails(overlapping_vmas, NULL, "space 1");
	assert_check_fails(taking_too_much, NULL, "space 6");
	world.watch = true;
}

/* What is not needed is the next one's, with what was removed. */
static void test_stock_is_kept(void **state)
{
	struct space *space = &world.space;
	struct vma_stock stock;
	struct vma *vma;

	(void)state;
	assert_int_equal(vma_stock_begin(space, &stock, 3), 0);
	assert_int_equal(stock.count, 3);
	vma_stock_end(space, &stock);
	assert_int_equal(space->kept_count, 3);
	assert_int_equal(vma_stock_begin(space, &stock, 2), 0);
	assert_int_equal(stock.count, 2);
	assert_int_equal(space->kept_count, 1);
	vma = vma_stock_take(&stock);
	assert_int_equal(stock.count, 1);
	/* It goes again: nobody's bytes, so it is as new. */
	vma->flags = VM_READ;
	list_add_tail(&stock.gone, &vma->mapping.link);
	vma_stock_end(space, &stock);
	assert_int_equal(space->kept_count, 3);
	assert_int_equal(vma_stock_begin(space, &stock, 4), 0);
	for (unsigned i = 0; i < 4; i++) {
		vma = vma_stock_take(&stock);
		assert_int_equal(vma->flags, 0);
		list_add_tail(&stock.gone, &vma->mapping.link);
	}
	assert_int_equal(stock.count, 0);
	vma_stock_end(space, &stock);
	assert_int_equal(space->kept_count, VMA_STOCK_KEPT);
	/* Of many only so many stay. */
	assert_int_equal(vma_stock_begin(space, &stock, 100), 0);
	assert_int_equal(stock.count, 100);
	vma_stock_end(space, &stock);
	assert_int_equal(space->kept_count, VMA_STOCK_KEPT);
}

/* What was kept is there again where the pool has no more. */
static void test_refused_stock(void **state)
{
	struct space *space = &world.space;
	struct pool_link *taken = NULL, *link;
	struct vma_stock stock;

	(void)state;
	assert_int_equal(vma_stock_begin(space, &stock, 2), 0);
	vma_stock_end(space, &stock);
	world.no_memory = true;
	while ((link = pool_take(&space->pool)) != NULL) {
		link->next = taken;
		taken = link;
	}
	assert_int_equal(vma_stock_begin(space, &stock, 3), -ENOMEM);
	assert_int_equal(space->kept_count, 2);
	assert_int_equal(stock.count, 0);
	assert_null(stock.spare);
	/* The lock was given back, and what is kept is enough for two. */
	assert_int_equal(vma_stock_begin(space, &stock, 2), 0);
	assert_int_equal(stock.count, 2);
	vma_stock_end(space, &stock);
	assert_int_equal(space->kept_count, 2);
	world.no_memory = false;
	pool_drop_several(&space->pool, taken);
	assert_int_equal(vma_stock_begin(space, &stock, 3), 0);
	vma_stock_end(space, &stock);
	assert_int_equal(space->kept_count, 3);
}

/* Whose handle must be dropped first is not kept. */
static void test_a_handle_is_dropped_outside(void **state)
{
	struct vma_stock stock;
	struct vma *vma;

	(void)state;
	assert_int_equal(vma_stock_begin(&world.space, &stock, 1), 0);
	vma = vma_stock_take(&stock);
	vma->handle = &world.handle[0];
	handle_take(vma->handle);
	list_add_tail(&stock.gone, &vma->mapping.link);
	vma_stock_keep(&world.space, &stock);
	assert_false(list_empty(&stock.gone));
	rwlock_drop_write(&world.space.lock);
	vma_stock_finish(&world.space, &stock);
	assert_true(list_empty(&stock.gone));
}

#define MANY 20000

/* Every other page of a large space: tree, counts and searches hold. */
static void test_many(void **state)
{
	uint64_t address;

	(void)state;
	world_start_at(UINT64_C(1) << 32, 2 * MANY, false);
	for (uint64_t i = 0; i < MANY; i++) {
		struct space_map_request request = {
			/* 7919 is prime to MANY: each page once */
			.address = at(i * 7919 % MANY * 2),
			.length = PAGE_SIZE,
			.prot = PROT_READ,
			.flags = MAP_SHARED | MAP_FIXED_NOREPLACE,
			.handle = &world.handle[i % 2],
		};

		assert_int_equal(space_map(&world.space, &request, &address),
				 0);
	}
	world_rest();
	assert_int_equal(world.space.map_count, MANY);
	assert_int_equal(world.space.total_pages, MANY);
	for (uint64_t i = 0; i < 2 * MANY; i++)
		assert_int_equal(space_find(&world.space, at(i)) != NULL,
				 i % 2 == 0);
	assert_int_equal(space_unmap(&world.space, at(100),
				     (2 * MANY - 200) * PAGE_SIZE),
			 0);
	assert_int_equal(world.space.map_count, 100);
}

/* ---- threads ---- */

static _Atomic bool done;

/* Finds what is there or nothing, never what is gone. */
static void *find_all(void *unused)
{
	(void)unused;
	while (!atomic_load(&done)) {
		for (uint64_t page = 0; page < WORLD_PAGES; page++) {
			struct vma *vma;

			rwlock_take_read(&world.space.lock);
			vma = space_find(&world.space, at(page));
			if (vma && !vma_contains(vma, at(page)))
				abort();
			rwlock_drop_read(&world.space.lock);
		}
	}
	return NULL;
}

static int one_change(uint64_t i)
{
	struct space_map_request request = {
		.address = at(i * 5 % 60),
		.length = (i % 4 + 1) * PAGE_SIZE,
		.prot = PROT_READ,
		.flags = MAP_SHARED | MAP_FIXED,
		.handle = &world.handle[i % WORLD_OBJECTS],
	};
	uint64_t address;

	if (i % 3 == 2)
		return space_unmap(&world.space, at(i * 7 % 60), 3 * PAGE_SIZE);
	return space_map(&world.space, &request, &address);
}

static void test_finding_while_it_changes(void **state)
{
	pthread_t readers[2];

	(void)state;
	world.watch = false;
	atomic_store(&done, false);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(
			pthread_create(&readers[i], NULL, find_all, NULL), 0);
	for (uint64_t i = 0; i < 3000; i++) {
		world.log[0] = '\0';
		assert_int_equal(one_change(i), 0);
	}
	atomic_store(&done, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(readers[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_start, world_end)
		TEST(test_find_contains),
		TEST(test_find_intersection),
		TEST(test_find_below_and_neighbours),
		TEST(test_index_at),
		TEST(test_last_hit_does_not_dangle),
		TEST(test_last_hit_is_checked),
		TEST(test_generation_grows),
		TEST(test_check_sees),
		TEST(test_stock_is_kept),
		TEST(test_refused_stock),
		TEST(test_a_handle_is_dropped_outside),
		cmocka_unit_test_teardown(test_many, world_end),
		TEST(test_finding_while_it_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
