/* mmu_remote_private.h - what the files of another process's MMU share */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_MMU_MMU_REMOTE_PRIVATE_H
#define QUIRE_MMU_MMU_REMOTE_PRIVATE_H

#include "mmu/mmu_remote.h"
#include "os/uffd.h"

#define REMOTE_KEPT 128u /* messages of each kind */

struct mmu_remote {
	struct mmu mmu;
	struct uffd uffd;
	_Atomic int kick;                                 /* -1: nobody */
	uint64_t (*child)(void *context, int descriptor); /* [I] or NULL */
	void *child_context;
	/* LOCK_RANK_MMU: whoever has it knows what was read, and nobody reads
	 * any more meanwhile. */
	struct lock gate;
	/* [gate] Rings; an event is in it until it was applied. */
	struct mmu_trap traps[REMOTE_KEPT];
	struct mmu_event events[REMOTE_KEPT];
	unsigned first_trap;  /* [gate] */
	unsigned trap_count;  /* [gate] */
	unsigned first_event; /* [gate] */
	unsigned event_count; /* [gate] */
	uint64_t events_read; /* [gate] ever */
};

static inline struct mmu_remote *remote_of(struct mmu *mmu)
{
	return container_of(mmu, struct mmu_remote, mmu);
}

/* mmu_remote_queue.c: mmu_take_traps() */
int remote_take_traps(struct mmu *mmu, struct mmu_trap *traps, int most);

#endif
