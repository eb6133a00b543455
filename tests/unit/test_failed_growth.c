/* test_failed_growth.c - object/resize.c: what a growth leaves that is taken back */
/* SPDX-License-Identifier: MIT */
/*
 *   |------------e'''''''''|'''''''''n
 *                |                   |
 *      the end, and once more        where the growth got to, and the end of
 *                                    object and store if that cannot be undone
 */
#include "unit/foreign_world.h"

#define THEIRS 9 /* all of what others write */
#define NEAR (OLD + 500)
#define FAR (OLD + 3 * PAGE_SIZE)
#define LENGTH (2 * PAGE_SIZE)

static void assert_sizes(uint64_t object, uint64_t store)
{
	assert_int_equal(object_size(thing.object), object);
	assert_int_equal(size_of_store(thing.home), store);
}

/* ---- an append ---- */

static int append(void)
{
	unsigned char *bytes = new_buffer(LENGTH);
	uint64_t offset;
	int error;

	memset(bytes, 7, LENGTH);
	error = object_append(thing.object, bytes, LENGTH, &offset);
	free(bytes);
	return error;
}

static void pin_next(void)
{
	assert_int_equal(object_hold(thing.object, PAGES, 1, false), 0);
}

static int no_room(void *context, const struct object *of)
{
	(void)of;
	(void)context;
	return error_say(-EIO, "too much is dirty");
}

static int no_room_and_a_pin(void *context, const struct object *of)
{
	pin_next();
	return no_room(context, of);
}

static int a_pin(void *context, const struct object *of)
{
	(void)of;
	(void)context;
	pin_next();
	return 0;
}

static int no_room_and_no_cut(void *context, const struct object *of)
{
	atomic_store(&thing.pager->resize_error, -EPERM);
	return no_room(context, of);
}

static int no_room_and_no_size(void *context, const struct object *of)
{
	atomic_store(&thing.pager->size_error, -EPERM);
	return no_room(context, of);
}

static int append_with(int (*throttle)(void *context, const struct object *of))
{
	int error;

	set_byte(thing.object, OLD - 5, 71);
	world->host.throttle = throttle;
	error = append();
	world->host.throttle = world_throttle;
	return error;
}

/* It was taken back, or its size can be. */
static void assert_whole(void)
{
	assert_int_equal(object_resize(thing.object, OLD), 0);
	assert_sizes(OLD, OLD);
	assert_object(OLD - 5, 71);
	assert_int_equal(append(), 0);
	assert_all(OLD, OLD + LENGTH, 7);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(home_byte(&thing, OLD - 5), 71);
	assert_int_equal(home_byte(&thing, OLD + LENGTH - 1), 7);
}

static void test_it_is_undone(void **state)
{
	(void)state;
	assert_int_equal(append_with(no_room), -EIO);
	assert_string_equal(error_sentence(), "too much is dirty");
	assert_sizes(OLD, OLD);
	assert_int_equal(atomic_load(&world->lines), 0);
	assert_whole();
}

static void test_its_pages_are_pinned(void **state)
{
	(void)state;
	assert_int_equal(append_with(no_room_and_a_pin), -EIO);
	object_let_go(thing.object, PAGES, 1, false);
	assert_string_equal(error_sentence(), "too much is dirty");
	assert_sizes(OLD + LENGTH, OLD + LENGTH);
	assert_int_equal(atomic_load(&world->lines), 1);
	assert_whole();
}

/* What was not put into words is not told by another error's. */
static void test_an_error_without_a_sentence(void **state)
{
	uint64_t offset;

	(void)state;
	set_byte(thing.object, OLD - 5, 71);
	world->host.throttle = a_pin;
	assert_int_equal(object_append(thing.object, (void *)64, LENGTH,
				       &offset),
			 -EFAULT);
	world->host.throttle = world_throttle;
	object_let_go(thing.object, PAGES, 1, false);
	assert_string_equal(error_sentence(), "");
	assert_whole();
}

/* The object tells of what the store has. */
static void test_the_store_cannot_be_cut(void **state)
{
	(void)state;
	assert_int_equal(append_with(no_room_and_no_cut), -EIO);
	assert_string_equal(error_sentence(), "too much is dirty");
	assert_sizes(OLD + LENGTH, OLD + LENGTH);
	assert_int_equal(atomic_load(&world->lines), 1);
	atomic_store(&thing.pager->resize_error, 0);
	assert_whole();
}

static void test_the_size_of_the_store_cannot_be_had(void **state)
{
	(void)state;
	assert_int_equal(append_with(no_room_and_no_size), -EIO);
	assert_sizes(OLD + LENGTH, OLD + LENGTH);
	assert_int_equal(atomic_load(&world->lines), 1);
	atomic_store(&thing.pager->size_error, 0);
	assert_whole();
}

/* ---- a growth beside others ---- */

/* The last page is not read while the store is longer. */
static int grow_without_tail(void (*dirtied)(void *context))
{
	int error;

	dirty(3, 1);
	lock_page(LAST);
	grow_home(NEAR, THEIRS);
	set_script(&thing, "read times 1 do fail EIO");
	world->host.dirtied = dirtied;
	error = object_resize(thing.object, FAR);
	world->host.dirtied = world_dirtied;
	return error;
}

/* Told after the read, and before the growth is taken back. */
static void refuse_cuts(void *context)
{
	(void)context;
	error_say(0, "the tail cannot be read");
	atomic_store(&thing.pager->resize_error, -EPERM);
}

static void test_why_it_did_not_grow(void **state)
{
	(void)state;
	assert_int_equal(grow_without_tail(refuse_cuts), -EIO);
	assert_string_equal(error_sentence(), "the tail cannot be read");
	assert_sizes(OLD, FAR);
	atomic_store(&thing.pager->resize_error, 0);
	assert_int_equal(object_resize(thing.object, FAR + 1), 0);
	assert_all(OLD, NEAR, THEIRS);
	assert_all(NEAR, FAR + 1, 0);
}

static void read_last_anew(void *context)
{
	uint64_t sequence;

	(void)context;
	object_unlock_pages(thing.object, LAST, 1);
	assert_int_equal(object_drop_clean(thing.object, LAST, 1), 1);
	assert_int_equal(object_start_read(thing.object, LAST, 1, &sequence),
			 1);
}

/* A read that began while the object was to be longer. */
static void test_nothing_stays_behind_the_end(void **state)
{
	const unsigned char *bytes = object_window(thing.object, 0);
	uint64_t end = OLD;

	(void)state;
	assert_int_equal(grow_without_tail(read_last_anew), -EIO);
	assert_sizes(OLD, NEAR);
	assert_int_equal(object_hold(thing.object, LAST, 1, false), 0);
	while (end < page_round_up(OLD) && bytes[end] == 0)
		end++;
	object_let_go(thing.object, LAST, 1, false);
	assert_int_equal(end, page_round_up(OLD));
	cut_home(OLD);
	assert_int_equal(object_resize(thing.object, FAR), 0);
	assert_object(OLD - 1, byte_at(OLD - 1));
	assert_all(OLD, FAR, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_it_is_undone),
		TEST(test_its_pages_are_pinned),
		TEST(test_an_error_without_a_sentence),
		TEST(test_the_store_cannot_be_cut),
		TEST(test_the_size_of_the_store_cannot_be_had),
		TEST(test_why_it_did_not_grow),
		TEST(test_nothing_stays_behind_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
