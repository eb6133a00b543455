/* throttle.c - writers wait while too much is dirty */
/* SPDX-License-Identifier: MIT */
/*
 * An object may have SHARE times as many dirty pages as the bound has room for
 * beside them.  So one alone has nearly all of the bound, and whatever a store
 * does not take leaves room for the pages of others: of that a second one can
 * have nearly all, and so on.  Who has none at all may always have one, above
 * the bound if need be: nobody waits for others' stores alone.
 *
 *   the bound  |-- A, hangs, 16/17 --------------------------|-- B --|C| |
 *
 * An object whose last flush failed is stuck: the disk is full.  Then its pages do
 * not count for others, up to half of what the bound leaves of the budget, as the
 * other half is for who reads.
 */
#include "writeback/writeback_private.h"

#include <errno.h>

#define SHARE 16

/* Of the pages that are stuck. */
static uint64_t spared(const struct writeback *writeback)
{
	const struct cache *cache = writeback->host->cache;
	uint64_t stuck = atomic_load(&cache->stuck), most = 0;

	if (cache->budget > writeback->bound)
		most = (cache->budget - writeback->bound) / 2;
	return stuck < most ? stuck : most;
}

/* Pages that count for an object that is stuck, or is not. */
static uint64_t counted(const struct writeback *writeback, bool stuck)
{
	uint64_t dirty = atomic_load(&writeback->host->cache->must_go);
	uint64_t less = stuck ? 0 : spared(writeback);

	return dirty > less ? dirty - less : 0; /* not counted in one step */
}

static uint64_t room(const struct writeback *writeback, bool stuck)
{
	uint64_t dirty = counted(writeback, stuck);

	return dirty < writeback->bound ? writeback->bound - dirty : 0;
}

uint64_t writeback_dirty(const struct writeback *writeback)
{
	return counted(writeback, false);
}

/* How much room there must be for one more of the object's. */
static uint64_t room_for(const struct object *object)
{
	uint64_t dirty = object_dirty_count(object);

	return dirty ? dirty / SHARE + 1 : 0;
}

bool writeback_over_bound(const struct writeback *writeback,
			  const struct object *object)
{
	return room(writeback, object_stuck(object)) < room_for(object);
}

uint64_t writeback_room(const struct writeback *writeback,
			const struct object *object)
{
	return room(writeback, object_stuck(object));
}

uint64_t writeback_progress(const struct writeback *writeback,
			    const struct object *object)
{
	return object_stuck(object) > 1
		       ? object_pages_written(object)
		       : atomic_load(&writeback->host->got_home);
}

/* What a waiter is told by: the room that he needs, and which. */
static uint64_t wish(const struct object *object)
{
	return room_for(object) << 1 | (object_stuck(object) > 0);
}

static bool is_granted(const uint64_t rooms[2], uint64_t wish)
{
	return rooms[wish & 1] >= wish >> 1;
}

/* Its object may end before it is woken: that is a name here. */
bool writeback_park(struct writeback *writeback, const struct object *object,
		    struct waiter *waiter)
{
	bool parked;

	lock_take(&writeback->throttle_lock);
	/* relax() takes the lock after the counts fell: it sees us, or we it. */
	waiter->index = wish(object);
	parked = writeback_over_bound(writeback, object);
	if (parked) {
		waiter->place = object;
		list_add_tail(&writeback->throttled, &waiter->link);
	}
	lock_drop(&writeback->throttle_lock);
	return parked;
}

bool writeback_unpark(struct writeback *writeback, struct waiter *waiter)
{
	bool parked;

	lock_take(&writeback->throttle_lock);
	parked = waiter->place;
	if (parked) {
		waiter->place = NULL;
		list_remove(&waiter->link);
	}
	lock_drop(&writeback->throttle_lock);
	return parked;
}

/* Other objects have as much as before: there the room decides. */
void writeback_relax(struct writeback *writeback, const struct object *object)
{
	struct list woken, *link, *after;
	uint64_t rooms[2], own;

	list_init(&woken);
	lock_take(&writeback->throttle_lock);
	rooms[false] = room(writeback, false);
	rooms[true] = room(writeback, true);
	own = wish(object);
	list_for_each_safe(link, after, &writeback->throttled) {
		struct waiter *waiter = container_of(link, struct waiter, link);

		if (!is_granted(rooms,
				waiter->place == object ? own : waiter->index))
			continue;
		waiter->place = NULL;
		list_remove(link);
		list_add_tail(&woken, link);
	}
	lock_drop(&writeback->throttle_lock);
	while ((link = list_pop(&woken))) {
		struct waiter *waiter = container_of(link, struct waiter, link);

		waiter->wake(waiter);
	}
}

/* A while at most: a cut makes room, too, and tells nobody. */
static void sleep_a_while(struct writeback *writeback,
			  const struct object *object)
{
	uint64_t deadline_ns = clock_now_ns() + UINT64_C(100000000);
	struct sleeper sleeper;

	sleeper_init(&sleeper);
	if (writeback_park(writeback, object, &sleeper.waiter) &&
	    !sleeper_sleep_until(&sleeper, deadline_ns) &&
	    !writeback_unpark(writeback, &sleeper.waiter))
		sleeper_sleep(&sleeper); /* it is being woken now */
	sleeper_finish(&sleeper);
}

int writeback_throttle(struct writeback *writeback, const struct object *object)
{
	uint64_t since_ns = 0, progress = 0;

	while (writeback_over_bound(writeback, object)) {
		uint64_t now_ns = clock_now_ns();
		uint64_t now = writeback_progress(writeback, object);

		if (since_ns == 0 || progress != now) {
			since_ns = now_ns;
			progress = now;
		}
		if (now_ns - since_ns > writeback->host->full_wait_ns)
			return error_say(-EIO,
					 "too much is dirty, and nothing can "
					 "be written");
		count_add(writeback->host->counters, COUNT_THROTTLED, 1);
		writeback_kick(writeback, false);
		sleep_a_while(writeback, object);
	}
	return 0;
}
