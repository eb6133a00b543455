/* test_ambush_fill.c - what comes while a page is shown by the step that fills it */
/* SPDX-License-Identifier: MIT */
#include "model/ambush.h"

#ifdef QUIRE_DEBUG

static _Atomic bool stored;
static _Atomic pthread_t storing;

static void *store_main(void *argument)
{
	(void)argument;
	mapped[1] = 61;
	atomic_store(&stored, true);
	return NULL;
}

static void store_beside(void)
{
	storing = thread_of(store_main, NULL);
	give_way(&stored);
	require(!atomic_load(&stored));
	require(state_of(here.handle, 0) == PAGE_READING);
}

/* V_FILLRW: a store to what is shown already finds it protected. */
static void store_during_a_fill(enum hook point)
{
	skip_unless_filled();
	atomic_store(&stored, false);
	lay(0, point, 0, store_beside);
	assert_int_equal(mapped[7], home_byte(7));
	assert_sprung(0);
	join(storing);
	assert_int_equal(state_of(here.handle, 0), PAGE_DIRTY);
	assert_home(1, 61);
}

static void store_before_a_fill(void **state)
{
	(void)state;
	store_during_a_fill(HOOK_FILL);
}

static void store_after_a_fill(void **state)
{
	(void)state;
	store_during_a_fill(HOOK_READ_FILLED);
}

static void drop_what_is_filled(void)
{
	drop_clean();
	require(state_of(here.handle, 0) == PAGE_READING);
}

/* V_FILLLATE: nobody takes it away between its being shown and its state. */
static void eviction_after_a_fill(void **state)
{
	(void)state;
	lay(0, HOOK_READ_FILLED, 0, drop_what_is_filled);
	assert_int_equal(mapped[7], home_byte(7));
	assert_sprung(0);
	assert_int_equal(mapped[8], home_byte(8));
}

static void lock_space(void)
{
	rwlock_take_write(&here.quire->host_space.space.lock);
}

static void unlock_space(void)
{
	rwlock_drop_write(&here.quire->host_space.space.lock);
}

/* Whose layout is changing is not waited for, and gets the page all the same. */
static void layout_changes_as_a_read_ends(void **state)
{
	(void)state;
	lay(0, HOOK_READ_COME, 0, lock_space);
	lay(1, HOOK_READ_FILLED, 0, unlock_space);
	assert_int_equal(mapped[7], home_byte(7));
	assert_sprung(0);
	assert_sprung(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ambushed(store_before_a_fill),
		ambushed(store_after_a_fill),
		ambushed(eviction_after_a_fill),
		ambushed(layout_changes_as_a_read_ends),
	};

	alarm(120); /* a thread that sleeps for ever fails the test */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	return 77; /* skipped: the places exist in debug builds only */
}

#endif
