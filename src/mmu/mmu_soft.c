/* mmu_soft.c - the software MMU: its functions, translating and setting */
/* SPDX-License-Identifier: MIT */
#include "mmu/mmu_soft_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the mmu's table of functions ---- */

static int unmap(struct mmu *mmu, uint64_t start, uint64_t length)
{
	soft_drop(mmu, start, start + length, false);
	return 0;
}

/* Translations come with the faults; the space knows what is free. */
static int map(struct mmu *mmu, const struct mmu_mapping *mapping)
{
	if (mapping->replace)
		return unmap(mmu, mapping->start, mapping->length);
	return 0;
}

static int protect(struct mmu *mmu, uint64_t start, uint64_t length, int prot)
{
	soft_protect(soft_own(mmu), start, start + length, prot);
	return 0;
}

static int write_protect(struct mmu *mmu, uint64_t start, uint64_t length)
{
	soft_write_protect(soft_own(mmu), start, start + length);
	return 0;
}

/* Accesses to it are calls: fault/ answers them with soft_set(), in place of
 * these three. */
static int install(struct mmu *mmu, uint64_t start, uint64_t length,
		   bool shared)
{
	(void)mmu;
	(void)start;
	(void)length;
	(void)shared;
	check(false, "no thread is trapped in a software MMU: no install");
	return -EINVAL;
}

static int grant(struct mmu *mmu, uint64_t start, uint64_t length, bool shown)
{
	(void)mmu;
	(void)start;
	(void)length;
	(void)shown;
	check(false, "no thread is trapped in a software MMU: no grant");
	return -EINVAL;
}

static int refuse(struct mmu *mmu, uint64_t start, bool shared)
{
	(void)mmu;
	(void)start;
	(void)shared;
	check(false, "no thread is trapped in a software MMU: no refuse");
	return -EINVAL;
}

/* What moves leaves nothing behind: to keep the old place is to do no more. */
static int move(struct mmu *mmu, const struct mmu_move *move)
{
	return soft_move(mmu, move->from, move->to.start, move->length);
}

/* Shared pages too: theirs to say whether they are there. */
static int forget(struct mmu *mmu, uint64_t start, uint64_t length, bool shared)
{
	(void)shared;
	soft_forget(soft_own(mmu), start, start + length);
	return 0;
}

static int guard(struct mmu *mmu, uint64_t start, uint64_t length, bool guard)
{
	if (guard)
		return soft_guard(soft_own(mmu), start, start + length);
	soft_unguard(soft_own(mmu), start, start + length);
	return 0;
}

/* Nobody sleeps here. */
static void wake(struct mmu *mmu, uint64_t start, uint64_t length)
{
	(void)mmu;
	(void)start;
	(void)length;
}

static void destroy(struct mmu *mmu)
{
	struct mmu_soft *soft = soft_own(mmu);

	soft_drop(mmu, 0, SOFT_END, false);
	soft_table_destroy(soft);
	soft_tlbs_finish(soft);
	lock_finish(&soft->lock);
	free(soft);
}

static const struct mmu_ops ops = {
	.map = map,
	.unmap = unmap,
	.protect = protect,
	.install = install,
	.grant = grant,
	.write_protect = write_protect,
	.refuse = refuse,
	.move = move,
	.forget = forget,
	.guard = guard,
	.wake = wake,
	.destroy = destroy,
};

/* ---- creating ---- */

static bool options_fit(const struct mmu_soft_options *options)
{
	return options->lowest < options->highest &&
	       options->highest <= SOFT_END &&
	       options->lowest <= options->arena &&
	       options->arena <= options->arena_end &&
	       options->arena_end <= options->highest &&
	       !((options->lowest | options->highest | options->arena |
		  options->arena_end) &
		 PAGE_MASK);
}

int mmu_soft_create(const struct mmu_soft_options *options, struct mmu **mmu)
{
	struct mmu_soft *new;

	if (!options_fit(options))
		return -EINVAL;
	new = aligned_alloc(_Alignof(struct mmu_soft), sizeof(*new));
	if (!new)
		return -ENOMEM;
	memset(new, 0, sizeof(*new));
	new->options = *options;
	if (soft_table_create(new)) {
		free(new);
		return -ENOMEM;
	}
	lock_init(&new->lock, LOCK_RANK_MMU);
	soft_tlbs_init(new);
	new->mmu.ops = &ops;
	new->mmu.lowest = options->lowest;
	new->mmu.highest = options->highest;
	new->mmu.arena = options->arena;
	new->mmu.arena_end = options->arena_end;
	new->mmu.soft = true;
	new->mmu.lazy = true;
	*mmu = &new->mmu;
	return 0;
}

/* ---- translating ---- */

/* A TLB's entry was filled here, so its page is marked accessed. */
static bool translate_in_table(struct mmu_soft *soft, uint64_t address,
			       uint32_t right,
			       struct soft_translation *translation)
{
	const uint32_t marks = SOFT_ACCESSED |
			       (right == SOFT_WRITE ? SOFT_DIRTY : 0);
	struct soft_entry *entry;
	unsigned level;
	bool allowed;

	lock_take(&soft->lock);
	entry = soft_entry_at(soft, address, &level);
	allowed = (entry->word & right) && !(entry->word & SOFT_GUARD);
	if (allowed)
		entry->word |= marks;
	*translation = soft_read(entry, address, level);
	if (allowed)
		soft_tlb_fill(soft, soft_tlb_mine(soft), address, translation);
	lock_drop(&soft->lock);
	return allowed;
}

bool soft_translate(struct mmu *mmu, uint64_t address, uint32_t right,
		    struct soft_translation *translation)
{
	struct mmu_soft *soft = soft_own(mmu);
	/* As on x86, the first store goes to the table, to mark it dirty. */
	const uint32_t needed = right == SOFT_WRITE ? right | SOFT_DIRTY
						    : right;

	debug_check(right == SOFT_READ || right == SOFT_WRITE ||
			    right == SOFT_EXECUTE,
		    "an access needs one right");
	if (soft_tlb_find(soft_tlb_mine(soft), address, needed, translation))
		return true;
	if (address < SOFT_END)
		return translate_in_table(soft, address, right, translation);
	*translation = (struct soft_translation){ 0 };
	return false;
}

struct soft_translation soft_look(struct mmu *mmu, uint64_t address)
{
	struct mmu_soft *soft = soft_own(mmu);
	struct soft_translation translation = { 0 };
	struct soft_entry *entry;
	unsigned level;

	if (address >= SOFT_END)
		return translation;
	lock_take(&soft->lock);
	entry = soft_entry_at(soft, address, &level);
	translation = soft_read(entry, address, level);
	lock_drop(&soft->lock);
	return translation;
}

bool soft_next(struct mmu *mmu, uint64_t *address, uint64_t end,
	       struct soft_translation *translation)
{
	struct mmu_soft *soft = soft_own(mmu);
	struct soft_walk walk;
	bool found;

	debug_check(end <= SOFT_END, "an address has 48 bits");
	lock_take(&soft->lock);
	found = soft_find(soft, address, end, &walk);
	if (found)
		*translation =
			soft_read(walk.at[walk.level], *address, walk.level);
	lock_drop(&soft->lock);
	return found;
}

/* ---- setting ---- */

static unsigned level_of(uint32_t flags)
{
	if (flags & SOFT_GIANT)
		return 3;
	return flags & SOFT_HUGE ? 2 : 1;
}

/* The walk is at its level: a leaf goes, or all that a table has. */
static void make_empty(struct mmu_soft *soft, const struct soft_walk *walk,
		       uint64_t address)
{
	const unsigned level = walk->level;
	const uint64_t start = soft_round_down(address, level);
	struct soft_entry *entry = walk->at[level];

	if (!entry->word)
		return;
	soft_tlb_shoot(soft, start, start + soft_size(level));
	if (soft_is_table(entry))
		soft_clear_table(soft, walk->at[level + 1], entry, start,
				 level);
	else
		soft_clear(soft, walk->at[level + 1], entry);
}

static int set_leaf(struct mmu_soft *soft, uint64_t address,
		    const struct soft_translation *translation)
{
	const unsigned level = level_of(translation->flags);
	struct soft_walk walk = soft_descend(soft, address, level);
	int error = soft_extend(soft, &walk, address, level);

	if (error)
		return error;
	make_empty(soft, &walk, address);
	soft_put(soft, walk.at[level + 1], walk.at[level],
		 soft_leaf(translation, address, level));
	return 0;
}

static int remove_page(struct mmu_soft *soft, uint64_t address)
{
	struct soft_walk walk = soft_descend(soft, address, 1);
	int error;

	if (!walk.at[walk.level]->word)
		return 0;
	error = soft_extend(soft, &walk, address, 1);
	if (error)
		return error;
	make_empty(soft, &walk, address);
	soft_prune(soft, &walk);
	return 0;
}

int soft_set(struct mmu *mmu, uint64_t address,
	     const struct soft_translation *translation)
{
	struct mmu_soft *soft = soft_own(mmu);
	int error;

	lock_take(&soft->lock);
	if (translation->flags)
		error = set_leaf(soft, address, translation);
	else
		error = remove_page(soft, address);
	lock_drop(&soft->lock);
	return error;
}

/* In the table where the walk ended, from first to end or the table's end. */
static int64_t fill_table(struct mmu_soft *soft, const struct soft_walk *walk,
			  uint64_t first, uint64_t end,
			  struct soft_translation translation)
{
	struct soft_entry *entry = walk->at[1];
	int64_t set = 0;

	for (unsigned slot = soft_slot(first, 1);
	     slot < SOFT_SLOTS && first < end; slot++) {
		if (!entry->word) {
			soft_put(soft, walk->at[2], entry,
				 soft_leaf(&translation, first, 1));
			set++;
		}
		entry++;
		translation.index++;
		first += PAGE_SIZE;
	}
	return set;
}

/* A table's part of the run; *address moves behind it.  -ENOMEM. */
static int64_t set_part(struct mmu_soft *soft, uint64_t *address, uint64_t end,
			const struct soft_translation *translation)
{
	struct soft_walk walk = soft_descend(soft, *address, 1);
	const uint64_t first = *address;

	if (walk.level > 1 && walk.at[walk.level]->word) {
		/* A huge leaf: all of it is there already. */
		*address = soft_round_down(first, walk.level) +
			   soft_size(walk.level);
		return 0;
	}
	if (soft_extend(soft, &walk, first, 1))
		return -ENOMEM;
	*address = soft_round_down(first, 2) + soft_size(2);
	return fill_table(soft, &walk, first, end, *translation);
}

int64_t soft_set_run(struct mmu *mmu, uint64_t address, uint64_t count,
		     const struct soft_translation *translation)
{
	struct mmu_soft *soft = soft_own(mmu);
	const uint64_t end = address + count * PAGE_SIZE;
	struct soft_translation part = *translation;
	int64_t set = 0;
	int64_t more = 0;

	soft_check_range(address, end);
	check(part.flags && level_of(part.flags) == 1,
	      "a run is set page by page");
	lock_take(&soft->lock);
	while (address < end && more >= 0) {
		const uint64_t first = address;

		more = set_part(soft, &address, end, &part);
		set += more > 0 ? more : 0;
		part.index += (address - first) >> PAGE_SHIFT;
	}
	lock_drop(&soft->lock);
	return set > 0 ? set : more < 0 ? more : 0;
}

void soft_count(struct mmu *mmu, struct soft_counts *counts)
{
	struct mmu_soft *soft = soft_own(mmu);

	*counts = (struct soft_counts){ 0 };
	lock_take(&soft->lock);
	counts->translations = soft->translations;
	counts->shootdowns = soft->shootdowns;
	soft_tlb_count(soft, counts);
	lock_drop(&soft->lock);
}
