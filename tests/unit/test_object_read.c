/* test_object_read.c - object/read.c: a page comes in, or does not */
/* SPDX-License-Identifier: MIT */
#include "unit/object_world.h"

#define PAGES 32
#define SIZE (PAGES * PAGE_SIZE - 1000)
#define BUDGET 64

static struct object_world *world;
static struct thing thing;

static int open_world(void **state)
{
	(void)state;
	world = world_open(BUDGET);
	thing = thing_of(world, SIZE);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	thing_end(&thing);
	world_close(world);
	return 0;
}

static int64_t start(uint64_t index, uint64_t count)
{
	uint64_t sequence;

	return object_start_read(thing.object, index, count, &sequence);
}

/* One letter for each page: Absent Reading Failed Clean Dirty Writing Evicting */
static void assert_states(uint64_t index, const char *expected)
{
	char text[PAGES + 1] = "";
	size_t length = strlen(expected);

	for (size_t i = 0; i < length; i++)
		text[i] = "ARFCDWE"[state_of(thing.object, index + i)];
	assert_string_equal(text, expected);
}

static void assert_content(uint64_t index, uint64_t count)
{
	uint64_t start_at = index << PAGE_SHIFT, length = count << PAGE_SHIFT;
	unsigned char *bytes = new_buffer(length);

	assert_int_equal(memory_file_read(object_memory(thing.object), bytes,
					  length, start_at),
			 0);
	for (uint64_t i = 0; i < length; i++)
		assert_int_equal(bytes[i], start_at + i < SIZE
						   ? byte_at(start_at + i)
						   : 0);
	free(bytes);
}

static uint64_t counted(enum counter counter)
{
	return count_get(&world->counters, counter);
}

static void test_a_run_is_read(void **state)
{
	(void)state;
	assert_int_equal(start(3, 4), 4);
	assert_states(2, "ACCCCA");
	assert_calls(&thing, PAGER_READ, "3+4");
	assert_content(3, 4);
	assert_int_equal(charged(world), 4);
	assert_int_equal(counted(COUNT_READS), 1);
	assert_int_equal(counted(COUNT_PAGES_READ), 4);
	assert_int_equal(counted(COUNT_READS_IN_FLIGHT), 0);
	assert_int_equal(counted(COUNT_READS_IN_FLIGHT_PEAK), 1);
}

static void test_the_last_page_ends_in_zeros(void **state)
{
	(void)state;
	assert_int_equal(start(PAGES - 2, 10), 2);
	assert_content(PAGES - 2, 2);
}

static void test_past_the_end(void **state)
{
	(void)state;
	assert_int_equal(start(PAGES, 1), -ENXIO);
	assert_int_equal(start(UINT64_MAX >> PAGE_SHIFT, 1), -ENXIO);
	assert_calls(&thing, PAGER_READ, "");
	assert_int_equal(charged(world), 0);
}

/* Who comes second finds nothing to do, or less than he asked for. */
static void test_what_is_there_is_not_read(void **state)
{
	(void)state;
	assert_int_equal(start(4, 1), 1);
	assert_int_equal(start(4, 3), 0);
	assert_int_equal(start(2, 10), 2);
	assert_calls(&thing, PAGER_READ, "4+1 2+2");
	assert_states(1, "ACCCA");
	assert_int_equal(charged(world), 3);
}

static void test_what_is_on_its_way_is_not_read(void **state)
{
	(void)state;
	set_script(&thing, "read do hold");
	assert_int_equal(start(4, 2), 2);
	assert_states(3, "ARRA");
	assert_int_equal(start(5, 1), 0);
	assert_int_equal(start(2, 10), 2);
	assert_int_equal(counted(COUNT_READS_IN_FLIGHT), 2);
	assert_int_equal(charged(world), 4);
	assert_int_equal(faulty_store_release(thing.faulty), 2);
	assert_states(1, "ACCCCA");
	assert_content(2, 4);
	assert_int_equal(counted(COUNT_READS_IN_FLIGHT), 0);
}

static void test_no_room(void **state)
{
	struct thing other = thing_of(world, BUDGET * PAGE_SIZE);
	uint64_t sequence = UINT64_MAX;
	struct sleeper sleeper;

	(void)state;
	assert_int_equal(object_hold(other.object, 0, BUDGET - 2, false), 0);
	/* What fits is read. */
	assert_int_equal(start(0, 5), 2);
	assert_int_equal(object_hold(thing.object, 0, 2, false), 0);
	assert_int_equal(object_start_read(thing.object, 8, 1, &sequence),
			 -EAGAIN);
	assert_int_equal(charged(world), BUDGET);
	assert_states(8, "A");
	sleeper_init(&sleeper);
	assert_true(cache_starve(&world->cache, sequence, &sleeper.waiter));
	object_let_go(thing.object, 0, 2, false);
	sleeper_sleep(&sleeper);
	sleeper_finish(&sleeper);
	assert_int_equal(start(8, 1), 1);
	assert_states(8, "C");
	object_let_go(other.object, 0, BUDGET - 2, false);
	thing_end(&other);
}

/*
 *   run 0-3, page 2 is bad:  AAAA, then one by one  CCFC
 */
static void test_a_run_that_fails_is_read_singly(void **state)
{
	(void)state;
	set_script(&thing, "read 8K-12K do fail EIO");
	assert_int_equal(start(0, 4), 4);
	assert_states(0, "AAAA");
	assert_int_equal(charged(world), 0);
	assert_int_equal(counted(COUNT_READ_ERRORS), 0);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(start(i, 4), 1);
	assert_states(0, "CCFC");
	assert_int_equal(charged(world), 3);
	assert_int_equal(counted(COUNT_READ_ERRORS), 1);
	assert_int_equal(object_read_error(thing.object, 2), -EIO);
	assert_int_equal(atomic_load(&world->lines), 1);
	assert_calls(&thing, PAGER_READ, "0+4 0+1 1+1 2+1 3+1");
	/* After that, runs again. */
	assert_int_equal(start(10, 1), 1);
	assert_int_equal(start(11, 4), 4);
}

/* Rule 6: nothing stays in memory, however far a failed read has come. */
static void test_a_failed_page_has_no_memory(void **state)
{
	int memory = object_memory(thing.object);

	(void)state;
	set_script(&thing, "read do fail EIO");
	assert_int_equal(memory_file_write(memory, "half", 4, 2 * PAGE_SIZE),
			 0);
	assert_int_equal(start(2, 1), 1);
	assert_states(2, "F");
	assert_int_equal(lseek(memory, 0, SEEK_DATA), -1);
	assert_int_equal(errno, ENXIO);
	assert_int_equal(charged(world), 0);
	/* Of a run as well. */
	assert_int_equal(memory_file_write(memory, "half", 4, 7 * PAGE_SIZE),
			 0);
	assert_int_equal(start(5, 4), 4);
	assert_states(5, "AAAA");
	assert_int_equal(lseek(memory, 0, SEEK_DATA), -1);
}

static void test_a_failed_page_is_tried_again(void **state)
{
	(void)state;
	set_script(&thing, "read times 1 do fail EIO");
	assert_int_equal(start(2, 1), 1);
	assert_states(2, "F");
	/* It begins a run, but none goes over it. */
	assert_int_equal(start(0, 5), 2);
	assert_states(0, "CCFA");
	assert_int_equal(start(2, 3), 3);
	assert_states(0, "CCCCCA");
	assert_content(0, 5);
}

static void test_the_store_became_shorter(void **state)
{
	(void)state;
	assert_int_equal(store_resize(thing.home, 2 * PAGE_SIZE + 5), 0);
	assert_int_equal(start(0, 5), 5);
	assert_states(0, "AAAAA");
	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(start(i, 1), 1);
	assert_states(0, "CCCFF");
	assert_int_equal(object_read_error(thing.object, 3), -ENODATA);
	assert_int_equal(object_read_error(thing.object, 4), -ENODATA);
	/* Of one that never failed, and when it is forgotten. */
	assert_int_equal(object_read_error(thing.object, 0), -EIO);
	assert_int_equal(object_read_error(thing.object, 3 + READ_ERRORS_KEPT),
			 -EIO);
	assert_int_equal(object_byte(thing.object, 2 * PAGE_SIZE + 4),
			 byte_at(2 * PAGE_SIZE + 4));
	assert_int_equal(object_byte(thing.object, 2 * PAGE_SIZE + 5), 0);
}

struct note {
	struct waiter waiter;
	enum page_state seen;
	uint64_t charged;
	int wakes;
};

static void note_wake(struct waiter *waiter)
{
	struct note *note = container_of(waiter, struct note, waiter);

	note->wakes++;
	note->seen = state_of(thing.object, 6);
	note->charged = charged(world);
}

static void park(struct note *note)
{
	*note = (struct note){ .waiter.wake = note_wake };
	assert_true(wait_park(&world->cache.waits, object_table(thing.object),
			      6, object_word(thing.object, 6), PAGE_READING,
			      &note->waiter));
}

/* Whoever is woken finds all done, and the budget given back. */
static void test_waiters_are_woken_last(void **state)
{
	struct note note;

	(void)state;
	set_script(&thing, "read do hold");
	assert_int_equal(start(6, 1), 1);
	park(&note);
	faulty_store_release(thing.faulty);
	assert_int_equal(note.wakes, 1);
	assert_int_equal(note.seen, PAGE_CLEAN);
	object_invalidate(thing.object, 6, 1);
	assert_states(6, "A");

	assert_int_equal(start(6, 1), 1);
	park(&note);
	assert_int_equal(store_resize(thing.home, 0), 0);
	faulty_store_release(thing.faulty);
	assert_int_equal(note.wakes, 1);
	assert_int_equal(note.seen, PAGE_FAILED);
	assert_int_equal(note.charged, 0);
}

#ifdef QUIRE_DEBUG
static uint64_t size_at_read;

static void cut_meanwhile(enum hook point, const void *table, uint64_t index)
{
	(void)index;
	if (point == HOOK_READ_BEGUN && table == object_table(thing.object))
		atomic_store(&thing.object->size, size_at_read);
}

static void start_with_cut(uint64_t size, int64_t expected, const char *states)
{
	size_at_read = size;
	hook_register(cut_meanwhile);
	assert_int_equal(start(4, 4), expected);
	hook_register(NULL);
	atomic_store(&thing.object->size, SIZE);
	assert_states(4, states);
}

/* Rule 11: the size is looked at again when the pages say READING. */
static void test_the_size_is_looked_at_again(void **state)
{
	(void)state;
	start_with_cut(5 * PAGE_SIZE + 1, 2, "CCAA");
	assert_int_equal(charged(world), 2);
	object_invalidate(thing.object, 0, PAGES);
	start_with_cut(0, 0, "AAAA");
	assert_int_equal(charged(world), 0);
	assert_calls(&thing, PAGER_READ, "4+2");
}
#endif

/* ---- ahead ---- */

static void test_read_ahead_fills_the_gaps(void **state)
{
	(void)state;
	start(2, 1);
	start(5, 2);
	forget_calls(&thing);
	assert_int_equal(object_read_ahead(thing.object, 1, 9), 6);
	assert_calls(&thing, PAGER_READ, "1+1 3+2 7+3");
	assert_states(0, "ACCCCCCCCCA");
	assert_int_equal(counted(COUNT_PAGES_AHEAD), 6);
	assert_int_equal(object_read_ahead(thing.object, PAGES - 2, 50), 2);
	assert_int_equal(object_read_ahead(thing.object, PAGES, 50), 0);
}

#define LONG UINT64_C(256) /* pages of the largest request */
#define LARGE 16           /* buffers for one */
#define READERS (LARGE + 6)

/* When the large buffers are out, others read by 16 pages, not by one. */
static void test_long_reads_at_once(void **state)
{
	struct object_world *large = world_open(READERS * LONG);
	struct thing many = thing_of(large, READERS * LONG * PAGE_SIZE);

	(void)state;
	set_script(&many, "read do hold");
	assert_int_equal(object_read_ahead(many.object, 0, READERS * LONG),
			 READERS * LONG);
	assert_int_equal(count_get(&large->counters, COUNT_READS),
			 LARGE + (READERS - LARGE) * LONG / 16);
	faulty_store_release(many.faulty);
	thing_end(&many);
	world_close(large);
}

/* ---- zeros in its place ---- */

static int zero(uint64_t index)
{
	uint64_t sequence;

	return object_zero_page(thing.object, index, &sequence);
}

static void test_zero_page(void **state)
{
	unsigned char byte = 1;

	(void)state;
	set_script(&thing, "read times 1 do fail EIO");
	assert_int_equal(start(3, 1), 1);
	assert_int_equal(zero(3), 1);
	assert_states(3, "C");
	assert_true(object_is_zeroed(thing.object, 3));
	assert_false(object_is_zeroed(thing.object, 4));
	assert_int_equal(memory_file_read(object_memory(thing.object), &byte, 1,
					  3 * PAGE_SIZE),
			 0);
	assert_int_equal(byte, 0);
	assert_int_equal(charged(world), 1);
	/* Neither stored to, nor taken for content. */
	set_script(&thing, "read do fail EIO");
	assert_int_equal(object_take_wpin(thing.object, 3, true), PAGE_ZEROED);
	assert_int_equal(object_hold(thing.object, 3, 1, true), -EIO);
	assert_int_equal(zero(3), 1);
	assert_int_equal(object_hold(thing.object, 3, 1, false), -EIO);
	assert_int_equal(object_dirty_pages(thing.object), 0);
}

/* Whoever may wait has it read once more. */
static void test_zeros_give_way_to_content(void **state)
{
	(void)state;
	assert_int_equal(zero(3), 1);
	assert_int_equal(zero(4), 1);
	assert_int_equal(object_hold(thing.object, 3, 1, true), 0);
	assert_false(object_is_zeroed(thing.object, 3));
	assert_true(object_is_zeroed(thing.object, 4));
	object_let_go(thing.object, 3, 1, true);
	assert_content(3, 1);
	object_invalidate(thing.object, 4, 1);
	assert_int_equal(start(4, 1), 1);
	assert_false(object_is_zeroed(thing.object, 4));
	assert_content(4, 1);
}

static void test_zero_page_refused(void **state)
{
	(void)state;
	assert_int_equal(zero(PAGES), -ENXIO);
	start(3, 1);
	assert_int_equal(zero(3), 0);
	assert_false(object_is_zeroed(thing.object, 3));
	assert_content(3, 1);
	assert_int_equal(charged(world), 1);
}

/* ---- all at once ---- */

#define THREADS 4

static void *read_all(void *argument)
{
	uint64_t seed = (uintptr_t)argument, *read = malloc(sizeof(*read));

	*read = 0;
	for (int i = 0; i < 400; i++) {
		int64_t n = start(next_random(&seed) % PAGES,
				  1 + next_random(&seed) % 6);

		if (n > 0)
			*read += (uint64_t)n;
	}
	return read;
}

static void test_each_page_is_read_once(void **state)
{
	pthread_t threads[THREADS];
	uint64_t sum = 0;

	(void)state;
	for (uintptr_t i = 0; i < THREADS; i++)
		threads[i] = start_thread(read_all, (void *)(i + 1));
	for (int i = 0; i < THREADS; i++) {
		void *read;

		pthread_join(threads[i], &read);
		sum += *(uint64_t *)read;
		free(read);
	}
	sum += object_read_ahead(thing.object, 0, PAGES);
	assert_int_equal(sum, PAGES);
	assert_int_equal(counted(COUNT_PAGES_READ), PAGES);
	assert_int_equal(charged(world), PAGES);
	assert_content(0, PAGES);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_run_is_read),
		TEST(test_the_last_page_ends_in_zeros),
		TEST(test_past_the_end),
		TEST(test_what_is_there_is_not_read),
		TEST(test_what_is_on_its_way_is_not_read),
		TEST(test_no_room),
		TEST(test_a_run_that_fails_is_read_singly),
		TEST(test_a_failed_page_has_no_memory),
		TEST(test_a_failed_page_is_tried_again),
		TEST(test_the_store_became_shorter),
		TEST(test_waiters_are_woken_last),
#ifdef QUIRE_DEBUG
		TEST(test_the_size_is_looked_at_again),
#endif
		TEST(test_read_ahead_fills_the_gaps),
		TEST(test_long_reads_at_once),
		TEST(test_zero_page),
		TEST(test_zeros_give_way_to_content),
		TEST(test_zero_page_refused),
		TEST(test_each_page_is_read_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
