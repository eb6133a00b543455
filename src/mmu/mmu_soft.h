/* mmu_soft.h - the software MMU: a page table and TLBs of our own */
/* SPDX-License-Identifier: MIT */
/*
 * Four levels of 512 entries over 48 bits of address.  A translation names a
 * page, by its owner and index, and says what may be done; whether the page is
 * in memory is the page word's to say, so that nothing here changes when a
 * page leaves or comes.  A huge translation is one entry of the second or
 * third level, and names the first of its pages.
 *
 *   virtual address    47..39  38..30  29..21  20..12  11..0
 *                      level 4 level 3 level 2 level 1 in the page
 *                              1 GiB   2 MiB   4 KiB leaves
 *
 * Whoever changes or drops a translation shoots it down in all TLBs before
 * he returns: a stale one would let a store reach a page that is another's.
 *
 * Locks: its own (LOCK_RANK_MMU), taken inside; TLBs have one each, below it.
 * => never blocks for a page; allocates from the functions it was given.
 */
#ifndef QUIRE_MMU_MMU_SOFT_H
#define QUIRE_MMU_MMU_SOFT_H

#include "mmu/mmu.h"

/* What may be done, and what was done.  None of the first three: the page is
 * there, and no access is allowed (PROT_NONE). */
#define SOFT_READ 0x1u
#define SOFT_WRITE 0x2u
#define SOFT_EXECUTE 0x4u
#define SOFT_RIGHTS (SOFT_READ | SOFT_WRITE | SOFT_EXECUTE)
#define SOFT_ACCESSED 0x8u
#define SOFT_DIRTY 0x10u
/* The page is this translation's: counted by hold(), dropped by drop(). */
#define SOFT_PRIVATE 0x20u
#define SOFT_GUARD 0x40u    /* no page: every access is SIGSEGV */
#define SOFT_HUGE 0x80u     /* a leaf of level 2 */
#define SOFT_GIANT 0x100u   /* a leaf of level 3 */
#define SOFT_PRESENT 0x200u /* set in every translation that there is */

struct soft_translation {
	void *owner;    /* whose page it is; NULL: the page of zeros */
	uint64_t index; /* which; in a huge leaf the one of the address */
	uint32_t flags; /* SOFT_...; 0: there is no translation */
};

struct mmu_soft_options {
	uint64_t lowest;
	uint64_t highest; /* at most 2^48 */
	uint64_t arena;
	uint64_t arena_end;
	/* Memory for tables: zeroed, whole pages; NULL: there is none. */
	void *(*map)(size_t bytes);
	void (*unmap)(void *memory, size_t bytes);
	/* A private page got or lost a translation.  Called under the mmu's
	 * lock: must not block. */
	void (*hold)(void *context, uint64_t index);
	void (*drop)(void *context, uint64_t index);
	void *context;
};

/* The mmu has ->soft set. */
int mmu_soft_create(const struct mmu_soft_options *options, struct mmu **mmu);

/*
 * The translation of address for an access that needs these rights (one of
 * SOFT_READ, SOFT_WRITE, SOFT_EXECUTE), from a TLB or the table; marks it
 * accessed, and dirty if it is for writing.  False: there is none, or it does
 * not allow this; *translation has what there is.
 */
bool soft_translate(struct mmu *mmu, uint64_t address, uint32_t right,
		    struct soft_translation *translation);

/* What the table has for address, leaving its marks as they are. */
struct soft_translation soft_look(struct mmu *mmu, uint64_t address);

/*
 * Sets the translation of the page at address (of the whole leaf, if huge).
 * A private page that stood there is dropped; the new one, if private, is
 * taken as it is (it has one hold already).  -ENOMEM: no table, nothing has
 * changed.  ->flags 0 removes it.
 */
int soft_set(struct mmu *mmu, uint64_t address,
	     const struct soft_translation *translation);

/*
 * Sets translations for count pages from address on, leaving those that are
 * there already: owner's pages from translation->index on.  How many were
 * set, or -ENOMEM if none could be.
 */
int64_t soft_set_run(struct mmu *mmu, uint64_t address, uint64_t count,
		     const struct soft_translation *translation);

/* The first address >= *address and < end with a translation: true. */
bool soft_next(struct mmu *mmu, uint64_t *address, uint64_t end,
	       struct soft_translation *translation);

/* Drops those in [start, end); only the private ones if private_only.
 * A huge leaf that is not wholly inside is split first. */
void soft_drop(struct mmu *mmu, uint64_t start, uint64_t end,
	       bool private_only);

/*
 * Moves all in [from, from+length) to the same place behind to.  The ranges
 * do not overlap, and nothing is at the new place.  -ENOMEM: a table was
 * missing, and nothing has moved (a huge leaf may have been split).
 */
int soft_move(struct mmu *mmu, uint64_t from, uint64_t to, uint64_t length);

/*
 * For a fork: gives child what parent has in [start, end): private pages get
 * one more hold and are written by neither; the rest is copied as it is.
 * -ENOMEM: the child lacks some; the caller drops it whole.  Nothing of the
 * child is in use yet.
 */
int soft_copy(struct mmu *parent, struct mmu *child, uint64_t start,
	      uint64_t end);

/* What the table has, and what the TLBs did. */
struct soft_counts {
	uint64_t translations;
	uint64_t tlb_hits;
	uint64_t tlb_misses;
	uint64_t shootdowns; /* TLB entries that were dropped */
};
void soft_count(struct mmu *mmu, struct soft_counts *counts);

#endif
