/* mapping.h - a place where an object is mapped, as the object sees it */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_OBJECT_MAPPING_H
#define QUIRE_OBJECT_MAPPING_H

#include "base/base.h"
#include "mmu/mmu.h"

struct object;
struct page_span;   /* object/object.h */
struct object_fill; /* object/object.h */

/*
 * Embedded in a VMA.  The object's list of mappings is guarded by its lock
 * LOCK_RANK_OBJECT_MAPPINGS; write-back protects through it.  The fields
 * change only under that lock and the space's write lock.
 */
struct mapping {
	struct list link; /* in the object's list */
	struct mmu *mmu;
	uint64_t start; /* addresses, half open */
	uint64_t end;
	uint64_t index : 60; /* page of the object at start */
	uint64_t shared : 1; /* stores reach the object */
	uint64_t locked : 1; /* its pages stay in memory */
	/* The kernel shows pages by itself, and has them clean.  False: it may
	 * do so all the same. */
	uint64_t untrapped : 1;
	/* What is read for it may lie in its own memory (lodged.c): it is shared,
	 * and nobody may ever store there.  Stays. */
	uint64_t lodges : 1;
};

#define MAPPING_INDEX_MASK ((UINT64_C(1) << 60) - 1)

/* Any thread, under the space's write lock; never blocks. */
void object_attach(struct object *object, struct mapping *mapping);
void object_detach(struct object *object, struct mapping *mapping);
/* Moves the borders of an attached mapping, in one step for the writer. */
void object_adjust(struct object *object, struct mapping *mapping,
		   uint64_t start, uint64_t end, uint64_t index);
/* What depends on the mapping's flags. */
void object_mark(struct object *object, struct mapping *mapping, bool locked,
		 bool untrapped);
/* Does any mapping show one of these pages? */
bool object_is_mapped(struct object *object, uint64_t index, uint64_t count);
/* Where mmu's space shows the page, if it does; the first such place.  It may
 * be another's when this returns. */
bool object_mapped_at(struct object *object, const struct mmu *mmu,
		      uint64_t index, uint64_t *address);
/* Of all mappings together. */
uint64_t object_mapped_bytes(struct object *object);
/* Does another mapping than this one lock the page? */
bool object_locked_elsewhere(struct object *object,
			     const struct mapping *mapping, uint64_t index);
/*
 * Drops the private copies that mmu has of pages from index on.  => the lock
 * of its space is held for writing: whoever found such a page under it is done.
 */
void object_forget_behind(struct object *object, uint64_t index,
			  const struct mmu *mmu);
struct page_run; /* page/cache.h */

/* Takes pages that are to leave memory out of where the kernel shows them by
 * itself, all at once.  It may show one again as long as it is in memory. */
void object_leave_untrapped(struct object *object, const struct page_run *runs,
			    unsigned count);
/* ---- lodged pages: lodged.c ---- */

/*
 * May [index, +count), which is mapped at address, be lodged there?  That is, it
 * is mapped nowhere else now, and not locked.  => the lock of the mapping's space is held.
 */
bool object_may_lodge(struct object *object, uint64_t address, uint64_t index,
		      uint64_t count);
/* READING -> LODGED.  => as above, since before the mapping was filled. */
void object_lodge(struct object *object, uint64_t index, uint64_t count,
		  struct object_fill *fill);
/*
 * No page of the range that was LODGED is so any more: its mapping has lost it,
 * and it is CLEAN, with its bytes in the memfd, or absent.  keep: the first, if
 * that can be done; it reads from the mapping, and may wait for memory, so it is
 * not for the threads that resolve faults.  Else it waits for nothing but reclaim.
 */
void object_bring_home(struct object *object, uint64_t index, uint64_t count,
		       bool keep);
/* The page is absent, if it was LODGED.  Waits for nothing. */
void object_drop_lodged(struct object *object, uint64_t index);
/* Takes what is hollow of the runs, which are EVICTING, out of its mapping. */
void object_leave_lodged(struct object *object, const struct page_run *runs,
			 unsigned count);

/* Hides pages from mappings whose mmu shows a hole as zeros: before memory is
 * punched.  0, or the first mmu's error. */
int object_hide(struct object *object, uint64_t index, uint64_t count);

#endif
