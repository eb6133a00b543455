/* robust.c - robust mutexes in taken memory */
/* SPDX-License-Identifier: MIT */
/*
 * When a process dies its kernel marks the robust mutexes that it held, and
 * that store cannot wait for the server any more.  So before one is locked the
 * server is asked, once a page, to keep the page as it is once it was stored
 * to.  All other mutexes cost one look at their kind.
 */
#include "robust.h"

#include "client.h"
#include "ranges.h"
#include "real.h"

#include <pthread.h>

#define PAGE ((uintptr_t)4096)
#define NOTED 256
#define PROBES 8
/* In glibc's kind: PTHREAD_MUTEX_ROBUST_NORMAL_NP and those that follow. */
#define ROBUST_KIND 16

/* Pages that the server was asked to keep, or that are not taken; 0: none.
 * One that is forgotten is asked for once more. */
static _Atomic uintptr_t noted[NOTED];

void robust_forget(void)
{
	for (size_t i = 0; i < NOTED; i++)
		atomic_store(&noted[i], 0);
}

static _Atomic uintptr_t *place_of(uintptr_t page, size_t probe)
{
	uint64_t hash = (page >> 12) * UINT64_C(0x9e3779b97f4a7c15);

	return &noted[((hash >> 56) + probe) % NOTED];
}

static bool is_noted(uintptr_t page)
{
	for (size_t i = 0; i < PROBES; i++) {
		/* relaxed: the caller's own mutex lies there, so he knows that
		 * it is mapped since */
		if (atomic_load_explicit(place_of(page, i),
					 memory_order_relaxed) == page)
			return true;
	}
	return false;
}

static void note(uintptr_t page)
{
	for (size_t i = 0; i < PROBES; i++) {
		uintptr_t none = 0;

		if (atomic_compare_exchange_strong(place_of(page, i), &none,
						   page))
			return;
	}
	atomic_store(place_of(page, 0), page);
}

static bool is_taken(uintptr_t page)
{
	struct range *range;
	bool shared;

	ranges_lock();
	range = table_find(&ranges, page, page + PAGE);
	shared = range && range->flags == RANGE_SHARED;
	ranges_unlock();
	return shared;
}

/* What the server cannot keep stays as it is: it says so at the end. */
static void ask(uintptr_t page)
{
	struct call call = {
		.request.type = REQUEST_KEEP,
		.request.address = page,
	};

	client_call(&call);
}

void robust_ask_again(void)
{
	for (size_t i = 0; i < NOTED; i++) {
		uintptr_t page = atomic_load(&noted[i]);

		if (page && is_taken(page))
			ask(page);
	}
}

/* What one server keeps the next one knows nothing of. */
static void follow_server(void)
{
	static _Atomic uint64_t asked;
	uint64_t now = client_generation();

	if (atomic_exchange(&asked, now) != now)
		robust_ask_again();
}

static void keep(const pthread_mutex_t *mutex)
{
	uintptr_t page = (uintptr_t)mutex & ~(PAGE - 1);

	follow_server();
	for (; page < (uintptr_t)(mutex + 1); page += PAGE) {
		if (is_noted(page))
			continue;
		if (is_taken(page))
			ask(page);
		note(page);
	}
}

static void prepare(const pthread_mutex_t *mutex)
{
	if ((mutex->__data.__kind & ROBUST_KIND) &&
	    ranges_reach(mutex, sizeof(*mutex)))
		keep(mutex);
}

static int mutex_lock(pthread_mutex_t *mutex)
{
	prepare(mutex);
	return real.mutex_lock(mutex);
}
EXPORT(pthread_mutex_lock, mutex_lock);

static int mutex_trylock(pthread_mutex_t *mutex)
{
	prepare(mutex);
	return real.mutex_trylock(mutex);
}
EXPORT(pthread_mutex_trylock, mutex_trylock);

static int mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until)
{
	prepare(mutex);
	return real.mutex_timedlock(mutex, until);
}
EXPORT(pthread_mutex_timedlock, mutex_timedlock);

static int mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
			   const struct timespec *until)
{
	prepare(mutex);
	return real.mutex_clocklock(mutex, clock, until);
}
EXPORT(pthread_mutex_clocklock, mutex_clocklock);
