/* object_world.h - objects without an engine: a cache, a host and stores */
/* SPDX-License-Identifier: MIT */
/*
 *   object -- pager that keeps a list of calls -- direct pager
 *                                                   |
 *                          faulty store -- memory store, of known bytes
 */
#ifndef QUIRE_TESTS_OBJECT_WORLD_H
#define QUIRE_TESTS_OBJECT_WORLD_H

#include "object/object_private.h"
#include "os/memory.h"
#include "unit/store_tools.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#define CALLS_KEPT 512
#define MS UINT64_C(1000000)

struct pager_call {
	enum pager_operation operation;
	uint64_t index;
	uint64_t length;
};

/* Hands on to another pager, and remembers. */
struct listing_pager {
	struct pager pager;
	struct pager *inner;
	struct lock lock;
	struct pager_call calls[CALLS_KEPT]; /* [lock] */
	unsigned count;                      /* [lock] */
	_Atomic unsigned by_caller;          /* writes and flushes */
	_Atomic unsigned resizes;
	_Atomic int resize_error; /* instead of changing the size */
	_Atomic int allocate_error;
	_Atomic int discard_error;
	_Atomic unsigned discards;
	_Atomic int read_error; /* of every page */
	_Atomic int size_error; /* instead of saying the store's size */
};

/* The floors below an object, and one object or more. */
struct object_world {
	struct counters counters;
	struct cache cache;
	struct log log;
	struct object_host host;
	_Atomic unsigned dirtied;
	_Atomic unsigned throttled;
	_Atomic int throttle_error;
	_Atomic bool managed;
	_Atomic int copy_error;
	_Atomic unsigned copies;
	_Atomic unsigned lines; /* of the log */
};

struct thing {
	struct object *object;
	struct store *home;   /* the memory store, behind all faults */
	struct store *faulty; /* where the scripts go */
	struct listing_pager *pager;
};

/* ---- the pager ---- */

static inline struct listing_pager *listing_of(struct pager *pager)
{
	return container_of(pager, struct listing_pager, pager);
}

static inline void listing_submit(struct pager *pager, struct pager_io *io)
{
	struct listing_pager *list = listing_of(pager);
	int error = atomic_load(&list->read_error);

	lock_take(&list->lock);
	if (list->count < CALLS_KEPT)
		list->calls[list->count++] = (struct pager_call){ io->operation,
								  io->index,
								  io->length };
	lock_drop(&list->lock);
	if (io->operation != PAGER_READ && io->urgency == STORE_NOW)
		atomic_fetch_add(&list->by_caller, 1);
	if (error && io->operation == PAGER_READ)
		io->complete(io, error);
	else
		pager_submit(list->inner, io);
}

static inline int listing_size(struct pager *pager, uint64_t *size)
{
	struct listing_pager *list = listing_of(pager);
	int error = atomic_load(&list->size_error);

	return error ? error : pager_size(list->inner, size);
}

static inline int listing_resize(struct pager *pager, uint64_t size)
{
	struct listing_pager *list = listing_of(pager);
	int error = atomic_load(&list->resize_error);

	atomic_fetch_add(&list->resizes, 1);
	return error ? error_say(error, "the store keeps its size")
		     : pager_resize(list->inner, size);
}

static inline int listing_allocate(struct pager *pager, uint64_t offset,
				   uint64_t length)
{
	struct listing_pager *list = listing_of(pager);
	int error = atomic_load(&list->allocate_error);

	return error ? error : pager_allocate(list->inner, offset, length);
}

static inline int listing_discard(struct pager *pager, uint64_t index,
				  uint64_t count)
{
	struct listing_pager *list = listing_of(pager);
	int error = atomic_load(&list->discard_error);

	if (error && count > 0) /* 0: it was only asked whether it can */
		return error;
	atomic_fetch_add(&list->discards, count > 0);
	return pager_discard(list->inner, index, count);
}

static inline void listing_destroy(struct pager *pager)
{
	struct listing_pager *list = listing_of(pager);

	pager_destroy(list->inner);
	lock_finish(&list->lock);
	free(list);
}

static const struct pager_ops listing_ops = {
	.submit = listing_submit,
	.size = listing_size,
	.resize = listing_resize,
	.allocate = listing_allocate,
	.discard = listing_discard,
	.destroy = listing_destroy,
};

static inline struct listing_pager *new_listing_pager(struct store *store)
{
	struct listing_pager *list = calloc(1, sizeof(*list));

	assert_non_null(list);
	assert_int_equal(direct_pager_create(store, &list->inner), 0);
	lock_init(&list->lock, LOCK_RANK_PAGER);
	list->pager.ops = &listing_ops;
	list->pager.writable = list->inner->writable;
	return list;
}

static inline void forget_calls(struct thing *thing)
{
	lock_take(&thing->pager->lock);
	thing->pager->count = 0;
	lock_drop(&thing->pager->lock);
}

/*
 * The calls of one operation since forget_calls(), as "first+pages" in the
 * order they came, and then forgets them.
 */
static inline void assert_calls(struct thing *thing,
				enum pager_operation operation,
				const char *expected)
{
	struct listing_pager *list = thing->pager;
	char text[2048] = "";
	size_t length = 0;

	lock_take(&list->lock);
	for (unsigned i = 0; i < list->count; i++) {
		const struct pager_call *call = &list->calls[i];

		if (call->operation != operation || length > 2000)
			continue;
		length += (size_t)snprintf(
			text + length, sizeof(text) - length, "%s%llu+%llu",
			length ? " " : "", (unsigned long long)call->index,
			(unsigned long long)pages_of(call->length));
	}
	list->count = 0;
	lock_drop(&list->lock);
	assert_string_equal(text, expected);
}

/* ---- bytes ---- */

/* What stands in a store at first: no page is like another. */
static inline unsigned char byte_at(uint64_t offset)
{
	return (unsigned char)(1 + (offset >> PAGE_SHIFT) * 11 + offset % 199);
}

static inline struct store *new_home(uint64_t size)
{
	struct store *store = new_memory_store(size);
	unsigned char *bytes = new_buffer(size);

	for (uint64_t i = 0; i < size; i++)
		bytes[i] = byte_at(i);
	if (size)
		assert_int_equal(write_at(store, bytes, size, 0), size);
	free(bytes);
	return store;
}

/* One byte of what is at home. */
static inline unsigned char home_byte(struct thing *thing, uint64_t offset)
{
	unsigned char byte = 0;

	assert_int_equal(read_at(thing->home, &byte, 1, offset), 1);
	return byte;
}

static inline enum page_state state_of(const struct object *object,
				       uint64_t index)
{
	return word_state(atomic_load(object_word(object, index)));
}

static inline uint64_t charged(struct object_world *world)
{
	uint64_t pages;

	lock_take(&world->cache.lock);
	pages = world->cache.charged;
	lock_drop(&world->cache.lock);
	return pages;
}

static inline unsigned char object_byte(struct object *object, uint64_t offset)
{
	unsigned char byte = 0;

	assert_int_equal(object_copy_out(object, &byte, 1, offset), 1);
	return byte;
}

static inline void set_byte(struct object *object, uint64_t offset,
			    unsigned char byte)
{
	assert_int_equal(object_copy_in(object, &byte, 1, offset), 1);
}

/* ---- the world ---- */

static inline void world_dirtied(void *context)
{
	struct object_world *world = context;

	atomic_fetch_add(&world->dirtied, 1);
}

static inline int world_throttle(void *context, const struct object *object)
{
	struct object_world *world = context;

	(void)object;
	atomic_fetch_add(&world->throttled, 1);
	return atomic_load(&world->throttle_error);
}

static inline bool world_managed(void *context, const void *address,
				 size_t length)
{
	struct object_world *world = context;

	(void)address;
	(void)length;
	return atomic_load(&world->managed);
}

static inline int world_copy(void *context, void *to, const void *from,
			     size_t length, bool to_managed)
{
	struct object_world *world = context;

	(void)to_managed;
	atomic_fetch_add(&world->copies, 1);
	if (atomic_load(&world->copy_error))
		return atomic_load(&world->copy_error);
	memcpy(to, from, length);
	return 0;
}

static inline void world_log(void *context, int level, const char *line)
{
	struct object_world *world = context;

	(void)level;
	(void)line;
	atomic_fetch_add(&world->lines, 1);
}

static inline struct object_world *world_open(uint64_t budget_pages)
{
	struct object_world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->log.sink = world_log;
	world->log.context = world;
	world->log.level = LOG_WARNING;
	cache_init(&world->cache, budget_pages, &world->counters);
	object_host_init(&world->host, &world->cache, &world->counters,
			 &world->log);
	world->host.full_wait_ns = 50 * MS;
	world->host.dirtied = world_dirtied;
	world->host.throttle = world_throttle;
	world->host.managed = world_managed;
	world->host.copy = world_copy;
	world->host.context = world;
	return world;
}

static inline void world_close(struct object_world *world)
{
	object_host_finish(&world->host);
	cache_finish(&world->cache);
	free(world);
}

/* The parameters' name is given here. */
static inline struct thing thing_create(struct object_world *world,
					struct object_parameters parameters)
{
	struct thing thing = { .home = new_home(parameters.size) };

	parameters.identity.name = "thing";
	assert_int_equal(
		faulty_store_create(NULL, thing.home, NULL, &thing.faulty), 0);
	thing.pager = new_listing_pager(thing.faulty);
	assert_int_equal(object_create(&world->host, &parameters,
				       &thing.pager->pager, &thing.object),
			 0);
	return thing;
}

/* size bytes, room for twice as many, no readahead. */
static inline struct thing thing_of(struct object_world *world, uint64_t size)
{
	return thing_create(world, (struct object_parameters){
					   .size = size,
					   .capacity = 2 * size,
					   .readahead = 1,
				   });
}

static inline void thing_end(struct thing *thing)
{
	assert_true(object_drop_handle(thing->object));
	assert_true(object_end(thing->object, true));
}

static inline void set_script(struct thing *thing, const char *script)
{
	assert_int_equal(faulty_store_script(thing->faulty, script), 0);
}

static inline void wait_until_held(struct thing *thing, unsigned count)
{
	while (faulty_store_held(thing->faulty) < count)
		sched_yield();
}

/* Waits until somebody is parked on the page. */
static inline void wait_until_waited_for(struct object *object, uint64_t index)
{
	while (!(atomic_load(object_word(object, index)) & WORD_WAITERS))
		sched_yield();
}

#endif
