/* hazard.h - read pins that are announced, not counted */
/* SPDX-License-Identifier: MIT */
/*
 * To count a pin in the page's word is a locked swap, and another one to take
 * it out: most of what a pin of a page in memory costs, and all of it where
 * threads share the page.  So such a pin is announced instead, in a slot of
 * the thread's lane that nobody else fills, and who takes pages out of memory
 * looks at all slots (a hazard pointer, M. Michael, 2004; the fence is left to
 * the rare side, as in liburcu):
 *
 *   pin     slot = word; then the look at the object's size, and after that at
 *           the word: past the end, or no bytes: slot = 0, and counted
 *   evict   word -> EVICTING; lane_barrier(); then the look at all slots
 *           one has the word: back to what it was, as if it were counted
 *
 * Either the pin sees EVICTING, or who evicts sees the slot.  The same of the
 * size and who cuts; who passed that look is waited for before a page goes, so
 * that a word seen after it is none of a page that was cut.
 *
 *   unpin   slot is busy; has the owner been closed? no: slot = 0; then the
 *           look at hazards_awaited: tell those who wait for a victim
 *   close   owners are marked; lane_barrier(); wait until no slot is busy; what
 *           is still there is counted
 *
 * Only read pins of one page; a write pin makes its page dirty, so its word
 * must change.  Who finds no slot, no lane, or a page that is not marked as
 * referenced, counts.
 */
#ifndef QUIRE_PAGE_HAZARD_H
#define QUIRE_PAGE_HAZARD_H

#include "base/lane.h"
#include "page/cache.h"
#include "page/word.h"

#define HAZARDS 16 /* slots of a lane */
#define HAZARD_BUSY UINT64_C(1)
#define HAZARD_CLOSED UINT64_C(1)

struct hazard {
	_Atomic uintptr_t word;  /* of the page; 0: free.  Maybe HAZARD_BUSY */
	_Atomic uintptr_t owner; /* maybe HAZARD_CLOSED; if word is not 0 */
};

/* HAZARDS of each lane.  Of the process: a slot outlives whatever it is about. */
extern struct hazard hazards[LANES * HAZARDS];
/* Somebody wants to know when a pin goes. */
extern _Atomic bool hazards_awaited;

/* ---- for who pins ---- */

/*
 * The page's word is announced; after it the caller looks, as above.  NULL: no
 * slot of the lane is free.  By the lane's thread; owner is aligned to 2.
 */
static inline struct hazard *hazard_announce(unsigned lane, const void *owner,
					     const page_word *word)
{
	struct hazard *hazard = &hazards[lane * HAZARDS];
	const struct hazard *end = hazard + HAZARDS;

	while (atomic_load_explicit(&hazard->word, memory_order_relaxed))
		if (++hazard == end)
			return NULL;
	atomic_store_explicit(&hazard->owner, (uintptr_t)owner,
			      memory_order_relaxed);
	/* release: who reads the word finds its owner */
	atomic_store_explicit(&hazard->word, (uintptr_t)word,
			      memory_order_release);
	/* The look comes after: the other half is lane_barrier(). */
	atomic_signal_fence(memory_order_seq_cst);
	return hazard;
}

_Static_assert(PAGE_CLEAN + 1 == PAGE_DIRTY && PAGE_DIRTY + 1 == PAGE_WRITING,
	       "what has bytes to see is a range of states");

/* Bytes to see, and marked as if the pin were counted.  One comparison: a mark
 * that lacks makes it less, another state more. */
static inline bool hazard_holds(uint64_t word)
{
	uint64_t marks = WORD_TOUCHED | WORD_REFERENCED;

	return (word & (WORD_STATE | marks | WORD_ZEROED)) -
		       (marks | PAGE_CLEAN) <=
	       PAGE_WRITING - PAGE_CLEAN;
}

/* Those who wait for a victim look again. */
void hazards_tell(void);

/* From now on the slot is another's; hazards_look() is next. */
static inline void hazard_free(struct hazard *hazard)
{
	/* release: what was read of the page was read before */
	atomic_store_explicit(&hazard->word, 0, memory_order_release);
}

/* With no lock held. */
static inline void hazards_look(void)
{
	/* After the slot: the other half is hazards_await(). */
	atomic_signal_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&hazards_awaited, memory_order_relaxed))
		hazards_tell();
}

/*
 * Any thread; hazards_look() is next.  False: the owner has been closed; the pin
 * stays announced until the caller, who counts it out, has called hazard_free().
 * Or it is none: it was dropped already, or is a parent process's.
 */
static inline bool hazard_drop(struct hazard *hazard, const void *owner)
{
	uintptr_t word =
		atomic_load_explicit(&hazard->word, memory_order_relaxed);
	bool open;

	if (word == 0)
		return false;
	atomic_store_explicit(&hazard->word, word | HAZARD_BUSY,
			      memory_order_relaxed);
	/* Busy, then the look: the other half is lane_barrier(). */
	atomic_signal_fence(memory_order_seq_cst);
	open = atomic_load_explicit(&hazard->owner, memory_order_relaxed) ==
	       (uintptr_t)owner;
	if (!open) {
		atomic_store_explicit(&hazard->word, word,
				      memory_order_release);
		return false;
	}
	hazard_free(hazard);
	return true;
}

/*
 * The owner is closed: no pin of it comes any more, and each that goes from now
 * on is counted out.  Returns when that is so.
 */
void hazards_close(const void *owner);
/* After that: how many it still has. */
uint64_t hazards_count(const void *owner);

/* ---- for who takes pages out of memory ---- */

/* Pages of the table may be announced from now on. */
void hazards_expect(struct page_table *table);

/* The table's pages may be announced: the words were swapped before.  False:
 * there was nobody; true: and after lane_barrier(). */
bool hazards_settle(const struct page_table *table);

/* One of count pages from index on is announced; it is the first that was
 * found, in *index. */
bool hazards_find(const struct page_table *table, uint64_t *index,
		  uint64_t count);

/* One after the other, what is announced; *at begins with 0.  NULL: that was
 * all. */
const page_word *hazards_next(unsigned *at);

/* Somebody is about to look for a victim for the last time before it waits:
 * whoever drops a pin after that tells. */
void hazards_await(void);

/* Before and after a fork. */
void hazards_begin_fork(void);
void hazards_end_fork(void);
/* In the child, between them: nobody holds anything there, nor waits.  After
 * lanes_in_child(), so that slots of the parent's pins are never used again. */
void hazards_in_child(void);

/* Whom hazards_tell() tells. */
void hazards_watch(struct cache *cache);
void hazards_unwatch(struct cache *cache);

#endif
