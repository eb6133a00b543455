/* mmu_host.h - what the MMUs of this process's own address space share */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_MMU_MMU_HOST_H
#define QUIRE_MMU_MMU_HOST_H

#include "mmu/mmu.h"
#include "os/memory.h"

#define HOST_LOWEST UINT64_C(0x10000)         /* vm.mmap_min_addr's default */
#define HOST_HIGHEST UINT64_C(0x7ffffffff000) /* of 47 bits of address */

/*
 * Far from the heap, the stack and what the kernel places by itself, so that
 * free ranges here stay free.  8 TiB: as long as a sparse file can be on most
 * file systems, so that anonymous memory of all of it has a place to swap to
 * (space/backing.h).  Thread sanitizer knows three stretches only.
 */
#if defined(__SANITIZE_THREAD__)
#define HOST_ARENA UINT64_C(0x7e8000000000)
#define HOST_ARENA_END UINT64_C(0x7f0000000000)
#else
#define HOST_ARENA UINT64_C(0x200000000000)
#define HOST_ARENA_END UINT64_C(0x280000000000)
#endif

static inline void mmu_host_places(struct mmu *mmu)
{
	mmu->lowest = HOST_LOWEST;
	mmu->highest = HOST_HIGHEST;
	mmu->arena = HOST_ARENA;
	mmu->arena_end = HOST_ARENA_END;
}

/* Of a private mapping. */
static inline struct memory_move mmu_host_move(const struct mmu_move *move)
{
	return (struct memory_move){
		.from = move->from,
		.length = move->length,
		.to = move->to.start,
		.new_length = move->to.length,
		.fd = move->to.memory,
		.offset = move->to.offset,
		.keep = move->keep,
		.replace = move->to.replace,
	};
}

#endif
