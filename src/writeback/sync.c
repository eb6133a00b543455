/* sync.c - msync: what was dirty at the call is home at its end */
/* SPDX-License-Identifier: MIT */
#include "writeback/writeback_private.h"

#include <errno.h>

/*
 * A write that is under way may have begun before the caller's last store:
 * its end is waited for, and the page looked at again.  To be woken says
 * nothing of which write has ended.
 */
static int64_t sync_page(struct batch *batch, struct object *object,
			 uint64_t index, uint64_t end)
{
	struct wait_table *waits = &object_host(object)->cache->waits;
	page_word *word = object_word(object, index);

	for (;;) {
		enum page_state state = word_state(atomic_load(word));
		int64_t started;

		if (state == PAGE_DIRTY) {
			object_await_foreign(object, index);
			started = batch_write(batch, object, index, end);
			if (started != 0)
				return started;
		} else if (state == PAGE_WRITING) {
			wait_for_change(waits, object_table(object), index,
					word, state);
		} else {
			return 1;
		}
	}
}

static int sync_pages(struct batch *batch, struct object *object,
		      uint64_t index, uint64_t end)
{
	int error = 0;

	while ((index = object_next_dirty(object, index)) < end) {
		int64_t done = sync_page(batch, object, index, end);

		/* -ENXIO: a cut took it, there is nothing to write. */
		if (done < 0 && done != -ENXIO && !error)
			error = (int)done;
		index += done > 0 ? (uint64_t)done : 1;
	}
	return error;
}

int writeback_sync(struct writeback *writeback, struct object *object,
		   uint64_t index, uint64_t count, bool durable)
{
	uint64_t end = count < UINT64_MAX - index ? index + count : UINT64_MAX;
	struct batch batch;
	uint64_t refused;
	int error, later;

	/* Pages behind a cut that was refused then were passed over. */
	do {
		refused = object_cuts_refused(object);
		batch_init(&batch, writeback);
		error = sync_pages(&batch, object, index, end);
		later = batch_finish(&batch);
		if (!error)
			error = later;
	} while (!error && object_await_cut(object) != refused);
	if (error || !durable || !object_writable(object))
		return error;
	count_add(writeback->host->counters, COUNT_FLUSHES, 1);
	error = pager_flush(object_writer(object));
	if (error)
		object_record_error(object, error, "made durable");
	return error;
}
