/* test_discard_scratch.c - object/discard.c: scratch that is forgotten */
/* SPDX-License-Identifier: MIT */
#include "unit/discard_world.h"

static void test_scratch_is_forgotten(void **state)
{
	(void)state;
	set_byte(scratch.object, at(3), 8);
	set_byte(scratch.object, at(4), 8);
	swap_out(world, scratch.object);
	assert_true(at_home(scratch.home, 3));
	/* Neither reads nor writes are needed. */
	assert_int_equal(faulty_store_script(scratch.faulty, "any do fail EIO"),
			 0);
	assert_int_equal(object_discard(scratch.object, 3, 1), 0);
	assert_int_equal(object_byte(scratch.object, at(3)), 0);
	assert_false(at_home(scratch.home, 3));
	assert_true(at_home(scratch.home, 4));
}

static void test_freed_lazily(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		set_byte(scratch.object, at(i), 8);
	object_free_lazily(scratch.object, 1, 3);
	assert_int_equal(object_dirty_pages(scratch.object), 1);
	/* Not gone yet, and this one is wanted after all. */
	assert_int_equal(object_byte(scratch.object, at(1)), 8);
	set_byte(scratch.object, at(2) + 1, 9);
	swap_out(world, scratch.object);
	assert_int_equal(charged(world), 0);
	assert_int_equal(object_byte(scratch.object, at(0)), 8);
	assert_int_equal(object_byte(scratch.object, at(1)), 0);
	assert_int_equal(object_byte(scratch.object, at(2)), 8);
	assert_int_equal(object_byte(scratch.object, at(2) + 1), 9);
	assert_int_equal(object_byte(scratch.object, at(3)), 0);
	object_free_lazily(scratch.object, UINT64_MAX, 3);
}

/* What was at home before is not what comes back. */
static void test_freed_after_it_was_at_home(void **state)
{
	(void)state;
	set_byte(scratch.object, at(1), 8);
	swap_out(world, scratch.object);
	set_byte(scratch.object, at(1), 9);
	object_free_lazily(scratch.object, 0, PAGES);
	swap_out(world, scratch.object);
	assert_int_equal(object_byte(scratch.object, at(1)), 0);
}

static void test_a_pinned_page_is_not_freed(void **state)
{
	(void)state;
	assert_int_equal(object_hold(scratch.object, 1, 1, true), 0);
	memset(object_window(scratch.object, at(1)), 3, PAGE_SIZE);
	object_free_lazily(scratch.object, 0, PAGES);
	assert_int_equal(object_dirty_pages(scratch.object), 1);
	object_let_go(scratch.object, 1, 1, true);
	swap_out(world, scratch.object);
	assert_int_equal(object_byte(scratch.object, at(1)), 3);
}

static void test_only_scratch_is_freed(void **state)
{
	(void)state;
	set_byte(thing.object, at(1), 8);
	object_free_lazily(thing.object, 0, PAGES);
	assert_true(is_dirty(thing.object, 1));
	swap_out(world, thing.object);
	assert_int_equal(home_byte(&thing, at(1)), 8);
}

/* A mapping that cannot be protected might still be stored through. */
static int refuse_to_protect(struct mmu *mmu, uint64_t start, uint64_t length)
{
	(void)mmu;
	(void)start;
	(void)length;
	return -ENOMEM;
}

static void test_freed_where_it_cannot_be_protected(void **state)
{
	const struct mmu_ops ops = { .write_protect = refuse_to_protect };
	struct mmu mmu = { .ops = &ops };
	struct mapping mapping = { .mmu = &mmu,
				   .start = PAGE_SIZE,
				   .end = 4 * PAGE_SIZE,
				   .shared = true };

	(void)state;
	set_byte(scratch.object, at(1), 8);
	object_attach(scratch.object, &mapping);
	object_free_lazily(scratch.object, 0, PAGES);
	object_detach(scratch.object, &mapping);
	assert_true(is_dirty(scratch.object, 1));
	swap_out(world, scratch.object);
	assert_int_equal(object_byte(scratch.object, at(1)), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_scratch_is_forgotten),
		IN_WORLD(test_freed_lazily),
		IN_WORLD(test_freed_after_it_was_at_home),
		IN_WORLD(test_a_pinned_page_is_not_freed),
		IN_WORLD(test_only_scratch_is_freed),
		IN_WORLD(test_freed_where_it_cannot_be_protected),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
