/* test_discard.c - object/discard.c: pages become zeros, whatever goes on */
/* SPDX-License-Identifier: MIT */
#include "unit/discard_world.h"

/* ---- quiet pages ---- */

/*  page   0  1      2      3       4       5
 *        kept | clean | dirty | absent | dirty, seen | kept */
static void test_all_states(void **state)
{
	(void)state;
	assert_kept(1);
	set_byte(thing.object, at(2), 7);
	set_byte(thing.object, at(4), 7);
	assert_int_equal(object_discard(thing.object, 1, 4), 0);
	assert_int_equal(charged(world), 0);
	assert_int_equal(object_dirty_pages(thing.object), 0);
	for (uint64_t i = 1; i < 5; i++) {
		assert_int_equal(state_of(thing.object, i), PAGE_ABSENT);
		assert_false(at_home(thing.home, i));
		ZERO(i);
	}
	assert_kept(0);
	assert_kept(5);
	/* Stored to again, it keeps that. */
	set_byte(thing.object, at(2), 9);
	swap_out(world, thing.object);
	assert_int_equal(object_byte(thing.object, at(2)), 9);
	assert_int_equal(home_byte(&thing, at(2)), 9);
}

static void test_runs_are_one_call(void **state)
{
	(void)state;
	for (uint64_t i = 10; i < 50; i++)
		assert_kept(i);
	assert_int_equal(object_discard(thing.object, 0, PAGES), 0);
	assert_int_equal(atomic_load(&thing.pager->discards), 1);
	/* Of more than a chunk, one for each. */
	for (uint64_t i = 10; i < 50; i++)
		ZERO(i);
	assert_int_equal(object_discard(thing.object, 20, 5), 0);
	assert_int_equal(atomic_load(&thing.pager->discards), 2);
	assert_int_equal(charged(world), 35);
}

static void test_more_than_a_chunk(void **state)
{
	struct object_world *large = world_open(1024);
	struct thing other = thing_of(large, PAGES * PAGE_SIZE);

	(void)state;
	for (uint64_t i = 0; i < PAGES; i++)
		set_byte(other.object, at(i), (unsigned char)(i + 1));
	assert_int_equal(object_discard(other.object, 1, PAGES - 2), 0);
	assert_int_equal(charged(large), 2);
	assert_true(atomic_load(&other.pager->discards) > 1);
	for (uint64_t i = 1; i < PAGES - 1; i++)
		assert_int_equal(object_byte(other.object, at(i) + 5), 0);
	assert_int_equal(object_byte(other.object, 0), 1);
	thing_end(&other);
	world_close(large);
}

static void test_ranges(void **state)
{
	(void)state;
	assert_int_equal(object_discard(thing.object, PAGES, 1), 0);
	assert_int_equal(object_discard(thing.object, UINT64_MAX, UINT64_MAX),
			 0);
	assert_int_equal(object_discard(thing.object, 3, 0), 0);
	assert_int_equal(atomic_load(&thing.pager->discards), 0);
	assert_kept(3);
	assert_int_equal(object_discard(thing.object, 250, UINT64_MAX), 0);
	ZERO(255);
	assert_kept(249);
}

/* The page in which the object ends is discarded whole. */
static void test_the_last_page(void **state)
{
	struct thing other = thing_of(world, 3 * PAGE_SIZE + 100);

	(void)state;
	assert_int_equal(object_discard(other.object, 3, 1), 0);
	assert_int_equal(size_of_store(other.home), 3 * PAGE_SIZE + 100);
	assert_int_equal(object_byte(other.object, 3 * PAGE_SIZE + 99), 0);
	assert_int_equal(object_byte(other.object, 3 * PAGE_SIZE - 1),
			 byte_at(3 * PAGE_SIZE - 1));
	thing_end(&other);
}

/* The thread sanitizer leaves us few addresses. */
#if defined(__SANITIZE_THREAD__)
#define SPARSE (UINT64_C(1) << 26)
#else
#define SPARSE (UINT64_C(1) << 30)
#endif

/* Four terabytes, of which there are three pages. */
static void test_huge_and_sparse(void **state)
{
	struct object_world *large = world_open(64);
	struct scratch sparse = scratch_of(large, SPARSE);
	uint64_t places[] = { 0, SPARSE / 4, SPARSE - 1 };

	(void)state;
	for (int i = 0; i < 3; i++)
		set_byte(sparse.object, at(places[i]), 5);
	swap_out(large, sparse.object);
	set_byte(sparse.object, at(places[1]), 6);
	assert_int_equal(object_discard(sparse.object, 0, UINT64_MAX), 0);
	assert_int_equal(charged(large), 0);
	for (int i = 0; i < 3; i++) {
		assert_false(at_home(sparse.home, places[i]));
		assert_int_equal(object_byte(sparse.object, at(places[i])), 0);
	}
	scratch_end(&sparse);
	world_close(large);
}

static void test_failed_and_zeroed_pages(void **state)
{
	unsigned char byte;
	uint64_t sequence;

	(void)state;
	set_script(&thing, "read do fail EIO");
	assert_int_equal(object_copy_out(thing.object, &byte, 1, at(4)), -EIO);
	assert_int_equal(state_of(thing.object, 4), PAGE_FAILED);
	assert_int_equal(object_zero_page(thing.object, 5, &sequence), 1);
	set_script(&thing, NULL);
	assert_int_equal(object_discard(thing.object, 4, 2), 0);
	ZERO(4);
	ZERO(5);
	set_byte(thing.object, at(5), 3);
}

/* ---- refused ---- */

static void test_a_pager_that_cannot(void **state)
{
	struct pager_ops ops = *thing.pager->pager.ops;
	const struct pager_ops *before = thing.pager->pager.ops;

	(void)state;
	ops.discard = NULL;
	thing.pager->pager.ops = &ops;
	set_byte(thing.object, at(2), 7);
	assert_int_equal(object_discard(thing.object, 0, PAGES), -EOPNOTSUPP);
	assert_int_equal(state_of(thing.object, 2), PAGE_DIRTY);
	thing.pager->pager.ops = before;
	assert_kept(1);
	assert_int_equal(object_byte(thing.object, at(2)), 7);
}

static void test_read_only(void **state)
{
	(void)state;
	atomic_store(&thing.object->writer, NULL);
	assert_int_equal(object_discard(thing.object, 0, PAGES), -EACCES);
	atomic_store(&thing.object->writer, &thing.pager->pager);
	assert_kept(0);
}

/* No byte has changed: of clean, dirty and pinned pages, nor the set. */
static void test_a_store_that_fails(void **state)
{
	(void)state;
	assert_kept(1);
	set_byte(thing.object, at(2), 7);
	assert_int_equal(object_hold(thing.object, 3, 1, false), 0);
	assert_int_equal(object_hold(thing.object, 4, 1, true), 0);
	atomic_store(&thing.pager->discard_error, -EIO);
	assert_int_equal(object_discard(thing.object, 0, PAGES), -EIO);
	assert_int_equal(state_of(thing.object, 1), PAGE_ABSENT);
	assert_int_equal(state_of(thing.object, 2), PAGE_DIRTY);
	assert_true(is_dirty(thing.object, 2));
	object_let_go(thing.object, 3, 1, false);
	object_let_go(thing.object, 4, 1, true);
	for (uint64_t i = 0; i < 5; i++)
		if (i != 2)
			assert_kept(i);
	swap_out(world, thing.object);
	assert_int_equal(charged(world), 0);
	assert_int_equal(object_byte(thing.object, at(2)), 7);
	atomic_store(&thing.pager->discard_error, 0);
	assert_int_equal(object_discard(thing.object, 0, PAGES), 0);
	ZERO(2);
}

#ifdef QUIRE_DEBUG
/* The store has zeroed page 4 by the time it fails. */
static void half(enum hook point, const void *table, uint64_t index)
{
	(void)index;
	if (point == HOOK_EVICT_BEGUN && table == &thing.object->table)
		pager_discard(((struct listing_pager *)thing.pager)->inner, 4,
			      1);
}

/* What memory says then is what the store has, whichever that is. */
static void test_a_store_that_fails_half_way(void **state)
{
	unsigned char before, after;

	(void)state;
	object_byte(thing.object, at(4)); /* in memory, and clean */
	object_byte(thing.object, at(5));
	atomic_store(&thing.pager->discard_error, -EIO);
	hook_register(half);
	assert_int_equal(object_discard(thing.object, 4, 2), -EIO);
	hook_register(NULL);
	before = object_byte(thing.object, at(4));
	object_invalidate(thing.object, 0, PAGES);
	after = object_byte(thing.object, at(4));
	assert_int_equal(before, after);
}
#endif

/* ---- something is under way ---- */

static void *discard_four(void *argument)
{
	int *result = argument;

	*result = object_discard(thing.object, 4, 1);
	return NULL;
}

/* Old bytes that are on their way arrive first. */
static void test_it_waits_for_a_read(void **state)
{
	uint64_t sequence;
	pthread_t thread;
	int result = 1;

	(void)state;
	set_script(&thing, "read do hold");
	assert_int_equal(object_start_read(thing.object, 4, 1, &sequence), 1);
	thread = start_thread(discard_four, &result);
	wait_until_waited_for(thing.object, 4);
	set_script(&thing, NULL);
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	join_thread(thread);
	assert_int_equal(result, 0);
	assert_int_equal(charged(world), 0);
	ZERO(4);
}

static void *sync_thing(void *argument)
{
	swap_out(world, argument);
	return NULL;
}

static void test_it_waits_for_a_write(void **state)
{
	pthread_t thread, writer;
	int result = 1;

	(void)state;
	set_byte(thing.object, at(4), 7);
	set_script(&thing, "write do hold");
	writer = start_thread(sync_thing, thing.object);
	wait_until_held(&thing, 1);
	thread = start_thread(discard_four, &result);
	while (!atomic_load(&thing.object->unsettled))
		sched_yield();
	set_script(&thing, NULL);
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	join_thread(writer);
	join_thread(thread);
	assert_int_equal(result, 0);
	assert_false(at_home(thing.home, 4));
	ZERO(4);
}

/* While a discard is under way nothing of the range is read. */
static void test_a_read_is_put_off(void **state)
{
	uint64_t sequence;
	pthread_t thread;
	int result = 1;

	(void)state;
	set_script(&thing, "read 16384-20480 do hold");
	assert_int_equal(object_start_read(thing.object, 4, 1, &sequence), 1);
	thread = start_thread(discard_four, &result);
	wait_until_waited_for(thing.object, 4);
	/* Neighbours come up to it, and not beyond. */
	assert_int_equal(object_start_read(thing.object, 5, 2, &sequence), 2);
	assert_int_equal(object_before_discard(thing.object, 0, 9), 4);
	assert_int_equal(object_before_discard(thing.object, 4, 9), 0);
	assert_int_equal(object_before_discard(thing.object, 5, 9), 9);
	set_script(&thing, NULL);
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	join_thread(thread);
	assert_int_equal(object_before_discard(thing.object, 0, 9), 9);
	ZERO(4);
	assert_kept(5);
}

#ifdef QUIRE_DEBUG
static _Atomic bool came; /* a hook has done its work */

/* True once, at this point of the thing's pages. */
static bool is_time(enum hook point, enum hook wanted, const void *table)
{
	return point == wanted && table == &thing.object->table &&
	       !atomic_exchange(&came, true);
}

static void arm(hook_function *function)
{
	atomic_store(&came, false);
	hook_register(function);
}

/* In the middle of a discard of pages 4 to 7, of which 5 is taken. */
static int64_t started_inside, started_across;
static pthread_t late_reader;

static void *read_late(void *argument)
{
	(void)argument;
	ZERO(6);
	return NULL;
}

static void read_in_between(enum hook point, const void *thing_table,
			    uint64_t index)
{
	uint64_t sequence;

	(void)index;
	if (!is_time(point, HOOK_EVICT_BEGUN, thing_table))
		return;
	started_inside = object_start_read(thing.object, 4, 1, &sequence);
	started_across = object_start_read(thing.object, 2, 6, &sequence);
	/* Who may wait does, and gets zeros. */
	late_reader = start_thread(read_late, NULL);
}

static void test_reads_in_the_middle(void **state)
{
	(void)state;
	set_byte(thing.object, at(5), 7);
	thing.object->parameters.readahead = 1;
	arm(read_in_between);
	assert_int_equal(object_discard(thing.object, 4, 4), 0);
	hook_register(NULL);
	join_thread(late_reader);
	assert_int_equal(started_inside, -EBUSY);
	assert_int_equal(started_across, 2);
	assert_kept(2);
	assert_kept(3);
	for (uint64_t i = 4; i < 8; i++)
		ZERO(i);
}

/* The range was stored after the reader had looked, before its swap. */
static void discard_in_between(enum hook point, const void *thing_table,
			       uint64_t index)
{
	(void)index;
	if (!is_time(point, HOOK_READ_BEGUN, thing_table))
		return;
	atomic_store(&thing.object->discard_start, 5);
	atomic_store(&thing.object->discard_end, 7);
}

static void test_a_read_that_has_just_begun(void **state)
{
	uint64_t sequence;

	(void)state;
	arm(discard_in_between);
	assert_int_equal(object_start_read(thing.object, 4, 4, &sequence), 1);
	hook_register(NULL);
	assert_int_equal(state_of(thing.object, 5), PAGE_ABSENT);
	assert_int_equal(charged(world), 1);
	atomic_store(&thing.object->discard_end, 0);
	assert_kept(5);
}

/* A sync that passed over a page in the middle of a discard that is refused. */
static pthread_t syncer;

static void sync_in_between(enum hook point, const void *thing_table,
			    uint64_t index)
{
	(void)index;
	if (!is_time(point, HOOK_EVICT_BEGUN, thing_table))
		return;
	assert_int_equal(state_of(thing.object, 4), PAGE_EVICTING);
	syncer = start_thread(sync_thing, thing.object);
}

static void test_a_sync_in_the_middle_of_a_failure(void **state)
{
	(void)state;
	set_byte(thing.object, at(4), 7);
	atomic_store(&thing.pager->discard_error, -EIO);
	arm(sync_in_between);
	assert_int_equal(object_discard(thing.object, 4, 1), -EIO);
	hook_register(NULL);
	join_thread(syncer);
	assert_int_equal(home_byte(&thing, at(4)), 7);
	assert_int_equal(object_dirty_pages(thing.object), 0);
}
#endif

/* ---- pins ---- */

static void test_a_pinned_page_is_zeroed_in_place(void **state)
{
	unsigned char *bytes = object_window(thing.object, at(4));

	(void)state;
	set_byte(thing.object, at(4), 7);
	assert_int_equal(object_hold(thing.object, 4, 1, true), 0);
	assert_int_equal(object_hold(thing.object, 6, 1, false), 0);
	assert_int_equal(object_discard(thing.object, 3, 5), 0);
	for (uint64_t i = 0; i < PAGE_SIZE; i++)
		assert_int_equal(bytes[i], 0);
	assert_int_equal(state_of(thing.object, 4), PAGE_DIRTY);
	bytes[9] = 5;
	object_let_go(thing.object, 4, 1, true);
	object_let_go(thing.object, 6, 1, false);
	swap_out(world, thing.object);
	assert_int_equal(charged(world), 0);
	for (uint64_t i = 3; i < 8; i++)
		ZERO(i);
	assert_int_equal(object_byte(thing.object, at(4) + 9), 5);
}

/* A pin that goes in time keeps nothing. */
static void *let_go_soon(void *argument)
{
	(void)argument;
	while (!atomic_load(&thing.object->unsettled))
		sched_yield();
	object_let_go(thing.object, 4, 1, false);
	return NULL;
}

static void test_a_pin_that_goes(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(object_hold(thing.object, 4, 1, false), 0);
	thread = start_thread(let_go_soon, NULL);
	assert_int_equal(object_discard(thing.object, 4, 1), 0);
	join_thread(thread);
	ZERO(4);
	assert_false(at_home(thing.home, 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_all_states),
		IN_WORLD(test_runs_are_one_call),
		IN_WORLD(test_more_than_a_chunk),
		IN_WORLD(test_ranges),
		IN_WORLD(test_the_last_page),
		IN_WORLD(test_huge_and_sparse),
		IN_WORLD(test_failed_and_zeroed_pages),
		IN_WORLD(test_a_pager_that_cannot),
		IN_WORLD(test_read_only),
		IN_WORLD(test_a_store_that_fails),
		IN_WORLD(test_it_waits_for_a_read),
		IN_WORLD(test_it_waits_for_a_write),
		IN_WORLD(test_a_read_is_put_off),
#ifdef QUIRE_DEBUG
		IN_WORLD(test_a_store_that_fails_half_way),
		IN_WORLD(test_reads_in_the_middle),
		IN_WORLD(test_a_read_that_has_just_begun),
		IN_WORLD(test_a_sync_in_the_middle_of_a_failure),
#endif
		IN_WORLD(test_a_pinned_page_is_zeroed_in_place),
		IN_WORLD(test_a_pin_that_goes),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
