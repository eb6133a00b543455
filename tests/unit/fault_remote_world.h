/* fault_remote_world.h - a client, and the smallest server that it can have */
/* SPDX-License-Identifier: MIT */
/*
 * What a server is, as small as it can be: one thread that polls, applies
 * events to the layout, and has the handler resolve what traps.
 */
#ifndef QUIRE_TESTS_FAULT_REMOTE_WORLD_H
#define QUIRE_TESTS_FAULT_REMOTE_WORLD_H

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

static inline int last_drop(struct quire_object *dropped)
{
	assert_ptr_equal(dropped, &handle);
	drops++;
	return 0;
}

static inline void note_record(void *context, struct object *object,
			       uint64_t index, uint64_t count,
			       enum object_record what)
{
	(void)context;
	(void)index;
	assert_ptr_equal(object, thing.object);
	if (what == OBJECT_TOUCHED)
		touches += (unsigned)count;
}

static inline void note_stall(void *context, struct object *object, uint64_t ns)
{
	(void)context;
	assert_ptr_equal(object, thing.object);
	stalled_ns += ns;
}

/* ---- layouts ---- */

static inline void layout_open(struct layout *which, int userfaultfd)
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

static inline void layout_close(struct layout *which)
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

static inline void layout_map(struct layout *which, uint64_t address,
			      bool shared)
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

static inline void follow_move(struct layout *which,
			       const struct mmu_event *event)
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

static inline void apply(struct layout *which, const struct mmu_event *event)
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

static inline int serve_layout(struct layout *which)
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
static inline int sooner(int one, int other)
{
	if (one < 0 || other < 0)
		return one < 0 ? other : one;
	return one < other ? one : other;
}

/* One turn; True: the socket has something. */
static inline bool serve_once(int socket, int most_ms)
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

static inline struct answer serve_from(int socket)
{
	while (!serve_once(socket, -1))
		;
	return answer(socket);
}

static inline struct answer serve(void)
{
	return serve_from(client.socket);
}

/* Turns the loop until something is so. */
#define serve_until(condition)                        \
	do {                                          \
		while (!(condition))                  \
			serve_once(client.socket, 1); \
	} while (0)

static inline unsigned char load(uint64_t address)
{
	struct answer got;

	give_load(client.socket, address);
	got = serve();
	assert_int_equal(got.signal, 0);
	return got.byte;
}

static inline void store_by(int socket, uint64_t address, unsigned char byte)
{
	give_store(socket, address, byte);
	assert_int_equal(serve_from(socket).signal, 0);
}

static inline void store(uint64_t address, unsigned char byte)
{
	store_by(client.socket, address, byte);
}

static inline void *sync_main(void *argument)
{
	(void)argument;
	return (void *)(intptr_t)writeback_sync(&writeback, thing.object, 0,
						UINT64_MAX, false);
}

static inline void *sync_and_tell(void *done)
{
	void *result = sync_main(NULL);

	atomic_store((_Atomic bool *)done, true);
	return result;
}

/* On a thread of its own, as the server does it: the loop goes on. */
static inline void sync_all(void)
{
	_Atomic bool done = false;
	pthread_t thread = start_thread(sync_and_tell, (void *)&done);
	void *result;

	serve_until(atomic_load(&done));
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((int)(intptr_t)result, 0);
}

static inline uint64_t shared_page(uint64_t page)
{
	return client.shared + page * PAGE_SIZE;
}

static inline uint64_t private_page(uint64_t page)
{
	return client.private + page * PAGE_SIZE;
}

static inline unsigned char first_byte(uint64_t page)
{
	return byte_at(page * PAGE_SIZE);
}

static inline unsigned char home(uint64_t page)
{
	return home_byte(&thing, page * PAGE_SIZE);
}

static inline uint64_t counted(enum counter counter)
{
	return count_get(&world->counters, counter);
}

/* ---- a world ---- */

static inline int open_with(uint64_t budget, uint64_t bound)
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

static inline int open_ample(void **state)
{
	(void)state;
	return open_with(4 * PAGES, BOUND);
}

static inline int open_narrow(void **state)
{
	(void)state;
	return open_with(2, BOUND);
}

static inline int open_bounded(void **state)
{
	(void)state;
	return open_with(4 * PAGES, 1);
}

static inline int close_world(void **state)
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

#define TEST_IN(open, name) \
	cmocka_unit_test_setup_teardown(name, open, close_world)
#define TEST(name) TEST_IN(open_ample, name)

#endif
