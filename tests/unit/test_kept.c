/* test_kept.c - an object goes on from what another process has left */
/* SPDX-License-Identifier: MIT */
/*
 * The process that is gone is played by an object of another host, which is not
 * touched any more once it was left.  Both have homes of the same bytes, but
 * where a test changes them.
 */
#include "unit/object_world.h"

#include "os/memory.h"

#include <sys/stat.h>

#define PAGES UINT64_C(32)
#define SIZE (PAGES * PAGE_SIZE)
#define TAIL UINT64_C(100) /* bytes of the last page in objects that have one */

struct stage {
	struct object_world *before;
	struct object_world *after;
	struct thing old;
	struct thing new;
	struct foreign_write hold;
	bool adopted;
};

static struct stage stage;

static void begin_with(uint64_t size, uint64_t budget)
{
	memset(&stage, 0, sizeof(stage));
	stage.before = world_open(256);
	stage.after = world_open(budget);
	stage.old = thing_create(stage.before, (struct object_parameters){
						       .size = size,
						       .capacity = 2 * SIZE,
						       .readahead = 1,
						       .lasting = true,
					       });
}

static int begin(void **state)
{
	(void)state;
	begin_with(SIZE, 64);
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (stage.adopted)
		thing_end(&stage.new);
	thing_end(&stage.old);
	world_close(stage.before);
	world_close(stage.after);
	return 0;
}

static int create_new(uint64_t home_size)
{
	struct object_kept kept;
	struct object_parameters parameters = {
		.identity = { .name = "new" },
		.kept = &kept,
		.readahead = 1,
	};
	struct thing *new = &stage.new;

	object_kept(stage.old.object, &kept);
	new->home = new_home(home_size);
	assert_int_equal(
		faulty_store_create(NULL, new->home, NULL, &new->faulty), 0);
	new->pager = new_listing_pager(new->faulty);
	return object_create(&stage.after->host, &parameters,
			     &new->pager->pager, &new->object);
}

/* The old one is gone; the home of the new one has so many bytes. */
static void take_over(uint64_t home_size)
{
	assert_int_equal(create_new(home_size), 0);
	stage.adopted = true;
	assert_int_equal(object_adopt(stage.new.object, &stage.hold), 0);
}

static void go_on(void)
{
	object_foreign_end(stage.new.object, &stage.hold);
}

static bool is_in_memory(uint64_t index)
{
	off_t at = (off_t)(index * PAGE_SIZE);

	return lseek(object_memory(stage.new.object), at, SEEK_DATA) == at;
}

static uint64_t begin_write(struct object *object, uint64_t index)
{
	struct page_begun begun;

	return object_begin_write(object, index, 1, &begun);
}

/* Writes what is dirty, as the flusher would. */
static void write_home(void)
{
	struct object *object = stage.new.object;
	uint64_t index = 0;

	while ((index = object_next_dirty(object, index)) != BITMAP_NONE) {
		unsigned char page[PAGE_SIZE];

		assert_int_equal(begin_write(object, index), 1);
		assert_int_equal(memory_file_read(object_memory(object), page,
						  PAGE_SIZE, index * PAGE_SIZE),
				 0);
		assert_int_equal(write_at(stage.new.home, page, PAGE_SIZE,
					  index * PAGE_SIZE),
				 PAGE_SIZE);
		assert_true(object_end_write(object, index, true));
	}
}

/* ---- what is dirty, what is not ---- */

static void test_what_was_stored_is_there(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < PAGES; i += 3)
		set_byte(stage.old.object, i * PAGE_SIZE + 5, 200);
	take_over(SIZE);
	assert_int_equal(object_dirty_pages(stage.new.object), 11);
	assert_int_equal(charged(stage.after), 11);
	for (uint64_t i = 0; i < PAGES; i += 3) {
		assert_int_equal(state_of(stage.new.object, i), PAGE_DIRTY);
		assert_int_equal(
			object_byte(stage.new.object, i * PAGE_SIZE + 5), 200);
		assert_int_equal(object_byte(stage.new.object,
					     i * PAGE_SIZE + 6),
				 byte_at(i * PAGE_SIZE + 6));
	}
	go_on();
	write_home();
	assert_int_equal(object_dirty_pages(stage.new.object), 0);
	assert_int_equal(home_byte(&stage.new, 3 * PAGE_SIZE + 5), 200);
}

/* It was stored to: so it was not read ahead in vain. */
static void test_what_was_stored_was_used(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < PAGES; i++)
		set_byte(stage.old.object, i * PAGE_SIZE, 7);
	take_over(SIZE);
	go_on();
	write_home();
	object_invalidate(stage.new.object, 0, PAGES);
	assert_int_equal(charged(stage.after), 0);
	assert_int_equal(
		count_get(&stage.after->counters, COUNT_PAGES_AHEAD_UNUSED), 0);
}

static void test_what_was_not_is_read_anew(void **state)
{
	unsigned char byte = 99;

	(void)state;
	assert_int_equal(object_byte(stage.old.object, 0), byte_at(0));
	set_byte(stage.old.object, PAGE_SIZE, 1);
	take_over(SIZE);
	assert_false(is_in_memory(0));
	assert_true(is_in_memory(1));
	assert_int_equal(write_at(stage.new.home, &byte, 1, 0), 1);
	go_on();
	assert_int_equal(object_byte(stage.new.object, 0), 99);
}

/* Killed while it filled them: some are there, one is zeros. */
static void test_pages_that_were_being_filled_go(void **state)
{
	static const unsigned char bytes[2 * PAGE_SIZE] = { 55 };

	(void)state;
	assert_int_equal(memory_file_write(object_memory(stage.old.object),
					   bytes, sizeof(bytes), 7 * PAGE_SIZE),
			 0);
	take_over(SIZE);
	go_on();
	assert_int_equal(object_byte(stage.new.object, 7 * PAGE_SIZE),
			 byte_at(7 * PAGE_SIZE));
	assert_int_equal(object_byte(stage.new.object, 8 * PAGE_SIZE),
			 byte_at(8 * PAGE_SIZE));
	assert_int_equal(object_dirty_pages(stage.new.object), 0);
}

/* Killed between the set's levels, or while a dirty page was dropped. */
static void test_a_record_that_is_half_done(void **state)
{
	const size_t levels = PAGE_SIZE + bitmap_member_bytes(2 * PAGES);
	struct object_kept kept;
	uint64_t upper = 0;

	(void)state;
	set_byte(stage.old.object, 20 * PAGE_SIZE, 3);
	set_byte(stage.old.object, 21 * PAGE_SIZE, 4);
	object_kept(stage.old.object, &kept);
	if (bitmap_bytes(2 * PAGES) > bitmap_member_bytes(2 * PAGES))
		assert_int_equal(memory_file_write(kept.record, &upper,
						   sizeof(upper), levels),
				 0);
	assert_int_equal(
		memory_file_punch(kept.memory, 21 * PAGE_SIZE, PAGE_SIZE), 0);
	take_over(SIZE);
	assert_int_equal(object_dirty_pages(stage.new.object), 1);
	assert_int_equal(object_next_dirty(stage.new.object, 0), 20);
	assert_int_equal(state_of(stage.new.object, 21), PAGE_ABSENT);
	go_on();
	assert_int_equal(object_byte(stage.new.object, 20 * PAGE_SIZE), 3);
	assert_int_equal(object_byte(stage.new.object, 21 * PAGE_SIZE),
			 byte_at(21 * PAGE_SIZE));
	/* The old one would miss a page that it has as dirty. */
	assert_int_equal(memory_file_write(kept.memory, "", 1, 21 * PAGE_SIZE),
			 0);
}

static void test_nothing_goes_home_before_all_is_ready(void **state)
{
	(void)state;
	set_byte(stage.old.object, 0, 3);
	take_over(SIZE);
	assert_int_equal(begin_write(stage.new.object, 0), 0);
	go_on();
	assert_int_equal(begin_write(stage.new.object, 0), 1);
	assert_true(object_end_write(stage.new.object, 0, true));
}

/* ---- the budget ---- */

static int begin_small(void **state)
{
	(void)state;
	begin_with(SIZE, 4);
	return 0;
}

static void test_a_smaller_budget_is_reached_by_writing(void **state)
{
	uint64_t sequence;

	(void)state;
	for (uint64_t i = 0; i < 8; i++)
		set_byte(stage.old.object, i * PAGE_SIZE, 200);
	take_over(SIZE);
	go_on();
	assert_int_equal(charged(stage.after), 8);
	assert_int_equal(object_start_read(stage.new.object, 20, 1, &sequence),
			 -EAGAIN);
	write_home();
	assert_int_equal(object_byte(stage.new.object, 20 * PAGE_SIZE),
			 byte_at(20 * PAGE_SIZE));
	assert_true(charged(stage.after) <= 4);
}

/* ---- sizes ---- */

static int begin_with_tail(void **state)
{
	(void)state;
	begin_with(SIZE - PAGE_SIZE + TAIL, 64);
	return 0;
}

static void test_a_file_that_was_cut(void **state)
{
	(void)state;
	set_byte(stage.old.object, 3 * PAGE_SIZE, 1);
	set_byte(stage.old.object, 20 * PAGE_SIZE, 2);
	take_over(10 * PAGE_SIZE + 7);
	assert_int_equal(object_follow_size(stage.new.object), 0);
	assert_int_equal(object_size(stage.new.object), 10 * PAGE_SIZE + 7);
	assert_int_equal(object_dirty_pages(stage.new.object), 1);
	assert_int_equal(charged(stage.after), 1);
	go_on();
	assert_int_equal(object_byte(stage.new.object, 3 * PAGE_SIZE), 1);
}

/* What stands behind the old end is the file's, not what the page has there. */
static void test_a_file_that_has_grown(void **state)
{
	uint64_t last = SIZE - PAGE_SIZE;
	unsigned char byte = 66;

	(void)state;
	set_byte(stage.old.object, last + 5, 1);
	assert_int_equal(memory_file_write(object_memory(stage.old.object),
					   &byte, 1, last + TAIL + 3),
			 0);
	take_over(SIZE + 7);
	assert_int_equal(object_size(stage.new.object), last + TAIL);
	assert_int_equal(object_follow_size(stage.new.object), 0);
	go_on();
	assert_int_equal(object_size(stage.new.object), SIZE + 7);
	assert_int_equal(object_byte(stage.new.object, last + 5), 1);
	assert_int_equal(object_byte(stage.new.object, last + TAIL + 3),
			 byte_at(last + TAIL + 3));
	assert_int_equal(object_byte(stage.new.object, SIZE + 6),
			 byte_at(SIZE + 6));
}

/* Its last size is what the record has, whatever happened to the memory. */
static void test_a_cut_in_the_midst(void **state)
{
	struct object_kept kept;
	struct stat status;

	(void)state;
	set_byte(stage.old.object, 20 * PAGE_SIZE, 2);
	object_kept(stage.old.object, &kept);
	assert_int_equal(object_resize(stage.old.object, 5 * PAGE_SIZE), 0);
	/* The memory was to be cut last. */
	assert_int_equal(memory_file_resize(kept.memory, SIZE), 0);
	take_over(5 * PAGE_SIZE);
	assert_int_equal(object_size(stage.new.object), 5 * PAGE_SIZE);
	assert_int_equal(fstat(kept.memory, &status), 0);
	assert_int_equal(status.st_size, 5 * PAGE_SIZE);
	assert_int_equal(object_dirty_pages(stage.new.object), 0);
	go_on();
}

static void test_bytes_behind_the_end_are_zeros(void **state)
{
	uint64_t last = SIZE - PAGE_SIZE;
	unsigned char byte = 66;

	(void)state;
	set_byte(stage.old.object, last, 1);
	assert_int_equal(memory_file_write(object_memory(stage.old.object),
					   &byte, 1, last + TAIL + 3),
			 0);
	take_over(last + TAIL);
	assert_int_equal(memory_file_read(object_memory(stage.new.object),
					  &byte, 1, last + TAIL + 3),
			 0);
	assert_int_equal(byte, 0);
	go_on();
}

/* ---- refusals ---- */

static void test_what_is_no_record(void **state)
{
	struct object_kept kept;
	uint64_t other = 5, right;

	(void)state;
	object_kept(stage.old.object, &kept);
	assert_int_equal(
		memory_file_read(kept.record, &right, sizeof(right), 0), 0);
	assert_int_equal(
		memory_file_write(kept.record, &other, sizeof(other), 0), 0);
	assert_int_equal(create_new(SIZE), -EINVAL);
	assert_int_equal(
		memory_file_write(kept.record, &right, sizeof(right), 0), 0);
	assert_int_equal(memory_file_resize(kept.record, PAGE_SIZE), 0);
	assert_int_equal(create_new(SIZE), -EINVAL);
	assert_int_equal(memory_file_resize(kept.record, 2 * PAGE_SIZE), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
#define TEST_AFTER(name, begin) \
	cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_stored_is_there),
		TEST(test_what_was_stored_was_used),
		TEST(test_what_was_not_is_read_anew),
		TEST(test_pages_that_were_being_filled_go),
		TEST(test_a_record_that_is_half_done),
		TEST(test_nothing_goes_home_before_all_is_ready),
		TEST_AFTER(test_a_smaller_budget_is_reached_by_writing,
			   begin_small),
		TEST(test_a_file_that_was_cut),
		TEST_AFTER(test_a_file_that_has_grown, begin_with_tail),
		TEST(test_a_cut_in_the_midst),
		TEST_AFTER(test_bytes_behind_the_end_are_zeros,
			   begin_with_tail),
		TEST(test_what_is_no_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
