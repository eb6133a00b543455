/* direct_pager.c - page i is the store's bytes from i * 4096 on */
/* SPDX-License-Identifier: MIT */
#include "pager/pager.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct direct_pager {
	struct pager pager;
	struct store *store;
};

static struct direct_pager *own(struct pager *pager)
{
	return container_of(pager, struct direct_pager, pager);
}

/*
 * A store may end before the object does, if somebody cut it: the page that
 * it ends in reads as zeros from there, as the kernel would show it; a page
 * that it lacks wholly is an error.
 */
static int end_read(struct pager_io *io, uint64_t got)
{
	char *bytes = io->staging->bytes;
	uint64_t whole = page_round_up(io->length);

	if (got > io->length)
		got = io->length; /* bytes past the object's end: zeros */
	if (page_round_up(got) < whole)
		return -ENODATA;
	memset(bytes + got, 0, whole - got);
	return 0;
}

static void store_complete(struct store_io *store_io, int64_t result)
{
	struct pager_io *io = container_of(store_io, struct pager_io, store_io);
	int error = result < 0 ? (int)result : 0;

	if (!error && io->operation == PAGER_READ)
		error = end_read(io, (uint64_t)result);
	io->complete(io, error);
}

static void submit(struct pager *pager, struct pager_io *io)
{
	struct store_io *store_io = &io->store_io;

	store_io->complete = store_complete;
	store_io->offset = io->index << PAGE_SHIFT;
	store_io->iov_count = 1;
	store_io->urgency = io->urgency;
	switch (io->operation) {
	case PAGER_READ:
		/* Whole pages: that keeps a direct read aligned. */
		store_io->operation = STORE_READ;
		store_io->iov[0] = (struct iovec){ io->staging->bytes,
						   page_round_up(io->length) };
		break;
	case PAGER_WRITE:
		store_io->operation = STORE_WRITE;
		store_io->iov[0] =
			(struct iovec){ io->staging->bytes, io->length };
		break;
	case PAGER_FLUSH:
		store_io->operation = STORE_FLUSH;
		store_io->iov_count = 0;
		break;
	}
	store_submit(own(pager)->store, store_io);
}

static int size(struct pager *pager, uint64_t *bytes)
{
	return store_size(own(pager)->store, bytes);
}

static int resize(struct pager *pager, uint64_t size)
{
	return store_resize(own(pager)->store, size);
}

static int allocate(struct pager *pager, uint64_t offset, uint64_t length)
{
	return store_allocate(own(pager)->store, offset, length);
}

static int discard(struct pager *pager, uint64_t index, uint64_t count)
{
	uint64_t size, offset = index << PAGE_SHIFT;
	uint64_t length = count << PAGE_SHIFT;
	int error = store_size(own(pager)->store, &size);

	/* Behind its end it has no bytes, and a block device no addresses. */
	if (error || offset >= size)
		return error;
	return store_discard(own(pager)->store, offset,
			     length < size - offset ? length : size - offset);
}

static void destroy(struct pager *pager)
{
	store_destroy(own(pager)->store);
	free(own(pager));
}

static const struct pager_ops ops = {
	.submit = submit,
	.size = size,
	.resize = resize,
	.allocate = allocate,
	.discard = discard,
	.destroy = destroy,
};

int direct_pager_create(struct store *store, struct pager **pager)
{
	struct direct_pager *new = calloc(1, sizeof(*new));

	if (!new)
		return -ENOMEM;
	new->pager.ops = &ops;
	new->pager.writable = store->writable;
	new->store = store;
	*pager = &new->pager;
	return 0;
}
