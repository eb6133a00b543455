/* test_cut_memory.c - somebody else cuts the memory of an object */
/* SPDX-License-Identifier: MIT */
/*
 * Whoever maps an object of a server has its memfd, and may truncate it.  The
 * owner must live, and must not take what is missing for zeros.
 */
#include "unit/foreign_world.h"

#include "os/memory.h"

#include <fcntl.h>

static void cut_memory(uint64_t size)
{
	assert_int_equal(memory_file_resize(object_memory(thing.object), size),
			 0);
}

static void assert_home_is_whole(void)
{
	for (uint64_t i = 0; i < SIZE; i += 501)
		assert_int_equal(home_byte(&thing, i), byte_at(i));
}

static void test_nothing_is_written_of_what_is_gone(void **state)
{
	(void)state;
	dirty(3, 71);
	dirty(4, 72);
	cut_memory(at(3, 100));
	assert_int_equal(sync_all(), -EIO);
	assert_home_is_whole();
	assert_int_equal(dirty_pages(), 2);
	assert_true(object_errors(thing.object) > 0);
}

/* What was made long again has holes, and they are no bytes of ours. */
static void test_nothing_is_written_of_holes(void **state)
{
	(void)state;
	dirty(3, 71);
	dirty(4, 72);
	cut_memory(at(4, 0));
	cut_memory(at(PAGES, 0));
	assert_int_equal(sync_all(), -EIO);
	assert_home_is_whole();
	/* Each by itself: of 3 nothing is missing. */
	assert_int_equal(sync_range(3, 1), 0);
	assert_int_equal(home(3), 71);
	assert_int_equal(sync_range(4, 1), -EIO);
	assert_int_equal(home(4), byte_at(at(4, 9)));
}

/* Nor is room that was made there. */
static void test_nothing_is_written_of_room(void **state)
{
	unsigned char *bytes = object_window(thing.object, at(3, 9));

	(void)state;
	dirty(3, 71);
	dirty(4, 72);
	assert_int_equal(*bytes, 71); /* the window shows it, too */
	cut_memory(0);
	cut_memory(at(PAGES, 0));
	assert_int_equal(fallocate(object_memory(thing.object), 0,
				   (off_t)at(3, 0), 2 * PAGE_SIZE),
			 0);
	assert_int_equal(sync_all(), -EIO);
	assert_home_is_whole();
	assert_int_equal(dirty_pages(), 2);
}

/* A later page that comes makes the memory long again, too. */
static void test_a_page_behind_the_hole(void **state)
{
	(void)state;
	dirty(3, 71);
	cut_memory(0);
	assert_object(at(9, 5), byte_at(at(9, 5)));
	assert_int_equal(sync_all(), -EIO);
	assert_home_is_whole();
}

static void test_copies_of_what_is_gone(void **state)
{
	unsigned char byte = 1;

	(void)state;
	object_byte(thing.object, at(3, 0));
	cut_memory(0);
	assert_int_equal(object_copy_out(thing.object, &byte, 1, at(3, 0)),
			 -EIO);
	assert_int_equal(object_drop_clean(thing.object, 3, 1), 1);
	assert_object(at(3, 0), byte_at(at(3, 0)));
}

/* All that does not want the missing bytes goes on. */
static void test_life_goes_on(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < PAGES; i++)
		object_byte(thing.object, at(i, 0));
	lock_page(3);
	dirty(5, 1);
	dirty(40, 1);
	cut_memory(0);
	set_home(at(3, 100), 77);
	assert_int_equal(refresh(at(3, 100), 1), 0);
	assert_object(at(3, 100), 77);
	assert_int_equal(object_discard(thing.object, 5, 1), 0);
	assert_object(at(5, 9), 0);
	assert_int_equal(object_resize(thing.object, at(20, 7)), 0);
	assert_int_equal(object_resize(thing.object, SIZE), 0);
	assert_object(at(20, 7), 0);
	assert_int_equal(store_resize(thing.home, at(10, 7)), 0);
	assert_int_equal(object_follow_size(thing.object), 0);
	assert_int_equal(object_size(thing.object), at(10, 7));
	assert_int_equal(sync_all(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_is_written_of_what_is_gone),
		TEST(test_nothing_is_written_of_holes),
		TEST(test_nothing_is_written_of_room),
		TEST(test_a_page_behind_the_hole),
		TEST(test_copies_of_what_is_gone),
		TEST(test_life_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
