/* pager.c - the one caller of a pager's table */
/* SPDX-License-Identifier: MIT */
#include "pager/pager.h"

#include <errno.h>

void pager_submit(struct pager *pager, struct pager_io *io)
{
	if (io->operation != PAGER_FLUSH) {
		debug_check(io->length > 0 &&
				    io->length <= io->staging->pages
							  << PAGE_SHIFT,
			    "a run fits in its buffer");
		check(io->operation != PAGER_WRITE || pager->writable,
		      "a page of a read-only object is never dirty");
	}
	io->pager = pager;
	pager->ops->submit(pager, io);
}

int pager_size(struct pager *pager, uint64_t *size)
{
	return pager->ops->size ? pager->ops->size(pager, size) : -EOPNOTSUPP;
}

int pager_resize(struct pager *pager, uint64_t size)
{
	return pager->ops->resize(pager, size);
}

int pager_allocate(struct pager *pager, uint64_t offset, uint64_t length)
{
	return pager->ops->allocate(pager, offset, length);
}

int pager_discard(struct pager *pager, uint64_t index, uint64_t count)
{
	return pager->ops->discard ? pager->ops->discard(pager, index, count)
				   : -EOPNOTSUPP;
}

void pager_destroy(struct pager *pager)
{
	if (pager)
		pager->ops->destroy(pager);
}

struct flush {
	struct pager_io io;
	struct lock lock;
	struct condition condition;
	bool done; /* [lock] */
	int error; /* [lock] */
};

static void flush_complete(struct pager_io *io, int error)
{
	struct flush *flush = container_of(io, struct flush, io);

	lock_take(&flush->lock);
	flush->error = error;
	flush->done = true;
	condition_wake_all(&flush->condition);
	lock_drop(&flush->lock);
}

int pager_flush(struct pager *pager)
{
	struct flush flush = {
		.io = { .operation = PAGER_FLUSH,
			.urgency = STORE_NOW,
			.complete = flush_complete },
	};

	lock_init(&flush.lock, LOCK_RANK_PAGER);
	condition_init(&flush.condition);
	pager_submit(pager, &flush.io);
	lock_take(&flush.lock);
	while (!flush.done)
		condition_wait(&flush.condition, &flush.lock);
	lock_drop(&flush.lock);
	lock_finish(&flush.lock);
	condition_finish(&flush.condition);
	return flush.error;
}
