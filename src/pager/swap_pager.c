/* swap_pager.c - scratch: what was never written is zeros */
/* SPDX-License-Identifier: MIT */
/*
 * A bit a page says whether the store has bytes of it:
 *
 *   read     none of the run: zeros at once, the store is not asked
 *            some:  ---www-w--  one read from the first to the last of them
 *                      '---'    and zeros where the bit is not set
 *   write    the bits are set when the bytes are there
 *   discard  the bits go, and then the room; they alone decide, so that a
 *            store that cannot give room back changes nothing
 *
 * Room is given back at once: nobody else would ever do it, as the store is
 * nobody's file, and only what was written costs a call.
 */
#include "os/memory.h"
#include "pager/pager.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FORGET_MOST 4096 /* pages in one hold of the lock */

struct swap_pager {
	struct pager pager;
	struct store *store;   /* [I] */
	uint64_t pages;        /* [I] */
	void *memory;          /* [I] of the bitmap */
	struct lock lock;      /* LOCK_RANK_PAGER */
	struct bitmap written; /* [lock] */
};

static struct swap_pager *own(struct pager *pager)
{
	return container_of(pager, struct swap_pager, pager);
}

static uint64_t pages_of(const struct pager_io *io)
{
	return page_round_up(io->length) >> PAGE_SHIFT;
}

static char *page_in(const struct pager_io *io, uint64_t index)
{
	return (char *)io->staging->bytes + ((index - io->index) << PAGE_SHIFT);
}

/* The first run of written pages in [*index, end); its length, 0: none. */
static uint64_t next_run(const struct swap_pager *swap, uint64_t *index,
			 uint64_t end)
{
	uint64_t count = 0;

	*index = bitmap_next(&swap->written, *index);
	if (*index >= end)
		return 0;
	while (*index + count < end && count < FORGET_MOST &&
	       bitmap_test(&swap->written, *index + count))
		count++;
	return count;
}

/* From the first written page of the run to the last; false: there is none. */
static bool written_part(struct swap_pager *swap, const struct pager_io *io,
			 uint64_t *first, uint64_t *last)
{
	uint64_t end = io->index + pages_of(io), next;

	lock_take(&swap->lock);
	*first = bitmap_next(&swap->written, io->index);
	for (next = *first; next < end;
	     next = bitmap_next(&swap->written, next + 1))
		*last = next;
	lock_drop(&swap->lock);
	return *first < end;
}

/*
 * got bytes have come, from the first written page on.  Zeros everywhere else:
 * -ENODATA if the store lacks a page that was written to it.
 */
static int fill(struct swap_pager *swap, struct pager_io *io, uint64_t got)
{
	uint64_t end = io->index + pages_of(io);
	uint64_t come = io->store_io.offset + got; /* not a byte from there */
	int error = 0;

	lock_take(&swap->lock);
	for (uint64_t i = io->index; i < end; i++) {
		uint64_t offset = i << PAGE_SHIFT;

		if (!bitmap_test(&swap->written, i))
			memset(page_in(io, i), 0, PAGE_SIZE);
		else if (offset >= come)
			error = -ENODATA;
		else if (come - offset < PAGE_SIZE)
			memset(page_in(io, i) + (come - offset), 0,
			       PAGE_SIZE - (come - offset));
	}
	lock_drop(&swap->lock);
	/* Past the object's end. */
	memset((char *)io->staging->bytes + io->length, 0,
	       page_round_up(io->length) - io->length);
	return error;
}

static void mark_written(struct swap_pager *swap, const struct pager_io *io)
{
	lock_take(&swap->lock);
	for (uint64_t i = 0; i < pages_of(io); i++)
		bitmap_set(&swap->written, io->index + i);
	lock_drop(&swap->lock);
}

static struct swap_pager *pager_of(struct store_io *store_io)
{
	return own(container_of(store_io, struct pager_io, store_io)->pager);
}

static void read_complete(struct store_io *store_io, int64_t result)
{
	struct pager_io *io = container_of(store_io, struct pager_io, store_io);
	int error = (int)result;

	if (result >= 0)
		error = fill(pager_of(store_io), io, (uint64_t)result);
	io->complete(io, error);
}

static void write_complete(struct store_io *store_io, int64_t result)
{
	struct pager_io *io = container_of(store_io, struct pager_io, store_io);

	/* After a failure the pages are still in memory, and dirty. */
	if (result >= 0)
		mark_written(pager_of(store_io), io);
	io->complete(io, result < 0 ? (int)result : 0);
}

static void submit_read(struct swap_pager *swap, struct pager_io *io)
{
	struct store_io *store_io = &io->store_io;
	uint64_t first, last;

	if (!written_part(swap, io, &first, &last)) {
		memset(io->staging->bytes, 0, pages_of(io) << PAGE_SHIFT);
		io->complete(io, 0);
		return;
	}
	store_io->operation = STORE_READ;
	store_io->complete = read_complete;
	store_io->offset = first << PAGE_SHIFT;
	store_io->iov[0] = (struct iovec){ page_in(io, first),
					   (last + 1 - first) << PAGE_SHIFT };
	store_io->iov_count = 1;
	store_io->urgency = io->urgency;
	store_submit(swap->store, store_io);
}

static void submit_write(struct swap_pager *swap, struct pager_io *io)
{
	struct store_io *store_io = &io->store_io;

	store_io->operation = STORE_WRITE;
	store_io->complete = write_complete;
	store_io->offset = io->index << PAGE_SHIFT;
	store_io->iov[0] = (struct iovec){ io->staging->bytes, io->length };
	store_io->iov_count = 1;
	store_io->urgency = io->urgency;
	store_submit(swap->store, store_io);
}

static void submit(struct pager *pager, struct pager_io *io)
{
	switch (io->operation) {
	case PAGER_READ:
		submit_read(own(pager), io);
		break;
	case PAGER_WRITE:
		submit_write(own(pager), io);
		break;
	case PAGER_FLUSH:
		/* Scratch ends with the process: nothing is ever durable. */
		io->complete(io, 0);
		break;
	}
}

/* Takes the bits of a run away; its length, 0: no bit is left. */
static uint64_t forget_run(struct swap_pager *swap, uint64_t *index,
			   uint64_t end)
{
	uint64_t count;

	lock_take(&swap->lock);
	count = next_run(swap, index, end);
	for (uint64_t i = 0; i < count; i++)
		bitmap_clear(&swap->written, *index + i);
	lock_drop(&swap->lock);
	return count;
}

static int discard(struct pager *pager, uint64_t index, uint64_t count)
{
	struct swap_pager *swap = own(pager);
	uint64_t end = swap->pages, run;

	if (index < end && count < end - index)
		end = index + count;
	while (index < end && (run = forget_run(swap, &index, end)) > 0) {
		/* Refused, it takes room for nothing, and no more. */
		store_discard(swap->store, index << PAGE_SHIFT,
			      run << PAGE_SHIFT);
		index += run;
	}
	return 0;
}

static int resize(struct pager *pager, uint64_t size)
{
	struct swap_pager *swap = own(pager);
	uint64_t first = page_round_up(size) >> PAGE_SHIFT;
	int error;

	if (first > swap->pages)
		return error_say(-EFBIG, "no room for so much scratch");
	error = store_resize(swap->store, size);
	if (!error)
		discard(pager, first, swap->pages - first);
	return error;
}

static int allocate(struct pager *pager, uint64_t offset, uint64_t length)
{
	return store_allocate(own(pager)->store, offset, length);
}

static void destroy(struct pager *pager)
{
	struct swap_pager *swap = own(pager);

	store_destroy(swap->store);
	lock_finish(&swap->lock);
	memory_unmap(swap->memory, bitmap_bytes(swap->pages));
	free(swap);
}

static const struct pager_ops ops = {
	.submit = submit,
	.resize = resize,
	.allocate = allocate,
	.discard = discard,
	.destroy = destroy,
};

int swap_pager_create(struct store *store, uint64_t pages, struct pager **pager)
{
	struct swap_pager *new;

	if (pages > BITMAP_MOST)
		return error_say(-EFBIG, "no room for so much scratch");
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->pages = pages ? pages : 1;
	if (memory_map(bitmap_bytes(new->pages), &new->memory)) {
		free(new);
		return error_say(-ENOMEM, "no memory to note what was swapped");
	}
	bitmap_init(&new->written, new->pages, new->memory);
	lock_init(&new->lock, LOCK_RANK_PAGER);
	new->pager.ops = &ops;
	new->pager.writable = store->writable;
	new->pager.forgets = true;
	new->store = store;
	*pager = &new->pager;
	return 0;
}
