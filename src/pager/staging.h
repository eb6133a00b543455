/* staging.h - the buffers that pages pass through on their way */
/* SPDX-License-Identifier: MIT */
/*
 * Bytes come from a store into a staging buffer and go from there into the
 * object's memory in one piece, and back the same way: a half-filled page is
 * never in the memory, a page that changes while it is written never reaches
 * the store half, and a few hot buffers serve for all.
 *
 * The memory is not malloc's, so trap threads may take one.  Buffers are kept
 * for the next user.  How many of each size are kept or lent is bounded, but
 * for the smallest, of which there is one for each read in flight at most, and
 * for the middle ones of those who fill them: when the large ones are out a
 * long read becomes some requests, and not one for each page.
 *
 * The longer ones may be parts of huge pages, where the kernel has them: a
 * device takes a request by its physically contiguous pieces, and one of 1 MiB
 * in single pages has 256.
 */
#ifndef QUIRE_PAGER_STAGING_H
#define QUIRE_PAGER_STAGING_H

#include "base/base.h"

#include <stdint.h>

#define STAGING_CLASSES 3

struct staging {
	struct list link;
	void *bytes; /* page aligned */
	uint64_t pages;
	unsigned class;
	bool maps; /* the first one in a mapping */
};

struct staging_pool {
	bool huge;        /* [I] */
	struct lock lock; /* LOCK_RANK_PAGER */
	struct pool items;
	struct list free[STAGING_CLASSES]; /* [lock] */
	unsigned made[STAGING_CLASSES];    /* [lock] */
};

/* huge: longer buffers lie in huge pages, of which the first one takes 2 MiB. */
void staging_pool_init(struct staging_pool *pool, bool huge);
/* All buffers have been given back. */
void staging_pool_finish(struct staging_pool *pool);

/*
 * A buffer for up to count pages; it may be smaller (staging->pages says), as
 * large ones are few.  NULL: no memory.  Never blocks.
 */
struct staging *staging_take(struct staging_pool *pool, uint64_t count);
void staging_drop(struct staging_pool *pool, struct staging *staging);

#endif
