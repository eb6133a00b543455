/* test_resize.c - object/resize.c: an object changes its size */
/* SPDX-License-Identifier: MIT */
#include "unit/object_world.h"

#include "writeback/writeback.h"

#define OLD (8 * PAGE_SIZE + 100)

static struct object_world *world;
static struct thing thing;

static int open_world(void **state)
{
	(void)state;
	error_clear();
	world = world_open(64);
	thing = thing_of(world, OLD);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	thing_end(&thing);
	world_close(world);
	return 0;
}

static void assert_size(uint64_t size)
{
	assert_int_equal(object_size(thing.object), size);
	assert_int_equal(size_of_store(thing.home), size);
}

static int resize(uint64_t size)
{
	return object_resize(thing.object, size);
}

static void assert_bytes(uint64_t from, uint64_t to, bool zeros)
{
	for (uint64_t i = from; i < to; i += i % 7 + 1)
		assert_int_equal(object_byte(thing.object, i),
				 zeros ? 0 : byte_at(i));
}

/* A store through a mapping may go past the end, inside the last page. */
static void soil_tail(void)
{
	uint64_t size = object_size(thing.object);
	unsigned char *bytes = object_window(thing.object, 0);

	assert_int_equal(object_hold(thing.object, size >> PAGE_SHIFT, 1, true),
			 0);
	memset(bytes + size, 0xbb, page_round_up(size) - size);
	object_let_go(thing.object, size >> PAGE_SHIFT, 1, true);
}

static void test_same_size(void **state)
{
	(void)state;
	assert_int_equal(resize(OLD), 0);
	assert_int_equal(atomic_load(&thing.pager->resizes), 0);
}

static void test_grow(void **state)
{
	(void)state;
	assert_int_equal(resize(OLD + 2 * PAGE_SIZE), 0);
	assert_size(OLD + 2 * PAGE_SIZE);
	assert_bytes(0, OLD, false);
	assert_bytes(OLD, OLD + 2 * PAGE_SIZE, true);
	assert_int_equal(object_pages(thing.object), 11);
}

static void test_growing_zeroes_the_old_tail(void **state)
{
	(void)state;
	soil_tail();
	assert_int_equal(resize(OLD + PAGE_SIZE), 0);
	assert_bytes(8 * PAGE_SIZE, OLD, false);
	assert_bytes(OLD, OLD + PAGE_SIZE, true);
}

static void test_shrink(void **state)
{
	(void)state;
	assert_bytes(0, OLD, false);
	set_byte(thing.object, 7 * PAGE_SIZE, 1);
	set_byte(thing.object, 5, 1);
	assert_int_equal(charged(world), 9);
	assert_int_equal(resize(2 * PAGE_SIZE), 0);
	assert_size(2 * PAGE_SIZE);
	/* What is cut off has neither memory nor anything to write. */
	assert_int_equal(charged(world), 2);
	assert_int_equal(object_dirty_pages(thing.object), 1);
	assert_int_equal(object_hold(thing.object, 2, 1, false), -ENXIO);
	assert_int_equal(resize(OLD), 0);
	assert_bytes(2 * PAGE_SIZE, OLD, true);
	assert_int_equal(object_byte(thing.object, 5), 1);
}

static void test_shrinking_zeroes_the_new_tail(void **state)
{
	(void)state;
	assert_bytes(0, OLD, false);
	assert_int_equal(resize(3 * PAGE_SIZE + 5), 0);
	assert_int_equal(resize(OLD), 0);
	assert_bytes(0, 3 * PAGE_SIZE + 5, false);
	assert_bytes(3 * PAGE_SIZE + 5, OLD, true);
	object_invalidate(thing.object, 0, 9);
	assert_bytes(3 * PAGE_SIZE + 5, OLD, true);
}

static void test_to_nothing_and_back(void **state)
{
	(void)state;
	assert_bytes(0, OLD, false);
	assert_int_equal(resize(0), 0);
	assert_size(0);
	assert_int_equal(charged(world), 0);
	assert_int_equal(resize(OLD), 0);
	assert_bytes(0, OLD, true);
}

/* ---- refused ---- */

static void test_beyond_the_capacity(void **state)
{
	(void)state;
	assert_int_equal(resize(object_capacity(thing.object)), 0);
	assert_int_equal(resize(object_capacity(thing.object) + 1), -EFBIG);
	assert_non_null(strstr(error_sentence(), "capacity"));
	assert_size(object_capacity(thing.object));
}

static void test_a_pinned_page_refuses(void **state)
{
	(void)state;
	assert_int_equal(object_hold(thing.object, 5, 1, false), 0);
	set_byte(thing.object, 7 * PAGE_SIZE, 1);
	assert_int_equal(resize(5 * PAGE_SIZE), -EBUSY);
	assert_non_null(strstr(error_sentence(), "page 5 of thing is pinned"));
	/* Before anything: nothing is lost. */
	assert_size(OLD);
	assert_int_equal(object_byte(thing.object, 7 * PAGE_SIZE), 1);
	/* The page that the end lies in may be. */
	assert_int_equal(resize(5 * PAGE_SIZE + 1), 0);
	object_let_go(thing.object, 5, 1, false);
	assert_int_equal(resize(5 * PAGE_SIZE), 0);
}

static void test_read_only(void **state)
{
	struct store *store = new_memory_store(PAGE_SIZE);
	struct object_parameters parameters = { .identity.name = "locked",
						.size = PAGE_SIZE,
						.capacity = 2 * PAGE_SIZE };
	struct object *object;
	struct pager *pager;
	uint64_t offset;

	(void)state;
	store->writable = false;
	assert_int_equal(direct_pager_create(store, &pager), 0);
	assert_int_equal(
		object_create(&world->host, &parameters, pager, &object), 0);
	assert_int_equal(object_resize(object, 1), -EACCES);
	assert_int_equal(object_resize(object, PAGE_SIZE), 0);
	assert_int_equal(object_allocate(object, 0, 1), -EACCES);
	assert_int_equal(object_append(object, "x", 1, &offset), -EACCES);
	assert_int_equal(object_size(object), PAGE_SIZE);
	assert_true(object_drop_handle(object));
	assert_true(object_end(object, false));
}

/* ---- the store fails ---- */

static void test_a_store_that_cannot_grow(void **state)
{
	(void)state;
	soil_tail();
	atomic_store(&thing.pager->resize_error, -ENOSPC);
	assert_int_equal(resize(OLD + PAGE_SIZE), -ENOSPC);
	assert_size(OLD);
	assert_int_equal(object_hold(thing.object, 9, 1, false), -ENXIO);
	assert_bytes(0, OLD, false);
}

/* The old size comes back with all that was there, dirty or not. */
static void test_a_store_that_cannot_shrink(void **state)
{
	(void)state;
	assert_bytes(0, OLD, false);
	set_byte(thing.object, 6 * PAGE_SIZE, 99);
	atomic_store(&thing.pager->resize_error, -EIO);
	assert_int_equal(resize(PAGE_SIZE), -EIO);
	assert_size(OLD);
	assert_int_equal(object_byte(thing.object, 6 * PAGE_SIZE), 99);
	assert_int_equal(object_dirty_pages(thing.object), 1);
	assert_bytes(7 * PAGE_SIZE, OLD, false);
}

/* ---- what is under way ---- */

static void *shrink_to_page_2(void *argument)
{
	(void)argument;
	return (void *)(intptr_t)resize(2 * PAGE_SIZE + 50);
}

static void *shrink_to_page_5(void *argument)
{
	(void)argument;
	return (void *)(intptr_t)resize(5 * PAGE_SIZE + 50);
}

static void wait_for_size(uint64_t size)
{
	while (object_size(thing.object) != size)
		sched_yield();
}

/* A read of what is cut off is waited for, and leaves nothing behind. */
static void test_a_read_under_way(void **state)
{
	uint64_t sequence;
	pthread_t thread;
	void *error;

	(void)state;
	set_script(&thing, "read do hold");
	assert_int_equal(object_start_read(thing.object, 5, 2, &sequence), 2);
	thread = start_thread(shrink_to_page_2, NULL);
	wait_until_waited_for(thing.object, 5);
	assert_int_equal(object_size(thing.object), 2 * PAGE_SIZE + 50);
	assert_int_equal(atomic_load(&thing.pager->resizes), 0);
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	set_script(&thing, "");
	pthread_join(thread, &error);
	assert_null(error);
	assert_size(2 * PAGE_SIZE + 50);
	assert_int_equal(charged(world), 0);
	assert_int_equal(resize(OLD), 0);
	assert_bytes(2 * PAGE_SIZE + 50, OLD, true);
}

static struct writeback writeback;

static void *sync_all(void *argument)
{
	(void)argument;
	return (void *)(intptr_t)writeback_sync(&writeback, thing.object, 0,
						UINT64_MAX, false);
}

/*
 * A write that took bytes of the old size with it would make the store long
 * again: the cut waits for it, also where only the end of it is too much.
 */
static void test_a_write_under_way(void **state)
{
	pthread_t syncing, shrinking;
	void *error;

	(void)state;
	assert_int_equal(writeback_init(&writeback, &world->host, 64,
					UINT64_MAX / 4),
			 0);
	set_byte(thing.object, 4 * PAGE_SIZE, 1);
	set_byte(thing.object, 5 * PAGE_SIZE, 2);
	set_script(&thing, "write do hold");
	syncing = start_thread(sync_all, NULL);
	wait_until_held(&thing, 1);
	shrinking = start_thread(shrink_to_page_5, NULL);
	wait_for_size(5 * PAGE_SIZE + 50);
	while (!(atomic_load(object_word(thing.object, 5)) & WORD_WAITERS))
		assert_int_equal(atomic_load(&thing.pager->resizes), 0);
	set_script(&thing, "");
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	pthread_join(syncing, &error);
	assert_null(error);
	pthread_join(shrinking, &error);
	assert_null(error);
	assert_size(5 * PAGE_SIZE + 50);
	assert_int_equal(object_errors(thing.object), 0);
	assert_int_equal(home_byte(&thing, 5 * PAGE_SIZE), 2);
	writeback_stop(&writeback);
	writeback_finish(&writeback);
}

/* ---- allocate and append ---- */

/* What others have added behind our end is theirs. */
static void test_a_store_that_has_grown(void **state)
{
	(void)state;
	assert_int_equal(store_resize(thing.home, OLD + 8 * PAGE_SIZE), 0);
	assert_int_equal(object_allocate(thing.object, OLD, PAGE_SIZE), 0);
	assert_int_equal(size_of_store(thing.home), OLD + 8 * PAGE_SIZE);
	assert_int_equal(
		object_resize(thing.object, object_size(thing.object) + 1), 0);
	assert_int_equal(size_of_store(thing.home), OLD + 8 * PAGE_SIZE);
}

static void test_allocate(void **state)
{
	(void)state;
	/* Inside: nothing changes. */
	assert_int_equal(object_allocate(thing.object, 0, 10), 0);
	assert_size(OLD);
	assert_int_equal(object_allocate(thing.object, OLD, PAGE_SIZE), 0);
	assert_size(OLD + PAGE_SIZE);
	assert_bytes(OLD, OLD + PAGE_SIZE, true);
	assert_int_equal(object_allocate(thing.object, 10, UINT64_MAX - 5),
			 -EFBIG);
	assert_int_equal(object_allocate(thing.object, 0,
					 object_capacity(thing.object) + 1),
			 -EFBIG);
	error_clear();
	atomic_store(&thing.pager->allocate_error, -ENOSPC);
	assert_int_equal(object_allocate(thing.object, OLD, 2 * PAGE_SIZE),
			 -ENOSPC);
	assert_non_null(strstr(error_sentence(), "no space left"));
	assert_size(OLD + PAGE_SIZE);
}

static void test_append(void **state)
{
	unsigned char *bytes = new_buffer(3 * PAGE_SIZE);
	uint64_t offset = 0;

	(void)state;
	soil_tail();
	fill_random(bytes, 3 * PAGE_SIZE, 4);
	assert_int_equal(object_append(thing.object, bytes, 9, &offset), 0);
	assert_int_equal(offset, OLD);
	assert_int_equal(
		object_append(thing.object, bytes, 3 * PAGE_SIZE, &offset), 0);
	assert_int_equal(offset, OLD + 9);
	assert_size(OLD + 9 + 3 * PAGE_SIZE);
	for (uint64_t i = 0; i < 3 * PAGE_SIZE; i += 97)
		assert_int_equal(object_byte(thing.object, OLD + 9 + i),
				 bytes[i]);
	free(bytes);
}

/* All of it or nothing. */
static void test_append_without_room(void **state)
{
	uint64_t offset;

	(void)state;
	atomic_store(&thing.pager->allocate_error, -ENOSPC);
	assert_int_equal(object_append(thing.object, "abc", 3, &offset),
			 -ENOSPC);
	assert_size(OLD);
	assert_int_equal(object_dirty_pages(thing.object), 0);
	/* A store that knows no allocation just grows. */
	atomic_store(&thing.pager->allocate_error, -EOPNOTSUPP);
	assert_int_equal(object_append(thing.object, "abc", 3, &offset), 0);
	assert_size(OLD + 3);
	assert_int_equal(object_byte(thing.object, OLD + 2), 'c');
}

static void test_append_of_a_bad_buffer(void **state)
{
	uint64_t offset;

	(void)state;
	assert_int_equal(object_append(thing.object, (void *)64, 3, &offset),
			 -EFAULT);
	assert_size(OLD);
	atomic_store(&world->throttle_error, -EIO);
	assert_int_equal(object_append(thing.object, "abc", 3, &offset), -EIO);
	assert_size(OLD);
}

static void *append_often(void *argument)
{
	intptr_t failed = 0;

	for (int i = 0; i < 100; i++) {
		uint64_t offset;

		if (object_append(thing.object, argument, 3, &offset))
			failed++;
	}
	return (void *)failed;
}

/* Appended bytes stand together, whoever appends meanwhile. */
static void test_threads_append(void **state)
{
	pthread_t threads[3];
	char text[4] = "";
	unsigned count[3] = { 0 };

	(void)state;
	threads[0] = start_thread(append_often, (void *)(uintptr_t) "aaa");
	threads[1] = start_thread(append_often, (void *)(uintptr_t) "bbb");
	threads[2] = start_thread(append_often, (void *)(uintptr_t) "ccc");
	for (int i = 0; i < 3; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_size(OLD + 900);
	for (uint64_t i = OLD; i < OLD + 900; i += 3) {
		assert_int_equal(object_copy_out(thing.object, text, 3, i), 3);
		assert_true(text[0] == text[1] && text[1] == text[2]);
		count[text[0] - 'a']++;
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(count[i], 100);
}

/* ---- invalidate ---- */

static void test_invalidate(void **state)
{
	(void)state;
	assert_bytes(0, OLD, false);
	set_byte(thing.object, 2 * PAGE_SIZE, 9);
	assert_int_equal(write_at(thing.home, "zz", 1, PAGE_SIZE), 1);
	assert_int_equal(object_byte(thing.object, PAGE_SIZE),
			 byte_at(PAGE_SIZE));
	object_invalidate(thing.object, 0, UINT64_MAX);
	assert_int_equal(charged(world), 1);
	assert_int_equal(object_byte(thing.object, PAGE_SIZE), 'z');
	assert_int_equal(object_byte(thing.object, 2 * PAGE_SIZE), 9);
	object_invalidate(thing.object, UINT64_MAX, 5);
}

static _Atomic bool invalidated;

static void *invalidate(void *argument)
{
	(void)argument;
	object_invalidate(thing.object, 0, 9);
	atomic_store(&invalidated, true);
	return NULL;
}

/* What is on its way may have been fetched before. */
static void test_invalidate_beside_a_read(void **state)
{
	uint64_t sequence;
	pthread_t thread;
	bool early;

	(void)state;
	atomic_store(&invalidated, false);
	set_script(&thing, "read do hold");
	assert_int_equal(object_start_read(thing.object, 5, 2, &sequence), 2);
	thread = start_thread(invalidate, NULL);
	while (!(atomic_load(object_word(thing.object, 5)) & WORD_WAITERS) &&
	       !atomic_load(&invalidated))
		sched_yield();
	early = atomic_load(&invalidated);
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	join_thread(thread);
	assert_false(early);
	assert_int_equal(state_of(thing.object, 5), PAGE_ABSENT);
	assert_int_equal(charged(world), 0);
}

/* Another's copy is waited for, a pin that stays is not. */
static void test_invalidate_beside_pins(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(object_hold(thing.object, 3, 2, false), 0);
	thread = start_thread(invalidate, NULL);
	usleep(5000);
	object_let_go(thing.object, 3, 1, false);
	join_thread(thread);
	assert_int_equal(state_of(thing.object, 3), PAGE_ABSENT);
	assert_int_equal(state_of(thing.object, 4), PAGE_CLEAN);
	object_let_go(thing.object, 4, 1, false);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_same_size),
		TEST(test_grow),
		TEST(test_growing_zeroes_the_old_tail),
		TEST(test_shrink),
		TEST(test_shrinking_zeroes_the_new_tail),
		TEST(test_to_nothing_and_back),
		TEST(test_beyond_the_capacity),
		TEST(test_a_pinned_page_refuses),
		TEST(test_read_only),
		TEST(test_a_store_that_cannot_grow),
		TEST(test_a_store_that_cannot_shrink),
		TEST(test_a_read_under_way),
		TEST(test_a_write_under_way),
		TEST(test_a_store_that_has_grown),
		TEST(test_allocate),
		TEST(test_append),
		TEST(test_append_without_room),
		TEST(test_append_of_a_bad_buffer),
		TEST(test_threads_append),
		TEST(test_invalidate),
		TEST(test_invalidate_beside_a_read),
		TEST(test_invalidate_beside_pins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
