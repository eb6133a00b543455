/* flush.c - what was written home is made durable */
/* SPDX-License-Identifier: MIT */
/*
 * A store tells of a flush that failed once, and then takes what it lost for
 * done: what it was given since the flush before may be lost.  So the pages
 * that were written since then are remembered, and are DIRTY again if they are
 * still in memory; and whoever had his written by then, and comes to flush
 * them too late to be told by the store, is told here.  Of those who come while
 * one flushes one flushes for all.
 *
 *     end of a write                flush begins         ends well    failed
 *   CLEAN ---------> written ---------------> flushing ---------->    DIRTY
 */
#include "object/object_private.h"

static void begin(struct object *object)
{
	struct bitmap written;

	lock_take(&object->dirty_lock);
	written = object->written;
	object->written = object->flushing; /* empty */
	object->flushing = written;
	lock_drop(&object->dirty_lock);
}

/* It may have left, or have been cut off, since it was written. */
static void dirty_again(struct object *object, uint64_t index)
{
	if (object_take_wpin(object, index, false) == PAGE_TAKEN)
		object_let_go(object, index, 1, true);
}

static void end(struct object *object, int error)
{
	uint64_t index = 0;

	while ((index = bitmap_next(&object->flushing, index)) != BITMAP_NONE) {
		bitmap_clear(&object->flushing, index);
		if (error)
			dirty_again(object, index);
	}
}

static int flush(struct object *object)
{
	int error;

	atomic_fetch_add(&object->flushes, 1); /* object_flush() */
	begin(object);
	error = pager_flush(object_writer(object));
	if (!error) {
		end(object, 0);
		return 0;
	}
	object->flush_error = error;
	object_record_error(object, error, "made durable");
	end(object, error);
	/* It may be one of these that was lost. */
	begin(object);
	end(object, error);
	/* Last: who has seen it finds DIRTY what is to be written again; who
	 * has not, and finds it CLEAN, is told. */
	atomic_fetch_add(&object->flush_failures, 1); /* object_flush() */
	return error;
}

uint64_t object_flush_failures(const struct object *object)
{
	return atomic_load(&object->flush_failures);
}

/* Who waited while another one flushed shares the next flush with all that did:
 * one that began after he came, and has ended now, was his as well. */
int object_flush(struct object *object, uint64_t failures)
{
	uint64_t before = atomic_load(&object->flushes);
	int error = 0;

	lock_take(&object->flush_lock);
	if (atomic_load(&object->flush_failures) != failures)
		error = error_say(object->flush_error,
				  "%s could not be made durable",
				  object->parameters.identity.name);
	else if (atomic_load(&object->flushes) == before)
		error = flush(object);
	lock_drop(&object->flush_lock);
	return error;
}
