/* waiting.c - faults that wait for room, for writers or for a while */
/* SPDX-License-Identifier: MIT */
/*
 * One lock joins the handler's lists with the queues of the cache and of the
 * dirty bound: a fault is parked there and listed here in one step, and taken
 * from both in one step, so that exactly one of waker and clock has it.
 */
#include "fault/fault_private.h"

#define REFUSED_PAUSE_MOST_NS UINT64_C(8000000000)

/* The lock is held.  True: the trap threads must be told. */
static bool list_until(struct fault *fault, struct list *list, uint64_t due_ns)
{
	struct fault_handler *handler = fault->handler;

	fault->due_ns = due_ns;
	list_add_tail(list, &fault->link);
	if (due_ns >= handler->next_time_ns)
		return false;
	handler->next_time_ns = due_ns;
	return true;
}

void fault_delay(struct fault *fault, uint64_t pause_ns)
{
	struct fault_handler *handler = fault->handler;
	bool tell;

	lock_take(&handler->lock);
	fault->wait = FAULT_WAITS_TIME;
	tell = list_until(fault, &handler->waiting, clock_now_ns() + pause_ns);
	lock_drop(&handler->lock);
	if (tell)
		fault_handler_kick(handler);
}

void fault_keep_refused(struct fault *fault)
{
	struct fault_handler *handler = fault->handler;
	bool tell;

	fault->again = true;
	fault->write = false;
	fault->waited = false;
	fault->count = 1;
	fault->install_pages = 1;
	lock_take(&handler->lock);
	fault->wait = FAULT_WAITS_TIME;
	tell = list_until(fault, &handler->refused,
			  clock_now_ns() + fault->pause_ns);
	fault->pause_ns *= 2;
	if (fault->pause_ns > REFUSED_PAUSE_MOST_NS)
		fault->pause_ns = REFUSED_PAUSE_MOST_NS;
	lock_drop(&handler->lock);
	if (tell)
		fault_handler_kick(handler);
}

bool fault_is_refused(struct fault_handler *handler, uint64_t address,
		      uint64_t generation)
{
	struct list *link;
	bool refused = false;

	lock_take(&handler->lock);
	list_for_each(link, &handler->refused) {
		const struct fault *fault =
			container_of(link, struct fault, link);

		refused |= fault->address == address &&
			   fault->generation == generation;
	}
	lock_drop(&handler->lock);
	return refused;
}

void fault_relieved(struct fault *fault)
{
	fault->since_ns = 0;
}

/* True: it has waited for long enough, and what it hopes for stands still. */
static bool expired(struct fault *fault, uint64_t progress)
{
	uint64_t now = clock_now_ns();

	if (fault->since_ns == 0 || progress != fault->progress) {
		fault->since_ns = now;
		fault->progress = progress;
		return false;
	}
	return now - fault->since_ns >= fault->handler->host->full_wait_ns;
}

static uint64_t slice_end(const struct fault_handler *handler)
{
	return clock_now_ns() + handler->host->full_wait_ns / 4 + 1;
}

bool fault_wait_for_room(struct fault *fault, uint64_t sequence, bool *too_long)
{
	struct fault_handler *handler = fault->handler;
	bool parked, tell = false;

	*too_long = expired(fault, object_host_progress(handler->host));
	if (*too_long)
		return false;
	count_add(handler->host->counters, COUNT_STARVED, 1);
	lock_take(&handler->lock);
	parked = cache_starve(handler->host->cache, sequence, &fault->waiter);
	if (parked) {
		fault->wait = FAULT_WAITS_ROOM;
		tell = list_until(fault, &handler->waiting, slice_end(handler));
	}
	lock_drop(&handler->lock);
	if (tell)
		fault_handler_kick(handler);
	return parked;
}

bool fault_wait_for_writer(struct fault *fault, const struct object *object,
			   bool *too_long)
{
	struct fault_handler *handler = fault->handler;
	bool parked, tell = false;

	/* Pages that are only evicted make no room under the bound. */
	*too_long =
		expired(fault, writeback_progress(handler->writeback, object));
	if (*too_long)
		return false;
	count_add(handler->host->counters, COUNT_THROTTLED, 1);
	lock_take(&handler->lock);
	parked = writeback_park(handler->writeback, object, &fault->waiter);
	if (parked) {
		fault->wait = FAULT_WAITS_THROTTLE;
		tell = list_until(fault, &handler->waiting, slice_end(handler));
	}
	lock_drop(&handler->lock);
	writeback_kick(handler->writeback, false);
	if (tell)
		fault_handler_kick(handler);
	return parked;
}

/* Takes a fault whose time has come back from where it is parked as well. */
static bool take_back(struct fault *fault)
{
	switch (fault->wait) {
	case FAULT_WAITS_ROOM:
		return cache_unstarve(fault->handler->host->cache,
				      &fault->waiter);
	case FAULT_WAITS_THROTTLE:
		return writeback_unpark(fault->handler->writeback,
					&fault->waiter);
	default:
		return true;
	}
}

/* Moves what is due to the ready list; the lock is held. */
static void tick_list(struct fault_handler *handler, struct list *list,
		      uint64_t now)
{
	struct list *link, *after;

	list_for_each_safe(link, after, list) {
		struct fault *fault = container_of(link, struct fault, link);

		if (fault->due_ns <= now) {
			list_remove(link);
			if (take_back(fault))
				list_add_tail(&handler->ready, link);
		} else if (fault->due_ns < handler->next_time_ns) {
			handler->next_time_ns = fault->due_ns;
		}
	}
}

int fault_handler_tick(struct fault_handler *handler)
{
	uint64_t now = clock_now_ns();
	int pause = -1;

	lock_take(&handler->lock);
	if (handler->next_time_ns <= now) {
		handler->next_time_ns = UINT64_MAX;
		tick_list(handler, &handler->waiting, now);
		tick_list(handler, &handler->refused, now);
	}
	if (!list_empty(&handler->ready))
		pause = 0;
	else if (handler->next_time_ns != UINT64_MAX)
		pause = (int)((handler->next_time_ns - now) / 1000000) + 1;
	lock_drop(&handler->lock);
	return pause;
}

void fault_handler_retry(struct fault_handler *handler)
{
	struct list *link;
	bool any = false;

	lock_take(&handler->lock);
	list_for_each(link, &handler->refused) {
		container_of(link, struct fault, link)->due_ns = 0;
		any = true;
	}
	if (any)
		handler->next_time_ns = 0;
	lock_drop(&handler->lock);
	if (any)
		fault_handler_kick(handler);
}

/* The lock is held. */
static void forget_list(struct list *list, bool parked)
{
	struct list *link;

	while ((link = list_pop(list))) {
		struct fault *fault = container_of(link, struct fault, link);

		if (!parked || take_back(fault))
			fault_destroy(fault);
	}
}

/* A fault outlives its mapping until its time has come. */
void fault_handler_forget(struct fault_handler *handler)
{
	lock_take(&handler->lock);
	forget_list(&handler->waiting, true);
	forget_list(&handler->refused, false);
	forget_list(&handler->ready, false);
	handler->next_time_ns = UINT64_MAX;
	lock_drop(&handler->lock);
}
