/* throttle.c - writers wait while too much is dirty */
/* SPDX-License-Identifier: MIT */
#include "writeback/writeback_private.h"

#include <errno.h>

bool writeback_over_bound(const struct writeback *writeback)
{
	return atomic_load(&writeback->host->cache->must_go) >=
	       writeback->bound;
}

bool writeback_park(struct writeback *writeback, struct waiter *waiter)
{
	bool parked;

	lock_take(&writeback->throttle_lock);
	/* relax() takes the lock after the count fell: it sees us, or we it. */
	parked = writeback_over_bound(writeback);
	if (parked) {
		waiter->place = writeback;
		list_add_tail(&writeback->throttled, &waiter->link);
	}
	lock_drop(&writeback->throttle_lock);
	return parked;
}

bool writeback_unpark(struct writeback *writeback, struct waiter *waiter)
{
	bool parked;

	lock_take(&writeback->throttle_lock);
	parked = waiter->place == writeback;
	if (parked) {
		waiter->place = NULL;
		list_remove(&waiter->link);
	}
	lock_drop(&writeback->throttle_lock);
	return parked;
}

void writeback_relax(struct writeback *writeback)
{
	struct list woken, *link;

	if (writeback_over_bound(writeback))
		return;
	list_init(&woken);
	lock_take(&writeback->throttle_lock);
	list_for_each(link, &writeback->throttled)
		container_of(link, struct waiter, link)->place = NULL;
	list_splice_tail(&woken, &writeback->throttled);
	lock_drop(&writeback->throttle_lock);
	while ((link = list_pop(&woken))) {
		struct waiter *waiter = container_of(link, struct waiter, link);

		waiter->wake(waiter);
	}
}

/* A while at most: a cut makes room, too, and tells nobody. */
static void sleep_a_while(struct writeback *writeback)
{
	uint64_t deadline_ns = clock_now_ns() + UINT64_C(100000000);
	struct sleeper sleeper;

	sleeper_init(&sleeper);
	if (writeback_park(writeback, &sleeper.waiter) &&
	    !sleeper_sleep_until(&sleeper, deadline_ns) &&
	    !writeback_unpark(writeback, &sleeper.waiter))
		sleeper_sleep(&sleeper); /* it is being woken now */
	sleeper_finish(&sleeper);
}

int writeback_throttle(struct writeback *writeback)
{
	uint64_t since_ns = 0, progress = 0;

	while (writeback_over_bound(writeback)) {
		uint64_t now_ns = clock_now_ns();

		if (since_ns == 0 ||
		    progress != atomic_load(&writeback->host->got_home)) {
			since_ns = now_ns;
			progress = atomic_load(&writeback->host->got_home);
		}
		if (now_ns - since_ns > writeback->host->full_wait_ns)
			return error_say(-EIO,
					 "too much is dirty, and nothing can "
					 "be written");
		count_add(writeback->host->counters, COUNT_THROTTLED, 1);
		writeback_kick(writeback, false);
		sleep_a_while(writeback);
	}
	return 0;
}
