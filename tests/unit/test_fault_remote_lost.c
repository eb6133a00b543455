/* test_fault_remote_lost.c - pages of another process that cannot be had, or are lost */
/* SPDX-License-Identifier: MIT */
#include "unit/fault_remote_world.h"

/* ---- refusals ---- */

static void test_failed_read(void **state)
{
	(void)state;
	set_script(&thing, "read do fail EIO");
	give_load(client.socket, shared_page(7));
	assert_int_equal(serve().signal, SIGBUS);
	assert_int_equal(fault_handler_error_at(&here->handler, shared_page(7)),
			 -EIO);
	give_store(client.socket, shared_page(7), 1);
	assert_int_equal(serve().signal, SIGBUS);
	give_load(client.socket, private_page(7));
	assert_int_equal(serve().signal, SIGBUS);
	/* It comes back. */
	set_script(&thing, "");
	fault_handler_retry(&here->handler);
	serve_until(state_of(thing.object, 7) == PAGE_CLEAN &&
		    list_empty(&here->handler.refused));
	assert_int_equal(load(shared_page(7)), first_byte(7));
	assert_int_equal(load(private_page(7)), first_byte(7));
	store(shared_page(7), 2);
	assert_int_equal(object_byte(thing.object, 7 * PAGE_SIZE), 2);
}

/* A store that may not be let through, to a page that is shown: it leaves. */
static void test_refused_store_to_a_shown_page(void **state)
{
	(void)state;
	assert_int_equal(load(shared_page(1)), first_byte(1));
	store(shared_page(0), 1);
	set_script(&thing, "write do fail ENOSPC");
	give_store(client.socket, shared_page(1), 2);
	assert_int_equal(serve().signal, SIGBUS);
	assert_int_equal(object_dirty_pages(thing.object), 1);
	/* It comes back, for loads at once. */
	fault_handler_retry(&here->handler);
	serve_until(list_empty(&here->handler.refused));
	assert_int_equal(load(shared_page(1)), first_byte(1));
	give_store(client.socket, shared_page(1), 2);
	assert_int_equal(serve().signal, SIGBUS);
	assert_int_equal(counted(COUNT_REFUSED), 2);
	/* There is room. */
	set_script(&thing, "");
	sync_all();
	fault_handler_retry(&here->handler);
	serve_until(list_empty(&here->handler.refused));
	store(shared_page(1), 3);
	sync_all();
	assert_int_equal(home(0), 1);
	assert_int_equal(home(1), 3);
}

/* One that cannot leave cannot be refused: the store waits. */
static void test_store_that_cannot_be_refused(void **state)
{
	(void)state;
	assert_int_equal(load(shared_page(1)), first_byte(1));
	store(shared_page(0), 1);
	assert_int_equal(object_hold(thing.object, 1, 1, false), 0);
	set_script(&thing, "write do fail ENOSPC");
	give_store(client.socket, shared_page(1), 2);
	serve_until(counted(COUNT_REFUSED) == 1);
	/* It is told once, however often it is tried. */
	for (unsigned i = 0; i < 20; i++)
		serve_once(client.socket, 1);
	assert_int_equal(counted(COUNT_REFUSED), 1);
	assert_int_equal(state_of(thing.object, 1), PAGE_CLEAN);
	set_script(&thing, "");
	assert_int_equal(serve().signal, 0);
	object_let_go(thing.object, 1, 1, false);
	assert_int_equal(object_byte(thing.object, PAGE_SIZE), 2);
}

/* ---- a client that punches the memory ---- */

static void remove_page(uint64_t page)
{
	give_advice(client.socket, shared_page(page), MADV_REMOVE);
	serve();
}

static void test_punched_page_is_zeros(void **state)
{
	(void)state;
	assert_int_equal(load(shared_page(2)), first_byte(2));
	remove_page(2);
	assert_int_equal(load(shared_page(2)), 0);
	assert_int_equal(state_of(thing.object, 2), PAGE_DIRTY);
	sync_all();
	assert_int_equal(home(2), 0);
	/* A store, and bytes that were not home yet. */
	store(shared_page(3), 9);
	remove_page(3);
	store(shared_page(3) + 1, 8);
	assert_int_equal(load(shared_page(3)), 0);
	assert_int_equal(load(shared_page(3) + 1), 8);
	sync_all();
	assert_int_equal(home(3), 0);
}

/* Another fault was there first, and its client has stored. */
static void test_only_holes_are_filled(void **state)
{
	struct fault *fault;

	(void)state;
	store(shared_page(2), 9);
	fault = fault_create(&here->handler, shared_page(2), false);
	assert_false(fault_restore(fault, thing.object, 2));
	fault_destroy(fault);
	assert_int_equal(load(shared_page(2)), 9);
}

static void test_cut_memory_grows_back(void **state)
{
	(void)state;
	assert_int_equal(load(shared_page(2)), first_byte(2));
	remove_page(2);
	give_load(client.socket, shared_page(2));
	await_message(here->mmu);
	assert_return_code(ftruncate(object_memory(thing.object), 0), 0);
	assert_int_equal(serve().byte, 0);
}

/* Nobody may store: so what is lost is read again. */
static void test_punched_page_of_what_is_read_only(void **state)
{
	(void)state;
	assert_int_equal(load(shared_page(2)), first_byte(2));
	remove_page(2);
	atomic_store(&thing.object->writer, NULL);
	assert_int_equal(load(shared_page(2)), first_byte(2));
	assert_int_equal(state_of(thing.object, 2), PAGE_CLEAN);
	atomic_store(&thing.object->writer, &thing.pager->pager);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_failed_read),
		TEST_IN(open_bounded, test_refused_store_to_a_shown_page),
		TEST_IN(open_bounded, test_store_that_cannot_be_refused),
		TEST(test_punched_page_is_zeros),
		TEST(test_only_holes_are_filled),
		TEST(test_cut_memory_grows_back),
		TEST(test_punched_page_of_what_is_read_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
