/* run.c - one write of a run of pages */
/* SPDX-License-Identifier: MIT */
#include "writeback/writeback_private.h"

#include "os/memory.h"

#include <errno.h>
#include <unistd.h>

#define RUN_MAX 256 /* pages: the largest staging buffer */
/* Pages between two runs that are protected together, by one call where that may
 * be; measured: docs/design/speed-ideas.md, 34. */
#define GAP_MOST 256

struct run {
	struct pager_io io;
	struct object *object;
	struct batch *batch;
	uint64_t count;
	struct page_begun begun;
};

void writeback_runs_init(struct writeback *writeback)
{
	pool_init(&writeback->runs, sizeof(struct run), LOCK_RANK_STORE,
		  memory_pool_map, memory_unmap);
}

void writeback_runs_finish(struct writeback *writeback)
{
	pool_finish(&writeback->runs);
}

void batch_init(struct batch *batch, struct writeback *writeback,
		unsigned at_once)
{
	batch->writeback = writeback;
	batch->at_once = at_once;
	batch->deadline_ns = FOR_EVER;
	lock_init(&batch->lock, LOCK_RANK_BATCH);
	condition_init(&batch->condition);
	ring_plug_init(&batch->plug);
	batch->pending = 0;
	batch->enough = 0;
	batch->left = false;
	batch->error = 0;
	batch->full = 0;
	batch->last = false;
	batch->begun_count = 0;
}

/* The batch may be gone when this returns. */
static void batch_end_run(struct batch *batch, int error)
{
	lock_take(&batch->lock);
	batch->pending--;
	if (!batch->error)
		batch->error = error;
	if (error == -ENOSPC || error == -EDQUOT)
		batch->full++;
	if (batch->pending == batch->enough)
		condition_wake_one(&batch->condition);
	if (batch->pending == batch->enough && batch->left)
		writeback_resume(batch->writeback);
	lock_drop(&batch->lock);
}

/* How many are CLEAN now: only that is progress. */
static uint64_t end_pages(struct object *object, uint64_t index, uint64_t count,
			  bool good)
{
	uint64_t clean = 0;

	for (uint64_t i = 0; i < count; i++)
		clean += object_end_write(object, index + i, good);
	return clean;
}

/* Then whoever waits for room is told by who lets go of them. */
static bool all_pinned(struct object *object, uint64_t index, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		if (!word_wpinned(atomic_load(object_word(object, index + i))))
			return false;
	return true;
}

static void failed(struct object *object, uint64_t count, int error)
{
	count_add(object_host(object)->counters, COUNT_WRITE_ERRORS, 1);
	/* Invariant 6: recorded first, then the pages are DIRTY again. */
	object_record_error(object, error, "written");
	if (count > 1)
		object_write_singly(object, count);
}

static void run_complete(struct pager_io *io, int error)
{
	struct run *run = container_of(io, struct run, io);
	struct object *object = run->object;
	struct batch *batch = run->batch;
	struct writeback *writeback = batch->writeback;
	struct object_host *host = writeback->host;
	uint64_t index = io->index, count = run->count, whole = count;
	uint64_t length = io->length, clean;

	staging_drop(&host->staging, io->staging);
	pool_drop(&writeback->runs, run);
	if (error)
		hook_point(HOOK_WRITE_FAILED, object_table(object), index);
	if (error)
		failed(object, count, error);
	/* Written short for a cut that may yet be refused. */
	if ((length & PAGE_MASK) &&
	    object_cut_undecided(object, (index << PAGE_SHIFT) + length))
		whole--;
	clean = end_pages(object, index, whole, !error);
	end_pages(object, index + whole, count - whole, false);
	atomic_fetch_add(&host->got_home, clean);
	if (!error) {
		count_add(host->counters, COUNT_PAGES_WRITTEN, count);
		object_count(&object_counts(object)->pages_written, count);
		object_happened(object, index, count, OBJECT_WRITTEN);
		writeback_relax(writeback, object);
		/* Else who waits would ask for the same write again. */
		if (clean > 0 || !all_pinned(object, index, count))
			cache_encourage(host->cache);
	}
	batch_end_run(batch, error);
	object_release(object);
}

/* Bytes of the run inside the object: 0 if a cut has begun. */
static uint64_t length_of(struct object *object, uint64_t index, uint64_t count)
{
	uint64_t size = object_size(object), start = index << PAGE_SHIFT;

	if (size <= start)
		return 0;
	return size - start < count << PAGE_SHIFT ? size - start
						  : count << PAGE_SHIFT;
}

/* The caller waits for this one only, as long as it takes. */
static bool is_alone(struct batch *batch)
{
	bool alone;

	lock_take(&batch->lock);
	alone = batch->last && batch->pending == 1;
	lock_drop(&batch->lock);
	return alone;
}

static void submit(struct run *run)
{
	struct object *object = run->object;
	struct ring_plug *plug = &run->batch->plug;

	run->io.operation = PAGER_WRITE;
	run->io.urgency = is_alone(run->batch) ? STORE_NOW : STORE_AWAITED;
	run->io.complete = run_complete;
	count_add(object_host(object)->counters, COUNT_WRITES, 1);
	object_count(&object_counts(object)->writes, 1);
	ring_plug_begin(plug);
	pager_submit(object_writer(object), &run->io);
	ring_plug_end(plug);
}

/* The memory has all of the pages.  The search for the next hole goes as far as
 * that is, perhaps gigabytes: only what may have left for swap asks for it. */
static bool has_pages(const struct object *object, uint64_t index,
		      uint64_t count)
{
	uint64_t start = index << PAGE_SHIFT, length = count << PAGE_SHIFT;
	void *window = object_window(object, start);
	unsigned char there[RUN_MAX];
	uint64_t found = 0;

	if (memory_resident((uintptr_t)window, length, there) == 0)
		while (found < count && (there[found] & 1))
			found++;
	return found == count || lseek(object_memory(object), (off_t)start,
				       SEEK_HOLE) >= (off_t)(start + length);
}

/*
 * Copies the pages out of the memory.  Whoever else may write there (a client
 * of the server) can cut it: then it ends too early, or has holes, and must not
 * become zeros of the store.  -EIO.
 */
static int copy_pages(struct object *object, uint64_t index, uint64_t count,
		      void *bytes)
{
	int error = memory_file_read(object_memory(object), bytes,
				     count << PAGE_SHIFT, index << PAGE_SHIFT);

	return !error && !has_pages(object, index, count) ? -EIO : error;
}

/* It does not get to the store.  0: a cut has begun, there is nothing to write. */
static void give_up(struct run *run, int error)
{
	struct object *object = run->object;
	struct batch *batch = run->batch;

	if (error)
		failed(object, run->count, error);
	end_pages(object, run->io.index, run->count, false);
	staging_drop(&batch->writeback->host->staging, run->io.staging);
	pool_drop(&batch->writeback->runs, run);
	batch_end_run(batch, error);
	object_release(object);
}

/* Whoever waits for room may have it. */
static void tell(struct writeback *writeback, struct object *object)
{
	writeback_relax(writeback, object);
	cache_encourage(writeback->host->cache);
}

/*
 * They were shown for stores before one came, and when the write began none had:
 * where that is so still they are CLEAN, and nothing is written.  What was stored
 * since is for another write: no msync that is under way has to take it home.
 */
static void end_foreseen(struct run *run)
{
	struct object *object = run->object;
	struct batch *batch = run->batch;
	struct object_host *host = batch->writeback->host;
	const char *bytes = run->io.staging->bytes;
	uint64_t index = run->io.index, clean = 0;

	for (uint64_t i = 0; i < run->count; i++) {
		if (object_is_unstored(object, index + i,
				       bytes + (i << PAGE_SHIFT)))
			clean += object_end_unstored(object, index + i);
		else
			object_end_write(object, index + i, false);
	}
	count_add(host->counters, COUNT_STORES_FORESEEN_UNUSED, clean);
	if (clean > 0)
		object_free_slots(object);
	staging_drop(&host->staging, run->io.staging);
	pool_drop(&batch->writeback->runs, run);
	atomic_fetch_add(&host->got_home, clean);
	tell(batch->writeback, object);
	batch_end_run(batch, 0);
	object_release(object);
}

/* Its pages are protected; error: or could not be. */
static void write_guarded(struct run *run, int error)
{
	struct object *object = run->object;
	uint64_t index = run->io.index, count = run->count, length;

	hook_point(HOOK_WRITE_GUARDED, object_table(object), index);
	length = length_of(object, index, count);
	if (!error && length > 0)
		error = copy_pages(object, index, count,
				   run->io.staging->bytes);
	if (error || length == 0) {
		give_up(run, error);
		return;
	}
	/* A page that a cut has overtaken stays as it was, for the cut. */
	run->count = (length + PAGE_MASK) >> PAGE_SHIFT;
	end_pages(object, index + run->count, count - run->count, false);
	run->io.length = length;
	if (run->begun.foreseen)
		end_foreseen(run);
	else
		submit(run);
}

/*
 * Rule 4: protect, and only when the last call has returned, read.  All that
 * was begun at once: what lies between and is stored to may trap once more, no
 * more than that.  The size in between: a store to what it does not include yet
 * will trap, and what it includes had its tail zeroed before the copy.
 * What had a write pin at the swap ends DIRTY by rule 3, whatever is stored to
 * it: it need not be protected, and who pins it may count on that.
 */
static void write_begun(struct batch *batch)
{
	struct page_span spans[BEGUN_MOST];
	unsigned count = batch->begun_count, spanned = 0;
	int error = 0;

	do
		spans[spanned] = (struct page_span){
			.index = batch->begun[spanned]->io.index,
			.count = batch->begun[spanned]->count,
		};
	while (++spanned < count);
	batch->begun_count = 0;
	if (!batch->begun[0]->begun.pinned)
		error = object_write_protect(batch->begun[0]->object, spans,
					     count);
	for (unsigned i = 0; i < count; i++)
		write_guarded(batch->begun[i], error);
}

void batch_release(struct batch *batch)
{
	if (batch->begun_count > 0)
		write_begun(batch);
	ring_plug_release(&batch->plug);
}

/* The lock is held. */
static void wait_for_enough(struct batch *batch)
{
	bool in_time = true;

	while (batch->pending > batch->enough && in_time)
		in_time = condition_wait_until(&batch->condition, &batch->lock,
					       batch->deadline_ns);
	batch->left = batch->pending > batch->enough;
}

/* Waits, if more than most runs are under way, until only enough are.  False:
 * it is left. */
static bool batch_wait(struct batch *batch, unsigned most, unsigned enough)
{
	bool left;

	lock_take(&batch->lock);
	batch->left = false;
	if (batch->pending > most) {
		lock_drop(&batch->lock);
		batch_release(batch);
		lock_take(&batch->lock);
		batch->enough = enough;
		wait_for_enough(batch);
	}
	left = batch->left;
	lock_drop(&batch->lock);
	return !left;
}

bool batch_await(struct batch *batch)
{
	return batch_wait(batch, 0, 0);
}

unsigned batch_full(struct batch *batch)
{
	unsigned full;

	lock_take(&batch->lock);
	full = batch->full;
	lock_drop(&batch->lock);
	return full;
}

int batch_finish(struct batch *batch)
{
	batch->deadline_ns = FOR_EVER;
	batch->last = true;
	batch_wait(batch, 0, 0);
	lock_finish(&batch->lock);
	condition_finish(&batch->condition);
	return batch->error;
}

/* May it be protected with those that were begun before it? */
static bool joins(const struct batch *batch, const struct run *run)
{
	const struct run *last = batch->begun[batch->begun_count - 1];
	uint64_t end = last->io.index + last->count;

	return !last->begun.pinned && !run->begun.pinned &&
	       run->io.index >= end && run->io.index - end <= GAP_MOST;
}

/* It is WRITING. */
static void add_begun(struct batch *batch, struct run *run)
{
	lock_take(&batch->lock);
	batch->pending++;
	lock_drop(&batch->lock);
	object_use(run->object);
	if (batch->begun_count == BEGUN_MOST ||
	    (batch->begun_count > 0 && !joins(batch, run)))
		write_begun(batch);
	batch->begun[batch->begun_count++] = run;
}

/* Those that have been stored to are as all others; or none of the run has. */
static void begin_foreseen(struct run *run)
{
	uint64_t index = run->io.index, count = run->count;

	run->count = object_look_at_foreseen(run->object, index, count,
					     run->io.staging,
					     &run->begun.foreseen);
	end_pages(run->object, index + run->count, count - run->count, false);
}

/* Begins the run with what it needs at hand; see batch_write(). */
static uint64_t begin(struct batch *batch, struct object *object,
		      uint64_t index, uint64_t most, struct run *run,
		      struct staging *staging)
{
	run->count = object_begin_write(object, index, most, &run->begun);
	if (run->count == 0)
		return 0;
	run->object = object;
	run->batch = batch;
	run->io.index = index;
	run->io.staging = staging;
	if (run->begun.foreseen)
		begin_foreseen(run);
	most = run->count;
	add_begun(batch, run);
	return most;
}

/* As many as are written at once, of what is dirty from index on. */
static uint64_t run_most(struct object *object, uint64_t index, uint64_t end)
{
	uint64_t left = object_table(object)->pages - index;
	uint64_t most = left < RUN_MAX ? left : RUN_MAX;

	if (most > end - index)
		most = end - index;
	return object_writes_singly(object)
		       ? 1
		       : object_dirty_run(object, index, most);
}

int64_t batch_write(struct batch *batch, struct object *object, uint64_t index,
		    uint64_t end)
{
	struct writeback *writeback = batch->writeback;
	struct staging_pool *pool = &writeback->host->staging;
	struct staging *staging = NULL;
	struct run *run;
	uint64_t most, count = 0;

	if (object_before_foreign(object, index, 1) == 0)
		return 0; /* seen by object_begin_write(), too: but cheaper */
	/* With half of them still under way: a thread that is woken for each
	 * gets no further than one at a time. */
	if (!batch_wait(batch, batch->at_once - 1, batch->at_once / 2))
		return -EAGAIN;
	most = run_most(object, index, end);
	if (most == 0)
		return 0;
	run = pool_take(&writeback->runs);
	if (run)
		staging = staging_take(pool, most);
	if (staging) {
		if (most > staging->pages)
			most = staging->pages;
		count = begin(batch, object, index, most, run, staging);
		if (count > 0)
			return (int64_t)count;
		staging_drop(pool, staging);
	}
	if (run)
		pool_drop(&writeback->runs, run);
	return staging ? 0 : -ENOMEM;
}
