/* access.c - loads, stores and fetches on the software MMU */
/* SPDX-License-Identifier: MIT */
#include "fault/access_private.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* One access within a page. */
struct piece {
	const struct soft_context *context;
	enum access_kind kind;
	uint64_t address;
	char *bytes; /* NULL: only a touch */
	size_t length;
};

/* A page that was brought in, and is pinned until the next look. */
struct held {
	struct object *object; /* NULL: none */
	uint64_t index;
	bool write;
};

enum look {
	LOOK_DONE,
	LOOK_FAULT, /* no translation that allows it */
	LOOK_BRING, /* the page is not in memory: *held says which */
	LOOK_GONE,  /* the page lies past the object's end */
};

bool access_refuse(struct access_verdict *verdict, int signal, int code,
		   uint64_t address, int error)
{
	verdict->signal = signal;
	verdict->code = code;
	verdict->address = address;
	verdict->error = error;
	return false;
}

static uint32_t right_of(enum access_kind kind)
{
	switch (kind) {
	case ACCESS_STORE:
		return SOFT_WRITE;
	case ACCESS_FETCH:
		return SOFT_EXECUTE;
	default:
		return SOFT_READ;
	}
}

/*
 * As a processor does it, an aligned word is loaded or stored in one piece;
 * whatever else is longer may be seen half done by another thread.
 */
static void move_bytes(char *to, const char *from, size_t length)
{
	uintptr_t places = (uintptr_t)to | (uintptr_t)from;

	/* relaxed: order is the program's business */
	if (length == 8 && !(places & 7))
		__atomic_store_n(
			(uint64_t *)(void *)to,
			__atomic_load_n((const uint64_t *)(const void *)from,
					__ATOMIC_RELAXED),
			__ATOMIC_RELAXED);
	else if (length == 4 && !(places & 3))
		__atomic_store_n(
			(uint32_t *)(void *)to,
			__atomic_load_n((const uint32_t *)(const void *)from,
					__ATOMIC_RELAXED),
			__ATOMIC_RELAXED);
	else if (length == 2 && !(places & 1))
		__atomic_store_n(
			(uint16_t *)(void *)to,
			__atomic_load_n((const uint16_t *)(const void *)from,
					__ATOMIC_RELAXED),
			__ATOMIC_RELAXED);
	else
		memcpy(to, from, length);
}

static void copy(const struct piece *piece, char *page)
{
	char *at = page + (piece->address & PAGE_MASK);

	if (!piece->bytes)
		return;
	if (piece->kind == ACCESS_STORE)
		move_bytes(at, piece->bytes, piece->length);
	else
		move_bytes(piece->bytes, at, piece->length);
}

static bool holds(const struct held *held, const struct object *object,
		  uint64_t index, bool write)
{
	return held->object == object && held->index == index &&
	       (held->write || !write);
}

static void let_go(struct held *held)
{
	if (!held->object)
		return;
	object_let_go(held->object, held->index, 1, held->write);
	object_release(held->object);
	held->object = NULL;
}

/* May a pin make the page dirty now?  Else it is brought in, and waits. */
static bool may_dirty(const struct piece *piece, struct object *object,
		      uint64_t index)
{
	return object_discards(object) ||
	       word_state(atomic_load(object_word(object, index))) !=
		       PAGE_CLEAN ||
	       !writeback_over_bound(piece->context->writeback, object);
}

static bool pin(const struct piece *piece, struct object *object,
		uint64_t index, bool write)
{
	if (!write)
		return page_take_rpin(object_word(object, index), true) ==
		       PAGE_TAKEN;
	return may_dirty(piece, object, index) &&
	       object_take_wpin(object, index, true) == PAGE_TAKEN;
}

/* Under the space's read lock, with a translation that allows it. */
static enum look touch(const struct piece *piece,
		       const struct soft_translation *seen, struct held *held)
{
	struct object *object = seen->owner;
	uint64_t index = seen->index;
	bool write = piece->kind == ACCESS_STORE;

	if (!object) { /* the page of zeros */
		if (piece->bytes)
			memset(piece->bytes, 0, piece->length);
		return LOOK_DONE;
	}
	if (index >= object_pages(object))
		return LOOK_GONE;
	if (!holds(held, object, index, write)) {
		if (!pin(piece, object, index, write)) {
			object_use(object);
			*held = (struct held){ object, index, write };
			return LOOK_BRING;
		}
		object_use(object);
		*held = (struct held){ object, index, write };
	}
	/* Rule 11: store, then look. */
	if (index >= object_pages(object))
		return LOOK_GONE;
	copy(piece, object_window(object, index << PAGE_SHIFT));
	return LOOK_DONE;
}

static enum look look(const struct piece *piece, struct held *held)
{
	struct space *space = piece->context->space;
	struct soft_translation seen;
	struct held before = *held;
	enum look found = LOOK_FAULT;

	rwlock_take_read(&space->lock);
	if (soft_translate(space->mmu, piece->address, right_of(piece->kind),
			   &seen))
		found = touch(piece, &seen, held);
	rwlock_drop_read(&space->lock);
	/* What was held for nothing: another page stands there by now. */
	if (before.object &&
	    (held->object != before.object || held->index != before.index))
		let_go(&before);
	return found;
}

/* held names the page; it is pinned then, or nothing is held. */
static bool bring_in(const struct piece *piece, struct held *held,
		     struct access_verdict *verdict)
{
	int error = object_hold(held->object, held->index, 1, held->write);

	if (!error)
		return true;
	object_release(held->object);
	held->object = NULL;
	if (error == -ENXIO) /* cut meanwhile: the fault will say so */
		return true;
	return access_refuse(verdict, SIGBUS, BUS_ADRERR, piece->address,
			     error);
}

static bool past_end(const struct piece *piece, struct access_verdict *verdict)
{
	return soft_await_cut(piece->context, piece->address) ||
	       access_refuse(verdict, SIGBUS, BUS_ADRERR, piece->address,
			     -ENXIO);
}

static bool access_piece(const struct piece *piece,
			 struct access_verdict *verdict)
{
	struct held held = { .object = NULL };
	bool good = true;

	for (;;) {
		enum look found = look(piece, &held);

		if (found == LOOK_BRING) {
			good = bring_in(piece, &held, verdict);
		} else {
			let_go(&held);
			if (found == LOOK_FAULT)
				good = soft_fault(piece->context, piece->kind,
						  piece->address, verdict);
			else if (found == LOOK_GONE)
				good = past_end(piece, verdict);
		}
		if (!good || found == LOOK_DONE)
			return good;
	}
}

/* A buffer that may trap itself is not touched under a pin or a lock. */
static bool access_bounced(const struct piece *piece,
			   struct access_verdict *verdict)
{
	const struct object_host *host = piece->context->host;
	char bounce[PAGE_SIZE];
	struct piece own = *piece;
	bool store = piece->kind == ACCESS_STORE;
	int error = 0;

	own.bytes = bounce;
	if (store)
		error = host->copy(host->context, bounce, piece->bytes,
				   piece->length, false);
	if (!error && !access_piece(&own, verdict))
		return false;
	if (!error && !store)
		error = host->copy(host->context, piece->bytes, bounce,
				   piece->length, true);
	return error ? access_refuse(verdict, 0, 0, piece->address, error)
		     : true;
}

bool access_copy(const struct soft_context *context, enum access_kind kind,
		 uint64_t address, void *bytes, size_t length,
		 struct access_verdict *verdict)
{
	const struct object_host *host = context->host;
	bool bounced = bytes && host->managed(host->context, bytes, length);
	struct piece piece = { context, kind, address, bytes, 0 };
	size_t done = 0;
	bool good = true;

	*verdict = (struct access_verdict){ .error = 0 };
	while (good && done < length) {
		piece.address = address + done;
		piece.bytes = bytes ? (char *)bytes + done : NULL;
		piece.length = PAGE_SIZE - (piece.address & PAGE_MASK);
		if (piece.length > length - done)
			piece.length = length - done;
		good = bounced ? access_bounced(&piece, verdict)
			       : access_piece(&piece, verdict);
		done += piece.length;
	}
	return good;
}
