/* test_faults.c - the order of things in the life of a page */
/* SPDX-License-Identifier: MIT */
/*
 * The store holds what it is asked for until the test has seen that it was
 * asked: so the order is certain, and nothing depends on how fast it is.  The
 * names beside the tests are of docs/models/: a mistake that would fail here.
 */
#include "model/faults_world.h"

/* ---- reads in flight ---- */

static void *load_page(void *argument)
{
	unsigned page = (unsigned)(uintptr_t)argument;

	for (size_t i = 0; i < PAGE; i += 61)
		require(mapped[page * PAGE + i] == home_byte(page * PAGE + i));
	return NULL;
}

static void load_all(pthread_t *thread, unsigned count, unsigned step)
{
	for (unsigned i = 0; i < count; i++)
		thread[i] = thread_of(load_page, (void *)(uintptr_t)(i * step));
}

static void one_trap_thread_has_32_reads_in_flight(void **state)
{
	pthread_t thread[32];

	(void)state;
	script(&here, "read do hold");
	load_all(thread, 32, 1);
	wait_until(faulty_store_held(here.faulty) == 32);
	assert_int_equal(statistics_of(here.quire).reads_in_flight_peak, 32);
	assert_int_equal(statistics_of(here.quire).reads_in_flight, 32);
	script(&here, "");
	assert_int_equal(faulty_store_release(here.faulty), 32);
	for (unsigned i = 0; i < 32; i++)
		join(thread[i]);
	assert_int_equal(statistics_of(here.quire).reads, 32);
}

static void threads_on_one_page_share_one_read(void **state)
{
	pthread_t thread[8];

	(void)state;
	script(&here, "read do hold");
	load_all(thread, 8, 0);
	wait_until(statistics_of(here.quire).parked >= 8);
	assert_int_equal(faulty_store_held(here.faulty), 1);
	script(&here, "");
	faulty_store_release(here.faulty);
	for (unsigned i = 0; i < 8; i++)
		join(thread[i]);
	assert_int_equal(statistics_of(here.quire).reads, 1);
}

/* ---- write-back, without ambush ---- */

static void store_during_a_write_stays_dirty(void **state)
{
	_Atomic bool done;
	pthread_t thread;

	(void)state;
	mapped[0] = 1;
	thread = hold_write(&done);
	mapped[0] = 2; /* does not wait for the store */
	assert_int_equal(state_of(here.handle, 0), PAGE_WRITING);
	faulty_store_release(here.faulty);
	join(thread);
	assert_int_equal(state_of(here.handle, 0), PAGE_DIRTY);
	assert_home(0, 2);
}

/* V_MSYNC: a write in flight is older than the store. */
static void msync_waits_for_more_than_the_write_in_flight(void **state)
{
	_Atomic bool first, second = false;
	pthread_t thread[2];

	(void)state;
	mapped[0] = 1;
	thread[0] = hold_write(&first);
	mapped[0] = 2;
	thread[1] = thread_of(sync_main, &second);
	wait_until(awaited(0) || atomic_load(&second));
	assert_false(atomic_load(&second));
	faulty_store_release(here.faulty);
	join(thread[1]);
	assert_int_equal(home_at(&here, 0), 2);
	join(thread[0]);
}

static void pin_for_writing(struct quire_pin *pin)
{
	assert_int_equal(quire_object_pin(here.handle, 0, PAGE,
					  PROT_READ | PROT_WRITE, pin),
			 0);
}

/* V_WPINDONE */
static void page_pinned_for_writing_never_becomes_clean(void **state)
{
	struct quire_pin pin;

	(void)state;
	pin_for_writing(&pin);
	sync_here();
	assert_int_equal(state_of(here.handle, 0), PAGE_DIRTY);
	*(unsigned char *)pin.address = 77;
	drop_clean();
	quire_object_unpin(&pin);
	assert_home(0, 77);
}

/* V_UNPIN */
static void store_just_before_the_unpin_is_not_taken_for_written(void **state)
{
	struct quire_pin pin;
	_Atomic bool done;
	pthread_t thread;

	(void)state;
	pin_for_writing(&pin);
	thread = hold_write(&done);
	*(unsigned char *)pin.address = 78;
	quire_object_unpin(&pin);
	faulty_store_release(here.faulty);
	join(thread);
	assert_int_equal(state_of(here.handle, 0), PAGE_DIRTY);
	assert_home(0, 78);
}

/* V_EIO */
static void failed_write_keeps_the_page(void **state)
{
	(void)state;
	mapped[0] = 79;
	script(&here, "write do fail EIO");
	assert_int_equal(quire_object_sync(here.handle, 0, 0, MS_SYNC), -EIO);
	assert_int_equal(state_of(here.handle, 0), PAGE_DIRTY);
	drop_clean();
	assert_int_equal(mapped[0], 79);
	script(&here, "");
	assert_home(0, 79);
}

/* V_HALFREAD */
static void failed_read_leaves_nothing_in_memory(void **state)
{
	struct stat status;
	unsigned char byte;

	(void)state;
	script(&here, "read do fail EIO");
	assert_int_equal(load(here.quire, mapped, &byte), -EIO);
	assert_int_equal(quire_object_pread(here.handle, &byte, 1, 0), -EIO);
	assert_int_equal(fstat(object_memory(here.handle->object), &status), 0);
	assert_int_equal(status.st_blocks, 0);
	assert_int_equal(statistics_of(here.quire).resident, 0);
	script(&here, "");
	assert_int_equal(quire_object_pread(here.handle, &byte, 1, 0), 1);
	assert_int_equal(byte, home_byte(0));
}

/* V_EVICTPIN: the window of a pinned page never reads zeros. */
static _Atomic bool evicting;

static void *evict_always(void *argument)
{
	(void)argument;
	while (atomic_load(&evicting))
		object_invalidate(here.handle->object, 0, 4);
	return NULL;
}

static void pin_and_look(uint64_t at)
{
	struct quire_pin pin;

	require(quire_object_pin(here.handle, at, 1, PROT_READ, &pin) == 0);
	require(*(unsigned char *)pin.address == home_byte(at));
	sched_yield();
	require(*(unsigned char *)pin.address == home_byte(at));
	quire_object_unpin(&pin);
}

static void page_never_leaves_under_a_pin(void **state)
{
	pthread_t thread;

	(void)state;
	atomic_store(&evicting, true);
	thread = thread_of(evict_always, NULL);
	for (uint64_t i = 0; i < 10000; i++)
		pin_and_look(i / 100 % 4 * PAGE + i % PAGE);
	atomic_store(&evicting, false);
	join(thread);
}

/* ---- cuts ---- */

/* V_TRUNC */
static void pinned_page_is_not_cut(void **state)
{
	struct quire_pin pin;

	(void)state;
	assert_int_equal(quire_object_pin(here.handle, 3 * PAGE, PAGE,
					  PROT_READ, &pin),
			 0);
	assert_int_equal(quire_object_resize(here.handle, PAGE), -EBUSY);
	assert_int_equal(quire_object_size(here.handle), PAGES * PAGE);
	assert_int_equal(*(unsigned char *)pin.address, home_byte(3 * PAGE));
	assert_int_equal(mapped[5 * PAGE], home_byte(5 * PAGE));
	quire_object_unpin(&pin);
	assert_int_equal(quire_object_resize(here.handle, PAGE), 0);
}

/* V_SIZE: what a read brings that began before the cut is not kept. */
static void read_in_flight_is_waited_for_by_a_cut(void **state)
{
	struct quire_range ranges[] = { { 3 * PAGE, 1 }, { 4 * PAGE, 1 } };

	(void)state;
	script(&here, "read do hold");
	assert_int_equal(quire_object_prefetch(here.handle, ranges, 2), 2);
	assert_int_equal(faulty_store_held(here.faulty), 2);
	resize_beside(3 * PAGE + 100);
	wait_until(awaited(3) || awaited(4) || atomic_load(&resize.done));
	assert_true(awaited(4));
	script(&here, "");
	faulty_store_release(here.faulty);
	grow_back();
	assert_zeros_from(3 * PAGE + 100);
}

/* The page in which the new end lies is being written, all of it. */
static void write_in_flight_is_waited_for_by_a_cut(void **state)
{
	_Atomic bool done;
	pthread_t thread;
	uint64_t size;

	(void)state;
	mapped[0] = 1;
	thread = hold_write(&done);
	resize_beside(100);
	wait_until(awaited(0) || atomic_load(&resize.done));
	faulty_store_release(here.faulty);
	join(thread);
	join(resize.thread);
	assert_int_equal(store_size(here.home, &size), 0);
	assert_int_equal(size, 100);
	assert_int_equal(quire_object_resize(here.handle, PAGES * PAGE), 0);
	drop_clean();
	assert_zeros_from(100);
	assert_home(0, 1);
}

#define plain(test) \
	cmocka_unit_test_setup_teardown(test, open_ample, close_here)

int main(void)
{
	const struct CMUnitTest tests[] = {
		plain(one_trap_thread_has_32_reads_in_flight),
		plain(threads_on_one_page_share_one_read),
		plain(store_during_a_write_stays_dirty),
		plain(msync_waits_for_more_than_the_write_in_flight),
		plain(page_pinned_for_writing_never_becomes_clean),
		plain(store_just_before_the_unpin_is_not_taken_for_written),
		plain(failed_write_keeps_the_page),
		plain(failed_read_leaves_nothing_in_memory),
		plain(page_never_leaves_under_a_pin),
		plain(pinned_page_is_not_cut),
		plain(read_in_flight_is_waited_for_by_a_cut),
		plain(write_in_flight_is_waited_for_by_a_cut),
	};

	alarm(120); /* a thread that sleeps for ever fails the test */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
