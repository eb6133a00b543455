/* hold.c - pages held in memory by a thread that may wait for them */
/* SPDX-License-Identifier: MIT */
/*
 * Pins are long, locks are short.  A thread that holds pins waits for a read
 * that is under way (which ends whatever the thread holds), but never for the
 * budget: there it lets go of all, waits, and begins again.
 */
#include "object/object_private.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

/* Of the budget, and not yet an error. */
#define NO_ROOM (-ENOBUFS)
/* A page that is not to be read is absent; no store says so (read.c). */
#define HAS_LEFT (-EBUSY)
/* Nobody holds zeros that stand in for a page for so long. */
#define ZEROS_WAIT_NS UINT64_C(1000000000)

struct hold {
	struct object *object;
	bool write;
	bool waited;       /* for a read of the page in hand */
	uint64_t zeros_ns; /* for the page in hand to leave; 0: not yet met */
	struct budget_wait budget;     /* after NO_ROOM */
	const struct page_span *whole; /* are not read */
};

static void let_go_one(struct object *object, uint64_t index, bool write)
{
	page_word *word = object_word(object, index);
	bool free = write ? page_drop_wpin(word) : page_drop_rpin(word);

	if (free)
		cache_encourage(object->host->cache);
}

void object_let_go(struct object *object, uint64_t index, uint64_t count,
		   bool write)
{
	for (uint64_t i = 0; i < count; i++)
		let_go_one(object, index + i, write);
}

static int say_read_error(struct object *object, uint64_t index)
{
	int error = object_read_error(object, index);

	count_add(object->host->counters, COUNT_REFUSED, 1);
	if (error == -ENODATA)
		return error_say(-EIO,
				 "%s is shorter than when it was opened: page "
				 "%llu is gone",
				 object->parameters.identity.name,
				 (unsigned long long)index);
	return error_say(error, "page %llu of %s could not be read: %s",
			 (unsigned long long)index,
			 object->parameters.identity.name, strerror(-error));
}

/*
 * Zeros stand in for what could not be read: tries to read it once more.  Others
 * who do so, or look at the zeros, are in the way for a moment.
 */
static int try_again(struct hold *hold, uint64_t index)
{
	struct object *object = hold->object;
	uint64_t now;

	if (cache_evict_range(object->host->cache, &object->table, index, 1) ||
	    !object_is_zeroed(object, index))
		return 0;
	now = clock_now_ns();
	if (!hold->zeros_ns)
		hold->zeros_ns = now + ZEROS_WAIT_NS;
	if (now > hold->zeros_ns)
		return say_read_error(object, index);
	sched_yield();
	return 0;
}

/* Pins if the page has bytes.  1: done; 0: not now; or an error. */
static int try_hold(struct hold *hold, uint64_t index)
{
	struct object *object = hold->object;
	bool write = hold->write;
	enum page_taken taken =
		write ? object_take_wpin(object, index, true)
		      : page_take_rpin(object_word(object, index), true);

	if (taken == PAGE_NOT_VISIBLE)
		return 0;
	if (taken == PAGE_ZEROED)
		return try_again(hold, index);
	if (taken == PAGE_PINS_FULL)
		return error_say(-EAGAIN, "page %llu of %s is pinned too often",
				 (unsigned long long)index,
				 object->parameters.identity.name);
	/* Rule 11: store, then look: a cut stores the size, then sees pins. */
	if (index >= object_pages(object)) {
		let_go_one(object, index, write);
		return -ENXIO;
	}
	if (object_is_zeroed(object, index)) {
		let_go_one(object, index, write);
		return try_again(hold, index);
	}
	return 1;
}

/* Begins what the access pattern suggests. */
static int begin_read(struct hold *hold, uint64_t index, uint64_t count)
{
	struct read_plan plan;
	int64_t started;

	object_plan(hold->object, index, &plan);
	if (plan.count < count)
		plan.count = count;
	if (plan.count <= OBJECT_NOW_MOST && plan.ahead_count == 0)
		started = object_read_now(hold->object, index, plan.count,
					  &hold->budget.sequence);
	else
		started = object_start_read(hold->object, index, plan.count,
					    &hold->budget.sequence);
	if (started == -EAGAIN)
		return NO_ROOM;
	if (started == -EBUSY) {
		object_await_discard(hold->object);
		return 0;
	}
	if (started < 0)
		return (int)started;
	hold->waited = started > 0; /* its end may be here already */
	if (started > (int64_t)count)
		count_add(hold->object->host->counters, COUNT_PAGES_AHEAD,
			  (uint64_t)started - count);
	if (plan.ahead_count && started > 0)
		object_follow_plan(hold->object, &plan, 0);
	return 0;
}

static bool is_whole(const struct hold *hold, uint64_t index)
{
	return index - hold->whole->index < hold->whole->count;
}

/* One step towards a page that has no bytes yet. */
static int approach(struct hold *hold, uint64_t index, uint64_t count)
{
	struct object *object = hold->object;
	page_word *word = object_word(object, index);
	enum page_state state = word_state(atomic_load(word));

	switch (state) {
	case PAGE_FAILED:
		if (hold->waited && !is_whole(hold, index))
			return say_read_error(object, index);
		/* fall through */
	case PAGE_ABSENT:
		if (is_whole(hold, index))
			return HAS_LEFT;
		return begin_read(hold, index, count);
	case PAGE_READING:
	case PAGE_EVICTING:
		wait_for_change(&object->host->cache->waits, &object->table,
				index, word, state);
		hold->waited = state == PAGE_READING;
		return 0;
	case PAGE_LODGED:
		object_bring_home(object, index, count, true);
		return 0;
	default:
		return 0;
	}
}

/* The error of a page that is held neither before nor after. */
static int hold_one(struct hold *hold, uint64_t index, uint64_t ahead)
{
	int result;

	hold->zeros_ns = 0;
	/* Whoever asks may be far beyond what the object can ever have. */
	if (index >= object_pages(hold->object))
		return -ENXIO;
	result = try_hold(hold, index);
	if (result == 1) {
		count_add(hold->object->host->counters, COUNT_HITS, 1);
		object_count(&hold->object->counts.hits, 1);
		return 0;
	}
	count_add(hold->object->host->counters, COUNT_MISSES, 1);
	object_count(&hold->object->counts.misses, 1);
	hold->waited = false;
	while (result == 0) {
		if (index >= object_pages(hold->object))
			return -ENXIO;
		result = approach(hold, index, ahead);
		if (result == 0)
			result = try_hold(hold, index);
	}
	return result == 1 ? 0 : result;
}

/* The wait is for too long when nothing has moved meanwhile. */
static void set_deadline(struct object_host *host, struct budget_wait *wait)
{
	wait->progress = object_host_progress(host);
	wait->deadline_ns = clock_now_ns() + host->full_wait_ns;
}

static bool too_late(struct object_host *host, struct budget_wait *wait)
{
	if (clock_now_ns() < wait->deadline_ns)
		return false;
	if (object_host_progress(host) == wait->progress)
		return true;
	set_deadline(host, wait);
	return false;
}

static int say_full(struct object *object, uint64_t count)
{
	count_add(object->host->counters, COUNT_REFUSED, 1);
	return error_say(-ENOMEM,
			 "no room for %llu page(s) of %s: all of the budget of "
			 "%llu pages is pinned, or dirty and cannot be written",
			 (unsigned long long)count,
			 object->parameters.identity.name,
			 (unsigned long long)object->host->cache->budget);
}

int object_await_budget(struct object *object, uint64_t count,
			struct budget_wait *wait)
{
	struct object_host *host = object->host;
	struct sleeper sleeper;

	if (!wait->deadline_ns)
		set_deadline(host, wait);
	count_add(host->counters, COUNT_STARVED, 1);
	sleeper_init(&sleeper);
	if (cache_starve(host->cache, wait->sequence, &sleeper.waiter) &&
	    !sleeper_sleep_until(&sleeper, wait->deadline_ns) &&
	    !cache_unstarve(host->cache, &sleeper.waiter))
		sleeper_sleep(&sleeper); /* it is being woken now */
	sleeper_finish(&sleeper);
	return too_late(host, wait) ? say_full(object, count) : 0;
}

static int hold_all(struct hold *hold, uint64_t index, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		int error = hold_one(hold, index + i, count - i);

		if (error) {
			object_let_go(hold->object, index, i, hold->write);
			return error;
		}
	}
	return 0;
}

bool object_hold_resident(struct object *object, uint64_t index)
{
	if (index >= object_pages(object) ||
	    page_take_rpin(object_word(object, index), true) != PAGE_TAKEN)
		return false;
	/* Rule 11: store, then look. */
	if (index < object_pages(object) && !object_is_zeroed(object, index))
		return true;
	let_go_one(object, index, false);
	return false;
}

/* Pages were past the end: is the cut that took them refused?  Nothing is held,
 * as a cut waits for pins. */
static bool came_back(struct object *object, uint64_t index, uint64_t count)
{
	uint64_t pages = pages_of(object_await_size(object, UINT64_MAX));

	return index < pages && count <= pages - index;
}

int object_hold(struct object *object, uint64_t index, uint64_t count,
		bool write)
{
	const struct page_span none = { .count = 0 };

	return object_hold_but(object, index, count, write, &none);
}

int object_hold_but(struct object *object, uint64_t index, uint64_t count,
		    bool write, const struct page_span *whole)
{
	struct object_host *host = object->host;
	struct hold hold = {
		.object = object,
		.write = write,
		.whole = whole,
	};
	int error = 0;

	if (count > host->cache->budget)
		return say_full(object, count);
	if (write && !object->parameters.discard)
		error = host->throttle(host->context, object);
	if (error)
		return error;
	for (;;) {
		error = hold_all(&hold, index, count);
		if (error == -ENXIO && came_back(object, index, count))
			continue;
		if (error != NO_ROOM)
			return error == HAS_LEFT ? 1 : error;
		error = object_await_budget(object, count, &hold.budget);
		if (error)
			return error;
	}
}
