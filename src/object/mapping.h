/* mapping.h - a place where an object is mapped, as the object sees it */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_OBJECT_MAPPING_H
#define QUIRE_OBJECT_MAPPING_H

#include "base/base.h"
#include "mmu/mmu.h"

struct object;

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
	uint64_t index; /* page of the object at start */
	bool shared;
};

/* Any thread, under the space's write lock; never blocks. */
void object_attach(struct object *object, struct mapping *mapping);
void object_detach(struct object *object, struct mapping *mapping);
/* Moves the borders of an attached mapping, in one step for the writer. */
void object_adjust(struct object *object, struct mapping *mapping,
		   uint64_t start, uint64_t end, uint64_t index);

#endif
