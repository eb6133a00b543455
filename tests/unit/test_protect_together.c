/* test_protect_together.c - writeback/run.c: what one call protects */
/* SPDX-License-Identifier: MIT */
#include "unit/writeback_world.h"

#include "base/hook.h"

#include <stdio.h>

#define MANY 4096

/* An mmu that lists what it is told to protect. */
static struct {
	struct mmu mmu;
	struct mapping mapping;
	char list[2048]; /* as "first+pages" */
	int error;       /* what it answers */
	bool stores;     /* somebody stores to each page just before */
} fake;

static int protect(struct mmu *mmu, uint64_t start, uint64_t length)
{
	size_t end = strlen(fake.list);
	uint64_t first = start >> PAGE_SHIFT, pages = length >> PAGE_SHIFT;

	(void)mmu;
	snprintf(fake.list + end, sizeof(fake.list) - end, "%s%ju+%ju",
		 end ? " " : "", (uintmax_t)first, (uintmax_t)pages);
	for (uint64_t i = first; fake.stores && i < first + pages; i++)
		if (state_of(thing.object, i) == PAGE_WRITING)
			((unsigned char *)object_window(
				thing.object, i * PAGE_SIZE))[9] = 200;
	return fake.error;
}

static const struct mmu_ops ops = { .write_protect = protect };

static int open_many(void **state)
{
	(void)state;
	if (open_with(1000, NEVER))
		return -1;
	thing_end(&thing);
	thing = thing_of(world, MANY * PAGE_SIZE);
	memset(&fake, 0, sizeof(fake));
	fake.mmu.ops = &ops;
	fake.mmu.highest = UINT64_MAX;
	fake.mapping = (struct mapping){ .mmu = &fake.mmu,
					 .end = MANY * PAGE_SIZE,
					 .shared = true };
	object_attach(thing.object, &fake.mapping);
	return 0;
}

static int close_many(void **state)
{
	object_detach(thing.object, &fake.mapping);
	return close_world(state);
}

static void dirty_all(const uint64_t *pages, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		dirty(pages[i], (unsigned char)(100 + i));
	forget_calls(&thing);
}

static void assert_home(const uint64_t *pages, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(home(pages[i]), 100 + i);
		assert_int_equal(state_of(thing.object, pages[i]), PAGE_CLEAN);
	}
	assert_int_equal(dirty_pages(), 0);
}

static void test_near_ones(void **state)
{
	const uint64_t pages[] = { 0, 5, 6, 263, 521, 1000 };

	(void)state;
	dirty_all(pages, 6);
	assert_int_equal(sync_all(), 0);
	/* A gap of 256 pages, and one more. */
	assert_string_equal(fake.list, "0+264 521+1 1000+1");
	assert_calls(&thing, PAGER_WRITE, "0+1 5+2 263+1 521+1 1000+1");
	assert_home(pages, 6);
}

/* Of another process's, no page that was not asked for: it may keep it. */
static void test_another_process(void **state)
{
	const uint64_t pages[] = { 0, 5, 6, 263, 521, 1000 };

	(void)state;
	fake.mmu.remote = true;
	dirty_all(pages, 6);
	assert_int_equal(sync_all(), 0);
	assert_string_equal(fake.list, "0+1 5+2 263+1 521+1 1000+1");
	assert_home(pages, 6);
}

static void test_so_many(void **state)
{
	uint64_t pages[70];

	(void)state;
	for (unsigned i = 0; i < 70; i++)
		pages[i] = 2 * i;
	dirty_all(pages, 70);
	assert_int_equal(sync_all(), 0);
	assert_string_equal(fake.list, "0+127 128+11");
	assert_home(pages, 70);
}

/* Who pins a page may count on it: it is not protected. */
static void test_a_pinned_one_between(void **state)
{
	const uint64_t pages[] = { 0, 2, 4 };

	(void)state;
	dirty_all(pages, 3);
	assert_int_equal(object_hold(thing.object, 2, 1, true), 0);
	assert_int_equal(sync_all(), 0);
	assert_string_equal(fake.list, "0+1 4+1");
	assert_int_equal(home(2), 101);
	assert_int_equal(dirty_pages(), 1);
	object_let_go(thing.object, 2, 1, true);
	assert_int_equal(sync_all(), 0);
	assert_home(pages, 3);
}

/* Rule 4: what is stored until then is read. */
static void test_stores_just_before(void **state)
{
	const uint64_t pages[] = { 1, 3, 9 };

	(void)state;
	dirty_all(pages, 3);
	fake.stores = true;
	assert_int_equal(sync_all(), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(home(pages[i]), 200);
}

static void test_none_is_protected(void **state)
{
	const uint64_t pages[] = { 1, 3, 9 };

	(void)state;
	dirty_all(pages, 3);
	fake.error = -ENOMEM;
	assert_int_equal(sync_all(), -ENOMEM);
	assert_calls(&thing, PAGER_WRITE, "");
	assert_int_equal(dirty_pages(), 3);
	fake.error = 0;
	assert_int_equal(sync_all(), 0);
	assert_home(pages, 3);
}

static void test_one_cannot_be_written(void **state)
{
	const uint64_t pages[] = { 1, 3, 9 };

	(void)state;
	dirty_all(pages, 3);
	set_script(&thing, "write 12K-16K do fail EIO");
	assert_int_equal(sync_all(), -EIO);
	assert_int_equal(home(1), 100);
	assert_int_equal(home(9), 102);
	assert_int_equal(dirty_pages(), 1);
	set_script(&thing, "");
	assert_int_equal(sync_all(), 0);
	assert_home(pages, 3);
}

#ifdef QUIRE_DEBUG

static pthread_t cutting;

static void *cut(void *argument)
{
	(void)argument;
	return (void *)(intptr_t)object_resize(thing.object, 2 * PAGE_SIZE);
}

/* The cut has begun: what it takes is begun, and not protected yet. */
static void cut_now(enum hook point, const void *table, uint64_t index)
{
	(void)table;
	if (point != HOOK_WRITE_BEGUN || index != 9)
		return;
	cutting = start_thread(cut, NULL);
	while (object_size(thing.object) > 2 * PAGE_SIZE)
		sched_yield();
}

static void test_a_cut_of_what_is_begun(void **state)
{
	const uint64_t pages[] = { 1, 3, 9 };

	(void)state;
	dirty_all(pages, 3);
	hook_register(cut_now);
	assert_int_equal(sync_all(), 0);
	hook_register(NULL);
	assert_int_equal(join_result(cutting), 0);
	assert_string_equal(fake.list, "1+9");
	assert_calls(&thing, PAGER_WRITE, "1+1");
	assert_int_equal(home(1), 100);
	assert_int_equal(dirty_pages(), 0);
	assert_int_equal(size_of_store(thing.home), 2 * PAGE_SIZE);
}

#endif

#define MANY_TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_many, close_many)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MANY_TEST(test_near_ones),
		MANY_TEST(test_another_process),
		MANY_TEST(test_so_many),
		MANY_TEST(test_a_pinned_one_between),
		MANY_TEST(test_stores_just_before),
		MANY_TEST(test_none_is_protected),
		MANY_TEST(test_one_cannot_be_written),
#ifdef QUIRE_DEBUG
		MANY_TEST(test_a_cut_of_what_is_begun),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
