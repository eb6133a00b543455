/* test_foreseen_slots.c - slots are taken, and looked at, several at a time */
/* SPDX-License-Identifier: MIT */
/*
 *   slots   | y y . y | . . . y | y y ...     what has been stored to gives its slot
 *             ^         ^                     to the next page, what has not keeps it
 */
#include "unit/foreseen_world.h"
#include "unit/refuse_calls.h"

#include "object/object.h"

#define SLOTS 256

static int open_and_load(void **state)
{
	open_ample(state);
	for (size_t i = 0; i < PAGES; i++)
		load(i);
	return 0;
}

/* Other than what it had. */
static unsigned char other(size_t page)
{
	return (unsigned char)~byte_at(page * PAGE + 5);
}

/* Stores to each page that traps; of those that are foreseen to which it is told. */
static void store_where(bool (*chosen)(size_t page))
{
	uint64_t before = foreseen();
	size_t ahead = 0;

	for (size_t i = 0; i < PAGES; i++) {
		if (i >= ahead || chosen(i))
			store(i, other(i));
		if (foreseen() > before)
			ahead = i + 1 + foreseen() - before;
		before = foreseen();
	}
}

static bool all(size_t page)
{
	(void)page;
	return true;
}

static bool none(size_t page)
{
	(void)page;
	return false;
}

static bool each_second(size_t page)
{
	return page % 2;
}

static bool all_but_each_third(size_t page)
{
	return page % 3;
}

static bool by_sixteen(size_t page)
{
	return page / 16 % 2;
}

static bool all_but_few(size_t page)
{
	return page % 61;
}

static bool like_dice(size_t page)
{
	return (page * 2654435761u >> 13) % 2;
}

/* ---- how many reads it takes ---- */

static void test_reads_of_a_row(void **state)
{
	(void)state;
	atomic_store(&calls_read, 0);
	store_where(all);
	assert_true(foreseen() > 3 * SLOTS);
	assert_true(atomic_load(&calls_read) < PAGES / 2);
	sync_all();
	for (size_t i = 0; i < PAGES; i++)
		assert_int_equal(*at_home(i), other(i));
}

/* ---- which slots are free ---- */

/* Somebody else has written to each page that nobody has stored to here. */
static void expect_home(void)
{
	for (size_t i = 0; i < PAGES; i++)
		if (load(i) != other(i))
			memset(home + i * PAGE, '#', PAGE);
	sync_all();
	for (size_t i = 0; i < PAGES; i++) {
		bool stored = load(i) == other(i);

		assert_int_equal(home[i * PAGE] == '#' &&
					 home[i * PAGE + 1] == '#',
				 !stored);
		assert_int_equal(written[i] > 0, stored);
	}
}

static void test_stored_to_or_not(void **state)
{
	static bool (*const chosen[])(size_t) = {
		all,        none,        each_second, all_but_each_third,
		by_sixteen, all_but_few, like_dice,
	};

	for (size_t i = 0; i < sizeof(chosen) / sizeof(chosen[0]); i++) {
		store_where(chosen[i]);
		expect_home();
		close_all(state);
		mapped = NULL;
		object = NULL;
		open_and_load(state);
	}
}

/* ---- memory that cannot be read ---- */

/* What the first half had is what is stored to the other one: slots have it yet. */
static void load_alike(void **state)
{
	close_all(state);
	mapped = NULL;
	object = NULL;
	memset(home, 0, SIZE);
	for (size_t i = 0; i < PAGES / 2; i++)
		*at_home(i) = 'x';
	open_with(AMPLE, NEVER);
	for (size_t i = 0; i < PAGES; i++)
		load(i);
}

static unsigned char alike(size_t page)
{
	return page < PAGES / 2 ? 'y' : 'x';
}

/* What they had is not known, or whether somebody has stored there. */
static void test_reads_that_fail(void **state)
{
	unsigned refused = 0;

	for (int after = 0; after < 250; after += 3) {
		load_alike(state);
		refuse_call(SYS_pread64, after, EIO);
		for (size_t i = 0; i < PAGES; i++)
			store(i, alike(i));
		refused += stop_refusing();
		sync_all();
		for (size_t i = 0; i < PAGES; i++)
			assert_int_equal(*at_home(i), alike(i));
	}
	assert_true(refused > 40);
}

/* ---- somebody writes past the object ---- */

#define ASKED 128

/* He asks what each page was before it became dirty, stored to or foreseen. */
static void test_each_is_remembered(void **state)
{
	static struct foreign_write write;
	static unsigned char was[PAGE];
	uint64_t before = foreseen();
	unsigned unknown = 0;

	(void)state;
	if (chosen_trap() == QUIRE_TRAP_SIGBUS)
		skip(); /* there are foreign writes only where others map */
	object_foreign_begin(object->object, &write, 0, ASKED);
	object_foreign_remember(object->object, &write);
	for (size_t i = 0; i < ASKED / 2; i++)
		store(i, other(i));
	assert_true(foreseen() - before > ASKED / 4);
	for (size_t i = 0; i < ASKED; i++)
		if (object_next_dirty(object->object, i) == i &&
		    (!object_foreign_recall(object->object, &write, i, was) ||
		     memcmp(was, home + i * PAGE, PAGE) != 0))
			unknown++;
	object_foreign_end(object->object, &write);
	assert_int_equal(unknown, 0);
	sync_all();
	for (size_t i = 0; i < ASKED; i++)
		assert_int_equal(written[i] > 0, i < ASKED / 2);
}

#define SLOTTED(test) \
	cmocka_unit_test_setup_teardown(test, open_and_load, close_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SLOTTED(test_reads_of_a_row),
		SLOTTED(test_stored_to_or_not),
		SLOTTED(test_reads_that_fail),
		SLOTTED(test_each_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
