/* grow_down.c - an access below a mapping that grows downwards */
/* SPDX-License-Identifier: MIT */
/*
 * On the host's MMU nothing is mapped there: the kernel raises SIGSEGV with
 * SEGV_MAPERR, on the thread whose access it is (watch.c).
 *
 *   below what grows, and it has grown:  the access is tried again, traps
 *   inside of what grows:                once again, as it may just grow
 *   else:                                to a guard, or whoever had it
 *
 * Why it needs no malloc.  A VMA that grows keeps its place in the tree, so
 * space_expand_stack() takes none; the host's part is system calls, and the
 * words of mmu_sigsegv_shadow.c come from the host.  Nobody makes an object
 * here: where the space's backing has no page below, the growth is refused;
 * and where it is taken it waits for a while, holding nothing, for what was
 * unmapped there to be given back.
 */
#include "fault/grow_down.h"

#include "fault/retry.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#define PAUSE_NS 1000000
#define MOST_PAUSES 1000

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

static _Thread_local struct retry last;

bool grow_down_try(struct space *space, const siginfo_t *info)
{
	struct retry now = {
		.space = space,
		.page = page_round_down((uint64_t)(uintptr_t)info->si_addr),
	};

	if (info->si_code != SEGV_MAPERR && info->si_code != SEGV_ACCERR)
		return false;
	switch (place_of(space, now.page, &now.generation)) {
	case BELOW:
		return info->si_code == SEGV_MAPERR && expand(space, now.page);
	case INSIDE:
		/* Another thread may just be mapping it (it begins with no
		 * rights); once only, as it may be denied, or guarded. */
		return retry_first_time(&last, now);
	case ELSEWHERE:
	default:
		return false;
	}
}
