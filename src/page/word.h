/* word.h - the page word: all that is true of a page, in one atomic */
/* SPDX-License-Identifier: MIT */
/*
 * Every change is one compare-and-swap that decides from the whole word.
 * docs/architecture.md has the states and rules, docs/models/ the proof.
 *
 *   ABSENT --read--> READING --ok--> CLEAN --write pin--> DIRTY
 *     ^                 |            ^  |                 |  ^
 *     |                 v            |  |            write|  |redirtied,
 *     |              FAILED          |  |             back|  |pinned, failed
 *     |                              |  v                 v  |
 *     +------------ EVICTING <-------|--+              WRITING
 *     ^                 ^  |         +--------ok----------+
 *     |                 |  +-- brought home --> CLEAN
 *  READING --shown--> LODGED      READING --written whole--> DIRTY
 *
 * LODGED is as clean as CLEAN, but its bytes are not in the memfd: they are in
 * anonymous memory of the mapping that shows it (object/lodged.c).  So it is
 * not visible: nobody pins it, and who wants it otherwise brings it home first.
 *
 * All operations are sequentially consistent: rule 11 (store, then look)
 * pairs the word with the object's size, and on x86 it costs nothing more.
 */
#ifndef QUIRE_PAGE_WORD_H
#define QUIRE_PAGE_WORD_H

#include "base/base.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef _Atomic uint64_t page_word;

enum page_state {
	PAGE_ABSENT, /* zero: a table not touched yet says so of all pages */
	PAGE_READING,
	PAGE_FAILED,
	PAGE_CLEAN,
	PAGE_DIRTY,
	PAGE_WRITING,
	PAGE_EVICTING,
	PAGE_LODGED,
};

#define WORD_STATE UINT64_C(0x7)
#define WORD_REDIRTIED (UINT64_C(1) << 3)
#define WORD_WAITERS (UINT64_C(1) << 4)
#define WORD_REFERENCED (UINT64_C(1) << 5)
/* To stay in memory: the object remembers, the word says it for reclaim. */
#define WORD_LOCKED (UINT64_C(1) << 6)
/* Since it came somebody has waited for it, was shown it, or held it: a page
 * that leaves without was read ahead in vain.  No rule depends on it. */
#define WORD_TOUCHED (UINT64_C(1) << 7)
/* DIRTY before a store has come, as stores go on there (object/foreseen.c): what it
 * had then is kept in a slot, and says whether one came.  Gone with the next write
 * pin, and whenever else its bytes are changed. */
#define WORD_FORESEEN (UINT64_C(1) << 61)
#define WORD_SLOT_SHIFT 40 /* meaningless without it */
#define WORD_SLOTS UINT64_C(256)
/* EVICTING, and the memfd has nothing of it: it was LODGED, or is a gap. */
#define WORD_HOLLOW (UINT64_C(1) << 62)
/* Zeros in place of what could not be read: never to be stored to. */
#define WORD_ZEROED (UINT64_C(1) << 63)
#define WORD_RPIN (UINT64_C(1) << 8)
#define WORD_RPINS (UINT64_C(0xffff) << 8)
#define WORD_WPIN (UINT64_C(1) << 24)
#define WORD_WPINS (UINT64_C(0xffff) << 24)

enum page_taken {
	PAGE_TAKEN,
	PAGE_TAKEN_DIRTIED, /* a write pin that made a CLEAN page DIRTY */
	PAGE_IS_CLEAN,      /* a write pin would make it DIRTY, and may not */
	PAGE_NOT_VISIBLE,   /* no bytes to see in this state */
	PAGE_PINS_FULL,     /* the count is at its maximum */
	PAGE_ZEROED,        /* no store may go to these zeros */
};

static inline enum page_state word_state(uint64_t word)
{
	return (enum page_state)(word & WORD_STATE);
}

static inline bool word_visible(uint64_t word)
{
	enum page_state state = word_state(word);

	return state == PAGE_CLEAN || state == PAGE_DIRTY ||
	       state == PAGE_WRITING;
}

/* Its bytes are in memory, wherever. */
static inline bool word_resident(uint64_t word)
{
	return word_visible(word) || word_state(word) == PAGE_LODGED;
}

/* Foreseen, and its slot is in use. */
static inline bool word_foreseen(uint64_t word)
{
	enum page_state state = word_state(word);

	return (word & WORD_FORESEEN) &&
	       (state == PAGE_DIRTY || state == PAGE_WRITING ||
		state == PAGE_EVICTING);
}

static inline unsigned word_slot(uint64_t word)
{
	return (unsigned)(word >> WORD_SLOT_SHIFT & (WORD_SLOTS - 1));
}

static inline bool word_pinned(uint64_t word)
{
	return (word & (WORD_RPINS | WORD_WPINS)) != 0;
}

/* Zeros that stand in for a page are not what somebody wanted to keep. */
static inline bool word_locked(uint64_t word)
{
	return (word & (WORD_LOCKED | WORD_ZEROED)) == WORD_LOCKED;
}

static inline uint64_t word_with_state(uint64_t word, enum page_state state)
{
	return (word & ~WORD_STATE) | (uint64_t)state;
}

/* A hold that forbids leaving.  referenced: the page is worth keeping. */
enum page_taken page_take_rpin(page_word *word, bool referenced);
/*
 * A hold that forbids leaving and becoming CLEAN (rule 2).  may_dirty: the
 * caller keeps the set of dirty pages and holds its lock.
 */
enum page_taken page_take_wpin(page_word *word, bool referenced,
			       bool may_dirty);
/* The same for a CLEAN page, before a store has come.  False: it is not. */
bool page_take_foreseen(page_word *word, unsigned slot);
/* True if the page has no pin left. */
bool page_drop_rpin(page_word *word);
bool page_drop_wpin(page_word *word);

/* ABSENT or FAILED -> READING.  False: it is something else. */
bool page_begin_read(page_word *word);
/* In READING: somebody waits for it, parked or not. */
void page_set_touched(page_word *word);
/* In READING: what will be CLEAN is zeros, until the next read. */
void page_set_zeroed(page_word *word);
/* READING -> CLEAN, LODGED, FAILED, ABSENT, or DIRTY: it was not read, but
 * written whole.  True: waiters are to be woken. */
bool page_end_read(page_word *word, enum page_state state);

/* DIRTY -> WRITING.  False: it is something else. */
bool page_begin_write(page_word *word);
/* The same; *was: the word before.  With a write pin in it the page ends DIRTY
 * (rule 3), whatever becomes of the pin. */
bool page_begin_write_from(page_word *word, uint64_t *was);
/* A write pin is held now. */
static inline bool word_wpinned(uint64_t word)
{
	return (word & WORD_WPINS) != 0;
}
/*
 * WRITING -> CLEAN if good, and nobody stored since or may be storing now
 * (rule 3); else -> DIRTY.  *clean says which.  True: wake.
 */
bool page_end_write(page_word *word, bool good, bool *clean);

/* Its bytes were changed, by whoever is to say so. */
void page_forget_foreseen(page_word *word);
/* The same, if it is DIRTY, and its slot this one: false: it is not. */
bool page_spare_slot(page_word *word, unsigned slot);

/* CLEAN without pins or LODGED, not locked -> EVICTING (rule 5). */
bool page_begin_evict(page_word *word);
/* LODGED -> EVICTING, locked or not: it is brought home, or goes. */
bool page_begin_move(page_word *word);
/* EVICTING -> CLEAN: it is in the memfd now.  True: wake. */
bool page_end_move(page_word *word);
/* ABSENT -> EVICTING: it does not come for a while.  A page of the same chapter
 * is charged. */
bool page_begin_gap(page_word *word);
/* CLEAN or DIRTY without pins -> EVICTING, locked or not: for a page past the
 * end, or one whose bytes are discarded. */
bool page_begin_cut(page_word *word, bool *was_dirty);
/* EVICTING -> ABSENT, or back to CLEAN (which may be LODGED) or DIRTY, where it
 * came from.  True: wake. */
bool page_end_evict(page_word *word, enum page_state state);

/* The page is kept from reclaim, if it is there or coming.  Both are called
 * under the lock of whoever remembers what is locked. */
void page_lock(page_word *word);
void page_unlock(page_word *word);

/* Says that somebody waits, if the state is still the one seen (rule 9). */
bool page_set_waiters(page_word *word, enum page_state seen);

/* Clears REFERENCED; true if it was set. */
bool page_forgive(page_word *word);

#endif
