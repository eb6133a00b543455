/* backing.h - where the bytes of anonymous memory lie, on the host's MMU */
/* SPDX-License-Identifier: MIT */
/*
 * The host maps whole stretches of an object, so private anonymous memory of
 * it stands on one object of the space, at the page that its address says:
 * neighbours go on in the object as they do in memory, and can be one VMA.
 *
 *   addresses  base .....[ A ][ B ]..........[ C ].....
 *   object          .....[ A ][ B ]..........[ C ].....
 *
 * A mapping that was moved by mremap keeps its pages, so they are at another's
 * place then; and a range that was unmapped is taken until its old bytes are
 * discarded.  Both are counted by granules of 2 MiB; who wants to map there
 * stands on an object of its own.
 */
#ifndef QUIRE_SPACE_BACKING_H
#define QUIRE_SPACE_BACKING_H

#include "object/object.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BACKING_GRANULE_SHIFT 9 /* pages */

struct backing {
	struct quire_object *handle; /* NULL: there is none, or none yet */
	uint64_t base;               /* the address of its first page */
	uint64_t pages;
	/* [a] pages of each granule that are another's or dying */
	_Atomic uint16_t *taken;
};

/* Takes the reference of handle over.  taken: zeroed memory of
 * backing_bytes(); it remains the caller's. */
void backing_init(struct backing *backing, struct quire_object *handle,
		  uint64_t base, void *taken);
uint64_t backing_bytes(uint64_t pages);
void backing_finish(struct backing *backing);

/* Under the space's write lock.  False: another object, please. */
bool backing_place(const struct backing *backing, uint64_t address,
		   uint64_t length, uint64_t *index);
/* Is the page index of handle where this address has its own? */
bool backing_in_place(const struct backing *backing,
		      const struct quire_object *handle, uint64_t address,
		      uint64_t index);
/* count pages of handle from index on are taken, or no longer; any lock. */
void backing_take(struct backing *backing, const struct quire_object *handle,
		  uint64_t index, uint64_t count);
void backing_give(struct backing *backing, const struct quire_object *handle,
		  uint64_t index, uint64_t count);

#endif
