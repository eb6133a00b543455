/* mmu_remote.h - the hardware MMU of another process, by its userfaultfd */
/* SPDX-License-Identifier: MIT */
/*
 * Its kernel has the mappings, and says by events what becomes of them: so
 * the layout calls (map, unmap, protect, move, forget) do nothing and succeed.
 * Page calls are ioctls on the descriptor.
 *
 * An event is read, and the process goes on; until it is applied to the
 * layout, what the layout says may be untrue.  So reading is counted, under the
 * lock in which a page is shown: while events are read and not applied, install,
 * grant and refuse answer -EAGAIN and show nothing, and write_protect answers
 * -EAGAIN, also if an event was read while it was at it: the caller lets go of
 * its locks, and walks the mappings anew (a fork may have made one more).
 *
 * Who takes the traps applies the events as well, first:
 *
 *   descriptor or kick is ready -> pump -> event, apply, applied, event, ...
 *                                       -> take_traps -> and the events again
 */
#ifndef QUIRE_MMU_MMU_REMOTE_H
#define QUIRE_MMU_MMU_REMOTE_H

#include "mmu/mmu.h"

enum mmu_event_type {
	MMU_EVENT_UNMAP, /* [start, end) is mapped no more */
	MMU_EVENT_MOVE,  /* [start, end) is at to, too; an UNMAP may follow */
	MMU_EVENT_FORK,  /* descriptor: the child's userfaultfd, which it keeps
			    all of the layout under */
	MMU_EVENT_DROP,  /* [start, end): madvise(2) dropped what it showed */
};

struct mmu_event {
	enum mmu_event_type type;
	uint64_t start;
	uint64_t end;
	uint64_t to;
	int descriptor;
	uint64_t number; /* of a fork: what child() has said */
};

/* What mmu_remote_enable() could have. */
struct mmu_remote_features {
	bool forks; /* forks are events */
};

/*
 * Does UFFDIO_API on what a client sent: a userfaultfd, not used before, and
 * non-blocking from its creation if forks are to be served.  -EINVAL: it is
 * something else, or the kernel lacks something.  A fork's needs no enabling.
 */
int mmu_remote_enable(int descriptor, struct mmu_remote_features *features);

/* Takes the descriptor over, which is enabled; also when it fails.  -ENOMEM. */
int mmu_remote_create(int descriptor, struct mmu **mmu);

/*
 * The next event that was read and not applied, in order; false: none.  The
 * caller applies it to the layout, and says so, before it asks for the next;
 * a descriptor is the caller's from here on.  One thread.
 */
bool mmu_remote_event(struct mmu *mmu, struct mmu_event *event);
void mmu_remote_applied(struct mmu *mmu);
/* Reads what waits in the descriptor, traps and events, without handing any
 * of it out.  True: it has read something.  Any thread; never blocks. */
bool mmu_remote_pump(struct mmu *mmu);
/* The process is gone, or has another address space since exec().  Waits for
 * the process's fork or munmap that is under way in its kernel. */
bool mmu_remote_is_gone(struct mmu *mmu);
/* Whom to wake when write_protect, on whatever thread, has read something: an
 * eventfd, which remains the caller's. */
void mmu_remote_set_kick(struct mmu *mmu, int event_descriptor);
/* Called with each fork's descriptor as soon as it was read, on whatever thread,
 * before anything that the child traps can be asked for; must not block. */
void mmu_remote_set_child(struct mmu *mmu,
			  uint64_t (*child)(void *context, int descriptor),
			  void *context);
/* Its userfaultfd, to hand on; remains the mmu's. */
int mmu_remote_descriptor(const struct mmu *mmu);

#endif
