/* foreseen.h - what pages had that are DIRTY before a store has come */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_OBJECT_FORESEEN_H
#define QUIRE_OBJECT_FORESEEN_H

#include "base/base.h"
#include "page/word.h"

struct object;

struct foreseen_slot {
	struct object *object; /* NULL: free */
	uint64_t index;
};

struct foreseen {
	struct lock lock; /* LOCK_RANK_FORESEEN */
	char *copies;     /* [I] NULL: there are no slots */
	struct foreseen_slot slots[WORD_SLOTS]; /* [lock] */
	unsigned hand;                          /* [lock] */
	unsigned rest;                          /* [lock] */
};

/* A copy is memory beside the budget, of so many pages: small ones have none. */
void foreseen_init(struct foreseen *foreseen, uint64_t budget);
void foreseen_finish(struct foreseen *foreseen);

#endif
