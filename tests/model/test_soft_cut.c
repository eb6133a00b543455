/* test_soft_cut.c - a cut comes in between accesses of the software MMU */
/* SPDX-License-Identifier: MIT */
/*
 * While a cut has stored the new size and waits, another thread stores to and
 * loads from what lies behind.  If the cut is refused nothing of that may be
 * lost, nor denied; if it is agreed to, private copies go as well, and no slot
 * of theirs is anybody's but the next owner's.
 */
#include "unit/engine_tools.h"

#include "base/hook.h"

#include <pthread.h>

#define PAGES 4
#define RW (PROT_READ | PROT_WRITE)
#define LAST 2 /* the page of which the tests are */

#ifdef QUIRE_DEBUG

static struct quire *quire;
static struct quire_space *space, *child;
static struct quire_object *object;
static char *private, *shared;
static pthread_t thread;
static bool begun;

static int set_up(void **state)
{
	(void)state;
	quire = new_engine(64 * PAGE);
	assert_int_equal(quire_object_create_anonymous(quire, PAGES * PAGE,
						       NULL, &object),
			 0);
	assert_int_equal(quire_space_create(quire, NULL, &space), 0);
	private = quire_mmap(space, NULL, PAGES * PAGE, RW, MAP_PRIVATE, object,
			     0);
	shared = quire_mmap(space, NULL, PAGES * PAGE, RW, MAP_SHARED, object,
			    0);
	assert_ptr_not_equal(private, MAP_FAILED);
	assert_ptr_not_equal(shared, MAP_FAILED);
	assert_int_equal(quire_poke(space, private + LAST * PAGE, "private", 8),
			 0);
	assert_int_equal(quire_poke(space, shared + LAST * PAGE, "shared", 7),
			 0);
	assert_int_equal(quire_space_fork(space, &child), 0);
	begun = false;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	hook_register(NULL);
	quire_space_close(child);
	quire_space_close(space);
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), 0);
	return 0;
}

/* What another thread got. */
static struct outcome {
	int stored;
	int loaded;
	struct quire_fault_report report;
} outcome;

static void *touch(void *argument)
{
	char bytes[8];

	(void)argument;
	outcome.stored = quire_access(child, QUIRE_STORE,
				      private + LAST * PAGE + 100, "x", 1,
				      &outcome.report);
	outcome.loaded =
		quire_peek(space, shared + LAST * PAGE, bytes, sizeof(bytes));
	return NULL;
}

/* On the thread that cuts: the new size is seen, and may yet be refused. */
static void begin_touch(enum hook point, const void *thing, uint64_t index)
{
	(void)thing;
	(void)index;
	if (point != HOOK_SIZE_STORED || begun)
		return;
	begun = true;
	need(pthread_create(&thread, NULL, touch, NULL) == 0);
}

static void assert_shows(struct quire_space *in, const char *address,
			 const char *text)
{
	char bytes[8] = "";

	assert_int_equal(quire_peek(in, address, bytes, sizeof(bytes)), 0);
	assert_string_equal(bytes, text);
}

static void test_refused(void **state)
{
	struct quire_pin pin;

	(void)state;
	assert_int_equal(quire_object_pin(object, LAST * PAGE, PAGE, PROT_READ,
					  &pin),
			 0);
	hook_register(begin_touch);
	assert_int_equal(quire_object_resize(object, PAGE), -EBUSY);
	assert_true(begun);
	assert_int_equal(pthread_join(thread, NULL), 0);
	quire_object_unpin(&pin);
	assert_int_equal(outcome.stored, 0);
	assert_int_equal(outcome.loaded, 0);
	assert_shows(space, private + LAST * PAGE, "private");
	assert_shows(child, private + LAST * PAGE, "private");
	assert_shows(child, private + LAST * PAGE + 100, "x");
	assert_shows(space, private + LAST * PAGE + 100, "");
	assert_shows(space, shared + LAST * PAGE, "shared");
}

static void test_agreed(void **state)
{
	struct quire_space *other;
	char *address;

	(void)state;
	hook_register(begin_touch);
	assert_int_equal(quire_object_resize(object, PAGE), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	/* To a page of its own it may have come before the cut was decided. */
	if (outcome.stored) {
		assert_int_equal(outcome.stored, -ENXIO);
		assert_int_equal(outcome.report.signal, SIGBUS);
	}
	assert_int_equal(outcome.loaded, -ENXIO);
	/* The slots are others' now, and show nothing of what was there. */
	assert_int_equal(quire_space_create(quire, NULL, &other), 0);
	address = quire_mmap(other, NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS,
			     NULL, 0);
	assert_int_equal(quire_poke(other, address + 200, "other", 6), 0);
	assert_shows(other, address, "");
	assert_int_equal(quire_object_resize(object, PAGES * PAGE), 0);
	assert_shows(space, private + LAST * PAGE, "");
	assert_shows(child, private + LAST * PAGE, "");
	assert_shows(other, address + 200, "other");
	quire_space_close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_agreed, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	return 77; /* skipped: the places exist in debug builds only */
}

#endif
