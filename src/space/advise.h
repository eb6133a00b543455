/* advise.h - madvise, mlock and mincore: what is told of pages, and asked */
/* SPDX-License-Identifier: MIT */
/*
 * Some advice changes flags: space_advise() does all of it.  The rest acts on
 * pages, and may block: space_advise_next() looks at one stretch after the
 * other under the space's lock, changes there what must be changed under it,
 * and says which pages of which object are meant; the caller acts with no lock
 * held, lets go of the stretch, and asks for the next one.
 *
 * => no lock of LOCK_RANK_SPACE or below is held
 */
#ifndef QUIRE_SPACE_ADVISE_H
#define QUIRE_SPACE_ADVISE_H

#include "object/anon.h"
#include "space/space.h"

#include <sys/mman.h>

#ifndef MADV_COLD
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

/* One stretch of a mapping, and the pages that stand there. */
struct space_run {
	uint64_t start; /* addresses */
	uint64_t end;
	uint64_t flags;              /* of its VMA */
	struct quire_object *handle; /* held by the run; NULL: none */
	struct object *object; /* whose pages; NULL: there are none to act on */
	uint64_t index;        /* of the one at start */
	struct anon_pool *held; /* the slots are held in it; NULL: not */
	struct backing *taken;  /* the pages are taken in it; NULL: not */
};

/* ---- madvise: advise.c ---- */

/* madvise_should_skip(): 1: there is something to do; 0; -EINVAL; -EPERM. */
int space_advice_check(uint64_t address, uint64_t length, int advice);
/* Is it space_advise() that does it? */
bool space_advice_sets_flags(int advice);
/*
 * -EINVAL: not for this mapping; -EAGAIN: one mapping too many; -ENOMEM: a
 * hole, the rest is advised.  What comes before an error stays advised.
 */
int space_advise(struct space *space, uint64_t address, uint64_t length,
		 int advice);

/* ---- advice on pages: advise_walk.c ---- */

struct space_walk {
	int advice;
	uint64_t at; /* addresses, whole pages */
	uint64_t end;
	bool hole;              /* out: something in the range is not mapped */
	struct anon_pool *anon; /* of a space on the software MMU */
};

/*
 * 1: *run is the next stretch, to be dropped by space_run_drop(); 0: there is
 * none; or a negative errno, which ends the walk.
 */
int space_advise_next(struct space *space, struct space_walk *walk,
		      struct space_run *run);
/* The first stretch of one mapping in [start, end); false: there is none. */
bool space_run_at(struct space *space, uint64_t start, uint64_t end,
		  struct space_run *run);
/* May block. */
void space_run_drop(struct space_run *run);

static inline uint64_t space_run_pages(const struct space_run *run)
{
	return (run->end - run->start) >> PAGE_SHIFT;
}

/* ---- mlock: lock.c ---- */

/*
 * mlock(2) up to the point where pages are brought in.  flags: VM_LOCKED, with
 * or without VM_LOCKONFAULT.  room: pages that may be locked and there.
 * -EPERM; -ENOMEM: a limit, a hole, or no room: what comes before a hole is
 * locked.
 */
int space_lock(struct space *space, uint64_t address, uint64_t length,
	       uint64_t flags, uint64_t room);
int space_unlock(struct space *space, uint64_t address, uint64_t length);
/* flags: MCL_...; 0: munlockall(2).  Mappings that cannot be locked, or cut,
 * are passed over. */
int space_lock_all(struct space *space, int flags, uint64_t room);

/* ---- mincore: residency.c ---- */

/*
 * Sets a byte, 0 or 1, for each of the first pages from address on, as far as
 * one mapping goes: how many, or -ENOMEM if nothing is mapped there.  *own: the
 * host may have private copies that it alone knows of.
 */
int64_t space_residency(struct space *space, uint64_t address, uint64_t pages,
			unsigned char *vector, bool *own);

#endif
