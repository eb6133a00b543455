/* watch.c - whose accesses a signal handler looks after */
/* SPDX-License-Identifier: MIT */
/*
 *   SIGSEGV -> below, or inside, what grows downwards?   grow_down.c
 *   SIGBUS  -> a page that is absent or protected, of a space whose traps are
 *              resolved in place?                        in_place.c
 *   neither -> to a guard, or whoever had the signal
 *
 * Why a handler may take the space's lock.  The access itself raised the
 * signal, so what is interrupted is at a load or store of managed memory: code
 * of the program's, or a copy of ours, and under no lock of ours but that of an
 * object's size, which ranks above (base/lock.h).  So this thread does not hold
 * the space's lock, and whoever does waits for no access.  All signals are
 * blocked until it touches nothing of the engine's any more: no handler of the
 * program's runs under the lock, or leaves it by a long jump.  Nothing here may
 * call malloc, which the access may have interrupted.
 *
 * A child of fork() has none of the mappings, and locks in whatever state: so
 * it is asked first whether this is the process that began.
 */
#include "fault/watch.h"

#include "fault/grow_down.h"
#include "fault/in_place.h"
#include "os/page_sleep.h"
#include "os/process.h"
#include "os/signals.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#define WATCHED 64u

struct watched {
	_Atomic(struct fault_handler *) handler; /* NULL: none */
	_Atomic unsigned inside;                 /* signal handlers at it */
};

static struct watched watched[WATCHED];

struct access {
	const siginfo_t *info;
	const ucontext_t *context;
	enum in_place in_place; /* what the last one said of a SIGBUS */
	struct page_sleep sleep;
	uint64_t layouts; /* in_place.h */
};

/* True: there is an answer. */
static bool see_to(struct watched *entry, struct access *access)
{
	struct fault_handler *handler;
	bool known = false;

	atomic_fetch_add(&entry->inside, 1); /* fault_unwatch() waits */
	handler = atomic_load(&entry->handler);
	if (handler && access->info->si_signo == SIGSEGV) {
		known = grow_down_try(handler->space, access->info);
	} else if (handler && handler->mmu->in_place) {
		access->in_place = in_place_try(handler, access->info,
						access->context, &access->sleep,
						&access->layouts);
		known = access->in_place != IN_PLACE_ELSEWHERE;
	}
	atomic_fetch_sub(&entry->inside, 1);
	return known;
}

static bool on_signal(const siginfo_t *info, ucontext_t *context)
{
	struct access access = {
		.info = info,
		.context = context,
		.in_place = IN_PLACE_AGAIN,
	};
	bool known = false;

	if (!process_is_marked())
		return false;
	for (unsigned i = 0; i < WATCHED && !known; i++)
		if (atomic_load(&watched[i].handler))
			known = see_to(&watched[i], &access);
	/* Not at the handler any more: a long jump would leave it so for ever. */
	if (access.in_place == IN_PLACE_PARKED) {
		in_place_sleep(&access.sleep, context);
		return true;
	}
	if (access.in_place == IN_PLACE_ELSEWHERE)
		return in_place_once_more(info, access.layouts);
	return known && access.in_place == IN_PLACE_AGAIN;
}

static void forget_in_child(void)
{
	for (unsigned i = 0; i < WATCHED; i++) {
		atomic_store(&watched[i].handler, NULL);
		atomic_store(&watched[i].inside, 0);
	}
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, forget_in_child);
}

static bool is_watched(const struct fault_handler *handler)
{
	unsigned i = 0;

	while (i < WATCHED && atomic_load(&watched[i].handler) != handler)
		i++;
	return i < WATCHED;
}

/* Two threads may take a place each: both are given back. */
static bool take_place(struct fault_handler *handler)
{
	for (unsigned i = 0; i < WATCHED; i++) {
		struct fault_handler *none = NULL;

		if (atomic_compare_exchange_strong(&watched[i].handler, &none,
						   handler)) /* see_to() */
			return true;
	}
	return false;
}

int fault_watch(struct fault_handler *handler)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int error;

	pthread_once(&once, watch_forks);
	error = process_mark();
	if (error)
		return error;
	if (!is_watched(handler) && !take_place(handler))
		return error_say(-EAGAIN,
				 "more than %u engines have mappings that grow "
				 "downwards, or traps by SIGBUS",
				 WATCHED);
	return signals_hook_traps(on_signal);
}

void fault_unwatch(struct fault_handler *handler)
{
	for (unsigned i = 0; i < WATCHED; i++) {
		struct fault_handler *expected = handler;

		if (!atomic_compare_exchange_strong(&watched[i].handler,
						    &expected, NULL))
			continue;
		while (atomic_load(&watched[i].inside)) /* see_to() */
			sched_yield();
	}
}
