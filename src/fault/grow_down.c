/* grow_down.c - an access below a mapping that grows downwards */
/* SPDX-License-Identifier: MIT */
/*
 * On the host's MMU nothing is mapped there: the kernel raises SIGSEGV with
 * SEGV_MAPERR, on the thread whose access it is.
 *
 *   access -> SIGSEGV -> is it of this process?
 *      below what grows, and it has grown:  the access is tried again, traps
 *      inside of what grows:                once again, as it may just grow
 *      else:                                to a guard, or whoever had it
 *
 * Why a handler may take the space's write lock.  The access itself raised the
 * signal, so what is interrupted is at a load or store of managed memory:
 * code of the program's, or a copy of ours, and under no lock of ours but that
 * of an object's size, which ranks above (base/lock.h).  So this thread does
 * not hold the space's lock, and whoever does waits for no access.  All
 * signals are blocked meanwhile: no handler of the program's runs under the
 * lock, or leaves it by a long jump.
 *
 * Why it needs no malloc.  A VMA that grows keeps its place in the tree, so
 * space_expand_stack() takes none; the host's part is system calls, and the
 * words of mmu_sigsegv_shadow.c come from the host.  Nobody makes an object
 * here: where the space's backing has no page below, the growth is refused;
 * and where it is taken it waits for a while, holding nothing, for what was
 * unmapped there to be given back.
 *
 * A child of fork() has none of the mappings, and locks in whatever state: so
 * it is asked first whether this is the process that began.
 */
#include "fault/grow_down.h"

#include "os/signals.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define WATCHED 64u
#define PAUSE_NS 1000000
#define MOST_PAUSES 1000

struct watched {
	_Atomic(struct space *) space; /* NULL: none */
	_Atomic unsigned inside;       /* handlers that are at it */
};

static struct watched watched[WATCHED];
static _Atomic pid_t process; /* in another one nothing is ours */

/* ---- growing ---- */

enum place {
	ELSEWHERE, /* no business of ours */
	BELOW,     /* of what grows, and nothing is mapped */
	INSIDE,    /* of what grows */
};

static enum place place_of(struct space *space, uint64_t address,
			   uint64_t *generation)
{
	enum place place = ELSEWHERE;
	const struct vma *vma;

	rwlock_take_read(&space->lock);
	vma = space_find_intersection(space, address, UINT64_MAX);
	if (vma && (vma->flags & VM_GROWSDOWN))
		place = vma_contains(vma, address) ? INSIDE : BELOW;
	*generation = space->generation;
	rwlock_drop_read(&space->lock);
	return place;
}

static bool expand(struct space *space, uint64_t address)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	int error = space_expand_stack(space, address);

	for (int i = 0; error == -EAGAIN && i < MOST_PAUSES; i++) {
		nanosleep(&pause, NULL);
		error = space_expand_stack(space, address);
	}
	return error == 0;
}

bool grow_down(struct space *space, uint64_t address)
{
	uint64_t page = page_round_down(address), generation;
	enum place place = place_of(space, page, &generation);

	return place == INSIDE || (place == BELOW && expand(space, page));
}

/* ---- the handler ---- */

/* What was tried again last, with what layout. */
struct retry {
	const struct space *space;
	uint64_t page;
	uint64_t generation;
};

/* In the thread's first block of storage: a signal handler may look at it. */
static _Thread_local struct retry last
	__attribute__((tls_model("initial-exec")));

/*
 * A touch of what another thread is just mapping (it begins with no rights) is
 * tried again; once, as it may be one that is denied, or guarded.
 */
static bool first_time(struct retry now)
{
	bool again = last.space == now.space && last.page == now.page &&
		     last.generation == now.generation;

	last = now;
	return !again;
}

static bool try_again(struct space *space, const siginfo_t *info)
{
	struct retry now = {
		.space = space,
		.page = page_round_down((uint64_t)(uintptr_t)info->si_addr),
	};

	switch (place_of(space, now.page, &now.generation)) {
	case BELOW:
		return info->si_code == SEGV_MAPERR && expand(space, now.page);
	case INSIDE:
		return first_time(now);
	case ELSEWHERE:
	default:
		return false;
	}
}

static bool try_again_in(struct watched *entry, const siginfo_t *info)
{
	struct space *space;
	bool again;

	atomic_fetch_add(&entry->inside, 1); /* grow_down_forget() waits */
	space = atomic_load(&entry->space);
	again = space && try_again(space, info);
	atomic_fetch_sub(&entry->inside, 1);
	return again;
}

static bool on_sigsegv(const siginfo_t *info, ucontext_t *context)
{
	sigset_t all, before;
	bool again = false;

	(void)context;
	if ((info->si_code != SEGV_MAPERR && info->si_code != SEGV_ACCERR) ||
	    getpid() != atomic_load(&process))
		return false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (unsigned i = 0; i < WATCHED && !again; i++)
		again = try_again_in(&watched[i], info);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return again;
}

/* ---- who is watched ---- */

static void forget_in_child(void)
{
	for (unsigned i = 0; i < WATCHED; i++) {
		atomic_store(&watched[i].space, NULL);
		atomic_store(&watched[i].inside, 0);
	}
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, forget_in_child);
}

static bool is_watched(const struct space *space)
{
	unsigned i = 0;

	while (i < WATCHED && atomic_load(&watched[i].space) != space)
		i++;
	return i < WATCHED;
}

/* Two threads may take a place each: both are given back. */
static bool take_place(struct space *space)
{
	for (unsigned i = 0; i < WATCHED; i++) {
		struct space *none = NULL;

		if (atomic_compare_exchange_strong(&watched[i].space, &none,
						   space)) /* try_again_in() */
			return true;
	}
	return false;
}

int grow_down_watch(struct space *space)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, watch_forks);
	atomic_store(&process, getpid()); /* on_sigsegv() */
	if (!is_watched(space) && !take_place(space))
		return error_say(-EAGAIN,
				 "more than %u engines have mappings "
				 "that grow downwards",
				 WATCHED);
	return signals_hook_traps(on_sigsegv);
}

void grow_down_forget(struct space *space)
{
	for (unsigned i = 0; i < WATCHED; i++) {
		struct space *expected = space;

		if (!atomic_compare_exchange_strong(&watched[i].space,
						    &expected, NULL))
			continue;
		while (atomic_load(&watched[i].inside)) /* try_again_in() */
			sched_yield();
	}
}
