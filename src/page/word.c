/* word.c - the page word: all that is true of a page, in one atomic */
/* SPDX-License-Identifier: MIT */
#include "page/word.h"

static bool swap(page_word *word, uint64_t *old, uint64_t new)
{
	return atomic_compare_exchange_weak(word, old, new);
}

enum page_taken page_take_rpin(page_word *word, bool referenced)
{
	uint64_t old = atomic_load(word);
	uint64_t flag = WORD_TOUCHED | (referenced ? WORD_REFERENCED : 0);

	do {
		if (!word_visible(old))
			return PAGE_NOT_VISIBLE;
		if ((old & WORD_RPINS) == WORD_RPINS)
			return PAGE_PINS_FULL;
	} while (!swap(word, &old, (old + WORD_RPIN) | flag));
	return PAGE_TAKEN;
}

enum page_taken page_take_wpin(page_word *word, bool referenced, bool may_dirty)
{
	uint64_t old = atomic_load(word);
	uint64_t flag = WORD_TOUCHED | (referenced ? WORD_REFERENCED : 0);
	uint64_t new;

	do {
		if (!word_visible(old))
			return PAGE_NOT_VISIBLE;
		if (old & WORD_ZEROED)
			return PAGE_ZEROED;
		if ((old & WORD_WPINS) == WORD_WPINS)
			return PAGE_PINS_FULL;
		if (word_state(old) == PAGE_CLEAN && !may_dirty)
			return PAGE_IS_CLEAN;
		new = ((old + WORD_WPIN) | flag) & ~WORD_FORESEEN;
		if (word_state(old) == PAGE_CLEAN)
			new = word_with_state(new, PAGE_DIRTY);
	} while (!swap(word, &old, new));
	return word_state(old) == PAGE_CLEAN ? PAGE_TAKEN_DIRTIED : PAGE_TAKEN;
}

bool page_take_foreseen(page_word *word, unsigned slot)
{
	const uint64_t slots = (WORD_SLOTS - 1) << WORD_SLOT_SHIFT;
	uint64_t old = atomic_load(word), new;

	do {
		if (word_state(old) != PAGE_CLEAN || (old & WORD_ZEROED) ||
		    (old & WORD_WPINS) == WORD_WPINS)
			return false;
		new = (old & ~slots) | (uint64_t)slot << WORD_SLOT_SHIFT;
		new = (new + WORD_WPIN) | WORD_FORESEEN;
	} while (!swap(word, &old, word_with_state(new, PAGE_DIRTY)));
	return true;
}

bool page_drop_rpin(page_word *word)
{
	uint64_t old = atomic_fetch_sub(word, WORD_RPIN);

	check((old & WORD_RPINS) && word_visible(old),
	      "rule 1: a read pin was held");
	return !word_pinned(old - WORD_RPIN);
}

bool page_drop_wpin(page_word *word)
{
	uint64_t old = atomic_load(word);
	uint64_t new;

	do {
		check((old & WORD_WPINS) && (word_state(old) == PAGE_DIRTY ||
					     word_state(old) == PAGE_WRITING),
		      "rule 2: a write pin keeps a page from being CLEAN");
		new = old - WORD_WPIN;
		if (word_state(old) == PAGE_WRITING)
			new |= WORD_REDIRTIED;
	} while (!swap(word, &old, new));
	return !word_pinned(new);
}

bool page_begin_read(page_word *word)
{
	uint64_t old = atomic_load(word);

	do {
		if (word_state(old) != PAGE_ABSENT &&
		    word_state(old) != PAGE_FAILED)
			return false;
		debug_check(!word_pinned(old), "rule 2: no pin without bytes");
	} while (!swap(word, &old,
		       word_with_state(old & ~(WORD_REFERENCED | WORD_ZEROED |
					       WORD_LOCKED | WORD_TOUCHED |
					       WORD_FORESEEN),
				       PAGE_READING)));
	return true;
}

void page_set_touched(page_word *word)
{
	/* relaxed: a hint, no rule depends on it */
	atomic_fetch_or_explicit(word, WORD_TOUCHED, memory_order_relaxed);
}

void page_set_zeroed(page_word *word)
{
	atomic_fetch_or(word, WORD_ZEROED);
}

/* Leaves state from for to, taking WAITERS away; true if it was set. */
static bool leave(page_word *word, enum page_state from, enum page_state to)
{
	uint64_t old = atomic_load(word), new;

	do {
		check(word_state(old) == from,
		      "only its owner moves a page out of this state");
		new = old & ~(WORD_WAITERS | WORD_HOLLOW |
			      (to == PAGE_ABSENT ? WORD_LOCKED : 0));
		if (from == PAGE_READING && (old & WORD_WAITERS))
			new |= WORD_TOUCHED;
		if (from == PAGE_READING && to == PAGE_DIRTY)
			new |= WORD_TOUCHED | WORD_REFERENCED;
	} while (!swap(word, &old, word_with_state(new, to)));
	return (old & WORD_WAITERS) != 0;
}

bool page_end_read(page_word *word, enum page_state state)
{
	return leave(word, PAGE_READING, state);
}

bool page_begin_write(page_word *word)
{
	uint64_t was;

	return page_begin_write_from(word, &was);
}

bool page_begin_write_from(page_word *word, uint64_t *was)
{
	uint64_t old = atomic_load(word);

	do {
		if (word_state(old) != PAGE_DIRTY)
			return false;
	} while (!swap(word, &old,
		       word_with_state(old & ~WORD_REDIRTIED, PAGE_WRITING)));
	*was = old;
	return true;
}

bool page_end_write(page_word *word, bool good, bool *clean)
{
	uint64_t old = atomic_load(word);

	do {
		check(word_state(old) == PAGE_WRITING,
		      "only the writer moves a page out of WRITING");
		*clean = good && !(old & (WORD_REDIRTIED | WORD_WPINS));
	} while (!swap(word, &old,
		       word_with_state(old & ~(WORD_WAITERS | WORD_REDIRTIED),
				       *clean ? PAGE_CLEAN : PAGE_DIRTY)));
	return (old & WORD_WAITERS) != 0;
}

void page_forget_foreseen(page_word *word)
{
	if (atomic_load(word) & WORD_FORESEEN)
		atomic_fetch_and(word, ~WORD_FORESEEN);
}

bool page_spare_slot(page_word *word, unsigned slot)
{
	uint64_t old = atomic_load(word);

	do {
		if (word_state(old) != PAGE_DIRTY || !word_foreseen(old) ||
		    word_slot(old) != slot)
			return false;
	} while (!swap(word, &old, old & ~WORD_FORESEEN));
	return true;
}

bool page_begin_evict(page_word *word)
{
	uint64_t old = atomic_load(word), new;

	do {
		if (word_state(old) == PAGE_LODGED)
			new = old | WORD_HOLLOW;
		else if (word_state(old) == PAGE_CLEAN && !word_pinned(old))
			new = old;
		else
			return false;
		if (word_locked(old))
			return false;
	} while (!swap(word, &old, word_with_state(new, PAGE_EVICTING)));
	return true;
}

static bool begin_hollow(page_word *word, enum page_state from)
{
	uint64_t old = atomic_load(word);

	do {
		if (word_state(old) != from)
			return false;
	} while (!swap(word, &old,
		       word_with_state(old | WORD_HOLLOW, PAGE_EVICTING)));
	return true;
}

bool page_begin_move(page_word *word)
{
	return begin_hollow(word, PAGE_LODGED);
}

bool page_end_move(page_word *word)
{
	return leave(word, PAGE_EVICTING, PAGE_CLEAN);
}

bool page_begin_gap(page_word *word)
{
	return begin_hollow(word, PAGE_ABSENT);
}

bool page_begin_cut(page_word *word, bool *was_dirty)
{
	uint64_t old = atomic_load(word);

	do {
		if ((word_state(old) != PAGE_CLEAN &&
		     word_state(old) != PAGE_DIRTY) ||
		    word_pinned(old))
			return false;
		*was_dirty = word_state(old) == PAGE_DIRTY;
	} while (!swap(word, &old, word_with_state(old, PAGE_EVICTING)));
	return true;
}

bool page_end_evict(page_word *word, enum page_state state)
{
	/* Nobody else changes the mark meanwhile. */
	if (state == PAGE_CLEAN && (atomic_load(word) & WORD_HOLLOW))
		state = PAGE_LODGED;
	return leave(word, PAGE_EVICTING, state);
}

void page_lock(page_word *word)
{
	uint64_t old = atomic_load(word);

	/* Not a word that nobody is charged for: it may be given back. */
	do {
		if (word_state(old) == PAGE_ABSENT ||
		    word_state(old) == PAGE_FAILED)
			return;
	} while (!swap(word, &old, old | WORD_LOCKED));
}

void page_unlock(page_word *word)
{
	if (atomic_load(word) & WORD_LOCKED)
		atomic_fetch_and(word, ~WORD_LOCKED);
}

bool page_set_waiters(page_word *word, enum page_state seen)
{
	uint64_t old = atomic_load(word);

	do {
		if (word_state(old) != seen)
			return false;
	} while (!swap(word, &old, old | WORD_WAITERS));
	return true;
}

bool page_forgive(page_word *word)
{
	/* relaxed: a hint for the choice of victims, no rule depends on it */
	uint64_t old = atomic_load_explicit(word, memory_order_relaxed);

	if (!(old & WORD_REFERENCED))
		return false;
	atomic_fetch_and_explicit(word, ~WORD_REFERENCED, memory_order_relaxed);
	return true;
}
