/* flusher.c - the thread that sends dirty pages home in the background */
/* SPDX-License-Identifier: MIT */
#include "writeback/writeback_private.h"

/* Scratch goes only when its room is needed. */
static void flush_object(struct writeback *writeback, struct object *object,
			 bool urgent)
{
	struct write_watch *watch;
	uint64_t index = 0;
	struct batch batch;

	if (object_dirty_pages(object) == 0 ||
	    (object_discards(object) && !urgent))
		return;
	watch = object_writes_begin(object);
	batch_init(&batch, writeback, RUNS_BESIDE);
	while ((index = object_next_dirty(object, index)) != BITMAP_NONE) {
		int64_t started = batch_write(&batch, object, index,
					      object_table(object)->pages);

		index += started > 0 ? (uint64_t)started : 1;
	}
	batch_finish(&batch);
	object_writes_end(object, watch);
}

/*
 * Also ends an object whose last holder left while it could not be written,
 * and whose pages have got home by now.  One a round: they are rare.
 */
static void flush_all(struct writeback *writeback, bool urgent)
{
	struct object *object = NULL, *orphan = NULL;

	while ((object = object_next(writeback->host, object))) {
		flush_object(writeback, object, urgent);
		if (!orphan && object_dirty_pages(object) == 0 &&
		    object_orphan(object))
			orphan = object;
	}
	if (orphan)
		object_end(orphan, false);
}

/* False: the flusher is to end. */
static bool wait_for_work(struct writeback *writeback, bool *urgent)
{
	uint64_t deadline_ns = clock_now_ns() + writeback->interval_ns;
	bool go_on;

	lock_take(&writeback->lock);
	while (!writeback->kicked && !writeback->stopping &&
	       condition_wait_until(&writeback->condition, &writeback->lock,
				    deadline_ns))
		;
	*urgent = writeback->urgent;
	atomic_store(&writeback->kick_pending, false); /* see kick */
	writeback->kicked = false;
	writeback->urgent = false;
	go_on = !writeback->stopping;
	lock_drop(&writeback->lock);
	return go_on;
}

static void *flusher(void *argument)
{
	struct writeback *writeback = argument;
	bool urgent;

	while (wait_for_work(writeback, &urgent))
		flush_all(writeback, urgent);
	return NULL;
}

void writeback_kick(struct writeback *writeback, bool urgent)
{
	/* One kick is enough until the flusher has begun to answer it. */
	if (atomic_exchange(&writeback->kick_pending, true) && !urgent)
		return;
	lock_take(&writeback->lock);
	writeback->kicked = true;
	if (urgent)
		writeback->urgent = true;
	condition_wake_one(&writeback->condition);
	lock_drop(&writeback->lock);
}

int writeback_init(struct writeback *writeback, struct object_host *host,
		   uint64_t bound_pages, uint64_t interval_ns)
{
	int error;

	writeback->host = host;
	writeback->bound = bound_pages;
	writeback->interval_ns = interval_ns;
	writeback->kicked = false;
	writeback->urgent = false;
	writeback->stopping = false;
	atomic_store(&writeback->kick_pending, false);
	lock_init(&writeback->lock, LOCK_RANK_WRITEBACK);
	condition_init(&writeback->condition);
	lock_init(&writeback->throttle_lock, LOCK_RANK_THROTTLE);
	list_init(&writeback->throttled);
	writeback_runs_init(writeback);
	error = thread_start(&writeback->flusher, "quire-flusher", flusher,
			     writeback);
	if (error)
		writeback_runs_finish(writeback);
	return error;
}

void writeback_stop(struct writeback *writeback)
{
	lock_take(&writeback->lock);
	writeback->stopping = true;
	condition_wake_all(&writeback->condition);
	lock_drop(&writeback->lock);
	pthread_join(writeback->flusher, NULL);
}

void writeback_finish(struct writeback *writeback)
{
	check(list_empty(&writeback->throttled), "no writer waits at the end");
	writeback_runs_finish(writeback);
	lock_finish(&writeback->throttle_lock);
	condition_finish(&writeback->condition);
	lock_finish(&writeback->lock);
}
