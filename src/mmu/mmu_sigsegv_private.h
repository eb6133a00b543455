/* mmu_sigsegv_private.h - what the files of the signal MMU share */
/* SPDX-License-Identifier: MIT */
/*
 * A signal handler asks what a page is, without a lock: so the answer lies in
 * one word a page (its shadow), for the whole process and for good.
 *
 *   31            8   7      6        5        4      3       2-0
 *   number of region  SHARED REFUSED  WRITABLE SHOWN  GUARDED rights
 *
 * 0: nothing of ours is there.  A region is what one mmu_map() made.  Words
 * are written under the lock, after the host call that makes them true.
 */
#ifndef QUIRE_MMU_MMU_SIGSEGV_PRIVATE_H
#define QUIRE_MMU_MMU_SIGSEGV_PRIVATE_H

#include "base/base.h"
#include "mmu/mmu.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SHADOW_RIGHTS 0x7u    /* PROT_READ, _WRITE, _EXEC */
#define SHADOW_GUARDED 0x8u   /* every access is SIGSEGV */
#define SHADOW_SHOWN 0x10u    /* loads go through; private: stores, too */
#define SHADOW_WRITABLE 0x20u /* shared: stores go through */
#define SHADOW_REFUSED 0x40u  /* SIGBUS, until it is shown */
#define SHADOW_SHARED 0x80u
#define SHADOW_REGION_SHIFT 8

/* ---- mmu_sigsegv_shadow.c ---- */

static inline bool shadow_mapped(uint32_t shadow)
{
	return shadow >> SHADOW_REGION_SHIFT;
}

/* Any thread, any moment, without the lock: fit for a signal handler. */
uint32_t shadow_at(uint64_t address);
/* The page lies behind the end of its region's memory. */
bool shadow_past_end(uint32_t shadow, uint64_t address);
/* The owner that the region was made with. */
unsigned shadow_owner(uint32_t shadow);
/* What the kernel's page rights must be. */
int shadow_prot(uint32_t shadow);

/* Room for all below; 0 or -ENOMEM.  Once a process, and a child. */
int shadow_init(void);
void shadow_lock(void);
void shadow_unlock(void);

/* ---- the lock is held ---- */

/* Prepares [start, end) for shadow_set(); every: for any part of it. */
int shadow_reserve(uint64_t start, uint64_t end, bool every);
/* The shadow at start, and how far up to end it goes on without a change. */
uint64_t shadow_run(uint64_t start, uint64_t end, uint32_t *shadow);
void shadow_set(uint64_t start, uint64_t end, uint32_t shadow);
/*
 * A region over memory, whose byte (address + delta) stands at address.  It
 * ends with its last page.  *shadow: its number, in place.  -ENOMEM.
 */
int shadow_region_create(int memory, uint64_t delta, unsigned owner,
			 uint32_t *shadow);
/* One that no page has got. */
void shadow_region_drop(uint32_t shadow);
/* Borders of rights inside mappings: each costs the kernel a mapping. */
uint64_t shadow_borders(void);
/* The next chunk at or behind address that may show pages; false: none. */
bool shadow_next_chunk(uint64_t address, uint64_t *start, uint64_t *end);

/* ---- mmu_sigsegv_rights.c; the lock is held ---- */

/* The rights and the kind of a mapping, as bits of its pages' shadows. */
uint32_t rights_of(const struct mmu_mapping *mapping);
/* Every page of [start, end) that is ours traps from now on. */
int rights_hide(uint64_t start, uint64_t end);
/* Hides chunk after chunk, of whatever engine, until no more than most borders
 * are left; goes on from where the last one ended. */
void rights_sweep(uint64_t most);
/* Of pages that are all alike: the kernel first, then the note; what has the
 * right protection has it. */
int rights_change(uint64_t start, uint64_t end, uint32_t from, uint32_t to);
/* Clears and sets bits of each page; up to the first that is not ours, which
 * at start is -ENOENT. */
int rights_edit(uint64_t start, uint64_t end, uint32_t clear, uint32_t set);

/* ---- mmu_sigsegv_move.c; the lock is held ---- */

/* mmu_move(), for an owner. */
int shadow_move(unsigned owner, const struct mmu_move *move);
/* Guards go along; room for their words was made. */
void shadow_copy_guards(uint64_t from, uint64_t length, uint64_t to);

/* ---- mmu_sigsegv_trap.c ---- */

/* An owner: where its traps are read (a descriptor that can be polled). */
int traps_open(unsigned *owner, int *fd);
/* Nothing of its is mapped any more. */
void traps_close(unsigned owner, int fd);
/* Takes the place of a handler that came after ours. */
int traps_arm(void);

#endif
