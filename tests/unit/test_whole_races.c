/* test_whole_races.c - object/whole.c: what happens while such a page comes */
/* SPDX-License-Identifier: MIT */
/*
 *   READING ------------------- bytes in memory ------------- DIRTY
 *            ^ a cut, a discard,                ^ a reader, who else
 *              who else writes                    writes in the store
 */
#include "unit/foreign_world.h"

#define LARGER (at(LAST, 0) + PAGE_SIZE + 300)

static unsigned char *bytes; /* as many as the object has */
static struct foreign_write foreign;
static _Atomic bool listed;
static _Atomic bool waited;
static pthread_t other;

static int begin(void **state)
{
	bytes = new_buffer(SIZE);
	fill_random(bytes, SIZE, 3);
	return open_world(state);
}

static void list(void)
{
	object_foreign_list(thing.object, &foreign, 3, 1);
	object_foreign_remember(thing.object, &foreign);
	atomic_store(&listed, true);
}

static void unlist(void)
{
	object_foreign_end(thing.object, &foreign);
	atomic_store(&listed, false);
}

static int end(void **state)
{
	hook_register(NULL);
	if (atomic_load(&listed))
		unlist();
	free(bytes);
	return close_world(state);
}

static void assert_put(uint64_t offset, uint64_t length)
{
	assert_int_equal(object_copy_in(thing.object, bytes + offset, length,
					offset),
			 length);
}

static void assert_there(uint64_t offset, uint64_t length)
{
	for (uint64_t i = offset; i < offset + length; i += 7)
		assert_object(i, bytes[i]);
}

static void assert_reads(const char *expected)
{
	assert_calls(&thing, PAGER_READ, expected);
}

/* ---- who wants the page ---- */

static void *read_byte(void *argument)
{
	(void)argument;
	return (void *)(intptr_t)object_byte(thing.object, at(4, 9));
}

static void begin_reading(void)
{
	other = start_thread(read_byte, NULL);
	wait_until_waited_for(thing.object, 4);
}

static void test_a_reader_waits(void **state)
{
	(void)state;
	lay_trap(HOOK_READ_BEGUN, 3, begin_reading);
	assert_put(at(3, 0), 3 * PAGE_SIZE);
	assert_int_equal(join_result(other), bytes[at(4, 9)]);
	assert_reads("");
}

/* ---- the size ---- */

static void *cut(void *argument)
{
	(void)argument;
	return (void *)(intptr_t)object_resize(thing.object, at(4, 100));
}

static void begin_cut(void)
{
	other = start_thread(cut, NULL);
	while (object_size(thing.object) == SIZE)
		sched_yield();
}

static void test_a_cut(void **state)
{
	unsigned char tail[PAGE_SIZE - 100];

	(void)state;
	lay_trap(HOOK_READ_BEGUN, 3, begin_cut);
	assert_int_equal(object_copy_in(thing.object, bytes + at(3, 0),
					4 * PAGE_SIZE, at(3, 0)),
			 PAGE_SIZE + 100);
	assert_int_equal(join_result(other), 0);
	assert_reads("");
	assert_there(at(3, 0), PAGE_SIZE + 100);
	assert_int_equal(memory_file_read(object_memory(thing.object), tail,
					  sizeof(tail), at(4, 100)),
			 0);
	for (unsigned i = 0; i < sizeof(tail); i++)
		assert_int_equal(tail[i], 0);
	assert_int_equal(charged(world), 2);
	assert_int_equal(object_resize(thing.object, SIZE), 0);
	assert_all(at(4, 100), SIZE, 0);
}

static void *follow(void *argument)
{
	(void)argument;
	return (void *)(intptr_t)object_follow_size(thing.object);
}

static void begin_growth(void)
{
	grow_home(LARGER, 7);
	other = start_thread(follow, NULL);
	wait_until_waited_for(thing.object, LAST);
}

/* What others have put behind the end is in the last page, too. */
static void test_others_append(void **state)
{
	(void)state;
	lay_trap(HOOK_READ_BEGUN, LAST, begin_growth);
	assert_put(at(LAST, 0), SIZE - at(LAST, 0));
	assert_int_equal(join_result(other), 0);
	assert_true(counted(COUNT_READS) > 0); /* it was not whole */
	assert_there(at(LAST, 0), SIZE - at(LAST, 0));
	assert_all(SIZE, LARGER, 7);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(home_byte(&thing, SIZE), 7);
}

static void grow_without_it(void)
{
	grow_home(LARGER, 7);
	atomic_store(&thing.object->extent, LARGER);
}

/* The same where growing has found nothing of it in memory, and goes on. */
static void test_others_have_appended(void **state)
{
	(void)state;
	lay_trap(HOOK_READ_BEGUN, LAST, grow_without_it);
	assert_put(at(LAST, 0), SIZE - at(LAST, 0));
	assert_reads("63+1");
	atomic_store(&thing.object->extent, SIZE);
	assert_int_equal(object_resize(thing.object, LARGER), 0);
	assert_there(at(LAST, 0), SIZE - at(LAST, 0));
	assert_all(SIZE, LARGER, 7);
}

/* ---- discards ---- */

static void *discard(void *argument)
{
	(void)argument;
	return (void *)(intptr_t)object_discard(thing.object, 2, 3);
}

static void begin_discard(void)
{
	other = start_thread(discard, NULL);
	while (atomic_load(&thing.object->discard_end) == 0)
		sched_yield();
}

/* It has begun before the bytes were there, and does not take them. */
static void test_a_discard(void **state)
{
	(void)state;
	lay_trap(HOOK_READ_BEGUN, 3, begin_discard);
	assert_put(at(3, 0), 4 * PAGE_SIZE);
	assert_int_equal(join_result(other), 0);
	assert_there(at(3, 0), 4 * PAGE_SIZE);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(home_byte(&thing, at(2, 9)), 0);
	assert_int_equal(home_byte(&thing, at(3, 9)), bytes[at(3, 9)]);
}

/* ---- who writes past the object ---- */

/* What the page was when it became dirty; -1: not known. */
static int was(uint64_t offset)
{
	unsigned char page[PAGE_SIZE];

	if (!object_foreign_recall(thing.object, &foreign, offset >> PAGE_SHIFT,
				   page))
		return -1;
	return page[offset & PAGE_MASK];
}

/* What he writes may be there already: it must be known what is newer. */
static void test_a_listed_page_is_read(void **state)
{
	(void)state;
	list();
	assert_put(at(2, 0), 3 * PAGE_SIZE);
	assert_reads("3+1");
	assert_int_equal(was(at(3, 9)), byte_at(at(3, 9)));
	assert_int_equal(was(at(2, 9)), -1);
	unlist();
	assert_there(at(2, 0), 3 * PAGE_SIZE);
}

static void test_listed_before_the_look(void **state)
{
	(void)state;
	lay_trap(HOOK_READ_BEGUN, 2, list);
	assert_put(at(2, 0), 3 * PAGE_SIZE);
	assert_reads("3+1");
	assert_int_equal(was(at(3, 9)), byte_at(at(3, 9)));
	unlist();
	assert_there(at(2, 0), 3 * PAGE_SIZE);
}

/* What the page was when it was listed. */
static void *list_beside(void *argument)
{
	(void)argument;
	list();
	object_foreign_await(thing.object, &foreign);
	atomic_store(&waited, true);
	return (void *)(intptr_t)state_of(thing.object, 3);
}

static void begin_listing(void)
{
	atomic_store(&waited, false);
	other = start_thread(list_beside, NULL);
	while (!(atomic_load(object_word(thing.object, 3)) & WORD_WAITERS) &&
	       !atomic_load(&waited))
		sched_yield();
}

/* He waits for what is in hand: dirty pages he looks at himself. */
static void test_listed_after_the_look(void **state)
{
	(void)state;
	lay_trap(HOOK_READ_FILLED, 2, begin_listing);
	assert_put(at(2, 0), 3 * PAGE_SIZE);
	assert_reads("");
	assert_int_equal(join_result(other), PAGE_DIRTY);
	unlist();
}

/* ---- all at once ---- */

#define THREADS 3
#define TURNS 400

static uint64_t last[PAGES]; /* what its writer has put there */
static _Atomic bool stop;

static uint64_t length_of(uint64_t index)
{
	return index == LAST ? SIZE - at(LAST, 0) : PAGE_SIZE;
}

/* Each owns the pages that leave this remainder, writes some of them, and has
 * them as he has written them. */
static void *put_own(void *argument)
{
	uint64_t own = (uintptr_t)argument, seed = first_seed(own + 20);
	uint64_t page[PAGE_SIZE / 8], there[PAGE_SIZE / 8];

	for (uint64_t i = 1; i <= TURNS; i++) {
		uint64_t index = next_random(&seed) % PAGES;
		uint64_t length;

		index = index - index % THREADS + own;
		index = index < PAGES ? index : own;
		length = length_of(index);
		last[index] = own << 32 | i;
		for (unsigned k = 0; k < PAGE_SIZE / 8; k++)
			page[k] = last[index];
		if (object_copy_in(thing.object, page, length, at(index, 0)) !=
		    (int64_t)length)
			return (void *)1;
		if (i % 16 == 0 && sync_range(index, 1))
			return (void *)2;
		object_drop_clean(thing.object, next_random(&seed) % PAGES, 5);
		if (object_copy_out(thing.object, there, length,
				    at(index, 0)) != (int64_t)length ||
		    memcmp(page, there, length))
			return (void *)3;
	}
	return NULL;
}

/* Others read them in, and see them home, meanwhile. */
static void *bring_and_send(void *argument)
{
	uint64_t seed = first_seed(30);

	(void)argument;
	while (!atomic_load(&stop)) {
		object_byte(thing.object, at(next_random(&seed) % PAGES, 9));
		if (sync_range(next_random(&seed) % PAGES, 9))
			return (void *)1;
	}
	return NULL;
}

static void test_all_at_once(void **state)
{
	pthread_t writers[THREADS], reader;
	uint64_t value;

	(void)state;
	memset(last, 0, sizeof(last));
	atomic_store(&stop, false);
	reader = start_thread(bring_and_send, NULL);
	for (uintptr_t i = 0; i < THREADS; i++)
		writers[i] = start_thread(put_own, (void *)i);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(join_result(writers[i]), 0);
	atomic_store(&stop, true);
	assert_int_equal(join_result(reader), 0);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(dirty_pages(), 0);
	for (uint64_t i = 0; i < PAGES; i++) {
		assert_int_equal(read_at(thing.home, &value, 8, at(i, 8)), 8);
		assert_true(last[i] == 0 || value == last[i]);
	}
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_reader_waits),
		TEST(test_a_cut),
		TEST(test_others_append),
		TEST(test_others_have_appended),
		TEST(test_a_discard),
		TEST(test_a_listed_page_is_read),
		TEST(test_listed_before_the_look),
		TEST(test_listed_after_the_look),
		TEST(test_all_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
