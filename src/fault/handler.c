/* handler.c - the threads that take traps, and what became ready */
/* SPDX-License-Identifier: MIT */
#include "fault/fault_private.h"

#include "base/probe.h"
#include "fault/watch.h"
#include "os/memory.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TRAPS_AT_ONCE 32

/* Whose ready list this thread will drain before it sleeps: no need to wake
 * another one for it. */
static _Thread_local struct fault_handler *drains;

void fault_handler_kick(struct fault_handler *handler)
{
	uint64_t one = 1;
	ssize_t written = write(handler->wake_fd, &one, sizeof(one));

	(void)written; /* full: they are awake */
}

static void fault_wake(struct waiter *waiter)
{
	struct fault *fault = container_of(waiter, struct fault, waiter);
	struct fault_handler *handler = fault->handler;

	lock_take(&handler->lock);
	if (fault->wait != FAULT_WAITS_NOT && fault->link.next)
		list_remove(&fault->link); /* from the waiting */
	lock_drop(&handler->lock);
	fault_ready(fault);
}

void fault_ready(struct fault *fault)
{
	struct fault_handler *handler = fault->handler;

	lock_take(&handler->lock);
	fault->wait = FAULT_WAITS_NOT;
	list_add_tail(&handler->ready, &fault->link);
	/* Under the lock: without it the handler may be gone with the fault
	 * (fault_handler_abandon()). */
	if (drains != handler)
		fault_handler_kick(handler);
	lock_drop(&handler->lock);
}

struct fault *fault_create(struct fault_handler *handler, uint64_t address,
			   bool write)
{
	struct fault *fault = pool_take(&handler->faults);

	if (!fault)
		return NULL;
	atomic_fetch_add(&handler->live, 1);
	fault->handler = handler;
	fault->waiter.wake = fault_wake;
	fault->address = page_round_down(address);
	fault->write = write;
	return fault;
}

void fault_destroy(struct fault *fault)
{
	struct fault_handler *handler = fault->handler;

	pool_drop(&handler->faults, fault);
	atomic_fetch_sub(&handler->live, 1); /* fault_handler_abandon() */
}

static struct fault *next_ready(struct fault_handler *handler)
{
	struct list *link;

	lock_take(&handler->lock);
	link = list_pop(&handler->ready);
	if (link)
		container_of(link, struct fault, link)->wait = FAULT_WAITS_NOT;
	lock_drop(&handler->lock);
	return link ? container_of(link, struct fault, link) : NULL;
}

void fault_handler_drain(struct fault_handler *handler)
{
	struct fault *fault;

	drains = handler;
	while ((fault = next_ready(handler)))
		fault_resolve(fault);
}

static struct fault *trap_create(struct fault_handler *handler,
				 const struct mmu_trap *trap)
{
	struct counters *counters = handler->host->counters;
	struct fault *fault;

	probe2(trap, trap->address, trap->write);
	count_add(counters, COUNT_TRAPS, 1);
	if (trap->write)
		count_add(counters, COUNT_WRITE_TRAPS, 1);
	fault = fault_create(handler, trap->address, trap->write);
	if (fault)
		fault->shown = trap->shown;
	return fault;
}

bool fault_take_in_place(struct fault_handler *handler,
			 const struct mmu_trap *trap)
{
	struct fault *fault;
	bool resolved;
	int before;

	/* It was a load: no place where a thread should expect to end. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	fault = trap_create(handler, trap);
	resolved = !fault /* no memory: it comes again */
		   || fault_resolve_in_place(fault);
	pthread_setcancelstate(before, NULL);
	return resolved;
}

static void take_trap(struct fault_handler *handler,
		      const struct mmu_trap *trap)
{
	struct fault *fault = trap_create(handler, trap);

	if (fault)
		fault_resolve(fault);
	else /* no memory: the thread comes again */
		mmu_wake(handler->mmu, page_round_down(trap->address),
			 PAGE_SIZE);
}

/* How many. */
static int take_some(struct fault_handler *handler)
{
	struct mmu_trap traps[TRAPS_AT_ONCE];
	int count = mmu_take_traps(handler->mmu, traps, TRAPS_AT_ONCE);

	for (int i = 0; i < count; i++)
		take_trap(handler, &traps[i]);
	return count;
}

bool fault_handler_take_traps(struct fault_handler *handler)
{
	return take_some(handler) > 0;
}

static void take_kick(struct fault_handler *handler)
{
	uint64_t kicks;
	ssize_t got = read(handler->wake_fd, &kicks, sizeof(kicks));

	(void)got; /* nothing: another trap thread has had it */
}

int fault_handler_poll(struct fault_handler *handler)
{
	int taken, pause;

	drains = handler;
	take_kick(handler);
	fault_handler_tick(handler);
	taken = take_some(handler);
	fault_handler_drain(handler);
	pause = fault_handler_tick(handler);
	drains = NULL; /* the thread does other things in between */
	return taken == TRAPS_AT_ONCE ? 0 : pause;
}

bool fault_handler_abandon(struct fault_handler *handler)
{
	take_kick(handler);
	fault_handler_forget(handler);
	return atomic_load(&handler->live) == 0; /* fault_destroy() */
}

static void *trap_thread(void *argument)
{
	struct fault_handler *handler = argument;
	struct pollfd polled[] = {
		{ .fd = handler->traps_elsewhere ? -1
						 : mmu_traps_fd(handler->mmu),
		  .events = POLLIN },
		{ .fd = handler->wake_fd, .events = POLLIN },
	};

	drains = handler;
	while (!atomic_load(&handler->stopping)) {
		int pause = fault_handler_tick(handler);

		if (poll(polled, 2, pause) > 0) {
			if (polled[0].revents & POLLIN)
				fault_handler_take_traps(handler);
			if (polled[1].revents & POLLIN)
				take_kick(handler);
		}
		fault_handler_drain(handler);
	}
	fault_handler_kick(handler); /* the next one may be asleep */
	return NULL;
}

void fault_handler_stop(struct fault_handler *handler)
{
	fault_unwatch(handler);
	atomic_store(&handler->stopping, true); /* read by trap_thread() */
	fault_handler_kick(handler);
	for (unsigned i = 0; i < handler->threads; i++)
		pthread_join(handler->thread[i], NULL);
	handler->threads = 0;
}

int fault_handler_init(struct fault_handler *handler, struct space *space,
		       struct object_host *host, struct writeback *writeback,
		       unsigned threads, bool traps_elsewhere)
{
	int error = 0;

	handler->space = space;
	handler->mmu = space->mmu;
	handler->host = host;
	handler->writeback = writeback;
	handler->next_time_ns = UINT64_MAX;
	handler->next_refusal = 0;
	handler->unknown = NULL;
	handler->unknown_context = NULL;
	atomic_store(&handler->live, 0);
	handler->traps_elsewhere = traps_elsewhere;
	atomic_store(&handler->stopping, false);
	handler->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (handler->wake_fd < 0)
		return -errno;
	lock_init(&handler->lock, LOCK_RANK_FAULTS);
	list_init(&handler->ready);
	list_init(&handler->waiting);
	list_init(&handler->refused);
	pool_init(&handler->faults, sizeof(struct fault), LOCK_RANK_STORE,
		  memory_pool_map, memory_unmap);
	for (handler->threads = 0; handler->threads < threads && !error;) {
		error = thread_start(&handler->thread[handler->threads],
				     "quire-trap", trap_thread, handler);
		if (!error)
			handler->threads++;
	}
	if (error)
		fault_handler_finish(handler);
	return error;
}

void fault_handler_finish(struct fault_handler *handler)
{
	fault_handler_stop(handler);
	fault_handler_forget(handler);
	pool_finish(&handler->faults);
	lock_finish(&handler->lock);
	close(handler->wake_fd);
}
