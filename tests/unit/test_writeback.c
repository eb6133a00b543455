/* test_writeback.c - writeback/: dirty pages go home, in order, and once */
/* SPDX-License-Identifier: MIT */
#include "unit/writeback_world.h"

/* ---- what is written ---- */

static void test_only_what_changed(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < PAGES; i++)
		object_byte(thing.object, i * PAGE_SIZE);
	assert_int_equal(sync_all(), 0);
	assert_calls(&thing, PAGER_WRITE, "");
	dirty(3, 77);
	assert_int_equal(sync_all(), 0);
	assert_calls(&thing, PAGER_WRITE, "3+1");
	assert_int_equal(home(3), 77);
	assert_int_equal(dirty_pages(), 0);
	assert_int_equal(state_of(thing.object, 3), PAGE_CLEAN);
	/* Once. */
	assert_int_equal(sync_all(), 0);
	assert_calls(&thing, PAGER_WRITE, "");
	assert_int_equal(counted(COUNT_WRITES), 1);
	assert_int_equal(counted(COUNT_PAGES_WRITTEN), 1);
}

/* Dirtied in any order, written in that of the offsets, neighbours at once. */
static void test_runs_in_order(void **state)
{
	const uint64_t pages[] = { 9, 40, 2, 3, 10, 1, 41, 30, 8, 42 };

	(void)state;
	for (int i = 0; i < 10; i++)
		dirty(pages[i], (unsigned char)(100 + i));
	forget_calls(&thing);
	assert_int_equal(sync_all(), 0);
	assert_calls(&thing, PAGER_WRITE, "1+3 8+3 30+1 40+3");
	for (int i = 0; i < 10; i++)
		assert_int_equal(home(pages[i]), 100 + i);
}

static void test_only_the_range(void **state)
{
	(void)state;
	for (uint64_t i = 10; i < 20; i++)
		dirty(i, 5);
	forget_calls(&thing);
	assert_int_equal(sync_range(12, 3), 0);
	assert_calls(&thing, PAGER_WRITE, "12+3");
	assert_int_equal(dirty_pages(), 7);
	assert_int_equal(sync_range(0, 10), 0);
	assert_int_equal(sync_range(20, 100), 0);
	assert_int_equal(sync_range(PAGES * 10, 1), 0);
	assert_calls(&thing, PAGER_WRITE, "");
	assert_int_equal(sync_range(11, UINT64_MAX), 0);
	assert_calls(&thing, PAGER_WRITE, "11+1 15+5");
}

/* Invariant 5: what lies past the end does not reach the store. */
static void test_the_last_page(void **state)
{
	unsigned char *bytes = object_window(thing.object, 0);

	(void)state;
	assert_int_equal(object_hold(thing.object, PAGES - 1, 1, true), 0);
	bytes[SIZE - 1] = 55;
	bytes[SIZE] = 56;
	object_let_go(thing.object, PAGES - 1, 1, true);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(size_of_store(thing.home), SIZE);
	assert_int_equal(home_byte(&thing, SIZE - 1), 55);
}

/* The last page of an object that cannot grow: no run goes beyond it. */
static void test_the_last_page_there_can_be(void **state)
{
	struct thing full = thing_create(
		world, (struct object_parameters){ .size = 2048 * PAGE_SIZE,
						   .capacity = 2048 * PAGE_SIZE,
						   .readahead = 1 });

	(void)state;
	set_byte(full.object, 2047 * PAGE_SIZE, 3);
	assert_int_equal(writeback_sync(&writeback, full.object, 0, UINT64_MAX,
					false),
			 0);
	assert_calls(&full, PAGER_WRITE, "2047+1");
	set_byte(full.object, 2047 * PAGE_SIZE, 4);
	writeback_kick(&writeback, false);
	while (object_dirty_pages(full.object) > 0)
		sched_yield();
	assert_int_equal(home_byte(&full, 2047 * PAGE_SIZE), 4);
	thing_end(&full);
}

static void test_a_pinned_page_is_written_and_stays(void **state)
{
	unsigned char *bytes = object_window(thing.object, 0);

	(void)state;
	assert_int_equal(object_hold(thing.object, 2, 1, true), 0);
	bytes[2 * PAGE_SIZE + 9] = 71;
	assert_int_equal(sync_all(), 0);
	assert_int_equal(home(2), 71);
	assert_int_equal(dirty_pages(), 1);
	bytes[2 * PAGE_SIZE + 9] = 72;
	object_let_go(thing.object, 2, 1, true);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(home(2), 72);
	assert_int_equal(dirty_pages(), 0);
}

static void test_durable(void **state)
{
	(void)state;
	dirty(1, 5);
	assert_int_equal(writeback_sync(&writeback, thing.object, 0, 10, true),
			 0);
	assert_int_equal(counted(COUNT_FLUSHES), 1);
	assert_calls(&thing, PAGER_FLUSH, "0+0");
	set_script(&thing, "flush do fail EIO");
	assert_int_equal(writeback_sync(&writeback, thing.object, 0, 10, true),
			 -EIO);
	assert_int_equal(object_errors(thing.object), 1);
	/* What could not be written need not be flushed. */
	set_script(&thing, "write do fail ENOSPC");
	dirty(1, 6);
	assert_int_equal(writeback_sync(&writeback, thing.object, 0, 10, true),
			 -ENOSPC);
	assert_int_equal(counted(COUNT_FLUSHES), 2);
}

static int make_durable(void)
{
	return writeback_sync(&writeback, thing.object, 0, UINT64_MAX, true);
}

/* The store takes what it lost for done: it is written once more. */
/* Who waits for one write, or a flush, may as well do it. */
static void test_the_only_write_is_the_callers(void **state)
{
	const unsigned *by_caller = (unsigned *)&thing.pager->by_caller;

	(void)state;
	dirty(1, 5);
	assert_int_equal(writeback_sync(&writeback, thing.object, 0, 10, true),
			 0);
	assert_int_equal(*by_caller, 2);
	assert_int_equal(home(1), 5);
	/* The flusher has others to see to. */
	dirty(1, 7);
	writeback_kick(&writeback, true);
	while (dirty_pages() > 0)
		sched_yield();
	assert_int_equal(*by_caller, 2);
	assert_int_equal(home(1), 7);
	/* Its error is told as any other. */
	set_script(&thing, "write do fail EIO");
	dirty(1, 8);
	assert_int_equal(sync_all(), -EIO);
	assert_int_equal(*by_caller, 3);
	assert_int_equal(state_of(thing.object, 1), PAGE_DIRTY);
	set_script(&thing, "");
	assert_int_equal(sync_all(), 0);
	assert_int_equal(home(1), 8);
}

static void test_a_flush_that_failed(void **state)
{
	uint64_t failures = object_flush_failures(thing.object);

	(void)state;
	dirty(1, 5);
	assert_int_equal(make_durable(), 0);
	dirty(3, 6);
	assert_int_equal(sync_all(), 0); /* not durable */
	dirty(5, 7);
	forget_calls(&thing);
	set_script(&thing, "flush times 1 do fail EIO");
	assert_int_equal(make_durable(), -EIO);
	assert_int_equal(dirty_pages(), 2);
	assert_int_equal(state_of(thing.object, 1), PAGE_CLEAN);
	assert_int_equal(state_of(thing.object, 3), PAGE_DIRTY);
	assert_int_equal(state_of(thing.object, 5), PAGE_DIRTY);
	/* Whose pages were written before is told without a flush. */
	forget_calls(&thing);
	assert_int_equal(object_flush(thing.object, failures), -EIO);
	assert_calls(&thing, PAGER_FLUSH, "");
	assert_int_equal(object_errors(thing.object), 1);
	assert_int_equal(make_durable(), 0);
	assert_calls(&thing, PAGER_WRITE, "3+1 5+1");
	assert_int_equal(dirty_pages(), 0);
	assert_int_equal(make_durable(), 0);
	assert_calls(&thing, PAGER_WRITE, "");
}

static void *make_durable_beside(void *arrived)
{
	if (arrived)
		atomic_fetch_add((_Atomic int *)arrived, 1);
	return make_durable() ? arrived : NULL;
}

/* Who comes while one flushes is not content with that: but one more is enough
 * for all of them.  Some may come late, and flush by themselves. */
static void test_flushes_are_shared(void **state)
{
	_Atomic int arrived = 0;
	pthread_t threads[5];
	void *failed;

	(void)state;
	dirty(1, 5);
	set_script(&thing, "flush times 1 do hold");
	threads[0] = start_thread(make_durable_beside, NULL);
	wait_until_held(&thing, 1);
	for (int i = 1; i < 5; i++)
		threads[i] = start_thread(make_durable_beside, &arrived);
	while (atomic_load(&arrived) < 4)
		sched_yield();
	for (int i = 0; i < 1000; i++)
		sched_yield();
	forget_calls(&thing);
	faulty_store_release(thing.faulty);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	lock_take(&thing.pager->lock);
	assert_in_range(thing.pager->count, 1, 4);
	lock_drop(&thing.pager->lock);
	forget_calls(&thing);
	/* One after the other: each its own. */
	assert_int_equal(make_durable(), 0);
	assert_int_equal(make_durable(), 0);
	assert_calls(&thing, PAGER_FLUSH, "0+0 0+0");
}

/* What has left, or was cut off, is not brought back for it. */
static void test_a_flush_that_failed_late(void **state)
{
	(void)state;
	dirty(1, 5);
	dirty(2, 6);
	dirty(PAGES - 1, 7);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(cache_evict_range(&world->cache,
					   object_table(thing.object), 1, 1),
			 1);
	assert_int_equal(object_resize(thing.object, 4 * PAGE_SIZE), 0);
	set_script(&thing, "flush times 1 do fail EIO");
	assert_int_equal(make_durable(), -EIO);
	assert_int_equal(dirty_pages(), 1);
	assert_int_equal(state_of(thing.object, 1), PAGE_ABSENT);
	assert_int_equal(state_of(thing.object, 2), PAGE_DIRTY);
	assert_int_equal(make_durable(), 0);
	assert_int_equal(home(2), 6);
}

/* ---- failures ---- */

static struct quire_object new_handle(void)
{
	return (struct quire_object){ .references = 1,
				      .object = thing.object,
				      .errors_seen =
					      object_errors(thing.object) };
}

/* Invariant 6: to every holder, once each, and the page stays dirty. */
static void test_a_failed_write(void **state)
{
	struct quire_object one = new_handle(), two = new_handle(), late;

	(void)state;
	dirty(3, 77);
	dirty(4, 78);
	set_script(&thing, "write do fail EIO");
	assert_int_equal(sync_all(), -EIO);
	assert_int_equal(dirty_pages(), 2);
	assert_int_equal(state_of(thing.object, 3), PAGE_DIRTY);
	assert_int_equal(counted(COUNT_PAGES_WRITTEN), 0);
	assert_true(counted(COUNT_WRITE_ERRORS) > 0);
	assert_true(atomic_load(&world->lines) > 0);
	late = new_handle();
	assert_int_equal(handle_report_error(&one), -EIO);
	assert_non_null(strstr(error_sentence(), "thing could not be written"));
	assert_non_null(strstr(error_sentence(), "are kept and tried again"));
	assert_int_equal(handle_report_error(&one), 0);
	assert_int_equal(handle_report_error(&two), -EIO);
	assert_int_equal(handle_report_error(&late), 0);
	/* Clean pages may leave, these may not. */
	object_invalidate(thing.object, 0, PAGES);
	assert_int_equal(object_byte(thing.object, 3 * PAGE_SIZE + 9), 77);
}

static void test_a_store_that_recovers_gets_everything(void **state)
{
	(void)state;
	for (uint64_t i = 5; i < 15; i++)
		dirty(i, (unsigned char)(100 + i));
	forget_calls(&thing);
	set_script(&thing, "write do fail ENOSPC");
	assert_int_equal(sync_all(), -ENOSPC);
	set_script(&thing, "");
	assert_int_equal(sync_all(), 0);
	for (uint64_t i = 5; i < 15; i++)
		assert_int_equal(home(i), 100 + i);
	assert_int_equal(dirty_pages(), 0);
}

/* A run that fails says nothing of its pages: then each one by itself. */
static void test_one_bad_page(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		dirty(i, (unsigned char)(200 + i));
	forget_calls(&thing);
	set_script(&thing, "write 8K-12K do fail EIO");
	assert_int_equal(sync_all(), -EIO);
	assert_int_equal(sync_all(), -EIO);
	assert_calls(&thing, PAGER_WRITE, "0+4 0+1 1+1 2+1 3+1");
	assert_int_equal(dirty_pages(), 1);
	assert_int_equal(object_next_dirty(thing.object, 0), 2);
	assert_int_equal(home(3), 203);
	set_script(&thing, "");
	assert_int_equal(sync_all(), 0);
	assert_int_equal(home(2), 202);
}

static int fail_to_protect(struct mmu *mmu, uint64_t start, uint64_t length)
{
	(void)mmu;
	(void)start;
	(void)length;
	return -ENOMEM;
}

/* Not protected means not written. */
static void test_a_failed_protection(void **state)
{
	const struct mmu_ops ops = { .write_protect = fail_to_protect };
	struct mmu mmu = { .ops = &ops, .highest = UINT64_MAX };
	struct mapping mapping = { .mmu = &mmu,
				   .start = PAGE_SIZE,
				   .end = 10 * PAGE_SIZE,
				   .shared = true };

	(void)state;
	dirty(3, 77);
	forget_calls(&thing);
	object_attach(thing.object, &mapping);
	assert_int_equal(sync_all(), -ENOMEM);
	assert_calls(&thing, PAGER_WRITE, "");
	assert_int_equal(dirty_pages(), 1);
	object_detach(thing.object, &mapping);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(home(3), 77);
}

/* ---- writes under way ---- */

/*
 * The write in flight took the bytes of before: msync waits for its end, sees
 * the page DIRTY again, and writes it once more.
 */
static void test_a_write_in_flight_is_too_old(void **state)
{
	pthread_t first, second;

	(void)state;
	dirty(3, 1);
	set_script(&thing, "write times 1 do hold");
	first = start_thread(sync_thread, NULL);
	wait_until_held(&thing, 1);
	dirty(3, 2);
	assert_int_equal(state_of(thing.object, 3), PAGE_WRITING);
	second = start_thread(sync_thread, NULL);
	wait_until_waited_for(thing.object, 3);
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	assert_int_equal(join_result(second), 0);
	assert_int_equal(join_result(first), 0);
	assert_int_equal(home(3), 2);
	assert_int_equal(dirty_pages(), 0);
}

/* A page that changes while it is written never reaches the store half. */
static void test_a_store_during_a_write(void **state)
{
	pthread_t thread;

	(void)state;
	dirty(3, 1);
	set_script(&thing, "write do hold");
	thread = start_thread(sync_thread, NULL);
	wait_until_held(&thing, 1);
	dirty(3, 2);
	set_script(&thing, "");
	faulty_store_release(thing.faulty);
	assert_int_equal(join_result(thread), 0);
	assert_int_equal(home(3), 1);
	assert_int_equal(dirty_pages(), 1);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(home(3), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_only_what_changed),
		TEST(test_runs_in_order),
		TEST(test_only_the_range),
		TEST(test_the_last_page),
		TEST(test_the_last_page_there_can_be),
		TEST(test_a_pinned_page_is_written_and_stays),
		TEST(test_durable),
		TEST(test_the_only_write_is_the_callers),
		TEST(test_a_flush_that_failed),
		TEST(test_a_flush_that_failed_late),
		TEST(test_flushes_are_shared),
		TEST(test_a_failed_write),
		TEST(test_a_store_that_recovers_gets_everything),
		TEST(test_one_bad_page),
		TEST(test_a_failed_protection),
		TEST(test_a_write_in_flight_is_too_old),
		TEST(test_a_store_during_a_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
