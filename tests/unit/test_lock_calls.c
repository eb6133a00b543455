/* test_lock_calls.c - mlock and its kin on both kinds of space */
/* SPDX-License-Identifier: MIT */
/*
 * Each test is run on the host's space and on one of the software MMU, over the
 * same file; bytes are moved by quire_peek() and quire_poke().
 */
#include "unit/advise_world.h"

static void test_locked_pages_stay(void **state)
{
	char *place = map_with(object, BUDGET / 4, RW, MAP_SHARED);

	(void)state;
	assert_int_equal(quire_mlock(space, place, BUDGET / 4 * PAGE), 0);
	assert_int_equal(resident(place, BUDGET / 4), BUDGET / 4);
	scan();
	assert_int_equal(resident(place, BUDGET / 4), BUDGET / 4);
	assert_int_equal(quire_munlock(space, place, BUDGET / 4 * PAGE), 0);
	scan();
	assert_true(resident(place, BUDGET / 4) < BUDGET / 4);
}

static void test_locked_private_pages_stay(void **state)
{
	char *place = map_with(NULL, 16, RW, MAP_PRIVATE);

	(void)state;
	store(place, 77);
	assert_int_equal(quire_mlock(space, place, 16 * PAGE), 0);
	store(place + 15 * PAGE, 78);
	assert_int_equal(resident(place, 16), 16);
	scan();
	assert_int_equal(resident(place, 16), 16);
	assert_int_equal(load(place), 77);
	assert_int_equal(quire_munlock(space, place, 16 * PAGE), 0);
	assert_int_equal(advise(place, 16, MADV_PAGEOUT), 0);
	assert_int_equal(resident(place, 16), 0);
	assert_int_equal(load(place + 15 * PAGE), 78);
}

/* Those that come later, and MCL_FUTURE's. */
static void test_locked_on_fault(void **state)
{
	char *place = map_with(object, PAGES, RW, MAP_SHARED);
	char *future;

	(void)state;
	/* More than the budget holds, if all of it were touched. */
	assert_int_equal(
		quire_mlock2(space, place, PAGES * PAGE, MLOCK_ONFAULT), 0);
	assert_int_equal(resident(place, PAGES), 0);
	byte_of(object, 100 * PAGE);
	scan();
	assert_int_equal(resident(place + 100 * PAGE, 1), 1);
	assert_int_equal(quire_munlockall(space), 0);
	assert_int_equal(quire_mlockall(space, MCL_FUTURE), 0);
	future = map_with(NULL, 4, RW, MAP_PRIVATE);
	store(future, 1);
	scan();
	assert_int_equal(resident(future, 1), 1);
	assert_int_equal(quire_munlockall(space), 0);
}

static void test_locks_end_with_their_mapping(void **state)
{
	char *one = map_with(object, 8, RW, MAP_SHARED);
	char *two = map_with(object, 8, RW, MAP_SHARED);

	(void)state;
	assert_int_equal(quire_mlock(space, one, 8 * PAGE), 0);
	assert_int_equal(quire_mlock(space, two, 4 * PAGE), 0);
	assert_int_equal(quire_munmap(space, one, 8 * PAGE), 0);
	scan();
	assert_int_equal(resident(two, 4), 4); /* the other one's */
	assert_true(resident(two + 4 * PAGE, 4) < 4);
	assert_int_equal(quire_munmap(space, two, 8 * PAGE), 0);
	one = map_with(object, 8, RW, MAP_SHARED);
	scan();
	assert_true(resident(one, 4) < 4);
}

static void test_too_much_to_lock(void **state)
{
	char *place = map_with(object, PAGES + 1, RW, MAP_SHARED);

	(void)state;
	assert_int_equal(outcome(quire_mlock(space, place, BUDGET * PAGE)),
			 ENOMEM);
	assert_sentence("room");
	assert_int_equal(resident(place, BUDGET), 0);
	assert_int_equal(outcome(quire_mlockall(space, MCL_CURRENT)), ENOMEM);
	/* Nothing is locked: all can be read. */
	touch_all(place, PAGES);
	/* Past the end there is nothing to lock, and what is before stays. */
	assert_int_equal(outcome(quire_mlock(space, place + (PAGES - 1) * PAGE,
					     2 * PAGE)),
			 ENOMEM);
	scan();
	assert_int_equal(resident(place + (PAGES - 1) * PAGE, 1), 1);
}

static void test_lock_refused(void **state)
{
	char *place = map_with(object, 4, RW, MAP_SHARED);
	char *nothing = map_with(object, 1, PROT_NONE, MAP_SHARED);

	(void)state;
	assert_int_equal(outcome(quire_mlock2(space, place, PAGE, 6)), EINVAL);
	assert_int_equal(outcome(quire_mlockall(space, 0)), EINVAL);
	assert_int_equal(outcome(quire_mlockall(space, MCL_ONFAULT)), EINVAL);
	assert_int_equal(outcome(quire_mlockall(space, 64)), EINVAL);
	assert_int_equal(outcome(quire_mlock(space, nothing, 1)), ENOMEM);
	assert_int_equal(quire_munlock(space, nothing, 1), 0);
	/* What is before the hole is locked. */
	assert_int_equal(quire_munmap(space, place + 2 * PAGE, PAGE), 0);
	assert_int_equal(outcome(quire_mlock(space, place, 4 * PAGE)), ENOMEM);
	assert_int_equal(outcome(quire_msync(space, place, PAGE,
					     MS_SYNC | MS_INVALIDATE)),
			 EBUSY);
	assert_int_equal(outcome(quire_msync(space, place + 3 * PAGE, PAGE,
					     MS_SYNC | MS_INVALIDATE)),
			 0);
	assert_int_equal(outcome(quire_munlock(space, place, 4 * PAGE)),
			 ENOMEM);
	assert_int_equal(
		quire_msync(space, place, PAGE, MS_SYNC | MS_INVALIDATE), 0);
}

static void test_lock_limit(void **state)
{
	char *place = map_with(object, 8, RW, MAP_SHARED);

	(void)state;
	assert_int_equal(
		quire_space_set_limit(space, QUIRE_LIMIT_LOCKED, 4 * PAGE), 0);
	assert_int_equal(quire_mlock(space, place, 4 * PAGE), 0);
	assert_int_equal(quire_mlock(space, place, 4 * PAGE), 0); /* again */
	assert_int_equal(outcome(quire_mlock(space, place + 4 * PAGE, 1)),
			 ENOMEM);
	assert_sentence("4 pages");
	assert_int_equal(outcome(quire_mlockall(space, MCL_CURRENT)), ENOMEM);
	scan();
	assert_int_equal(resident(place, 4), 4);
	assert_true(resident(place + 4 * PAGE, 4) < 4);
	assert_int_equal(quire_space_set_limit(space, QUIRE_LIMIT_LOCKED, 0),
			 0);
	assert_int_equal(outcome(quire_mlock(space, place, 1)), EPERM);
	assert_int_equal(outcome(quire_mlockall(space, MCL_CURRENT)), EPERM);
	assert_int_equal(quire_munlock(space, place, 8 * PAGE), 0);
	/* And without a limit, all of it. */
	assert_int_equal(quire_space_set_limit(space, QUIRE_LIMIT_LOCKED,
					       UINT64_MAX),
			 0);
	assert_int_equal(quire_mlock(space, place, 8 * PAGE), 0);
	assert_int_equal(quire_mlockall(space, MCL_CURRENT | MCL_ONFAULT), 0);
}

/* Locked ones get copies of their own; those between are left alone. */
static void test_what_becomes_writable(void **state)
{
	char *place = map_with(object, 96, PROT_READ, MAP_PRIVATE);

	(void)state;
	assert_int_equal(quire_madvise(space, place, 96 * PAGE, MADV_RANDOM),
			 0);
	assert_int_equal(quire_mlock(space, place, 2 * PAGE), 0);
	assert_int_equal(quire_mlock(space, place + 94 * PAGE, 2 * PAGE), 0);
	assert_int_equal(resident(place + 32 * PAGE, 32), 0);
	assert_int_equal(quire_mprotect(space, place, 96 * PAGE, RW), 0);
	assert_int_equal(resident(place + 32 * PAGE, 32), 0);
	assert_int_equal(resident(place, 2), 2);
	assert_int_equal(resident(place + 94 * PAGE, 2), 2);
	assert_int_equal(quire_munlockall(space), 0);
}

/* Both show the same private pages, and the parent locks them. */
static struct quire_space *locked_and_forked(char *place)
{
	struct quire_space *child;

	for (size_t i = 0; i < 16; i++)
		store(place + i * PAGE, 77);
	assert_int_equal(quire_mlock(space, place, 16 * PAGE), 0);
	assert_int_equal(quire_space_fork(space, &child), 0);
	scan();
	assert_int_equal(resident(place, 16), 16);
	return child;
}

static void assert_unlocked(struct quire_space *child, char *place)
{
	struct quire_space *parent = space;

	space = child;
	assert_int_equal(advise(place, 16, MADV_PAGEOUT), 0);
	assert_int_equal(resident(place, 16), 0);
	assert_int_equal(load(place + 15 * PAGE), 77);
	quire_space_close(child);
	space = parent;
}

/* What only the child shows is not locked: it was the parent that did. */
static void test_a_child_locks_nothing(void **state)
{
	char *place = map_with(NULL, 16, RW, MAP_PRIVATE);
	struct quire_space *child;

	(void)state;
	child = locked_and_forked(place);
	for (size_t i = 0; i < 16; i++)
		store(place + i * PAGE, 78);
	assert_unlocked(child, place);
	assert_int_equal(resident(place, 16), 16); /* its own */
	assert_int_equal(quire_munlock(space, place, 16 * PAGE), 0);
	child = locked_and_forked(place);
	assert_ptr_equal(quire_mmap(space, place, 16 * PAGE, RW,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				    NULL, 0),
			 place);
	assert_unlocked(child, place);
	child = locked_and_forked(place);
	assert_int_equal(quire_munmap(space, place, 16 * PAGE), 0);
	assert_unlocked(child, place);
}

/* The parent ends first. */
static void test_a_child_alone(void **state)
{
	char *place = map_with(NULL, 16, RW, MAP_PRIVATE);
	struct quire_space *child = locked_and_forked(place);

	(void)state;
	quire_space_close(space);
	space = quire_host_space(quire);
	assert_unlocked(child, place);
}

/* As the kernel: brk brings in what is locked, but for what is on fault. */
static void test_data_segment(void **state)
{
	struct quire_space_options options = {
		.size = sizeof(options),
		.flags = QUIRE_SPACE_MAY_LOCK,
		.break_start = UINT64_C(1) << 28,
	};
	char *start = (char *)(uintptr_t)options.break_start;

	(void)state;
	assert_int_equal(quire_space_create(quire, &options, &space), 0);
	assert_int_equal(quire_mlockall(space, MCL_FUTURE), 0);
	assert_ptr_equal(quire_brk(space, start + 8 * PAGE), start + 8 * PAGE);
	assert_int_equal(resident(start, 8), 8);
	assert_int_equal(quire_mlockall(space, MCL_FUTURE | MCL_ONFAULT), 0);
	assert_ptr_equal(quire_brk(space, start + 10 * PAGE),
			 start + 10 * PAGE);
	assert_int_equal(resident(start + 8 * PAGE, 2), 0);
	assert_ptr_equal(quire_brk(space, start + 4 * PAGE), start + 4 * PAGE);
	assert_int_equal(quire_munlockall(space), 0);
	assert_ptr_equal(quire_brk(space, start + 8 * PAGE), start + 8 * PAGE);
	assert_int_equal(resident(start + 4 * PAGE, 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_both(test_locked_pages_stay),
		on_both(test_locked_private_pages_stay),
		on_both(test_locked_on_fault),
		on_both(test_locks_end_with_their_mapping),
		on_both(test_too_much_to_lock),
		on_both(test_lock_refused),
		on_both(test_lock_limit),
		on_both(test_what_becomes_writable),
		cmocka_unit_test_setup_teardown(test_a_child_locks_nothing,
						set_up_soft, tear_down),
		cmocka_unit_test_setup_teardown(test_a_child_alone, set_up_soft,
						tear_down),
		cmocka_unit_test_setup_teardown(test_data_segment, set_up_host,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
