/* model_steps.c - one random thing that a thread does, and its model */
/* SPDX-License-Identifier: MIT */
#include "model/model_work.h"

static struct body *random_body(struct worker *worker)
{
	return &worker->trial->body[below(&worker->seed, OBJECTS)];
}

static struct quire_object *random_handle(struct worker *worker,
					  struct body *body)
{
	return body->handle[below(&worker->seed, HANDLES)];
}

static struct quire_space *space_of(struct worker *worker)
{
	return quire_host_space(worker->trial->quire);
}

/* Some bytes of the thread's own, within pages [page, page + pages). */
struct piece {
	uint64_t offset;
	size_t length;
};

static struct piece random_piece(struct worker *worker, uint64_t page,
				 uint64_t pages)
{
	uint64_t group = WORKERS * STRIDE;
	uint64_t at = page * PAGE +
		      below(&worker->seed, pages * PAGE / group) * group +
		      worker->id * STRIDE;
	size_t skip = below(&worker->seed, STRIDE);

	return (struct piece){
		.offset = at + skip,
		.length = 1 + below(&worker->seed, STRIDE - skip),
	};
}

static void random_bytes(struct worker *worker, unsigned char *bytes,
			 size_t length)
{
	uint64_t number = next_random(&worker->seed);

	for (size_t i = 0; i < length; i++)
		bytes[i] = (unsigned char)(number >> (i % 8 * 8));
}

/* ---- mappings ---- */

static struct slot *free_slot(struct worker *worker)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (!worker->slot[i].address)
			return &worker->slot[i];
	return NULL;
}

static struct slot *used_slot(struct worker *worker)
{
	struct slot *slot = &worker->slot[below(&worker->seed, SLOTS)];

	return slot->address ? slot : NULL;
}

static void forget_copies(struct slot *slot, uint64_t page, uint64_t pages)
{
	for (uint64_t i = page; i < page + pages; i++) {
		free(slot->own[i]);
		slot->own[i] = NULL;
		slot->copied[i] = false;
	}
}

static void copy_private(struct worker *worker, struct slot *slot,
			 uint64_t page)
{
	unsigned char *own;

	if (slot->shared || slot->copied[page])
		return;
	own = malloc(PAGE);
	require(own);
	/* Of the others' bytes nothing is known, so nothing is copied. */
	for (size_t at = worker->id * STRIDE; at < PAGE; at += WORKERS * STRIDE)
		memcpy(own + at,
		       worker->trial->body[slot->object].model + page * PAGE +
			       at,
		       STRIDE);
	slot->own[page] = own;
	slot->copied[page] = true;
}

static void step_map(struct worker *worker)
{
	struct slot *slot = free_slot(worker);
	struct body *body;
	int flags;

	if (!slot)
		return;
	slot->object = (unsigned)below(&worker->seed, OBJECTS);
	slot->page = below(&worker->seed, STABLE_PAGES);
	slot->pages = 1 + below(&worker->seed, STABLE_PAGES - slot->page);
	slot->shared = below(&worker->seed, 3) > 0;
	slot->prot = below(&worker->seed, 4) ? PROT_READ | PROT_WRITE
					     : PROT_READ;
	body = &worker->trial->body[slot->object];
	slot->reads = body->reader && below(&worker->seed, 2);
	if (slot->reads) {
		slot->shared = true;
		slot->prot = PROT_READ;
	}
	flags = slot->shared ? MAP_SHARED : MAP_PRIVATE;
	if (below(&worker->seed, 8) == 0)
		flags |= MAP_POPULATE;
	slot->address = quire_mmap(
		space_of(worker), NULL, slot->pages * PAGE, slot->prot, flags,
		slot->reads ? body->reader : random_handle(worker, body),
		(off_t)(slot->page * PAGE));
	require(slot->address != MAP_FAILED);
	/* As Linux: what may be stored to gets its copies now. */
	if ((flags & MAP_POPULATE) && (slot->prot & PROT_WRITE))
		for (uint64_t i = 0; i < slot->pages; i++)
			copy_private(worker, slot, slot->page + i);
}

/* The first pages, the last ones, or all. */
static void step_unmap(struct worker *worker)
{
	struct slot *slot = used_slot(worker);
	uint64_t pages;
	bool front;

	if (!slot)
		return;
	pages = below(&worker->seed, 2) ? slot->pages
					: 1 + below(&worker->seed, slot->pages);
	front = below(&worker->seed, 2);
	require(quire_munmap(space_of(worker),
			     front ? slot->address
				   : slot->address +
					     (slot->pages - pages) * PAGE,
			     pages * PAGE) == 0);
	forget_copies(slot,
		      front ? slot->page : slot->page + slot->pages - pages,
		      pages);
	slot->pages -= pages;
	if (front) {
		slot->page += pages;
		slot->address += pages * PAGE;
	}
	if (slot->pages == 0)
		slot->address = NULL;
}

void worker_unmap_all(struct worker *worker)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		struct slot *slot = &worker->slot[i];

		if (!slot->address)
			continue;
		require(quire_munmap(space_of(worker), slot->address,
				     slot->pages * PAGE) == 0);
		forget_copies(slot, slot->page, slot->pages);
		slot->address = NULL;
	}
}

/* Also by halves, so that mappings are cut and joined. */
static void step_protect(struct worker *worker)
{
	static const int prots[] = { PROT_NONE, PROT_READ,
				     PROT_READ | PROT_WRITE };
	struct slot *slot = used_slot(worker);
	uint64_t half;

	if (!slot)
		return;
	half = slot->pages / 2;
	slot->prot = prots[below(&worker->seed, slot->reads ? 2 : 3)];
	if (half > 0)
		require(quire_mprotect(space_of(worker), slot->address,
				       half * PAGE, slot->prot) == 0);
	require(quire_mprotect(space_of(worker), slot->address + half * PAGE,
			       (slot->pages - half) * PAGE, slot->prot) == 0);
}

/* ---- mapped ---- */

/* What a mapping must show at an offset of the object. */
static unsigned char *model_of(struct worker *worker, struct slot *slot,
			       uint64_t offset)
{
	if (slot->copied[offset / PAGE])
		return slot->own[offset / PAGE] + offset % PAGE;
	return worker->trial->body[slot->object].model + offset;
}

static unsigned char *place_of(const struct slot *slot,
			       const struct piece *piece)
{
	return slot->address + (piece->offset - slot->page * PAGE);
}

static void step_load(struct worker *worker)
{
	struct slot *slot = used_slot(worker);
	unsigned char bytes[STRIDE];
	struct piece piece;

	if (!slot)
		return;
	piece = random_piece(worker, slot->page, slot->pages);
	if (!(slot->prot & PROT_READ)) {
		require(quire_peek(space_of(worker), place_of(slot, &piece),
				   bytes, 1) == -EFAULT);
		return;
	}
	if (below(&worker->seed, 4) == 0)
		require(quire_peek(space_of(worker), place_of(slot, &piece),
				   bytes, piece.length) == 0);
	else
		memcpy(bytes, place_of(slot, &piece), piece.length);
	require(memcmp(bytes, model_of(worker, slot, piece.offset),
		       piece.length) == 0);
}

static void step_store(struct worker *worker)
{
	struct slot *slot = used_slot(worker);
	unsigned char bytes[STRIDE];
	struct piece piece;

	if (!slot)
		return;
	piece = random_piece(worker, slot->page, slot->pages);
	random_bytes(worker, bytes, piece.length);
	if (!(slot->prot & PROT_WRITE)) {
		require(quire_poke(space_of(worker), place_of(slot, &piece),
				   bytes, piece.length) == -EFAULT);
		return;
	}
	copy_private(worker, slot, piece.offset / PAGE);
	if (below(&worker->seed, 4) == 0)
		require(quire_poke(space_of(worker), place_of(slot, &piece),
				   bytes, piece.length) == 0);
	else
		memcpy(place_of(slot, &piece), bytes, piece.length);
	memcpy(model_of(worker, slot, piece.offset), bytes, piece.length);
}

/* ---- copied and pinned ---- */

static void step_pread(struct worker *worker)
{
	struct body *body = random_body(worker);
	struct piece piece = random_piece(worker, 0, STABLE_PAGES);
	unsigned char bytes[STRIDE];

	require(quire_object_pread(random_handle(worker, body), bytes,
				   piece.length,
				   piece.offset) == (ssize_t)piece.length);
	require(memcmp(bytes, body->model + piece.offset, piece.length) == 0);
}

/* Several pages at once: of each the thread's own bytes are compared. */
static void step_pread_many(struct worker *worker)
{
	struct body *body = random_body(worker);
	uint64_t page = below(&worker->seed, STABLE_PAGES);
	uint64_t pages = 1 + below(&worker->seed, STABLE_PAGES - page);
	unsigned char *bytes = malloc(pages * PAGE);

	require(bytes);
	require(quire_object_pread(random_handle(worker, body), bytes,
				   pages * PAGE,
				   page * PAGE) == (ssize_t)(pages * PAGE));
	for (size_t at = worker->id * STRIDE; at < pages * PAGE;
	     at += WORKERS * STRIDE)
		require(memcmp(bytes + at, body->model + page * PAGE + at,
			       STRIDE) == 0);
	free(bytes);
}

static void step_pwrite(struct worker *worker)
{
	struct body *body = random_body(worker);
	struct piece piece = random_piece(worker, 0, STABLE_PAGES);
	unsigned char bytes[STRIDE];

	random_bytes(worker, bytes, piece.length);
	require(quire_object_pwrite(random_handle(worker, body), bytes,
				    piece.length,
				    piece.offset) == (ssize_t)piece.length);
	memcpy(body->model + piece.offset, bytes, piece.length);
}

/* The thread's own bytes; the page is shown, to be stored to. */
static void step_zero(struct worker *worker)
{
	struct body *body = random_body(worker);
	struct piece piece = random_piece(worker, 0, STABLE_PAGES);
	struct quire_range range = { piece.offset, piece.length };

	require(quire_object_zero(random_handle(worker, body), &range, 1) == 0);
	memset(body->model + piece.offset, 0, piece.length);
}

/* The bytes come from a mapping, or go into one: a trap inside a copy. */
static void step_copy_mapped(struct worker *worker)
{
	struct slot *slot = used_slot(worker);
	struct body *body = random_body(worker);
	struct piece piece = random_piece(worker, 0, STABLE_PAGES);
	struct piece from;

	if (!slot || !(slot->prot & PROT_READ))
		return;
	from = random_piece(worker, slot->page, slot->pages);
	if (from.length > piece.length)
		from.length = piece.length;
	require(quire_object_pwrite(random_handle(worker, body),
				    place_of(slot, &from), from.length,
				    piece.offset) == (ssize_t)from.length);
	memmove(body->model + piece.offset, model_of(worker, slot, from.offset),
		from.length);
}

static void step_pin(struct worker *worker)
{
	struct body *body = random_body(worker);
	uint64_t page = below(&worker->seed, STABLE_PAGES - 1);
	bool write = below(&worker->seed, 2);
	struct piece piece = random_piece(worker, page, 2);
	unsigned char bytes[STRIDE], *place;
	struct quire_pin pin;

	require(quire_object_pin(
			random_handle(worker, body), page * PAGE, 2 * PAGE,
			write ? PROT_READ | PROT_WRITE : PROT_READ, &pin) == 0);
	place = (unsigned char *)pin.address + (piece.offset - page * PAGE);
	require(memcmp(place, body->model + piece.offset, piece.length) == 0);
	if (write) {
		random_bytes(worker, bytes, piece.length);
		memcpy(place, bytes, piece.length);
		memcpy(body->model + piece.offset, bytes, piece.length);
	}
	quire_object_unpin(&pin);
}

/* ---- writing back, reading ahead ---- */

static void step_sync(struct worker *worker)
{
	static const int flags[] = { MS_SYNC, MS_ASYNC, MS_INVALIDATE,
				     MS_SYNC | MS_INVALIDATE };
	struct slot *slot = used_slot(worker);
	struct body *body = random_body(worker);
	int how = flags[below(&worker->seed, 4)];

	if (slot && below(&worker->seed, 2))
		require(quire_msync(space_of(worker), slot->address,
				    slot->pages * PAGE, how) == 0);
	else if (body->reader && below(&worker->seed, 4) == 0)
		require(quire_object_sync(body->reader, 0, STABLE,
					  MS_INVALIDATE) == 0);
	else
		require(quire_object_sync(random_handle(worker, body),
					  below(&worker->seed, STABLE),
					  below(&worker->seed, STABLE),
					  how) == 0);
}

static void step_prefetch(struct worker *worker)
{
	struct body *body = random_body(worker);
	struct quire_range ranges[2];

	for (unsigned i = 0; i < 2; i++) {
		ranges[i].offset = below(&worker->seed, STABLE);
		ranges[i].length = below(&worker->seed, 16 * PAGE);
	}
	require(quire_object_prefetch(random_handle(worker, body), ranges, 2) >=
		0);
}

/* ---- the tail, thread 0's alone ---- */

static void resize_tail(struct worker *worker, struct body *body)
{
	uint64_t size = STABLE + below(&worker->seed, MOST - STABLE);

	if (below(&worker->seed, 3) == 0)
		size = page_round_up(size);
	require(quire_object_resize(random_handle(worker, body), size) == 0);
	if (size < body->size)
		memset(body->model + size, 0, body->size - size);
	body->size = size;
}

static void use_tail(struct worker *worker, struct body *body)
{
	unsigned char bytes[4 * STRIDE];
	uint64_t offset = STABLE + below(&worker->seed, MOST - STABLE);
	size_t length = 1 + below(&worker->seed, sizeof(bytes));
	size_t inside = offset >= body->size ? 0 : body->size - offset;

	if (inside > length)
		inside = length;
	require(quire_object_pread(random_handle(worker, body), bytes, length,
				   offset) == (ssize_t)inside);
	require(memcmp(bytes, body->model + offset, inside) == 0);
	random_bytes(worker, bytes, length);
	require(quire_object_pwrite(random_handle(worker, body), bytes, length,
				    offset) == (ssize_t)inside);
	memcpy(body->model + offset, bytes, inside);
}

/* Whole pages, and parts. */
static void zero_tail(struct worker *worker, struct body *body)
{
	uint64_t offset = STABLE + below(&worker->seed, MOST - STABLE);
	struct quire_range range = { offset, below(&worker->seed, MOST) };
	size_t inside = offset >= body->size ? 0 : body->size - offset;

	if (inside > range.length)
		inside = range.length;
	require(quire_object_zero(random_handle(worker, body), &range, 1) == 0);
	memset(body->model + offset, 0, inside);
}

/* Stores run past the object's end, as far as its last page goes. */
static void map_tail(struct worker *worker, struct body *body)
{
	unsigned char *mapped = quire_mmap(
		space_of(worker), NULL, MOST - STABLE, PROT_READ | PROT_WRITE,
		MAP_SHARED, random_handle(worker, body), (off_t)STABLE);
	uint64_t end = body->size - STABLE, at;

	require(mapped != MAP_FAILED);
	if (end > 0) {
		at = below(&worker->seed, end);
		require(mapped[at] == body->model[STABLE + at]);
		mapped[at]++;
		body->model[STABLE + at]++;
		memset(mapped + end, 0xee, page_round_up(end) - end);
	}
	if (page_round_up(end) < MOST - STABLE)
		require(quire_peek(space_of(worker),
				   mapped + page_round_up(end),
				   &(unsigned char){ 0 }, 1) == -ENXIO);
	require(quire_munmap(space_of(worker), mapped, MOST - STABLE) == 0);
}

static void step_tail(struct worker *worker)
{
	struct body *body = random_body(worker);

	if (worker->id != 0)
		return;
	switch (below(&worker->seed, 4)) {
	case 0:
		resize_tail(worker, body);
		break;
	case 1:
		use_tail(worker, body);
		break;
	case 2:
		zero_tail(worker, body);
		break;
	default:
		map_tail(worker, body);
	}
}

void worker_step(struct worker *worker)
{
	static void (*const steps[])(struct worker *) = {
		step_map,   step_unmap,      step_protect,  step_load,
		step_load,  step_load,       step_load,     step_store,
		step_store, step_store,      step_store,    step_store,
		step_pread, step_pread_many, step_pwrite,   step_pwrite,
		step_pin,   step_pin,        step_sync,     step_copy_mapped,
		step_tail,  step_tail,       step_prefetch, step_zero,
	};

	steps[below(&worker->seed, sizeof(steps) / sizeof(steps[0]))](worker);
}
