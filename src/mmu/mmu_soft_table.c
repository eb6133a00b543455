/* mmu_soft_table.c - the software MMU's page table: entries and tables */
/* SPDX-License-Identifier: MIT */
#include "mmu/mmu_soft_private.h"

#include <errno.h>

static uint64_t count_of(const struct soft_entry *entry)
{
	return entry->word >> SOFT_INDEX_SHIFT;
}

static struct soft_entry *take_table(struct mmu_soft *soft)
{
	struct soft_entry *table = soft->options.map(SOFT_TABLE_BYTES);

	if (table)
		soft->tables++;
	return table;
}

static void give_table(struct mmu_soft *soft, struct soft_entry *table)
{
	soft->options.unmap(table, SOFT_TABLE_BYTES);
	soft->tables--;
}

int soft_table_create(struct mmu_soft *soft)
{
	soft->root.owner = take_table(soft);
	soft->root.word = SOFT_TABLE;
	return soft->root.owner ? 0 : -ENOMEM;
}

void soft_table_destroy(struct mmu_soft *soft)
{
	check(count_of(&soft->root) == 0, "all translations are dropped");
	give_table(soft, soft->root.owner);
	check(soft->tables == 0, "empty tables are given back");
}

/* ---- leaves ---- */

static uint64_t pages_into(uint64_t address, unsigned level)
{
	return (address & (soft_size(level) - 1)) >> PAGE_SHIFT;
}

static uint32_t flags_of_level(unsigned level)
{
	if (level == 1)
		return SOFT_PRESENT;
	return SOFT_PRESENT | (level == 2 ? SOFT_HUGE : SOFT_GIANT);
}

struct soft_entry soft_leaf(const struct soft_translation *translation,
			    uint64_t address, unsigned level)
{
	const uint64_t index = translation->index - pages_into(address, level);
	const uint32_t flags = translation->flags & ~(SOFT_HUGE | SOFT_GIANT);

	debug_check(translation->index < SOFT_INDEX_END &&
			    translation->flags < SOFT_TABLE,
		    "an index of a page, and flags that there are");
	/* So that a huge leaf can be dropped without loss at any time. */
	check(level == 1 || !(flags & (SOFT_PRIVATE | SOFT_GUARD)),
	      "a huge leaf is neither private nor a guard");
	/* What the shift loses of an index comes back in soft_read(). */
	return (struct soft_entry){
		.owner = translation->owner,
		.word = index << SOFT_INDEX_SHIFT | flags |
			flags_of_level(level),
	};
}

struct soft_translation soft_read(const struct soft_entry *entry,
				  uint64_t address, unsigned level)
{
	struct soft_translation translation = { 0 };

	if (!entry->word)
		return translation;
	translation.owner = entry->owner;
	translation.index = ((entry->word >> SOFT_INDEX_SHIFT) +
			     pages_into(address, level)) &
			    (SOFT_INDEX_END - 1);
	translation.flags = entry->word & SOFT_FLAGS;
	return translation;
}

void soft_put(struct mmu_soft *soft, struct soft_entry *parent,
	      struct soft_entry *entry, struct soft_entry leaf)
{
	debug_check(!entry->word, "a leaf takes an empty entry");
	*entry = leaf;
	parent->word += SOFT_ONE;
	soft->translations++;
}

void soft_clear(struct mmu_soft *soft, struct soft_entry *parent,
		struct soft_entry *entry)
{
	const uint64_t word = entry->word;

	debug_check(word & SOFT_PRESENT, "what is cleared is a leaf");
	*entry = (struct soft_entry){ 0 };
	parent->word -= SOFT_ONE;
	soft->translations--;
	if (word & SOFT_PRIVATE)
		soft->options.drop(soft->options.context,
				   word >> SOFT_INDEX_SHIFT);
}

/* ---- tables ---- */

struct soft_walk soft_descend(struct mmu_soft *soft, uint64_t address,
			      unsigned lowest)
{
	struct soft_walk walk = { .level = SOFT_LEVELS + 1 };
	struct soft_entry *entry = &soft->root;

	debug_check(address < SOFT_END, "an address has 48 bits");
	walk.at[walk.level] = entry;
	while (walk.level > lowest && soft_is_table(entry)) {
		struct soft_entry *table = entry->owner;

		walk.level--;
		entry = &table[soft_slot(address, walk.level)];
		walk.at[walk.level] = entry;
	}
	return walk;
}

struct soft_entry *soft_entry_at(struct mmu_soft *soft, uint64_t address,
				 unsigned *level)
{
	struct soft_entry *entry = &soft->root;

	debug_check(address < SOFT_END, "an address has 48 bits");
	*level = SOFT_LEVELS + 1;
	while (*level > 1 && soft_is_table(entry)) {
		struct soft_entry *table = entry->owner;

		entry = &table[soft_slot(address, --*level)];
	}
	return entry;
}

/* Puts an empty table into an empty entry. */
static void put_table(struct soft_entry *parent, struct soft_entry *entry,
		      struct soft_entry *table)
{
	*entry = (struct soft_entry){ .owner = table, .word = SOFT_TABLE };
	parent->word += SOFT_ONE;
}

/* TLBs lose all of the leaf: they would still call its pages huge. */
static void split_into(struct mmu_soft *soft, struct soft_entry *entry,
		       uint64_t address, unsigned level,
		       struct soft_entry *table)
{
	const uint64_t start = soft_round_down(address, level);

	soft_tlb_shoot(soft, start, start + soft_size(level));
	for (unsigned i = 0; i < SOFT_SLOTS; i++) {
		const uint64_t piece = start + i * soft_size(level - 1);
		const struct soft_translation translation =
			soft_read(entry, piece, level);

		table[i] = soft_leaf(&translation, piece, level - 1);
	}
	entry->owner = table;
	entry->word = SOFT_SLOTS * SOFT_ONE | SOFT_TABLE;
	soft->translations += SOFT_SLOTS - 1;
}

bool soft_split(struct mmu_soft *soft, struct soft_entry *entry,
		uint64_t address, unsigned level)
{
	struct soft_entry *table = take_table(soft);

	if (table)
		split_into(soft, entry, address, level, table);
	return table;
}

/* All or nothing. */
static bool take_tables(struct mmu_soft *soft, struct soft_entry **tables,
			unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		tables[i] = take_table(soft);
		if (tables[i])
			continue;
		while (i > 0)
			give_table(soft, tables[--i]);
		return false;
	}
	return true;
}

int soft_extend(struct mmu_soft *soft, struct soft_walk *walk, uint64_t address,
		unsigned level)
{
	struct soft_entry *tables[SOFT_LEVELS];
	const unsigned missing = walk->level - level;

	if (!take_tables(soft, tables, missing))
		return -ENOMEM;
	for (unsigned i = 0; i < missing; i++) {
		struct soft_entry *entry = walk->at[walk->level];

		if (entry->word)
			split_into(soft, entry, address, walk->level,
				   tables[i]);
		else
			put_table(walk->at[walk->level + 1], entry, tables[i]);
		walk->level--;
		walk->at[walk->level] =
			&tables[i][soft_slot(address, walk->level)];
	}
	return 0;
}

void soft_prune_entry(struct mmu_soft *soft, struct soft_entry *parent,
		      struct soft_entry *entry)
{
	if (count_of(entry) > 0)
		return;
	give_table(soft, entry->owner);
	*entry = (struct soft_entry){ 0 };
	parent->word -= SOFT_ONE;
}

void soft_prune(struct mmu_soft *soft, struct soft_walk *walk)
{
	for (unsigned level = walk->level + 1; level <= SOFT_LEVELS; level++)
		soft_prune_entry(soft, walk->at[level + 1], walk->at[level]);
}

/* ---- finding ---- */

/* Behind an empty entry: where the next is that is not, or the next table. */
static uint64_t skip_empty(const struct soft_walk *walk, uint64_t address)
{
	const struct soft_entry *entry = walk->at[walk->level];
	unsigned slot = soft_slot(address, walk->level);

	address = soft_round_down(address, walk->level);
	do {
		entry++;
		slot++;
		address += soft_size(walk->level);
	} while (slot < SOFT_SLOTS && !entry->word);
	return address;
}

bool soft_find(struct mmu_soft *soft, uint64_t *address, uint64_t end,
	       struct soft_walk *walk)
{
	uint64_t at = *address;

	while (at < end) {
		*walk = soft_descend(soft, at, 1);
		if (walk->at[walk->level]->word) {
			*address = at;
			return true;
		}
		at = skip_empty(walk, at);
	}
	return false;
}
