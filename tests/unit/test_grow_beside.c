/* test_grow_beside.c - object/resize.c: growing where others have made the store longer */
/* SPDX-License-Identifier: MIT */
/*
 *   page 63 (the last)      page 64           65
 *   |---------------e'''''''|'''''''''''''''''|''''''''s
 *                   |                                  |
 *                   the object's end                   the store's
 *
 * What the store has behind the object's end is others', whatever stands in
 * memory there, and nobody writes over it.
 */
#include "unit/foreign_world.h"

#define THEIRS 9 /* all of what others write */
#define NEAR (OLD + 500)
#define FAR (OLD + 3 * PAGE_SIZE)

static int resize(uint64_t size)
{
	return object_resize(thing.object, size);
}

static int allocate(uint64_t length)
{
	return object_allocate(thing.object, OLD, length);
}

static int append(const char *text, uint64_t *offset)
{
	return object_append(thing.object, text, strlen(text), offset);
}

static void assert_sizes(uint64_t object, uint64_t store)
{
	assert_int_equal(object_size(thing.object), object);
	assert_int_equal(size_of_store(thing.home), store);
	assert_int_equal(object_before_foreign(thing.object, 0, 9), 9);
}

static void assert_home(uint64_t from, uint64_t to, unsigned char byte)
{
	for (uint64_t i = from; i < to; i += i % 7 + 1)
		assert_int_equal(home_byte(&thing, i), byte);
	assert_int_equal(home_byte(&thing, to - 1), byte);
}

/* The last page goes home, whole; what others wrote up to end is still there. */
static void assert_theirs_kept(uint64_t end)
{
	set_byte(thing.object, at(LAST, 0), 72);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(home_byte(&thing, at(LAST, 0)), 72);
	assert_home(OLD, end, THEIRS);
}

/* The object is as it was, and so are store and holders; and it can grow. */
static void assert_refused(uint64_t store)
{
	assert_sizes(OLD, store);
	assert_int_equal(object_errors(thing.object), 0);
	assert_int_equal(object_hold(thing.object, PAGES, 1, false), -ENXIO);
	assert_object(OLD - 5, 71);
	assert_theirs_kept(store);
	assert_int_equal(resize(FAR + 1), 0);
	assert_all(OLD, store, THEIRS);
	assert_object(OLD - 5, 71);
}

/* ---- resize ---- */

static void test_a_clean_page(void **state)
{
	(void)state;
	object_byte(thing.object, OLD - 1);
	grow_home(NEAR, THEIRS);
	assert_int_equal(resize(FAR), 0);
	assert_sizes(FAR, FAR);
	assert_object(OLD - 1, byte_at(OLD - 1));
	assert_all(OLD, NEAR, THEIRS);
	assert_all(NEAR, FAR, 0);
	assert_theirs_kept(NEAR);
}

static void test_a_clean_page_that_stays(void **state)
{
	(void)state;
	lock_page(LAST);
	grow_home(NEAR, THEIRS);
	assert_int_equal(resize(FAR), 0);
	assert_all(OLD, NEAR, THEIRS);
	assert_all(NEAR, FAR, 0);
	assert_theirs_kept(NEAR);
}

/* What was stored before the end is kept, what was stored behind it is not. */
static void test_a_dirty_page(void **state)
{
	(void)state;
	set_byte(thing.object, OLD - 5, 71);
	soil_tail();
	grow_home(FAR, THEIRS);
	assert_int_equal(resize(OLD + PAGE_SIZE), 0);
	assert_sizes(OLD + PAGE_SIZE, FAR);
	assert_object(OLD - 5, 71);
	assert_all(OLD, OLD + PAGE_SIZE, THEIRS);
	assert_theirs_kept(FAR);
	assert_int_equal(home_byte(&thing, OLD - 5), 71);
}

static void test_step_by_step_within_the_page(void **state)
{
	(void)state;
	soil_tail();
	grow_home(OLD + 20, THEIRS);
	assert_int_equal(resize(OLD + 10), 0);
	assert_sizes(OLD + 10, OLD + 20);
	assert_int_equal(resize(OLD + 30), 0);
	assert_sizes(OLD + 30, OLD + 30);
	assert_all(OLD, OLD + 20, THEIRS);
	assert_all(OLD + 20, OLD + 30, 0);
	soil_tail();
	assert_int_equal(resize(OLD + 40), 0);
	assert_all(OLD + 30, OLD + 40, 0);
}

static void test_a_page_that_is_pinned(void **state)
{
	unsigned char *bytes = object_window(thing.object, 0);

	(void)state;
	assert_int_equal(object_hold(thing.object, LAST, 1, true), 0);
	memset(bytes + OLD - 5, 71, 10);
	grow_home(NEAR, THEIRS);
	assert_int_equal(resize(FAR), 0);
	object_let_go(thing.object, LAST, 1, true);
	assert_object(OLD - 5, 71);
	assert_all(OLD, NEAR, THEIRS);
	assert_theirs_kept(NEAR);
}

/* Others have cut it: behind our end there is nothing of theirs. */
static void test_a_store_that_is_shorter(void **state)
{
	(void)state;
	set_byte(thing.object, OLD - 5, 71);
	soil_tail();
	cut_home(OLD - 50);
	assert_int_equal(resize(OLD + PAGE_SIZE), 0);
	assert_sizes(OLD + PAGE_SIZE, OLD + PAGE_SIZE);
	assert_object(OLD - 5, 71);
	assert_all(OLD, OLD + PAGE_SIZE, 0);
}

static void test_a_store_that_does_not_say(void **state)
{
	(void)state;
	set_byte(thing.object, OLD - 5, 71);
	soil_tail();
	atomic_store(&thing.pager->size_error, -EOPNOTSUPP);
	assert_int_equal(resize(OLD + PAGE_SIZE), 0);
	assert_sizes(OLD + PAGE_SIZE, OLD + PAGE_SIZE);
	assert_object(OLD - 5, 71);
	assert_all(OLD, OLD + PAGE_SIZE, 0);
}

/* Where nobody else writes growing reads nothing. */
static void test_alone(void **state)
{
	uint64_t offset;

	(void)state;
	set_byte(thing.object, OLD - 5, 71);
	forget_calls(&thing);
	assert_int_equal(append("abc", &offset), 0);
	assert_int_equal(resize(OLD + 20), 0);
	assert_int_equal(object_allocate(thing.object, 0, OLD + 30), 0);
	assert_calls(&thing, PAGER_READ, "");
}

/* ---- allocate and append ---- */

static void test_allocate(void **state)
{
	(void)state;
	set_byte(thing.object, OLD - 5, 71);
	soil_tail();
	grow_home(NEAR, THEIRS);
	assert_int_equal(allocate(PAGE_SIZE), 0);
	assert_sizes(OLD + PAGE_SIZE, OLD + PAGE_SIZE);
	assert_object(OLD - 5, 71);
	assert_all(OLD, NEAR, THEIRS);
	assert_all(NEAR, OLD + PAGE_SIZE, 0);
	assert_theirs_kept(NEAR);
}

/* It never cuts, nor grows to more than was asked for. */
static void test_allocate_less(void **state)
{
	(void)state;
	set_byte(thing.object, OLD - 5, 71);
	grow_home(FAR, THEIRS);
	assert_int_equal(object_allocate(thing.object, 0, OLD), 0);
	assert_sizes(OLD, FAR);
	assert_int_equal(allocate(PAGE_SIZE), 0);
	assert_sizes(OLD + PAGE_SIZE, FAR);
	assert_all(OLD, OLD + PAGE_SIZE, THEIRS);
	assert_theirs_kept(FAR);
}

/* Behind what others have appended; whose bytes the object has then, too. */
static void append_behind(uint64_t end)
{
	uint64_t offset;

	set_byte(thing.object, OLD - 5, 71);
	soil_tail();
	grow_home(end, THEIRS);
	assert_int_equal(append("abc", &offset), 0);
	assert_int_equal(offset, end);
	assert_sizes(end + 3, end + 3);
	assert_object(OLD - 5, 71);
	assert_all(OLD, end, THEIRS);
	assert_object(end, 'a');
	assert_object(end + 2, 'c');
	assert_theirs_kept(end);
	assert_int_equal(home_byte(&thing, end + 2), 'c');
}

static void test_append_in_the_page(void **state)
{
	(void)state;
	append_behind(NEAR);
}

static void test_append_pages_behind(void **state)
{
	(void)state;
	append_behind(FAR);
}

static void test_append_without_allocation(void **state)
{
	(void)state;
	atomic_store(&thing.pager->allocate_error, -EOPNOTSUPP);
	append_behind(NEAR);
}

static void test_append_to_a_store_that_is_shorter(void **state)
{
	uint64_t offset;

	(void)state;
	object_byte(thing.object, OLD - 1);
	cut_home(OLD - 50);
	assert_int_equal(append("abc", &offset), 0);
	assert_int_equal(offset, OLD);
	assert_sizes(OLD + 3, OLD + 3);
	assert_object(OLD - 1, byte_at(OLD - 1));
	assert_object(OLD, 'a');
}

/* ---- refused ---- */

static void test_a_tail_that_cannot_be_read(void **state)
{
	uint64_t offset;

	(void)state;
	set_byte(thing.object, OLD - 5, 71);
	grow_home(NEAR, THEIRS);
	set_script(&thing, "read do fail EIO");
	assert_int_equal(resize(FAR), -EIO);
	assert_sizes(OLD, NEAR);
	assert_int_equal(allocate(PAGE_SIZE), -EIO);
	assert_sizes(OLD, NEAR);
	assert_int_equal(append("abc", &offset), -EIO);
	assert_sizes(OLD, NEAR);
	atomic_store(&thing.pager->allocate_error, -EOPNOTSUPP);
	assert_int_equal(append("abc", &offset), -EIO);
	set_script(&thing, "");
	assert_refused(NEAR);
}

static void test_a_size_that_cannot_be_had(void **state)
{
	uint64_t offset;

	(void)state;
	set_byte(thing.object, OLD - 5, 71);
	grow_home(NEAR, THEIRS);
	atomic_store(&thing.pager->size_error, -EIO);
	assert_int_equal(resize(FAR), -EIO);
	assert_int_equal(allocate(PAGE_SIZE), -EIO);
	assert_int_equal(append("abc", &offset), -EIO);
	assert_int_equal(atomic_load(&thing.pager->resizes), 0);
	atomic_store(&thing.pager->size_error, 0);
	assert_refused(NEAR);
}

static void test_a_store_that_cannot_grow(void **state)
{
	uint64_t offset;

	(void)state;
	set_byte(thing.object, OLD - 5, 71);
	soil_tail();
	grow_home(NEAR, THEIRS);
	atomic_store(&thing.pager->resize_error, -ENOSPC);
	atomic_store(&thing.pager->allocate_error, -ENOSPC);
	assert_int_equal(resize(FAR), -ENOSPC);
	assert_int_equal(allocate(PAGE_SIZE), -ENOSPC);
	assert_int_equal(append("abc", &offset), -ENOSPC);
	atomic_store(&thing.pager->resize_error, 0);
	atomic_store(&thing.pager->allocate_error, 0);
	assert_refused(NEAR);
}

/* There is no room behind what others have appended. */
static void test_append_beyond_the_capacity(void **state)
{
	uint64_t capacity = object_capacity(thing.object), offset;

	(void)state;
	grow_home(capacity, THEIRS);
	assert_int_equal(append("abc", &offset), -EFBIG);
	assert_non_null(strstr(error_sentence(), "capacity"));
	assert_sizes(OLD, capacity);
	grow_home(capacity + 9, THEIRS);
	assert_int_equal(append("abc", &offset), -EFBIG);
	assert_sizes(OLD, capacity + 9);
}

/* What others wrote is the object's by then, and stays so. */
static void test_an_append_of_a_bad_buffer(void **state)
{
	uint64_t offset;

	(void)state;
	set_byte(thing.object, OLD - 5, 71);
	grow_home(FAR, THEIRS);
	assert_int_equal(object_append(thing.object, (void *)64, 3, &offset),
			 -EFAULT);
	assert_sizes(FAR, FAR);
	assert_all(OLD, FAR, THEIRS);
	assert_theirs_kept(FAR);
	assert_object(OLD - 5, 71);
}

static int others_append(void *context, const struct object *of)
{
	(void)of;
	(void)context;
	grow_home(FAR, THEIRS);
	return -EIO;
}

/* What came behind it meanwhile is not cut. */
static void test_a_failed_append_beside_another(void **state)
{
	uint64_t offset;

	(void)state;
	set_byte(thing.object, OLD - 5, 71);
	world->host.throttle = others_append;
	assert_int_equal(append("abc", &offset), -EIO);
	world->host.throttle = world_throttle;
	assert_sizes(OLD, FAR);
	assert_int_equal(append("abc", &offset), 0);
	assert_int_equal(offset, FAR);
	assert_all(OLD + 3, FAR, THEIRS);
	assert_int_equal(sync_all(), 0);
	assert_home(OLD + 3, FAR, THEIRS);
}

static int goes_home(void *context, const struct object *of)
{
	(void)of;
	(void)context;
	assert_int_equal(sync_all(), 0);
	return -EIO;
}

/* What has gone home meanwhile stays there. */
static void test_a_failed_append_to_a_store_that_is_shorter(void **state)
{
	uint64_t offset;

	(void)state;
	set_byte(thing.object, OLD - 5, 71);
	cut_home(OLD - 50);
	world->host.throttle = goes_home;
	assert_int_equal(append("abc", &offset), -EIO);
	world->host.throttle = world_throttle;
	assert_int_equal(dirty_pages(), 0);
	assert_sizes(OLD, OLD);
	assert_int_equal(home_byte(&thing, OLD - 5), 71);
}

/* ---- what is under way ---- */

static void *grow_thread(void *argument)
{
	(void)argument;
	return (void *)(intptr_t)resize(FAR);
}

/* Returns when it waits for the last page; or has not waited. */
static pthread_t start_growing(bool *early)
{
	const page_word *word = object_word(thing.object, LAST);
	pthread_t thread = start_thread(grow_thread, NULL);

	while (object_size(thing.object) == OLD &&
	       !(atomic_load(word) & WORD_WAITERS))
		sched_yield();
	*early = object_size(thing.object) != OLD;
	return thread;
}

/* It was copied with the old end, and ends before the page is filled. */
static void test_a_write_under_way(void **state)
{
	pthread_t syncing, growing;
	bool early;

	(void)state;
	set_byte(thing.object, OLD - 5, 71);
	soil_tail();
	set_script(&thing, "write do hold");
	syncing = start_thread(sync_thread, NULL);
	wait_until_held(&thing, 1);
	grow_home(NEAR, THEIRS);
	growing = start_growing(&early);
	set_script(&thing, "");
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	assert_int_equal(result_of(growing), 0);
	assert_int_equal(result_of(syncing), 0);
	assert_false(early);
	assert_sizes(FAR, FAR);
	assert_int_equal(home_byte(&thing, OLD - 5), 71);
	assert_all(OLD, NEAR, THEIRS);
	assert_theirs_kept(NEAR);
}

/* Told before the size is stored, as another page is dirty. */
static void read_last(void *context)
{
	uint64_t sequence;

	(void)context;
	object_start_read(thing.object, LAST, 1, &sequence);
}

static void test_a_read_that_begins_meanwhile(void **state)
{
	(void)state;
	dirty(3, 1);
	object_byte(thing.object, OLD - 1);
	grow_home(NEAR, THEIRS);
	world->host.dirtied = read_last;
	assert_int_equal(resize(FAR), 0);
	world->host.dirtied = world_dirtied;
	assert_state(LAST, PAGE_CLEAN);
	assert_all(OLD, NEAR, THEIRS);
	assert_theirs_kept(NEAR);
}

#ifdef QUIRE_DEBUG
static pthread_t grower;
static bool grew_early;

/* A read of the last page brings nothing of what lies behind the old end. */
static void grow_in_between(void)
{
	grow_home(NEAR, THEIRS);
	grower = start_growing(&grew_early);
}

static void test_a_read_under_way(void **state)
{
	uint64_t sequence;

	(void)state;
	lay_trap(HOOK_READ_FILLED, LAST, grow_in_between);
	assert_int_equal(object_start_read(thing.object, LAST, 1, &sequence),
			 1);
	wait_until_sprung();
	assert_int_equal(result_of(grower), 0);
	assert_false(grew_early);
	assert_sizes(FAR, FAR);
	assert_object(OLD - 1, byte_at(OLD - 1));
	assert_all(OLD, NEAR, THEIRS);
	assert_theirs_kept(NEAR);
}
#define TRAP_TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_world, leave_traps)
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_clean_page),
		TEST(test_a_clean_page_that_stays),
		TEST(test_a_dirty_page),
		TEST(test_step_by_step_within_the_page),
		TEST(test_a_page_that_is_pinned),
		TEST(test_a_store_that_is_shorter),
		TEST(test_a_store_that_does_not_say),
		TEST(test_alone),
		TEST(test_allocate),
		TEST(test_allocate_less),
		TEST(test_append_in_the_page),
		TEST(test_append_pages_behind),
		TEST(test_append_without_allocation),
		TEST(test_append_to_a_store_that_is_shorter),
		TEST(test_a_tail_that_cannot_be_read),
		TEST(test_a_size_that_cannot_be_had),
		TEST(test_a_store_that_cannot_grow),
		TEST(test_append_beyond_the_capacity),
		TEST(test_an_append_of_a_bad_buffer),
		TEST(test_a_failed_append_beside_another),
		TEST(test_a_failed_append_to_a_store_that_is_shorter),
		TEST(test_a_write_under_way),
		TEST(test_a_read_that_begins_meanwhile),
#ifdef QUIRE_DEBUG
		TRAP_TEST(test_a_read_under_way),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
