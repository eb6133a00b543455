/* mmu_soft_tlb.c - the software MMU's TLBs: find, fill, shoot down */
/* SPDX-License-Identifier: MIT */
#include "mmu/mmu_soft_private.h"

#include <stdatomic.h>

/* Threads take TLBs in turn, from their first translation on. */
static _Atomic unsigned threads;
static _Thread_local unsigned thread_number;

void soft_tlbs_init(struct mmu_soft *soft)
{
	for (unsigned i = 0; i < SOFT_TLBS; i++)
		lock_init(&soft->tlbs[i].lock, LOCK_RANK_TLB);
}

void soft_tlbs_finish(struct mmu_soft *soft)
{
	for (unsigned i = 0; i < SOFT_TLBS; i++)
		lock_finish(&soft->tlbs[i].lock);
}

struct soft_tlb *soft_tlb_mine(struct mmu_soft *soft)
{
	/* Relaxed: a number, that orders nothing. */
	if (!thread_number)
		thread_number = 1 + atomic_fetch_add_explicit(
					    &threads, 1, memory_order_relaxed);
	return &soft->tlbs[thread_number % SOFT_TLBS];
}

static struct soft_tlb_entry *place(struct soft_tlb *tlb, uint64_t page)
{
	return &tlb->entries[page % SOFT_TLB_ENTRIES];
}

bool soft_tlb_find(struct soft_tlb *tlb, uint64_t address, uint32_t flags,
		   struct soft_translation *translation)
{
	const uint64_t page = address >> PAGE_SHIFT;
	const struct soft_tlb_entry *entry = place(tlb, page);
	bool hit;

	lock_take(&tlb->lock);
	hit = entry->page == page &&
	      (entry->translation.flags & flags) == flags;
	if (hit) {
		*translation = entry->translation;
		tlb->hits++;
	} else {
		tlb->misses++;
	}
	lock_drop(&tlb->lock);
	return hit;
}

void soft_tlb_fill(struct mmu_soft *soft, struct soft_tlb *tlb,
		   uint64_t address, const struct soft_translation *translation)
{
	const uint64_t page = address >> PAGE_SHIFT;
	struct soft_tlb_entry *entry = place(tlb, page);

	debug_check(lock_held(&soft->lock), "a TLB is filled from the table");
	(void)soft;
	lock_take(&tlb->lock);
	if (!entry->translation.flags)
		tlb->live++;
	entry->page = page;
	entry->translation = *translation;
	lock_drop(&tlb->lock);
}

/* Pages [first, first+count): each has one place, and there are few places. */
static unsigned shoot_one(struct soft_tlb *tlb, uint64_t first, uint64_t count)
{
	const uint64_t places = count < SOFT_TLB_ENTRIES ? count
							 : SOFT_TLB_ENTRIES;
	unsigned shot = 0;

	lock_take(&tlb->lock);
	for (uint64_t i = 0; i < places; i++) {
		struct soft_tlb_entry *entry = place(tlb, first + i);

		if (entry->translation.flags && entry->page - first < count) {
			entry->translation.flags = 0;
			shot++;
		}
	}
	lock_drop(&tlb->lock);
	return shot;
}

void soft_tlb_shoot(struct mmu_soft *soft, uint64_t start, uint64_t end)
{
	debug_check(lock_held(&soft->lock), "nobody fills what is shot down");
	for (unsigned i = 0; i < SOFT_TLBS; i++) {
		struct soft_tlb *tlb = &soft->tlbs[i];
		unsigned shot;

		if (tlb->live == 0)
			continue;
		shot = shoot_one(tlb, start >> PAGE_SHIFT,
				 (end - start) >> PAGE_SHIFT);
		tlb->live -= shot;
		soft->shootdowns += shot;
	}
}

void soft_tlb_count(struct mmu_soft *soft, struct soft_counts *counts)
{
	for (unsigned i = 0; i < SOFT_TLBS; i++) {
		struct soft_tlb *tlb = &soft->tlbs[i];

		lock_take(&tlb->lock);
		counts->tlb_hits += tlb->hits;
		counts->tlb_misses += tlb->misses;
		lock_drop(&tlb->lock);
	}
}
