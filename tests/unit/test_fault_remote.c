/* test_fault_remote.c - faults of another process, by a handler without threads */
/* SPDX-License-Identifier: MIT */
/*
 * What a server is, as small as it can be: one thread that polls, applies
 * events to the layout, and has the handler resolve what traps.
 */
#include "unit/client_world.h"
#include "unit/object_world.h"

#include "fault/fault_private.h"
#include "mmu/mmu_remote_private.h"
#include "space/space.h"
#include "writeback/writeback.h"

#define PAGES CLIENT_PAGES
#define BOUND 64
#define NEVER (UINT64_MAX / 4)

/* A client as the server sees it. */
struct layout {
	struct mmu *mmu;
	struct space space;
	struct fault_handler handler;
	bool open;
};

static struct object_world *world;
static struct thing thing;
static struct writeback writeback;
static struct quire_object handle;
static struct client client;
static struct layout layouts[2]; /* the client's, and its child's */
static bool forks;
static unsigned touches;
static uint64_t stalled_ns;
static unsigned drops;

#define here (&layouts[0])

static int last_drop(struct quire_object *dropped)
{
	assert_ptr_equal(dropped, &handle);
	drops++;
	return 0;
}

static void note_record(void *context, struct object *object, uint64_t index,
			uint64_t count, enum object_record what)
{
	(void)context;
	(void)index;
	assert_ptr_equal(object, thing.object);
	if (what == OBJECT_TOUCHED)
		touches += (unsigned)count;
}

static void note_stall(void *context, struct object *object, uint64_t ns)
{
	(void)context;
	assert_ptr_equal(object, thing.object);
	stalled_ns += ns;
}

/* ---- layouts ---- */

static void layout_open(struct layout *which, int userfaultfd)
{
	struct space_options options = { .map = memory_pool_map,
					 .unmap = memory_unmap };

	assert_int_equal(mmu_remote_create(userfaultfd, &which->mmu), 0);
	options.mmu = which->mmu;
	space_init(&which->space, &options);
	assert_int_equal(fault_handler_init(&which->handler, &which->space,
					    &world->host, &writeback, 0, true),
			 0);
	mmu_remote_set_kick(which->mmu, which->handler.wake_fd);
	which->open = true;
}

static void layout_close(struct layout *which)
{
	struct pollfd polled = { .fd = which->handler.wake_fd,
				 .events = POLLIN };

	if (!which->open)
		return;
	which->open = false;
	while (!fault_handler_abandon(&which->handler))
		poll(&polled, 1, -1);
	fault_handler_finish(&which->handler);
	assert_int_equal(space_finish(&which->space), 0);
	mmu_destroy(which->mmu);
}

static void layout_map(struct layout *which, uint64_t address, bool shared)
{
	struct space_map_request request = {
		.address = address,
		.length = CLIENT_LENGTH,
		.prot = PROT_READ | PROT_WRITE,
		.flags = MAP_FIXED | (shared ? MAP_SHARED : MAP_PRIVATE),
		.handle = &handle,
	};
	uint64_t placed;

	assert_int_equal(space_map(&which->space, &request, &placed), 0);
	assert_int_equal(placed, address);
}

static void follow_move(struct layout *which, const struct mmu_event *event)
{
	struct space_map_request request = {
		.address = event->to,
		.length = event->end - event->start,
		.prot = PROT_READ | PROT_WRITE,
		.flags = MAP_FIXED | MAP_SHARED,
		.handle = &handle,
	};
	const struct vma *vma;
	uint64_t placed;

	rwlock_take_read(&which->space.lock);
	vma = space_find(&which->space, event->start);
	assert_non_null(vma);
	request.offset = vma_index_at(vma, event->start) << PAGE_SHIFT;
	rwlock_drop_read(&which->space.lock);
	assert_int_equal(space_map(&which->space, &request, &placed), 0);
}

static void apply(struct layout *which, const struct mmu_event *event)
{
	switch (event->type) {
	case MMU_EVENT_UNMAP:
		assert_int_equal(space_unmap(&which->space, event->start,
					     event->end - event->start),
				 0);
		break;
	case MMU_EVENT_MOVE:
		follow_move(which, event);
		break;
	case MMU_EVENT_FORK:
		layout_open(&layouts[1], event->descriptor);
		assert_int_equal(space_fork(&which->space, &layouts[1].space),
				 0);
		break;
	default:
		break;
	}
	mmu_remote_applied(which->mmu);
}

/* ---- the server's loop ---- */

static int serve_layout(struct layout *which)
{
	struct mmu_event event;
	int pause;

	if (!which->open)
		return -1;
	mmu_remote_pump(which->mmu);
	while (mmu_remote_event(which->mmu, &event))
		apply(which, &event);
	pause = fault_handler_poll(&which->handler);
	while (mmu_remote_event(which->mmu, &event))
		apply(which, &event);
	return pause;
}

/* The sooner of two times, of which -1 is never. */
static int sooner(int one, int other)
{
	if (one < 0 || other < 0)
		return one < 0 ? other : one;
	return one < other ? one : other;
}

/* One turn; True: the socket has something. */
static bool serve_once(int socket, int most_ms)
{
	struct pollfd polled[5] = { { .fd = socket, .events = POLLIN } };
	int pause =
		sooner(serve_layout(&layouts[0]), serve_layout(&layouts[1]));
	unsigned count = 1;

	for (unsigned i = 0; i < 2; i++) {
		if (!layouts[i].open)
			continue;
		polled[count++] =
			(struct pollfd){ .fd = mmu_traps_fd(layouts[i].mmu),
					 .events = POLLIN };
		polled[count++] =
			(struct pollfd){ .fd = layouts[i].handler.wake_fd,
					 .events = POLLIN };
	}
	poll(polled, count, sooner(pause, most_ms));
	return polled[0].revents & POLLIN;
}

static struct answer serve_from(int socket)
{
	while (!serve_once(socket, -1))
		;
	return answer(socket);
}

static struct answer serve(void)
{
	return serve_from(client.socket);
}

/* Turns the loop until something is so. */
#define serve_until(condition)                        \
	do {                                          \
		while (!(condition))                  \
			serve_once(client.socket, 1); \
	} while (0)

static unsigned char load(uint64_t address)
{
	struct answer got;

	give_load(client.socket, address);
	got = serve();
	assert_int_equal(got.signal, 0);
	return got.byte;
}

static void store_by(int socket, uint64_t address, unsigned char byte)
{
	give_store(socket, address, byte);
	assert_int_equal(serve_from(socket).signal, 0);
}

static void store(uint64_t address, unsigned char byte)
{
	store_by(client.socket, address, byte);
}

static void *sync_main(void *argument)
{
	(void)argument;
	return (void *)(intptr_t)writeback_sync(&writeback, thing.object, 0,
						UINT64_MAX, false);
}

static void *sync_and_tell(void *done)
{
	void *result = sync_main(NULL);

	atomic_store((_Atomic bool *)done, true);
	return result;
}

/* On a thread of its own, as the server does it: the loop goes on. */
static void sync_all(void)
{
	_Atomic bool done = false;
	pthread_t thread = start_thread(sync_and_tell, (void *)&done);
	void *result;

	serve_until(atomic_load(&done));
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((int)(intptr_t)result, 0);
}

static uint64_t shared_page(uint64_t page)
{
	return client.shared + page * PAGE_SIZE;
}

static uint64_t private_page(uint64_t page)
{
	return client.private + page * PAGE_SIZE;
}

static unsigned char first_byte(uint64_t page)
{
	return byte_at(page * PAGE_SIZE);
}

static unsigned char home(uint64_t page)
{
	return home_byte(&thing, page * PAGE_SIZE);
}

static uint64_t counted(enum counter counter)
{
	return count_get(&world->counters, counter);
}

/* ---- a world ---- */

static int open_with(uint64_t budget, uint64_t bound)
{
	error_clear();
	world = world_open(budget);
	world->host.full_wait_ns = 1;
	world->host.record = note_record;
	world->host.stalled = note_stall;
	touches = drops = 0;
	stalled_ns = 0;
	thing = thing_of(world, CLIENT_LENGTH);
	handle = (struct quire_object){ .references = 1,
					.object = thing.object,
					.readable = true,
					.writable = true,
					.last_drop = last_drop };
	assert_int_equal(writeback_init(&writeback, &world->host, bound, NEVER),
			 0);
	client = client_start(object_memory(thing.object), &forks);
	layout_open(here, client.userfaultfd);
	layout_map(here, client.shared, true);
	layout_map(here, client.private, false);
	return 0;
}

static int open_ample(void **state)
{
	(void)state;
	return open_with(4 * PAGES, BOUND);
}

static int open_narrow(void **state)
{
	(void)state;
	return open_with(2, BOUND);
}

static int open_bounded(void **state)
{
	(void)state;
	return open_with(4 * PAGES, 1);
}

static int close_world(void **state)
{
	(void)state;
	set_script(&thing, "");
	faulty_store_release(thing.faulty);
	client_end(&client);
	layout_close(&layouts[0]);
	layout_close(&layouts[1]);
	assert_int_equal(atomic_load(&handle.references), 1);
	assert_int_equal(drops, 0);
	writeback_stop(&writeback);
	writeback_finish(&writeback);
	thing_end(&thing);
	world_close(world);
	return 0;
}

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

/*
 * A store that may not be let through, to a page that is shown: it cannot be
 * refused, as the page cannot be hidden.  So it waits.
 */
static void test_store_that_cannot_be_refused(void **state)
{
	(void)state;
	assert_int_equal(load(shared_page(1)), first_byte(1));
	store(shared_page(0), 1);
	set_script(&thing, "write do fail EIO");
	give_store(client.socket, shared_page(1), 2);
	serve_until(counted(COUNT_REFUSED) == 1);
	assert_int_equal(state_of(thing.object, 1), PAGE_CLEAN);
	/* It is told once, however often it is tried. */
	for (unsigned i = 0; i < 20; i++)
		serve_once(client.socket, 1);
	assert_int_equal(counted(COUNT_REFUSED), 1);
	assert_int_equal(state_of(thing.object, 1), PAGE_CLEAN);
	set_script(&thing, "");
	assert_int_equal(serve().signal, 0);
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

#define TEST_IN(open, name) \
	cmocka_unit_test_setup_teardown(name, open, close_world)
#define TEST(name) TEST_IN(open_ample, name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_loads_and_stores),
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
		TEST(test_failed_read),
		TEST_IN(open_bounded, test_store_that_cannot_be_refused),
		TEST(test_punched_page_is_zeros),
		TEST(test_only_holes_are_filled),
		TEST(test_cut_memory_grows_back),
		TEST(test_punched_page_of_what_is_read_only),
		TEST(test_abandon_parked_on_a_page),
		TEST_IN(open_narrow, test_abandon_waiting_for_room),
		TEST_IN(open_bounded, test_abandon_waiting_for_the_bound),
		TEST(test_abandon_what_is_refused),
		TEST(test_killed_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
