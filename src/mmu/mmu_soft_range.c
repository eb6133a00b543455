/* mmu_soft_range.c - the software MMU: what changes or goes in a range */
/* SPDX-License-Identifier: MIT */
#include "mmu/mmu_soft_private.h"

#include <errno.h>
#include <sys/mman.h>

struct range {
	struct mmu_soft *soft;
	uint64_t start;
	uint64_t end;
	soft_change *change;
	uint32_t argument;
};

static void visit_table(const struct range *range, struct soft_entry *parent,
			uint64_t base, unsigned level);

static bool inside(const struct range *range, uint64_t address, unsigned level)
{
	return address >= range->start &&
	       address + soft_size(level) <= range->end;
}

/* A leaf was shot down with its range; a whole one with no table was not. */
static void drop_leaf(const struct range *range, struct soft_entry *parent,
		      struct soft_entry *entry, uint64_t address,
		      unsigned level)
{
	if (!inside(range, address, level))
		soft_tlb_shoot(range->soft, address,
			       address + soft_size(level));
	soft_clear(range->soft, parent, entry);
}

static void visit_leaf(const struct range *range, struct soft_entry *parent,
		       struct soft_entry *entry, uint64_t address,
		       unsigned level)
{
	const uint32_t old = entry->word & SOFT_FLAGS;
	const uint32_t new = range->change(old, range->argument);

	if (new == old)
		return;
	if (inside(range, address, level) && new != 0)
		entry->word = (entry->word & ~(uint64_t)SOFT_FLAGS) | new;
	else if (inside(range, address, level) ||
		 !soft_split(range->soft, entry, address, level))
		drop_leaf(range, parent, entry, address, level);
}

/* A leaf that was split is a table then. */
static void visit_entry(const struct range *range, struct soft_entry *parent,
			struct soft_entry *entry, uint64_t address,
			unsigned level)
{
	if (entry->word & SOFT_PRESENT)
		visit_leaf(range, parent, entry, address, level);
	if (!soft_is_table(entry))
		return;
	visit_table(range, entry, address, level - 1);
	soft_prune_entry(range->soft, parent, entry);
}

/* The table of parent, whose first entry is for base; four deep at most. */
static void visit_table(const struct range *range, struct soft_entry *parent,
			uint64_t base, unsigned level)
{
	struct soft_entry *table = parent->owner;
	const uint64_t start = range->start > base ? range->start : base;

	for (unsigned i = soft_slot(start, level); i < SOFT_SLOTS; i++) {
		const uint64_t address = base + i * soft_size(level);

		if (address >= range->end)
			break;
		visit_entry(range, parent, &table[i], address, level);
	}
}

static void visit(struct mmu_soft *soft, uint64_t start, uint64_t end,
		  soft_change *change, uint32_t argument)
{
	const struct range range = { soft, start, end, change, argument };

	if (start < end)
		visit_table(&range, &soft->root, 0, SOFT_LEVELS);
}

void soft_change_range(struct mmu_soft *soft, uint64_t start, uint64_t end,
		       soft_change *change, uint32_t argument)
{
	soft_check_range(start, end);
	soft_tlb_shoot(soft, start, end);
	visit(soft, start, end, change, argument);
}

static uint32_t keep(uint32_t flags, uint32_t argument)
{
	(void)argument;
	return flags;
}

void soft_prune_range(struct mmu_soft *soft, uint64_t start, uint64_t end)
{
	visit(soft, start, end, keep, 0);
}

/* Drops what has any of these flags. */
static uint32_t drop_with(uint32_t flags, uint32_t argument)
{
	return flags & argument ? 0 : flags;
}

void soft_clear_table(struct mmu_soft *soft, struct soft_entry *parent,
		      struct soft_entry *entry, uint64_t address,
		      unsigned level)
{
	const struct range range = { soft, address, address + soft_size(level),
				     drop_with, SOFT_PRESENT };

	visit_entry(&range, parent, entry, address, level);
}

void soft_drop(struct mmu *mmu, uint64_t start, uint64_t end, bool private_only)
{
	struct mmu_soft *soft = soft_own(mmu);

	lock_take(&soft->lock);
	soft_change_range(soft, start, end, drop_with,
			  private_only ? SOFT_PRIVATE : SOFT_PRESENT);
	lock_drop(&soft->lock);
}

/* As x86: what can be written or executed can be read. */
static uint32_t rights_of(int prot)
{
	uint32_t rights = 0;

	if (prot & (PROT_READ | PROT_WRITE | PROT_EXEC))
		rights |= SOFT_READ;
	if (prot & PROT_WRITE)
		rights |= SOFT_WRITE;
	if (prot & PROT_EXEC)
		rights |= SOFT_EXECUTE;
	return rights;
}

/* The right to write is the fault's to give: a page may have to be copied, or
 * to become dirty, first. */
static uint32_t set_rights(uint32_t flags, uint32_t rights)
{
	if (flags & SOFT_GUARD)
		return flags;
	flags &= ~SOFT_RIGHTS | rights;
	return flags | (rights & ~SOFT_WRITE);
}

void soft_protect(struct mmu_soft *soft, uint64_t start, uint64_t end, int prot)
{
	lock_take(&soft->lock);
	soft_change_range(soft, start, end, set_rights, rights_of(prot));
	lock_drop(&soft->lock);
}

/* A private page is not written back through a mapping: it stays writable. */
static uint32_t clear_shared(uint32_t flags, uint32_t argument)
{
	return flags & SOFT_PRIVATE ? flags : flags & ~argument;
}

void soft_write_protect(struct mmu_soft *soft, uint64_t start, uint64_t end)
{
	lock_take(&soft->lock);
	soft_change_range(soft, start, end, clear_shared,
			  SOFT_WRITE | SOFT_DIRTY);
	lock_drop(&soft->lock);
}

static uint32_t drop_unguarded(uint32_t flags, uint32_t argument)
{
	(void)argument;
	return flags & SOFT_GUARD ? flags : 0;
}

void soft_forget(struct mmu_soft *soft, uint64_t start, uint64_t end)
{
	lock_take(&soft->lock);
	soft_change_range(soft, start, end, drop_unguarded, 0);
	lock_drop(&soft->lock);
}

/* ---- guards ---- */

static uint64_t next_table(uint64_t address)
{
	return soft_round_down(address, 2) + soft_size(2);
}

/* All that may fail. */
static int make_tables(struct mmu_soft *soft, uint64_t start, uint64_t end)
{
	for (uint64_t at = start; at < end; at = next_table(at)) {
		struct soft_walk walk = soft_descend(soft, at, 1);

		if (soft_extend(soft, &walk, at, 1))
			return -ENOMEM;
	}
	return 0;
}

static void put_guards(struct mmu_soft *soft, uint64_t start, uint64_t end)
{
	const struct soft_translation guard = { .flags = SOFT_GUARD };

	for (uint64_t at = start; at < end; at += PAGE_SIZE) {
		const struct soft_walk walk = soft_descend(soft, at, 1);

		if (walk.at[1]->word)
			soft_clear(soft, walk.at[2], walk.at[1]);
		soft_put(soft, walk.at[2], walk.at[1],
			 soft_leaf(&guard, at, 1));
	}
}

int soft_guard(struct mmu_soft *soft, uint64_t start, uint64_t end)
{
	int error;

	soft_check_range(start, end);
	lock_take(&soft->lock);
	error = make_tables(soft, start, end);
	if (error) {
		soft_prune_range(soft, start, end);
	} else {
		soft_tlb_shoot(soft, start, end);
		put_guards(soft, start, end);
	}
	lock_drop(&soft->lock);
	return error;
}

void soft_unguard(struct mmu_soft *soft, uint64_t start, uint64_t end)
{
	lock_take(&soft->lock);
	soft_change_range(soft, start, end, drop_with, SOFT_GUARD);
	lock_drop(&soft->lock);
}
