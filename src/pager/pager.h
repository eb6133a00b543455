/* pager.h - what a page means on its store */
/* SPDX-License-Identifier: MIT */
/*
 * A pager moves whole runs of pages between a staging buffer and a store.
 * It knows no addresses and holds no thread; what it begins ends by a call of
 * complete(), once, on any thread, possibly inside pager_submit().
 */
#ifndef QUIRE_PAGER_PAGER_H
#define QUIRE_PAGER_PAGER_H

#include "base/base.h"
#include "pager/staging.h"
#include "store/store.h"

enum pager_operation {
	PAGER_READ,  /* fills the buffer, whole pages: zeros past length */
	PAGER_WRITE, /* length bytes of the buffer */
	PAGER_FLUSH,
};

struct pager_io {
	enum pager_operation operation;
	uint64_t index;  /* first page */
	uint64_t length; /* bytes that lie inside the object */
	struct staging *staging;
	enum store_urgency urgency;
	/* error: 0 or a negative errno; -ENODATA: the store has become shorter
	 * than the object and a whole page is missing. */
	void (*complete)(struct pager_io *io, int error);
	struct pager *pager;      /* pager_submit()'s */
	struct store_io store_io; /* the pager's */
};

struct pager;

struct pager_ops {
	void (*submit)(struct pager *pager, struct pager_io *io);
	/* These block. */
	int (*size)(struct pager *pager, uint64_t *size); /* NULL: none */
	int (*resize)(struct pager *pager, uint64_t size);
	int (*allocate)(struct pager *pager, uint64_t offset, uint64_t length);
	int (*discard)(struct pager *pager, uint64_t index, uint64_t count);
	void (*destroy)(struct pager *pager);
};

struct pager {
	const struct pager_ops *ops;
	bool writable;
	bool forgets; /* a discard is cheap and never fails */
};

void pager_submit(struct pager *pager, struct pager_io *io);
/* How many bytes the store has now.  -EOPNOTSUPP: it says nothing of the
 * object's. */
int pager_size(struct pager *pager, uint64_t *size);
int pager_resize(struct pager *pager, uint64_t size);
int pager_allocate(struct pager *pager, uint64_t offset, uint64_t length);
/*
 * The pages read as zeros afterwards and take no room, if the store can do
 * without.  None of them is being read; what is being written may arrive before
 * or after it.  -EOPNOTSUPP: nothing has changed.  After another error each is
 * zeros or what it was.
 */
int pager_discard(struct pager *pager, uint64_t index, uint64_t count);
void pager_destroy(struct pager *pager); /* NULL is allowed */

/* Submits a flush and waits for it.  Blocks. */
int pager_flush(struct pager *pager);

/* Page i is the store's bytes from i * 4096 on.  Takes the store over. */
int direct_pager_create(struct store *store, struct pager **pager);

/*
 * The same for scratch: pages that were never written are zeros, and no read
 * of the store.  So the store need not be as long as the object, if it grows
 * by being written.  pages: the most that the object may ever have.  Takes the
 * store over, unless this fails: -ENOMEM.
 */
int swap_pager_create(struct store *store, uint64_t pages,
		      struct pager **pager);

#endif
