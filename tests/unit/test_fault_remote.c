/* test_fault_remote.c - faults of another process, by a handler without threads */
/* SPDX-License-Identifier: MIT */
#include "unit/fault_remote_world.h"
#include "unit/refuse_calls.h"

/* ---- pages come and go ---- */

static void test_loads_and_stores(void **state)
{
	struct object_counts *counts = object_counts(thing.object);

	(void)state;
	assert_int_equal(load(shared_page(3)), first_byte(3));
	store(shared_page(3), 77);
	assert_int_equal(load(shared_page(3)), 77);
	sync_all();
	assert_int_equal(home(3), 77);
	store(shared_page(3), 78);
	sync_all();
	assert_int_equal(home(3), 78);
	/* The page was found by the stores that trapped. */
	assert_int_equal(atomic_load(&counts->misses), 1);
	assert_int_equal(atomic_load(&counts->hits), 2);
	assert_int_equal(touches, 2);
	assert_int_equal(counted(COUNT_HITS), 2);
	assert_int_equal(counted(COUNT_MISSES), 1);
}

static void test_store_to_what_is_shown(void **state)
{
	(void)state;
	assert_int_equal(load(shared_page(3)), first_byte(3));
	count_calls();
	store(shared_page(3), 77);
	assert_int_equal(continues(), 0);
	assert_int_equal(unprotections(), 1);
	sync_all();
	assert_int_equal(home(3), 77);
	/* A store first: nothing is shown. */
	count_calls();
	store(shared_page(4), 78);
	assert_int_equal(continues(), 1);
	assert_int_equal(unprotections(), 0);
	sync_all();
	assert_int_equal(home(4), 78);
}

/* The next trap, which says that its page was shown; it is so no more. */
static void take_trap_of_what_was_shown(uint64_t address)
{
	struct mmu_trap trap;
	struct fault *fault;

	await_message(here->mmu);
	assert_int_equal(mmu_take_traps(here->mmu, &trap, 1), 1);
	fault = fault_create(&here->handler, trap.address, trap.write);
	assert_int_equal(fault->address, address);
	fault->shown = true;
	fault_resolve(fault);
}

static void test_store_to_what_was_shown(void **state)
{
	(void)state;
	/* It has left memory: it is read, and then it is known no more. */
	give_store(client.socket, shared_page(3), 77);
	take_trap_of_what_was_shown(shared_page(3));
	assert_int_equal(serve().signal, 0);
	assert_int_equal(counted(COUNT_TRAPS), 0);
	/* It is in memory, and not shown there: the store traps anew. */
	assert_int_equal(load(private_page(4)), first_byte(4));
	assert_int_equal(counted(COUNT_TRAPS), 1);
	give_store(client.socket, shared_page(4), 78);
	take_trap_of_what_was_shown(shared_page(4));
	assert_int_equal(serve().signal, 0);
	assert_int_equal(counted(COUNT_TRAPS), 2);
	sync_all();
	assert_int_equal(home(3), 77);
	assert_int_equal(home(4), 78);
}

static void test_private_mapping(void **state)
{
	(void)state;
	assert_int_equal(load(private_page(5)), first_byte(5));
	store(private_page(5), 66);
	store(shared_page(5), 67);
	assert_int_equal(load(private_page(5)), 66);
	assert_int_equal(object_byte(thing.object, 5 * PAGE_SIZE), 67);
	/* A store first: the kernel copies what is shown. */
	store(private_page(6), 68);
	sync_all();
	assert_int_equal(home(6), first_byte(6));
}

/* All of the object through two pages, again and again. */
static void test_narrow_budget(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3; round++)
		for (uint64_t page = 0; page < PAGES; page++)
			assert_int_equal(load(shared_page(page)),
					 first_byte(page));
	assert_true(charged(world) <= 2);
}

static void test_a_stall_is_counted(void **state)
{
	struct object_counts *counts = object_counts(thing.object);

	(void)state;
	set_script(&thing, "read do hold");
	give_load(client.socket, shared_page(1));
	serve_until(faulty_store_held(thing.faulty) == 1);
	set_script(&thing, "");
	faulty_store_release(thing.faulty);
	assert_int_equal(serve().byte, first_byte(1));
	assert_true(atomic_load(&counts->stalled_ns) > 0);
	assert_int_equal(stalled_ns, atomic_load(&counts->stalled_ns));
	/* Who finds the page does not wait. */
	assert_int_equal(load(private_page(1)), first_byte(1));
	assert_int_equal(stalled_ns, atomic_load(&counts->stalled_ns));
	assert_int_equal(touches, 1);
}

/* ---- the layout follows ---- */

static void test_unmap_and_move(void **state)
{
	uint64_t to;

	(void)state;
	store(shared_page(4), 40);
	give(client.socket, (struct order){ .type = ORDER_MOVE,
					    .address = shared_page(4),
					    .length = 2 * PAGE_SIZE });
	to = serve().address;
	serve_once(client.socket, 0);
	assert_int_equal(load(to), 40);
	assert_int_equal(load(to + PAGE_SIZE), first_byte(5));
	sync_all(); /* protects it where it is now */
	store(to, 41);
	sync_all();
	assert_int_equal(home(4), 41);
	give(client.socket, (struct order){ .type = ORDER_UNMAP,
					    .address = to,
					    .length = 2 * PAGE_SIZE });
	serve();
	serve_once(client.socket, 0);
	rwlock_take_read(&here->space.lock);
	assert_null(space_find(&here->space, to));
	assert_null(space_find(&here->space, shared_page(4)));
	assert_non_null(space_find(&here->space, shared_page(3)));
	assert_non_null(space_find(&here->space, shared_page(6)));
	rwlock_drop_read(&here->space.lock);
	space_check(&here->space);
}

/* A write-back meets an event that nobody has read: it reads it, has the loop
 * woken, and waits for it to be applied. */
static void test_write_back_during_an_unmap(void **state)
{
	struct pollfd kicked = { .fd = here->handler.wake_fd,
				 .events = POLLIN };
	_Atomic bool done = false;
	pthread_t thread;
	void *result;

	(void)state;
	store(shared_page(2), 20);
	give(client.socket, (struct order){ .type = ORDER_UNMAP,
					    .address = shared_page(8),
					    .length = PAGE_SIZE });
	await_message(here->mmu);
	thread = start_thread(sync_and_tell, (void *)&done);
	assert_int_equal(poll(&kicked, 1, -1), 1);
	assert_false(atomic_load(&done));
	serve_until(atomic_load(&done));
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_null(result);
	assert_int_equal(home(2), 20);
	answer(client.socket);
}

static void fork_client(void)
{
	give(client.socket, (struct order){ .type = ORDER_FORK });
	serve();
	assert_true(layouts[1].open);
}

static void test_child_is_served(void **state)
{
	(void)state;
	if (!forks)
		skip();
	store(shared_page(1), 10);
	store(private_page(2), 11);
	fork_client();
	assert_int_equal(layouts[1].space.map_count, 2);
	space_check(&layouts[1].space);
	/* Writable in both: both are protected, and trap again. */
	store_by(client.child_socket, shared_page(1), 12);
	sync_all();
	assert_int_equal(home(1), 12);
	assert_int_equal(state_of(thing.object, 1), PAGE_CLEAN);
	store_by(client.child_socket, shared_page(1), 13);
	assert_int_equal(state_of(thing.object, 1), PAGE_DIRTY);
	sync_all();
	assert_int_equal(home(1), 13);
	/* Its own copies are its own; what is absent is brought in for it. */
	give_load(client.child_socket, private_page(2));
	assert_int_equal(serve_from(client.child_socket).byte, 11);
	store_by(client.child_socket, private_page(2), 14);
	assert_int_equal(load(private_page(2)), 11);
	give_load(client.child_socket, private_page(9));
	assert_int_equal(serve_from(client.child_socket).byte, first_byte(9));
	/* It outlives its parent. */
	client_kill(&client);
	layout_close(&layouts[0]);
	give_load(client.child_socket, shared_page(10));
	assert_int_equal(serve_from(client.child_socket).byte, first_byte(10));
}

#ifdef QUIRE_DEBUG
static _Atomic unsigned forked;

static uint64_t events_read(struct mmu_remote *remote)
{
	uint64_t count;

	lock_take(&remote->gate);
	count = remote->events_read;
	lock_drop(&remote->gate);
	return count;
}

/* On the thread that writes back; it or the loop reads the event. */
static void fork_meanwhile(enum hook point, const void *what, uint64_t index)
{
	struct mmu_remote *remote = remote_of(here->mmu);
	uint64_t before;

	(void)index;
	if (point != HOOK_REMOTE_PROTECTED || what != remote ||
	    atomic_exchange(&forked, 1))
		return;
	before = events_read(remote);
	give(client.socket, (struct order){ .type = ORDER_FORK });
	while (events_read(remote) == before)
		mmu_remote_pump(here->mmu);
}

/* The child's mapping is new: it is protected before the bytes are taken. */
static void test_fork_during_a_write_back(void **state)
{
	(void)state;
	if (!forks)
		skip();
	store(shared_page(1), 10);
	atomic_store(&forked, 0);
	hook_register(fork_meanwhile);
	sync_all();
	hook_register(NULL);
	answer(client.socket);
	assert_true(layouts[1].open);
	assert_int_equal(home(1), 10);
	store_by(client.child_socket, shared_page(1), 11);
	assert_int_equal(state_of(thing.object, 1), PAGE_DIRTY);
	sync_all();
	assert_int_equal(home(1), 11);
}
#endif

/* ---- what the layout does not know ---- */

static uint64_t unknown_at;
static unsigned unknown_calls, unknown_refusals;

static bool reconcile(void *context, uint64_t address)
{
	assert_ptr_equal(context, &unknown_at);
	assert_int_equal(address, unknown_at);
	unknown_calls++;
	if (unknown_calls <= unknown_refusals)
		return false;
	layout_map(here, unknown_at, true);
	return true;
}

static void load_unknown(unsigned refusals)
{
	here->handler.unknown = reconcile;
	here->handler.unknown_context = &unknown_at;
	unknown_calls = 0;
	unknown_refusals = refusals;
	give(client.socket, (struct order){ .type = ORDER_AGAIN });
	unknown_at = serve().address;
	assert_int_equal(load(unknown_at), first_byte(0));
	/* Once for each fault: who was told no comes again, woken. */
	assert_int_equal(unknown_calls, refusals + 1);
}

static void test_unknown_address(void **state)
{
	(void)state;
	load_unknown(0);
	load_unknown(3);
}

/* ---- the end ---- */

static void test_abandon_parked_on_a_page(void **state)
{
	struct pollfd polled = { .fd = here->handler.wake_fd,
				 .events = POLLIN };

	(void)state;
	set_script(&thing, "read do hold");
	give_load(client.socket, shared_page(1));
	serve_until(faulty_store_held(thing.faulty) == 1);
	client_kill(&client);
	assert_false(fault_handler_abandon(&here->handler));
	assert_false(fault_handler_abandon(&here->handler));
	faulty_store_release(thing.faulty);
	assert_int_equal(poll(&polled, 1, -1), 1);
	while (!fault_handler_abandon(&here->handler))
		poll(&polled, 1, -1);
	assert_int_equal(atomic_load(&here->handler.live), 0);
}

static void test_abandon_waiting_for_room(void **state)
{
	(void)state;
	world->host.full_wait_ns = NEVER;
	assert_int_equal(object_hold(thing.object, 0, 2, false), 0);
	give_load(client.socket, shared_page(5));
	serve_until(counted(COUNT_STARVED) > 0);
	client_kill(&client);
	assert_true(fault_handler_abandon(&here->handler));
	object_let_go(thing.object, 0, 2, false);
	assert_true(list_empty(&world->cache.starving));
}

static void test_abandon_waiting_for_the_bound(void **state)
{
	(void)state;
	world->host.full_wait_ns = NEVER;
	store(shared_page(0), 1);
	set_script(&thing, "write do fail EIO");
	give_store(client.socket, shared_page(1), 2);
	serve_until(counted(COUNT_THROTTLED) > 0);
	client_kill(&client);
	while (!fault_handler_abandon(&here->handler))
		sched_yield();
	assert_true(list_empty(&writeback.throttled));
}

static void test_abandon_what_is_refused(void **state)
{
	(void)state;
	set_script(&thing, "read do fail EIO");
	give_load(client.socket, shared_page(7));
	assert_int_equal(serve().signal, SIGBUS);
	assert_int_equal(atomic_load(&here->handler.live), 1);
	client_kill(&client);
	assert_true(fault_handler_abandon(&here->handler));
	assert_int_equal(atomic_load(&here->handler.live), 0);
}

/* What a killed client stored is in the memory, and goes home. */
static void test_killed_client(void **state)
{
	(void)state;
	store(shared_page(1), 91);
	client_kill(&client);
	sync_all();
	assert_int_equal(home(1), 91);
	layout_close(here);
	assert_false(object_is_mapped(thing.object, 0, PAGES));
	assert_null(sync_main(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_loads_and_stores),
		TEST(test_store_to_what_is_shown),
		TEST(test_store_to_what_was_shown),
		TEST(test_private_mapping),
		TEST_IN(open_narrow, test_narrow_budget),
		TEST(test_a_stall_is_counted),
		TEST(test_unmap_and_move),
		TEST(test_write_back_during_an_unmap),
		TEST(test_child_is_served),
#ifdef QUIRE_DEBUG
		TEST(test_fork_during_a_write_back),
#endif
		TEST(test_unknown_address),
		TEST(test_abandon_parked_on_a_page),
		TEST_IN(open_narrow, test_abandon_waiting_for_room),
		TEST_IN(open_bounded, test_abandon_waiting_for_the_bound),
		TEST(test_abandon_what_is_refused),
		TEST(test_killed_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
