/* test_whole.c - object/whole.c: pages that are written whole are not read */
/* SPDX-License-Identifier: MIT */
/*
 *   page   0     1     2     3     4     5
 *        |...##|#####|#####|#####|#####|##...|    #: written
 *         read   --- not read -----     read
 */
#include "unit/foreign_world.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

static unsigned char *bytes; /* as many as the object has */

static int begin(void **state)
{
	bytes = new_buffer(SIZE);
	fill_random(bytes, SIZE, 3);
	return open_world(state);
}

static int end(void **state)
{
	hook_register(NULL);
	free(bytes);
	return close_world(state);
}

static int64_t put(uint64_t offset, uint64_t length)
{
	return object_copy_in(thing.object, bytes + offset, length, offset);
}

static void assert_put(uint64_t offset, uint64_t length)
{
	assert_int_equal(put(offset, length), length);
}

/* In memory. */
static void assert_there(uint64_t offset, uint64_t length)
{
	unsigned char *there = new_buffer(length);

	assert_int_equal(object_copy_out(thing.object, there, length, offset),
			 length);
	assert_memory_equal(there, bytes + offset, length);
	free(there);
}

static void assert_reads(const char *expected)
{
	assert_calls(&thing, PAGER_READ, expected);
}

/* As if nobody had written it. */
static void assert_untouched(uint64_t index, uint64_t count)
{
	assert_int_equal(dirty_pages(), 0);
	for (uint64_t i = index; i < index + count; i++) {
		assert_state(i, PAGE_ABSENT);
		assert_object(at(i, 5), byte_at(at(i, 5)));
	}
}

/* ---- what is read, and what is not ---- */

static void test_whole_pages_are_not_read(void **state)
{
	uint64_t word;

	(void)state;
	assert_put(at(3, 0), 40 * PAGE_SIZE);
	assert_reads("");
	assert_int_equal(dirty_pages(), 40);
	assert_int_equal(counted(COUNT_MISSES), 40);
	assert_true(atomic_load(&world->dirtied) > 0);
	assert_true(atomic_load(&world->throttled) > 0);
	for (uint64_t i = 3; i < 43; i++) {
		word = atomic_load(object_word(thing.object, i));
		assert_int_equal(word_state(word), PAGE_DIRTY);
		assert_false(word_pinned(word));
		assert_true(word & WORD_TOUCHED);
		assert_true(word & WORD_REFERENCED);
	}
	assert_int_equal(charged(world), 40);
	assert_there(at(3, 0), 40 * PAGE_SIZE);
	assert_int_equal(sync_all(), 0);
	for (uint64_t i = at(3, 0); i < at(43, 0); i += 77)
		assert_int_equal(home_byte(&thing, i), bytes[i]);
	assert_int_equal(home_byte(&thing, at(43, 0)), byte_at(at(43, 0)));
	assert_reads("");
}

static void test_what_is_not_whole_is_read(void **state)
{
	(void)state;
	assert_put(at(0, 100), at(5, 50) - at(0, 100));
	assert_reads("0+1 5+1");
	assert_there(at(0, 100), at(5, 50) - at(0, 100));
	assert_object(99, byte_at(99));
	assert_object(at(5, 50), byte_at(at(5, 50)));
}

static void test_what_is_there_already(void **state)
{
	(void)state;
	object_byte(thing.object, at(2, 0));
	object_byte(thing.object, at(4, 0));
	assert_reads("2+1 4+1");
	assert_put(at(1, 0), 6 * PAGE_SIZE);
	assert_put(at(1, 0), 7 * PAGE_SIZE);
	assert_reads("");
	assert_there(at(1, 0), 7 * PAGE_SIZE);
	assert_int_equal(dirty_pages(), 7);
}

static int drop_and_go(void *context, const struct object *object)
{
	(void)context;
	(void)object;
	object_drop_clean(thing.object, 0, PAGES);
	return 0;
}

/* Between the look and the pin. */
static void test_what_leaves_meanwhile(void **state)
{
	(void)state;
	object_byte(thing.object, at(4, 0));
	forget_calls(&thing);
	world->host.throttle = drop_and_go;
	assert_put(at(4, 0), 2 * PAGE_SIZE);
	assert_reads("");
	assert_there(at(4, 0), 2 * PAGE_SIZE);
}

static void test_the_last_page(void **state)
{
	unsigned char tail[PAGE_SIZE * PAGES - SIZE];

	(void)state;
	memset(tail, 1, sizeof(tail));
	assert_put(at(LAST - 1, 0), SIZE - at(LAST - 1, 0));
	assert_reads("");
	assert_int_equal(memory_file_read(object_memory(thing.object), tail,
					  sizeof(tail), SIZE),
			 0);
	for (unsigned i = 0; i < sizeof(tail); i++)
		assert_int_equal(tail[i], 0);
	assert_there(at(LAST - 1, 0), SIZE - at(LAST - 1, 0));
	assert_int_equal(sync_all(), 0);
	assert_int_equal(size_of_store(thing.home), SIZE);
	object_drop_clean(thing.object, 0, PAGES);
	/* One byte less. */
	assert_put(at(LAST, 0), SIZE - at(LAST, 0) - 1);
	assert_reads("63+1");
}

static void test_locked_pages(void **state)
{
	(void)state;
	assert_int_equal(object_lock_pages(thing.object, 4, 1), 0);
	assert_put(at(3, 0), 2 * PAGE_SIZE);
	assert_true(word_locked(atomic_load(object_word(thing.object, 4))));
	assert_false(word_locked(atomic_load(object_word(thing.object, 3))));
}

static void test_scratch(void **state)
{
	struct thing scratch =
		thing_create(world, (struct object_parameters){
					    .size = 4 * PAGE_SIZE,
					    .capacity = 4 * PAGE_SIZE,
					    .discard = true,
				    });

	(void)state;
	atomic_store(&world->throttle_error, -EIO);
	assert_int_equal(object_copy_in(scratch.object, bytes, 4 * PAGE_SIZE,
					0),
			 4 * PAGE_SIZE);
	assert_calls(&scratch, PAGER_READ, "");
	assert_int_equal(atomic_load(&world->cache.dirty), 4);
	assert_int_equal(atomic_load(&world->cache.must_go), 0);
	thing_end(&scratch);
}

/* ---- what cannot be read ---- */

static void test_what_cannot_be_read(void **state)
{
	(void)state;
	set_script(&thing, "read do fail EIO");
	assert_int_equal(put(at(3, 1), 10), -EIO);
	assert_state(3, PAGE_FAILED);
	assert_put(at(2, 0), 3 * PAGE_SIZE);
	assert_there(at(2, 0), 3 * PAGE_SIZE);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(home_byte(&thing, at(3, 9)), bytes[at(3, 9)]);
	assert_int_equal(charged(world), 3);
}

static void test_zeros_in_its_place(void **state)
{
	uint64_t sequence;

	(void)state;
	set_script(&thing, "read do fail EIO");
	assert_int_equal(object_zero_page(thing.object, 3, &sequence), 1);
	assert_put(at(2, 0), 3 * PAGE_SIZE);
	assert_there(at(2, 0), 3 * PAGE_SIZE);
	assert_false(object_is_zeroed(thing.object, 3));
	/* While somebody looks at them nobody writes there. */
	assert_int_equal(object_zero_page(thing.object, 8, &sequence), 1);
	assert_int_equal(page_take_rpin(object_word(thing.object, 8), false),
			 PAGE_TAKEN);
	assert_int_equal(put(at(8, 0), PAGE_SIZE), -EIO);
	assert_true(object_is_zeroed(thing.object, 8));
	object_let_go(thing.object, 8, 1, false);
	assert_put(at(8, 0), PAGE_SIZE);
}

/* ---- what is refused, and what fails ---- */

static void test_no_more_may_be_dirty(void **state)
{
	(void)state;
	atomic_store(&world->throttle_error, -EIO);
	assert_int_equal(put(at(3, 0), 2 * PAGE_SIZE), -EIO);
	assert_int_equal(charged(world), 0);
	assert_untouched(3, 2);
}

/* Half of a page and less: it is a page no more than it was. */
static void test_a_buffer_that_ends(void **state)
{
	unsigned char *map = mmap(NULL, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(munmap(map + 2 * PAGE_SIZE, 2 * PAGE_SIZE), 0);
	assert_int_equal(object_copy_in(thing.object, map + PAGE_SIZE + 100,
					PAGE_SIZE, at(3, 0)),
			 -EFAULT);
	assert_int_equal(object_copy_in(thing.object, map + 2 * PAGE_SIZE,
					2 * PAGE_SIZE, at(6, 0)),
			 -EFAULT);
	/* As to a page that was there: what the kernel could copy is stored, and
	 * the rest is what it was. */
	assert_object(at(3, PAGE_SIZE - 100), byte_at(at(3, PAGE_SIZE - 100)));
	assert_object(at(3, PAGE_SIZE - 1), byte_at(at(3, PAGE_SIZE - 1)));
	assert_object(at(6, 0), byte_at(at(6, 0)));
	munmap(map, 2 * PAGE_SIZE);
}

static void test_a_managed_buffer_that_fails(void **state)
{
	(void)state;
	atomic_store(&world->managed, true);
	atomic_store(&world->copy_error, -EIO);
	assert_int_equal(put(at(3, 0), 2 * PAGE_SIZE), -EIO);
	atomic_store(&world->managed, false);
	assert_int_equal(charged(world), 0);
	assert_untouched(3, 2);
}

/* While the buffer may trap, no page is in hand. */
static int copy_with_nothing(void *context, void *to, const void *from,
			     size_t length, bool to_managed)
{
	(void)context;
	(void)to_managed;
	for (uint64_t i = 0; i < PAGES; i++) {
		uint64_t word = atomic_load(object_word(thing.object, i));

		assert_false(word_pinned(word));
		assert_int_not_equal(word_state(word), PAGE_READING);
	}
	memcpy(to, from, length);
	return 0;
}

static void test_a_managed_buffer(void **state)
{
	(void)state;
	atomic_store(&world->managed, true);
	world->host.copy = copy_with_nothing;
	assert_put(0, SIZE);
	atomic_store(&world->managed, false);
	assert_reads("");
	assert_there(0, SIZE);
}

/* The memory takes no more than a page and a half: what came of it goes. */
static void test_no_memory(void **state)
{
	struct rlimit before, limit;
	unsigned char byte = 1;

	(void)state;
	assert_return_code(getrlimit(RLIMIT_FSIZE, &before), errno);
	limit = before;
	limit.rlim_cur = at(4, PAGE_SIZE / 2);
	assert_ptr_not_equal(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
	assert_return_code(setrlimit(RLIMIT_FSIZE, &limit), errno);
	assert_int_equal(put(at(3, 0), 3 * PAGE_SIZE), -EFBIG);
	assert_return_code(setrlimit(RLIMIT_FSIZE, &before), errno);
	assert_int_equal(charged(world), 0);
	assert_int_equal(memory_file_read(object_memory(thing.object), &byte, 1,
					  at(3, 9)),
			 0);
	assert_int_equal(byte, 0);
	assert_untouched(3, 3);
	assert_put(at(3, 0), 3 * PAGE_SIZE);
}

static void *put_one(void *object)
{
	return (void *)(intptr_t)object_copy_in(object, bytes, PAGE_SIZE,
						2 * PAGE_SIZE);
}

static void test_a_full_budget(void **state)
{
	struct object_world *small = world_open(2);
	struct thing other = thing_of(small, 4 * PAGE_SIZE);
	pthread_t thread;

	(void)state;
	assert_int_equal(object_hold(other.object, 0, 2, false), 0);
	assert_int_equal((intptr_t)put_one(other.object), -ENOMEM);
	assert_int_equal(state_of(other.object, 2), PAGE_ABSENT);
	assert_int_equal(object_dirty_pages(other.object), 0);
	/* It waits for room, and then there is some. */
	forget_calls(&other);
	small->host.full_wait_ns = NEVER;
	count_add(&small->counters, COUNT_STARVED,
		  -count_get(&small->counters, COUNT_STARVED));
	thread = start_thread(put_one, other.object);
	while (count_get(&small->counters, COUNT_STARVED) == 0)
		sched_yield();
	object_let_go(other.object, 0, 2, false);
	assert_int_equal(join_result(thread), PAGE_SIZE);
	assert_calls(&other, PAGER_READ, "");
	thing_end(&other);
	world_close(small);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_whole_pages_are_not_read),
		TEST(test_what_is_not_whole_is_read),
		TEST(test_what_is_there_already),
		TEST(test_what_leaves_meanwhile),
		TEST(test_the_last_page),
		TEST(test_locked_pages),
		TEST(test_scratch),
		TEST(test_what_cannot_be_read),
		TEST(test_zeros_in_its_place),
		TEST(test_no_more_may_be_dirty),
		TEST(test_a_buffer_that_ends),
		TEST(test_a_managed_buffer_that_fails),
		TEST(test_a_managed_buffer),
		TEST(test_no_memory),
		TEST(test_a_full_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
