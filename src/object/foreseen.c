/* foreseen.c - pages that are DIRTY before a store has come to them */
/* SPDX-License-Identifier: MIT */
/*
 * Who writes a file through a mapping, one page after the other, would trap at each.
 * So some pages more are made DIRTY with the one that he stores to, and shown
 * writable.  What he then never stores to must not be written home, as somebody else
 * may have written there: what such a page had is kept in a slot, and when it is to go
 * home its bytes say whether a store has come.
 *
 *            a store's neighbour        what has it now?
 *   CLEAN ---------------------> DIRTY -----------------> DIRTY: written home
 *     ^                        foreseen     other bytes
 *     |                            |
 *     '----------------------------'
 *       the same: nothing to write
 *
 * A store of just the bytes that are there is no change then; all that the library
 * knows of (a trap, a pin, a copy, a refresh) end the page's being foreseen before they
 * begin.  A slot serves for the next page when its page is not foreseen any more, or
 * has other bytes by now; and while it has not, it is not taken away: so rows that lead
 * nowhere, and stores of what is there, take what slots there are, until the next
 * flush, which is asked for when there are no more.
 *
 * Who looks at a page's bytes to end that is its writer, while it is WRITING, or has the
 * slots' lock and finds it DIRTY, in one swap (docs/models/foreseen.pml).
 */
#include "object/object_private.h"

#include "os/memory.h"

#include <string.h>

#define LOOK_PAGES 16
#define REST 64 /* rows that nobody looks for a slot for, when there was none */
/* Behind the slots: for who looks at pages' bytes under the lock. */
#define COPIES_BYTES ((WORD_SLOTS + LOOK_PAGES) << PAGE_SHIFT)
/* Of the budget, so many for each slot. */
#define BUDGET_A_SLOT 32

void foreseen_init(struct foreseen *foreseen, uint64_t budget)
{
	lock_init(&foreseen->lock, LOCK_RANK_FORESEEN);
	if (budget / BUDGET_A_SLOT >= WORD_SLOTS)
		foreseen->copies = memory_pool_map(COPIES_BYTES);
}

void foreseen_finish(struct foreseen *foreseen)
{
	if (foreseen->copies)
		memory_unmap(foreseen->copies, COPIES_BYTES);
	lock_finish(&foreseen->lock);
}

static char *copy_of(struct foreseen *foreseen, unsigned slot)
{
	return foreseen->copies + ((size_t)slot << PAGE_SHIFT);
}

/* The lock is held.  The page that the slot was of still has it. */
static bool is_kept(const struct foreseen *foreseen, unsigned slot)
{
	const struct foreseen_slot *kept = &foreseen->slots[slot];
	uint64_t now;

	if (!kept->object)
		return false;
	now = atomic_load(object_word(kept->object, kept->index));
	return word_foreseen(now) && word_slot(now) == slot;
}

/* The same.  How many slots from this one on are of pages that lie side by side. */
static unsigned kept_together(const struct foreseen *foreseen, unsigned slot,
			      unsigned most)
{
	const struct foreseen_slot *kept = &foreseen->slots[slot];
	unsigned count = 0;

	while (count < most && kept[count].object == kept->object &&
	       kept[count].index == kept->index + count &&
	       is_kept(foreseen, slot + count))
		count++;
	return count;
}

/* The same.  Their pages are DIRTY, and have other bytes: they are free by now. */
static unsigned spare(struct foreseen *foreseen, unsigned slot, unsigned count)
{
	const struct foreseen_slot *kept = &foreseen->slots[slot];
	char *bytes = copy_of(foreseen, WORD_SLOTS);
	unsigned spared = 0;

	if (memory_file_read(kept->object->memory, bytes,
			     (size_t)count << PAGE_SHIFT,
			     kept->index << PAGE_SHIFT))
		return 0;
	while (spared < count &&
	       memcmp(bytes + ((size_t)spared << PAGE_SHIFT),
		      copy_of(foreseen, slot + spared), PAGE_SIZE) != 0 &&
	       page_spare_slot(object_word(kept->object, kept->index + spared),
			       slot + spared))
		spared++;
	return spared;
}

/* The same.  How many from this one on are free, or free by now. */
static unsigned free_slots(struct foreseen *foreseen, unsigned slot,
			   unsigned most)
{
	unsigned count = 0, kept = 0, spared = 0;

	while (count < most && spared == kept) {
		kept = kept_together(foreseen, slot + count, most - count);
		spared = kept ? spare(foreseen, slot + count, kept) : 0;
		count += kept ? spared : 1;
	}
	return count;
}

/* The same; 0: all that it looked at are in use.  The hand is at the first. */
static unsigned find_slots(struct foreseen *foreseen, unsigned most)
{
	unsigned count = 0;

	for (unsigned looks = 0; looks < LOOK_PAGES && count == 0; looks++) {
		unsigned left = WORD_SLOTS - foreseen->hand;

		count = free_slots(foreseen, foreseen->hand,
				   most < left ? most : left);
		if (count == 0)
			foreseen->hand = (foreseen->hand + 1) % WORD_SLOTS;
	}
	return count;
}

/* The same. */
static void note_slots(struct foreseen *foreseen, struct object *object,
		       uint64_t index, unsigned count)
{
	while (count-- > 0) {
		foreseen->slots[foreseen->hand] = (struct foreseen_slot){
			.object = object,
			.index = index++,
		};
		foreseen->hand = (foreseen->hand + 1) % WORD_SLOTS;
	}
}

/*
 * The same.  First one slot, then twice as many at a time as were taken, as what is
 * to be looked at is read at once.
 */
static uint64_t foresee(struct foreseen *foreseen, struct object *object,
			uint64_t index, uint64_t most, bool *spent)
{
	unsigned at_once = 1, found, taken = 1;
	uint64_t count = 0;

	while (count < most && taken > 0) {
		if (at_once > most - count)
			at_once = (unsigned)(most - count);
		found = find_slots(foreseen, at_once);
		if (found == 0) {
			foreseen->rest = REST;
			*spent = true;
			break;
		}
		taken = dirty_take_foreseen(object, index + count, found,
					    foreseen->hand,
					    copy_of(foreseen, foreseen->hand));
		note_slots(foreseen, object, index + count, taken);
		count += taken;
		at_once = taken * 2 < LOOK_PAGES ? taken * 2 : LOOK_PAGES;
	}
	return count;
}

uint64_t object_foresee(struct object *object, uint64_t index, uint64_t most,
			bool *spent)
{
	struct object_host *host = object->host;
	struct foreseen *foreseen = &host->foreseen;
	uint64_t count = 0;

	*spent = false;
	if (!foreseen->copies || !lock_try(&foreseen->lock))
		return 0;
	if (foreseen->rest > 0)
		foreseen->rest--;
	else
		count = foresee(foreseen, object, index, most, spent);
	lock_drop(&foreseen->lock);
	if (count > 0)
		host->dirtied(host->context);
	return count;
}

void object_free_slots(struct object *object)
{
	struct foreseen *foreseen = &object->host->foreseen;

	lock_take(&foreseen->lock);
	foreseen->rest = 0;
	lock_drop(&foreseen->lock);
}

void foreseen_forget(struct object *object)
{
	struct foreseen *foreseen = &object->host->foreseen;

	lock_take(&foreseen->lock);
	for (unsigned slot = 0; slot < WORD_SLOTS; slot++)
		if (foreseen->slots[slot].object == object)
			foreseen->slots[slot].object = NULL;
	foreseen->rest = 0;
	lock_drop(&foreseen->lock);
}

bool object_is_foreseen(struct object *object, uint64_t index)
{
	struct foreseen *foreseen = &object->host->foreseen;
	uint64_t now;
	bool is;

	lock_take(&foreseen->lock);
	now = atomic_load(object_word(object, index));
	is = word_foreseen(now) && !free_slots(foreseen, word_slot(now), 1);
	lock_drop(&foreseen->lock);
	return is;
}

/* Its writer asks: the slot is the page's as long as it is foreseen. */
bool object_is_unstored(struct object *object, uint64_t index,
			const void *bytes)
{
	page_word *word = object_word(object, index);
	uint64_t now = atomic_load(word);

	if (word_foreseen(now) &&
	    memcmp(bytes, copy_of(&object->host->foreseen, word_slot(now)),
		   PAGE_SIZE) == 0) {
		hook_point(HOOK_UNSTORED, &object->table, index);
		return true;
	}
	page_forget_foreseen(word);
	return false;
}

/* Each once: a copy or a store may come in between, and end that it is foreseen. */
uint64_t object_look_at_foreseen(struct object *object, uint64_t index,
				 uint64_t count, struct staging *staging,
				 bool *unstored)
{
	const char *bytes = staging->bytes;
	uint64_t found = 0;

	/* Who foresaw them has kept what they had. */
	lock_take(&object->dirty_lock);
	lock_drop(&object->dirty_lock);
	*unstored = false;
	while (found < count) {
		uint64_t more = count - found;

		if (more > LOOK_PAGES)
			more = LOOK_PAGES;
		/* What cannot be read is left to who copies it. */
		if (memory_file_read(object->memory, staging->bytes,
				     more << PAGE_SHIFT,
				     (index + found) << PAGE_SHIFT))
			return found ? found : count;
		for (uint64_t i = 0; i < more; i++, found++) {
			bool now =
				object_is_unstored(object, index + found,
						   bytes + (i << PAGE_SHIFT));

			if (found == 0)
				*unstored = now;
			else if (now != *unstored)
				return found;
		}
	}
	return count;
}

uint64_t object_stores_before(struct object *object, uint64_t index,
			      uint64_t most)
{
	uint64_t count = 0;

	while (count < most && count < index) {
		enum page_state state = word_state(
			atomic_load(object_word(object, index - count - 1)));

		if (state != PAGE_DIRTY && state != PAGE_WRITING)
			break;
		count++;
	}
	return count;
}
