/* in_place.c - a trap is resolved by the thread that ran into it */
/* SPDX-License-Identifier: MIT */
/*
 *   access -> SIGBUS -> whose page?
 *      refused:                 to a guard, or whoever had the signal
 *      nobody's of us:          once more, as it may just have been unmapped;
 *                               then the same
 *      past the end:            once more after a pause, as the size may just
 *                               be changing; then the same
 *      about to be cut off:     again and again, after a pause each time, until
 *                               the store has agreed or refused
 *      else: one round of a fault, which may read the page itself
 *              done:     the access is tried again
 *              parked:   the engine's threads have it now; sleeps until they
 *                        have shown the page, and tries again
 *
 * No switch of threads where nobody else is at the page.  While it waits for
 * others the program's own signals are let in; their handlers may leave by a
 * long jump, as nothing is held: the fault is in other hands.
 *
 * The kernel does not say whether it was a store, and to a page that was shown; the
 * processor does.
 */
#include "fault/in_place.h"

#include "fault/fault_private.h"
#include "fault/retry.h"
#include "os/page_sleep.h"

#include <time.h>

#define PAUSE_NS 1000000

enum place {
	ELSEWHERE, /* no business of ours */
	PAST_END,
	BEING_CUT, /* the same, or the size comes back */
	REFUSED,
	INSIDE,
};

static _Thread_local struct retry last;

static struct mmu_trap trap_at(uint64_t page, const ucontext_t *context)
{
#if defined(__x86_64__)
	bool write = context->uc_mcontext.gregs[REG_ERR] & 0x2;
	bool present = context->uc_mcontext.gregs[REG_ERR] & 0x1;
#else
#error "how does this processor say that an access was a store?"
#endif
	return (struct mmu_trap){
		.address = page,
		.write = write,
		.shown = write && present,
	};
}

static enum place place_in(const struct object *object, uint64_t index)
{
	if (index < object_pages(object))
		return INSIDE;
	return object_cut_undecided(object, index << PAGE_SHIFT) ? BEING_CUT
								 : PAST_END;
}

static enum place place_of(struct fault_handler *handler, struct retry *now)
{
	struct space *space = handler->space;
	enum place place = ELSEWHERE;
	const struct vma *vma;

	rwlock_take_read(&space->lock);
	vma = space_find(space, now->page);
	if (vma)
		place = place_in(vma->handle->object,
				 vma_index_at(vma, now->page));
	now->generation = space->generation;
	rwlock_drop_read(&space->lock);
	/* The kernel's answer may be the same for what is absent and what is
	 * refused. */
	if (place == INSIDE &&
	    fault_is_refused(handler, now->page, now->generation))
		place = REFUSED;
	return place;
}

static enum in_place pause_and_retry(void)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };

	nanosleep(&pause, NULL);
	return IN_PLACE_AGAIN;
}

static enum in_place resolve(struct fault_handler *handler,
			     const struct mmu_trap *trap,
			     struct page_sleep *sleep)
{
	page_sleep_prepare(sleep, trap->address);
	return fault_take_in_place(handler, trap) ? IN_PLACE_AGAIN
						  : IN_PLACE_PARKED;
}

enum in_place in_place_try(struct fault_handler *handler, const siginfo_t *info,
			   const ucontext_t *context, struct page_sleep *sleep,
			   uint64_t *layouts)
{
	struct retry now = {
		.space = handler->space,
		.page = page_round_down((uint64_t)(uintptr_t)info->si_addr),
	};
	struct mmu_trap trap = trap_at(now.page, context);

	if (info->si_code != BUS_ADRERR)
		return IN_PLACE_FAILED;
	switch (place_of(handler, &now)) {
	case INSIDE:
		return resolve(handler, &trap, sleep);
	case PAST_END:
		return retry_first_time(&last, now) ? pause_and_retry()
						    : IN_PLACE_FAILED;
	case BEING_CUT:
		return pause_and_retry();
	case REFUSED:
		return IN_PLACE_FAILED;
	case ELSEWHERE:
	default:
		*layouts += now.generation;
		return IN_PLACE_ELSEWHERE;
	}
}

void in_place_sleep(struct page_sleep *sleep, const ucontext_t *context)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &context->uc_sigmask, NULL);
	page_sleep(sleep);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
}

bool in_place_once_more(const siginfo_t *info, uint64_t layouts)
{
	struct retry now = {
		.page = page_round_down((uint64_t)(uintptr_t)info->si_addr),
		.generation = layouts,
	};

	return retry_first_time(&last, now);
}
