/* mmu_soft_private.h - entries, walks and TLBs, inside the software MMU */
/* SPDX-License-Identifier: MIT */
/*
 * Levels count from the leaves of 4 KiB, 1, to the root's table, 4.  A table
 * that has no entry in use is given back, but for the root's.
 *
 *   root     level 4      level 3      level 2      level 1
 *   [n] ---> [ | |n] ---> [ |L| ] ...
 *               '-------> [ |n| ] ---> [L| |n] ---> [L|L| ]
 *
 *   L: a leaf; n: a table, with the count of its entries in use
 *
 * All of it is guarded by the mmu's lock.  TLBs are filled and shot down under
 * it as well: a change shoots down first, changes then, and nobody can fill in
 * between.
 */
#ifndef QUIRE_MMU_MMU_SOFT_PRIVATE_H
#define QUIRE_MMU_MMU_SOFT_PRIVATE_H

#include "mmu/mmu_soft.h"

#define SOFT_LEVELS 4
#define SOFT_SLOT_BITS 9
#define SOFT_SLOTS (1u << SOFT_SLOT_BITS)
#define SOFT_END (UINT64_C(1) << 48)
#define SOFT_TABLE_BYTES (SOFT_SLOTS * sizeof(struct soft_entry))

/* A word is an index (a count, in a table's entry) above twelve flags. */
#define SOFT_INDEX_SHIFT 12
#define SOFT_FLAGS 0xfffu
#define SOFT_ONE (UINT64_C(1) << SOFT_INDEX_SHIFT)
#define SOFT_INDEX_END (UINT64_C(1) << (64 - SOFT_INDEX_SHIFT))
#define SOFT_TABLE 0x400u /* the entry names a table */

struct soft_entry {
	void *owner;   /* of the page; or the table's first entry */
	uint64_t word; /* 0: empty */
};

/* Enough that some threads do not meet; few enough to shoot them all. */
#define SOFT_TLBS 8
#define SOFT_TLB_ENTRIES 64

struct soft_tlb_entry {
	uint64_t page;                       /* the address's number */
	struct soft_translation translation; /* its flags 0: empty */
};

struct soft_tlb {
	_Alignas(64) struct lock lock; /* LOCK_RANK_TLB */
	uint64_t hits;                 /* [lock] */
	uint64_t misses;               /* [lock] */
	unsigned live;                 /* [mmu's lock] entries in use */
	struct soft_tlb_entry entries[SOFT_TLB_ENTRIES]; /* [lock] */
};

struct mmu_soft {
	struct mmu mmu;
	struct mmu_soft_options options; /* [I] */
	struct lock lock;                /* LOCK_RANK_MMU */
	struct soft_entry root;          /* [lock] names the table of level 4 */
	uint64_t tables;                 /* [lock] */
	uint64_t translations;           /* [lock] leaves */
	uint64_t shootdowns;             /* [lock] */
	struct soft_tlb tlbs[SOFT_TLBS];
};

/* The way to an address.  Above level 4 stands the entry of the root. */
struct soft_walk {
	struct soft_entry *at[SOFT_LEVELS + 2];
	unsigned level; /* where it ended */
};

static inline struct mmu_soft *soft_own(struct mmu *mmu)
{
	return container_of(mmu, struct mmu_soft, mmu);
}

/* What one entry of this level spans. */
static inline unsigned soft_shift(unsigned level)
{
	return PAGE_SHIFT + SOFT_SLOT_BITS * (level - 1);
}

static inline uint64_t soft_size(unsigned level)
{
	return UINT64_C(1) << soft_shift(level);
}

static inline uint64_t soft_round_down(uint64_t address, unsigned level)
{
	return address & ~(soft_size(level) - 1);
}

static inline unsigned soft_slot(uint64_t address, unsigned level)
{
	return (unsigned)(address >> soft_shift(level)) & (SOFT_SLOTS - 1);
}

static inline bool soft_is_table(const struct soft_entry *entry)
{
	return entry->word & SOFT_TABLE;
}

static inline void soft_check_range(uint64_t start, uint64_t end)
{
	debug_check(!((start | end) & PAGE_MASK) && start <= end &&
			    end <= SOFT_END,
		    "translations of whole pages of 48 bits of address");
	(void)start;
	(void)end;
}

/* ---- mmu_soft_table.c: entries and tables ---- */

/* The root's table.  -ENOMEM. */
int soft_table_create(struct mmu_soft *soft);
/* There is nothing in it any more. */
void soft_table_destroy(struct mmu_soft *soft);

/* Goes down until there is no table below, or to the lowest level. */
struct soft_walk soft_descend(struct mmu_soft *soft, uint64_t address,
			      unsigned lowest);
/* Where that ends, for who needs no way back, and its level. */
struct soft_entry *soft_entry_at(struct mmu_soft *soft, uint64_t address,
				 unsigned *level);
/*
 * Goes on down to level, making the tables that are missing; a huge leaf on
 * the way is split.  -ENOMEM: nothing has changed.  => whoever leaves the
 * entry empty prunes.
 */
int soft_extend(struct mmu_soft *soft, struct soft_walk *walk, uint64_t address,
		unsigned level);
/* Splits the leaf of a level above 1 that spans address.  False: no memory. */
bool soft_split(struct mmu_soft *soft, struct soft_entry *entry,
		uint64_t address, unsigned level);
/* Gives back the tables above the walk's end that are empty. */
void soft_prune(struct mmu_soft *soft, struct soft_walk *walk);
/* The same for the table of one entry, which stands in parent's. */
void soft_prune_entry(struct mmu_soft *soft, struct soft_entry *parent,
		      struct soft_entry *entry);
/* Finds the first leaf from *address on, before end: moves *address there. */
bool soft_find(struct mmu_soft *soft, uint64_t *address, uint64_t end,
	       struct soft_walk *walk);

/* A translation of the page at address as a leaf of level, and back. */
struct soft_entry soft_leaf(const struct soft_translation *translation,
			    uint64_t address, unsigned level);
struct soft_translation soft_read(const struct soft_entry *entry,
				  uint64_t address, unsigned level);
/* Into an empty entry of parent's table; what it holds is held already. */
void soft_put(struct mmu_soft *soft, struct soft_entry *parent,
	      struct soft_entry *entry, struct soft_entry leaf);
/* Empties the entry of a leaf, shot down before, and drops what it holds. */
void soft_clear(struct mmu_soft *soft, struct soft_entry *parent,
		struct soft_entry *entry);

/* ---- mmu_soft_range.c: what changes in a range ---- */

/* A leaf's flags are changed by this; 0: it is dropped. */
typedef uint32_t soft_change(uint32_t flags, uint32_t argument);

/*
 * Changes all in [start, end), which is shot down, and gives back the tables
 * that are empty then.  A huge leaf that is not wholly inside is split, if
 * this changes it; for want of a table it is dropped whole, as it holds
 * nothing that the next fault cannot show again.
 */
void soft_change_range(struct mmu_soft *soft, uint64_t start, uint64_t end,
		       soft_change *change, uint32_t argument);
/* Drops all below an entry of parent's table, and the tables. */
void soft_clear_table(struct mmu_soft *soft, struct soft_entry *parent,
		      struct soft_entry *entry, uint64_t address,
		      unsigned level);
/* Gives back the empty tables of a range; changes nothing. */
void soft_prune_range(struct mmu_soft *soft, uint64_t start, uint64_t end);
/* As mmu_protect() and mmu_write_protect(). */
void soft_protect(struct mmu_soft *soft, uint64_t start, uint64_t end,
		  int prot);
void soft_write_protect(struct mmu_soft *soft, uint64_t start, uint64_t end);
/* As mmu_forget(): drops all but guards. */
void soft_forget(struct mmu_soft *soft, uint64_t start, uint64_t end);
/* As mmu_guard(): guards in place of all.  -ENOMEM: nothing has changed, but
 * that a huge leaf may have been split.  And drops guards alone. */
int soft_guard(struct mmu_soft *soft, uint64_t start, uint64_t end);
void soft_unguard(struct mmu_soft *soft, uint64_t start, uint64_t end);

/* ---- mmu_soft_tlb.c ---- */

void soft_tlbs_init(struct mmu_soft *soft);
void soft_tlbs_finish(struct mmu_soft *soft);
/* The one that the calling thread uses. */
struct soft_tlb *soft_tlb_mine(struct mmu_soft *soft);
/* True: a translation with all these flags. */
bool soft_tlb_find(struct soft_tlb *tlb, uint64_t address, uint32_t flags,
		   struct soft_translation *translation);
/* Under the mmu's lock, as is shooting. */
void soft_tlb_fill(struct mmu_soft *soft, struct soft_tlb *tlb,
		   uint64_t address,
		   const struct soft_translation *translation);
/* No TLB has anything of [start, end) when it returns. */
void soft_tlb_shoot(struct mmu_soft *soft, uint64_t start, uint64_t end);
void soft_tlb_count(struct mmu_soft *soft, struct soft_counts *counts);

#endif
