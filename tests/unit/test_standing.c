/* test_standing.c - object/foreign.c: writes that stand */
/* SPDX-License-Identifier: MIT */
/*
 *   word        NONE --stand--> IDLE --the client--> pages 5, 6 --stop--> NONE
 *   pages kept  |..3.....|      |........|           |....56..|      |....56..|
 */
#include "unit/foreign_world.h"

#define M at(3, 9)
#define F at(3, 100)
#define WORD(index, count) ((uint64_t)(index) << 16 | (count))

static struct foreign_write write_of[2];
static _Atomic uint64_t word;

static void begin(unsigned which, uint64_t index, uint64_t count)
{
	object_foreign_begin(thing.object, &write_of[which], index, count);
	object_foreign_remember(thing.object, &write_of[which]);
}

static void end(unsigned which)
{
	object_foreign_end(thing.object, &write_of[which]);
}

static bool stand(unsigned which)
{
	return object_foreign_stand(thing.object, &write_of[which], &word);
}

static void stop(unsigned which)
{
	object_foreign_stop(thing.object, &write_of[which]);
}

static uint64_t may_go_home(uint64_t index)
{
	return object_before_foreign(thing.object, index, 9);
}

static int was(uint64_t offset)
{
	unsigned char page[PAGE_SIZE];

	if (!object_foreign_recall(thing.object, &write_of[0],
				   offset >> PAGE_SHIFT, page))
		return -1;
	return page[offset & PAGE_MASK];
}

static void start(void)
{
	atomic_store(&word, FOREIGN_NONE);
	begin(0, 3, 1);
	assert_true(stand(0));
	assert_int_equal(atomic_load(&word), FOREIGN_IDLE);
}

/* ---- what it keeps from going home ---- */

static void test_it_is_of_what_its_word_says(void **state)
{
	(void)state;
	start();
	assert_int_equal(may_go_home(0), 9);
	assert_false(foreign_is_active(&write_of[0]));
	atomic_store(&word, WORD(5, 2));
	assert_true(foreign_is_active(&write_of[0]));
	assert_int_equal(may_go_home(3), 2);
	assert_int_equal(may_go_home(6), 0);
	assert_int_equal(may_go_home(7), 9);
	stop(0);
	assert_int_equal(atomic_load(&word), FOREIGN_NONE);
	assert_int_equal(may_go_home(3), 2);
	assert_true(stand(0)); /* once more */
	assert_int_equal(may_go_home(3), 9);
	stop(0);
	assert_int_equal(may_go_home(3), 9);
	end(0);
}

static void test_beside_dirty_pages_none_stands(void **state)
{
	(void)state;
	atomic_store(&word, FOREIGN_NONE);
	dirty(7, 71);
	begin(0, 3, 1);
	assert_false(stand(0));
	assert_int_equal(atomic_load(&word), FOREIGN_NONE);
	assert_int_equal(may_go_home(3), 0); /* it is what it was */
	end(0);
	assert_int_equal(sync_all(), 0);
	begin(0, 3, 1);
	assert_true(stand(0));
	stop(0);
	end(0);
}

/* ---- stores ---- */

static void test_a_store_ends_what_is_idle(void **state)
{
	(void)state;
	start();
	object_byte(thing.object, M);
	assert_int_equal(atomic_load(&word), FOREIGN_IDLE);
	set_byte(thing.object, M, 71);
	assert_int_equal(atomic_load(&word), FOREIGN_NONE);
	assert_int_equal(was(M), -1);
	assert_int_equal(sync_all(), 0); /* keeps nobody waiting */
	stop(0);
	end(0);
}

static bool retire(void)
{
	return object_foreign_retire(thing.object, &write_of[0]);
}

/* Not while its client writes. */
static void test_it_retires_only_idle(void **state)
{
	(void)state;
	start();
	atomic_store(&word, WORD(5, 2));
	assert_false(retire());
	assert_int_equal(atomic_load(&word), WORD(5, 2));
	atomic_store(&word, FOREIGN_IDLE);
	assert_true(retire());
	assert_int_equal(atomic_load(&word), FOREIGN_NONE);
	assert_true(retire());
	stop(0);
	end(0);
}

static void test_what_pages_were_beside_one_under_way(void **state)
{
	(void)state;
	start();
	atomic_store(&word, WORD(3, 1));
	set_byte(thing.object, M, 71);
	set_byte(thing.object, at(4, 9), 74);
	assert_int_equal(atomic_load(&word), WORD(3, 1));
	assert_true(object_foreign_remembers_any(thing.object, &write_of[0]));
	assert_int_equal(was(M), byte_at(M));
	assert_int_equal(was(at(4, 9)), -1);
	stop(0);
	assert_false(stand(0));
	assert_int_equal(was(M), byte_at(M));
	end(0);
}

#ifdef QUIRE_DEBUG
/* It has seen none that is idle; then there is one. */
static void stand_in_between(void)
{
	assert_true(stand(0));
}

static void test_one_that_stands_just_before_a_store(void **state)
{
	(void)state;
	atomic_store(&word, FOREIGN_NONE);
	object_byte(thing.object, M);
	begin(0, 3, 1);
	lay_trap(HOOK_REMEMBERED, 3, stand_in_between);
	set_byte(thing.object, M, 71);
	wait_until_sprung();
	assert_int_equal(atomic_load(&word), FOREIGN_NONE);
	stop(0);
	end(0);
}

static void test_msync_waits_for_one_under_way(void **state)
{
	pthread_t syncing;

	(void)state;
	start();
	atomic_store(&word, WORD(3, 1));
	set_byte(thing.object, M, 71);
	set_home(F, 72);
	lay_trap(HOOK_PARK, 3, nothing);
	syncing = start_thread(sync_thread, NULL);
	wait_until_sprung();
	stop(0);
	assert_int_equal(refresh(F, 1), 0);
	assert_int_equal(home_byte(&thing, M), byte_at(M));
	end(0);
	assert_int_equal(result_of(syncing), 0);
	assert_int_equal(home_byte(&thing, M), 71);
	assert_int_equal(home_byte(&thing, F), 72);
}
#endif

/* ---- words that no client says ---- */

static void test_any_word(void **state)
{
	const uint64_t pages = thing.object->table.pages;
	const uint64_t words[] = {
		UINT64_MAX,     UINT64_MAX - 0xffff,
		WORD(pages, 1), WORD(UINT64_MAX >> 16, 0xffff),
		WORD(7, 0),     FOREIGN_NONE,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		start();
		atomic_store(&word, words[i]);
		assert_int_equal(may_go_home(0), 9);
		set_byte(thing.object, M, 71);
		assert_int_equal(sync_all(), 0);
		stop(0);
		assert_int_equal(write_of[0].count, 0);
		end(0);
	}
	start();
	atomic_store(&word, WORD(5, 0xffff));
	assert_int_equal(may_go_home(0), 5);
	stop(0);
	assert_int_equal(write_of[0].index + write_of[0].count, pages);
	end(0);
}

#define TRAP_TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_world, leave_traps)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_it_is_of_what_its_word_says),
		TEST(test_beside_dirty_pages_none_stands),
		TEST(test_a_store_ends_what_is_idle),
		TEST(test_it_retires_only_idle),
		TEST(test_what_pages_were_beside_one_under_way),
#ifdef QUIRE_DEBUG
		TRAP_TEST(test_one_that_stands_just_before_a_store),
		TRAP_TEST(test_msync_waits_for_one_under_way),
#endif
		TEST(test_any_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
