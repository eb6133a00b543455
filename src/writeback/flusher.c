/* flusher.c - the thread that sends dirty pages home in the background */
/* SPDX-License-Identifier: MIT */
/*
 * One object after the other.  Whose store needs longer than PATIENCE is left:
 * its writes stay under way, the flusher sees to others, and goes on there when
 * half of them have ended.  While one is left it waits for no other either, as
 * a dead disk has many files.
 *
 *   object  A       B     C       left
 *           begun                         the flusher waits, for PATIENCE
 *           |       done          A
 *           |             begun   A C     sleeps
 *           |             ended   A       is told, goes on with C
 *           ended                         the same with A
 */
#include "writeback/writeback_private.h"

#include "os/memory.h"

#include <errno.h>

/* PATIENCE: this part of the time that a writer waits without progress, so that
 * he is seen to in time, but no more than ... */
#define PATIENCE_PART 8
#define PATIENCE_MOST_NS UINT64_C(100000000)

/* Writes that find no room: then the store is full, and there is no use in trying
 * the rest. */
#define PROBES 256

/* The dirty pages of one object go home: from start to the end, and around. */
struct flush {
	struct list link;
	struct object *object;
	struct write_watch *watch;
	uint64_t start;
	uint64_t index; /* the next to be looked at */
	bool around;
	bool again;  /* a round has passed it meanwhile, */
	bool urgent; /* and one that was urgent */
	struct batch batch;
};

static uint64_t patience_ns(const struct writeback *writeback)
{
	uint64_t patience = writeback->host->full_wait_ns / PATIENCE_PART;

	if (!list_empty(&writeback->left))
		return 0;
	return patience < PATIENCE_MOST_NS ? patience : PATIENCE_MOST_NS;
}

static void flush_end(struct writeback *writeback, struct flush *flush)
{
	bool good = batch_finish(&flush->batch) == 0;
	bool full = flush->batch.full >= PROBES;

	object_flushed(flush->object, good, full ? flush->index : 0);
	/* What is stuck is not the others'. */
	writeback_relax(writeback, flush->object);
	object_writes_end(flush->object, flush->watch);
	object_release(flush->object);
	pool_drop(&writeback->flushes, flush);
}

static uint64_t next_dirty(struct flush *flush)
{
	uint64_t index = object_next_dirty(flush->object, flush->index);

	if (index == BITMAP_NONE && !flush->around) {
		flush->around = true;
		index = object_next_dirty(flush->object, 0);
	}
	return flush->around && index >= flush->start ? BITMAP_NONE : index;
}

/* False: it is to be left. */
static bool flush_pass(struct flush *flush)
{
	struct object *object = flush->object;
	uint64_t pages = object_table(object)->pages, index;

	while (batch_full(&flush->batch) < PROBES &&
	       (index = next_dirty(flush)) != BITMAP_NONE) {
		int64_t started =
			batch_write(&flush->batch, object, index, pages);

		if (started == -EAGAIN)
			return false;
		flush->index = index + (started > 0 ? (uint64_t)started : 1);
	}
	return batch_await(&flush->batch);
}

/* The same. */
static bool flush_go_on(struct writeback *writeback, struct flush *flush)
{
	flush->batch.deadline_ns = clock_now_ns() + patience_ns(writeback);
	return flush_pass(flush);
}

static struct flush *find_left(struct writeback *writeback,
			       const struct object *object)
{
	struct list *link;

	list_for_each(link, &writeback->left) {
		struct flush *flush = container_of(link, struct flush, link);

		if (flush->object == object)
			return flush;
	}
	return NULL;
}

/* Scratch goes only when its room is needed.  False: there is more to do. */
static bool flush_object(struct writeback *writeback, struct object *object,
			 bool urgent)
{
	bool wanted = urgent || !object_discards(object);
	struct flush *flush = find_left(writeback, object);

	if (flush) {
		flush->again |= wanted;
		flush->urgent |= urgent;
		return false;
	}
	if (object_dirty_pages(object) == 0 || !wanted)
		return true;
	flush = pool_take(&writeback->flushes);
	if (!flush)
		return false;
	flush->object = object;
	flush->start = object_flush_start(object);
	flush->index = flush->start;
	/* Each page has its turn, not only runs in which another has no room.
	 * Some more than PROBES will have begun. */
	if (object_stuck(object))
		object_write_singly(object, 2 * PROBES);
	object_use(object);
	flush->watch = object_writes_begin(object);
	batch_init(&flush->batch, writeback, RUNS_BESIDE);
	if (!flush_go_on(writeback, flush)) {
		list_add_tail(&writeback->left, &flush->link);
		return false;
	}
	flush_end(writeback, flush);
	return true;
}

/*
 * Also ends an object whose last holder left while it could not be written,
 * and whose pages have got home by now.  One a round: they are rare.
 */
static void flush_all(struct writeback *writeback, bool urgent)
{
	struct object *object = NULL, *orphan = NULL;

	while ((object = object_next(writeback->host, object))) {
		if (flush_object(writeback, object, urgent) && !orphan &&
		    object_dirty_pages(object) == 0 && object_orphan(object))
			orphan = object;
	}
	if (orphan)
		object_end(orphan, false);
}

struct call {
	bool all; /* a round is due, not only what was left */
	bool urgent;
	bool stopping;
};

/* What a round has passed it makes up for in the next one, so that each flush ends:
 * whoever closes the object waits for that. */
static void resume_left(struct writeback *writeback, struct call *call)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &writeback->left) {
		struct flush *flush = container_of(link, struct flush, link);

		if (!flush_go_on(writeback, flush))
			continue;
		call->all |= flush->again;
		call->urgent |= flush->urgent;
		list_remove(link);
		flush_end(writeback, flush);
	}
}

/* Their stores decide how long it takes. */
static void end_left(struct writeback *writeback)
{
	struct list *link;

	while ((link = list_pop(&writeback->left)))
		flush_end(writeback, container_of(link, struct flush, link));
}

static struct call wait_for_work(struct writeback *writeback,
				 uint64_t deadline_ns)
{
	struct call call;

	lock_take(&writeback->lock);
	while (!writeback->kicked && !writeback->resumed &&
	       !writeback->stopping &&
	       condition_wait_until(&writeback->condition, &writeback->lock,
				    deadline_ns))
		;
	call.all = writeback->kicked || clock_now_ns() >= deadline_ns;
	call.urgent = writeback->urgent;
	call.stopping = writeback->stopping;
	atomic_store(&writeback->kick_pending, false); /* see kick */
	writeback->kicked = false;
	writeback->resumed = false;
	writeback->urgent = false;
	lock_drop(&writeback->lock);
	return call;
}

static void *flusher(void *argument)
{
	struct writeback *writeback = argument;
	uint64_t interval_ns = writeback->interval_ns;
	uint64_t deadline_ns = clock_now_ns() + interval_ns;
	struct call call;

	while (!(call = wait_for_work(writeback, deadline_ns)).stopping) {
		resume_left(writeback, &call);
		if (!call.all)
			continue;
		flush_all(writeback, call.urgent);
		deadline_ns = clock_now_ns() + interval_ns;
	}
	end_left(writeback);
	return NULL;
}

void writeback_resume(struct writeback *writeback)
{
	lock_take(&writeback->lock);
	writeback->resumed = true;
	condition_wake_one(&writeback->condition);
	lock_drop(&writeback->lock);
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

static void finish_pools(struct writeback *writeback)
{
	writeback_runs_finish(writeback);
	pool_finish(&writeback->flushes);
}

int writeback_init(struct writeback *writeback, struct object_host *host,
		   uint64_t bound_pages, uint64_t interval_ns)
{
	int error;

	writeback->host = host;
	writeback->bound = bound_pages;
	writeback->interval_ns = interval_ns;
	list_init(&writeback->left);
	writeback->kicked = false;
	writeback->resumed = false;
	writeback->urgent = false;
	writeback->stopping = false;
	atomic_store(&writeback->kick_pending, false);
	lock_init(&writeback->lock, LOCK_RANK_WRITEBACK);
	condition_init(&writeback->condition);
	lock_init(&writeback->throttle_lock, LOCK_RANK_THROTTLE);
	list_init(&writeback->throttled);
	pool_init(&writeback->flushes, sizeof(struct flush), LOCK_RANK_STORE,
		  memory_pool_map, memory_unmap);
	writeback_runs_init(writeback);
	error = thread_start(&writeback->flusher, "quire-flusher", flusher,
			     writeback);
	if (error)
		finish_pools(writeback);
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
	finish_pools(writeback);
	lock_finish(&writeback->throttle_lock);
	condition_finish(&writeback->condition);
	lock_finish(&writeback->lock);
}
