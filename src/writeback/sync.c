/* sync.c - msync: what was dirty at the call is home at its end */
/* SPDX-License-Identifier: MIT */
#include "writeback/writeback_private.h"

#include <errno.h>
#include <time.h>

#define PASSED_MOST 64
#define SETTLE_PAUSE_NS 100000

/* Pages that somebody else was writing, to be looked at again. */
struct passed {
	uint64_t index[PASSED_MOST];
	unsigned count;
};

/*
 * A write that is under way may have begun before the caller's last store:
 * its end is waited for, and the page looked at again.  To be woken says
 * nothing of which write has ended.  That may be done later, when much else
 * has been begun: passed, if it has room, takes the page.
 */
static int64_t sync_page(struct batch *batch, struct object *object,
			 uint64_t index, uint64_t end, struct passed *passed)
{
	struct wait_table *waits = &object_host(object)->cache->waits;
	page_word *word = object_word(object, index);

	for (;;) {
		enum page_state state = word_state(atomic_load(word));
		int64_t started;

		if (state == PAGE_DIRTY) {
			if (object_before_foreign(object, index, 1) == 0) {
				batch_release(batch);
				object_await_foreign(object, index);
			}
			started = batch_write(batch, object, index, end);
			if (started != 0)
				return started;
		} else if (state != PAGE_WRITING) {
			return 1;
		} else if (passed && passed->count < PASSED_MOST) {
			passed->index[passed->count++] = index;
			return 1;
		} else {
			batch_release(batch);
			wait_for_change(waits, object_table(object), index,
					word, state);
		}
	}
}

/* -ENXIO: a cut took it, there is nothing to write. */
static void note_error(int64_t done, int *error)
{
	if (done < 0 && done != -ENXIO && !*error)
		*error = (int)done;
}

static void sync_passed(struct batch *batch, struct object *object,
			struct passed *passed, int *error)
{
	for (unsigned i = 0; i < passed->count; i++) {
		uint64_t index = passed->index[i];

		note_error(sync_page(batch, object, index, index + 1, NULL),
			   error);
	}
	passed->count = 0;
}

static int sync_pages(struct batch *batch, struct object *object,
		      uint64_t index, uint64_t end)
{
	struct passed passed = { .count = 0 };
	int error = 0;

	while ((index = object_next_dirty(object, index)) < end) {
		int64_t done = sync_page(batch, object, index, end, &passed);

		note_error(done, &error);
		index += done > 0 ? (uint64_t)done : 1;
		if (passed.count == PASSED_MOST)
			sync_passed(batch, object, &passed, &error);
	}
	sync_passed(batch, object, &passed, &error);
	return error;
}

static int sync_range(struct writeback *writeback, struct object *object,
		      uint64_t index, uint64_t end)
{
	struct write_watch *watch = NULL;
	struct batch batch;
	uint64_t refused;
	int error, later;

	if (object_dirty_pages(object) > 0)
		watch = object_writes_begin(object);
	/* Pages behind a cut that was refused then were passed over. */
	do {
		refused = object_cuts_refused(object);
		batch_init(&batch, writeback, RUNS_AWAITED);
		error = sync_pages(&batch, object, index, end);
		later = batch_finish(&batch);
		if (!error)
			error = later;
	} while (!error && object_await_cut(object) != refused);
	object_writes_end(object, watch);
	return error;
}

int writeback_sync(struct writeback *writeback, struct object *object,
		   uint64_t index, uint64_t count, bool durable)
{
	uint64_t end = count < UINT64_MAX - index ? index + count : UINT64_MAX;
	uint64_t failures = object_flush_failures(object);
	int error = sync_range(writeback, object, index, end);

	if (error || !durable || !object_writable(object))
		return error;
	count_add(writeback->host->counters, COUNT_FLUSHES, 1);
	return object_flush(object, failures);
}

/* Again where it is just being shown, and so is pinned. */
static int settle_page(struct writeback *writeback, struct object *object,
		       uint64_t index)
{
	const struct timespec pause = { .tv_nsec = SETTLE_PAUSE_NS };
	int error = 0;

	for (unsigned tries = 0; !error && object_is_foreseen(object, index);
	     tries++) {
		if (tries > 0)
			nanosleep(&pause, NULL);
		error = sync_range(writeback, object, index, index + 1);
	}
	return error;
}

int writeback_settle(struct writeback *writeback, struct object *object,
		     uint64_t index, uint64_t count)
{
	uint64_t end = count < UINT64_MAX - index ? index + count : UINT64_MAX;
	int error = 0;

	for (; !error && (index = object_next_dirty(object, index)) < end;
	     index++)
		error = settle_page(writeback, object, index);
	return error;
}
