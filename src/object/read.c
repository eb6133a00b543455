/* read.c - a page comes in */
/* SPDX-License-Identifier: MIT */
/*
 *   charge -> ABSENT/FAILED to READING -> look at the size again -> pager
 *     ok:     bytes into the memory -> CLEAN -> wake
 *     failed: hole -> FAILED (a run: ABSENT) -> uncharge -> wake
 *
 * A run that fails as a whole says nothing of its single pages: they become
 * ABSENT, and the next reads are made one page at a time.
 */
#include "object/object_private.h"

#include "os/memory.h"

#include <errno.h>
#include <string.h>

#define RUN_MAX OBJECT_READ_MOST
/* An errno, beside the index of a page. */
#define ERROR_BITS 12
#define ERROR_MOST ((1 << ERROR_BITS) - 1)
/* Pages of a run whose copy would keep the ring's thread from its work for
 * longer than it takes to wake another. */
#define COPY_ELSEWHERE 16

/* How a read is to be made. */
enum manner {
	READ_BESIDE,  /* the caller waits for the first page, not here */
	READ_NOW,     /* the caller waits: it may make the read itself */
	READ_AHEAD,   /* nobody waits yet */
	READ_TO_SHOW, /* wherever it is mapped */
};

static const enum store_urgency urgency[] = {
	[READ_BESIDE] = STORE_AWAITED,
	[READ_NOW] = STORE_NOW,
	[READ_AHEAD] = STORE_AHEAD,
	[READ_TO_SHOW] = STORE_AWAITED,
};

/* What is asked for. */
struct request {
	enum manner manner;
	uint64_t address; /* where the first page is mapped; 0: not to be shown */
	uint64_t withheld; /* pages from there on that are not, */
	uint64_t shown;    /* and pages until those that are not again */
};

struct object_read {
	struct pager_io io;
	struct work work; /* to copy it */
	struct object *object;
	uint64_t count;
	int error;
	struct request request;
};

void object_reads_init(struct object_host *host)
{
	pool_init(&host->reads, sizeof(struct object_read), LOCK_RANK_STORE,
		  memory_pool_map, memory_unmap);
}

static struct cache *cache_of(struct object *object)
{
	return object->host->cache;
}

static void wake_run(struct object *object, uint64_t index, uint64_t count,
		     const bool *waiters)
{
	for (uint64_t i = 0; i < count; i++)
		cache_wake(cache_of(object), &object->table, index + i,
			   waiters[i]);
}

void object_end_run(struct object *object, uint64_t index, uint64_t count,
		    enum page_state state)
{
	bool waiters[RUN_MAX];

	for (uint64_t i = 0; i < count; i++)
		waiters[i] =
			page_end_read(object_word(object, index + i), state);
	if (state != PAGE_CLEAN)
		cache_uncharge(cache_of(object), &object->table, index, count,
			       state == PAGE_FAILED);
	wake_run(object, index, count, waiters);
}

/* They have their bytes. */
static void come(struct object *object, uint64_t index, uint64_t count)
{
	object_lock_incoming(object, index, count);
	object_count_come(object, count);
	object_end_run(object, index, count, PAGE_CLEAN);
}

/* What the store says, but for what has a meaning of its own in here: past the
 * end, no room, not now, a bad buffer; and for what is no errno. */
static int error_of_store(int error)
{
	if (error < -ERROR_MOST)
		return -EIO;
	switch (error) {
	case -ENXIO:
	case -ENOBUFS:
	case -EAGAIN:
	case -EBUSY:
	case -EINTR:
	case -EFAULT:
		return -EIO;
	default:
		return error;
	}
}

/* Page and error in one word, which nobody sees halfway.  Before the page is
 * FAILED: who finds it so finds the error. */
static void keep_error(struct object *object, uint64_t index, int error)
{
	uint64_t kept = index << ERROR_BITS | (uint64_t)-error_of_store(error);

	atomic_store(&object->read_errors[index % READ_ERRORS_KEPT], kept);
}

int object_read_error(const struct object *object, uint64_t index)
{
	uint64_t kept =
		atomic_load(&object->read_errors[index % READ_ERRORS_KEPT]);
	int error = (int)(kept & ERROR_MOST);

	return kept >> ERROR_BITS == index && error ? -error : -EIO;
}

static void read_failed(struct object *object, uint64_t index, uint64_t count,
			int error)
{
	/* Rule 6: the hole first.  It cannot fail: it needs no memory. */
	check(object_punch(object, index, count) == 0, "rule 6");
	if (count > 1) {
		atomic_store(&object->single_reads, (uint32_t)count + 1);
		object_end_run(object, index, count, PAGE_ABSENT);
		return;
	}
	keep_error(object, index, error);
	count_add(object->host->counters, COUNT_READ_ERRORS, 1);
	if (object_may_log(object))
		log_line(object->host->log, LOG_WARNING,
			 "%s: page %llu could not be read: %s",
			 object->parameters.identity.name,
			 (unsigned long long)index,
			 error == -ENODATA
				 ? "the store is shorter than the object"
				 : strerror(-error));
	object_end_run(object, index, count, PAGE_FAILED);
}

/* The bytes of some of its pages, into the memory. */
static int put_bytes(const struct object_read *read, uint64_t first,
		     uint64_t end)
{
	const unsigned char *bytes = read->io.staging->bytes;

	if (first == end)
		return 0;
	return memory_file_write(read->object->memory,
				 bytes + (first << PAGE_SHIFT),
				 (end - first) << PAGE_SHIFT,
				 (read->io.index + first) << PAGE_SHIFT);
}

/* Those that are to be shown as they come; how many are, from first on. */
static uint64_t put_shown(const struct object_read *read, uint64_t first,
			  struct object_fill *fill)
{
	const struct request *request = &read->request;
	const struct object_host *host = read->object->host;
	uint64_t index = read->io.index + first, count;
	uint64_t end = request->shown < read->count ? request->shown
						    : read->count;

	if (!host->fill || first >= end)
		return 0;
	fill->bytes = (char *)read->io.staging->bytes + (first << PAGE_SHIFT);
	if (request->address)
		fill->address = request->address + (first << PAGE_SHIFT);
	/* What is read ahead is not touched by being shown. */
	fill->touched = request->manner != READ_AHEAD;
	count = host->fill(host->context, read->object, index, end - first,
			   fill);
	for (uint64_t i = 0; i < count && fill->touched && !fill->lodged; i++)
		page_set_touched(object_word(read->object, index + i));
	return count;
}

/* What of a read is there: [0, shown), and of that the last pages lodged. */
struct put {
	uint64_t shown;
	uint64_t lodged;
	struct object_fill fill;
};

static int put_all(const struct object_read *read, struct put *put)
{
	uint64_t first = read->request.withheld, count;
	int error = put_bytes(read, 0, first);

	if (error)
		return error;
	count = put_shown(read, first, &put->fill);
	put->shown = first + count;
	put->lodged = put->fill.lodged ? count : 0;
	return put_bytes(read, put->shown, read->count);
}

/* Of what is not lodged. */
static void end_part(struct object *object, uint64_t index, uint64_t count,
		     int error)
{
	if (count > 0 && error)
		read_failed(object, index, count, error);
	else if (count > 0)
		come(object, index, count);
}

/* error: of reading it, or of putting it there. */
static void end_put(struct object *object, uint64_t index, uint64_t count,
		    const struct put *put, int error)
{
	uint64_t before = put->lodged ? put->shown - put->lodged : count;
	uint64_t after = put->lodged ? put->shown : count;

	end_part(object, index, before, error);
	end_part(object, index + after, count - after, error);
	if (put->lodged)
		wake_run(object, index + before, put->lodged,
			 put->fill.waiters);
}

static void end_read(struct object_read *read, int error)
{
	struct pager_io *io = &read->io;
	struct object *object = read->object;
	struct object_host *host = object->host;
	uint64_t index = io->index, count = read->count;
	bool show = read->request.manner == READ_TO_SHOW;
	struct put put = { .shown = 0 };

	hook_point(HOOK_READ_COME, &object->table, index);
	if (!error)
		error = put_all(read, &put);
	hook_point(HOOK_READ_FILLED, &object->table, index);
	staging_drop(&host->staging, io->staging);
	pool_drop(&host->reads, read);
	count_level(host->counters, COUNT_READS_IN_FLIGHT,
		    COUNT_READS_IN_FLIGHT_PEAK, -1);
	if (!error) {
		count_add(host->counters, COUNT_PAGES_READ, count);
		object_count(&object->counts.pages_read, count);
		object_happened(object, index, count, OBJECT_READ);
	}
	end_put(object, index, count, &put, error);
	if (!error) {
		if (show && host->arrived && put.shown < count)
			host->arrived(host->context, object, index + put.shown,
				      count - put.shown);
		/* After those who wait for it: who starves would take it. */
		cache_encourage(cache_of(object));
	}
	object_release(object);
}

static void copy(struct work *work)
{
	struct object_read *read = container_of(work, struct object_read, work);

	end_read(read, read->error);
}

static void read_complete(struct pager_io *io, int error)
{
	struct object_read *read = container_of(io, struct object_read, io);
	struct worker_pool *copiers = read->object->host->copiers;

	if (!error && read->request.manner == READ_AHEAD &&
	    read->request.address)
		object_window_come(read->object, io->index, read->count,
				   read->request.address);
	if (!copiers || read->count < COPY_ELSEWHERE || !ring_on_thread()) {
		end_read(read, error);
		return;
	}
	read->error = error;
	read->work.run = copy;
	worker_submit(copiers, &read->work);
}

static uint64_t absent_run(struct object *object, uint64_t index,
			   uint64_t count)
{
	uint64_t n = 0;

	while (n < count) {
		enum page_state state =
			word_state(atomic_load(object_word(object, index + n)));

		if (state != PAGE_ABSENT && !(n == 0 && state == PAGE_FAILED))
			break;
		n++;
	}
	return n;
}

/* How many pages a read from index on may have: 0 past the end. */
static uint64_t clip(struct object *object, uint64_t index, uint64_t count)
{
	uint64_t pages = object_pages(object);

	if (index >= pages)
		return 0;
	if (count > pages - index)
		count = pages - index;
	return count < RUN_MAX ? count : RUN_MAX;
}

uint64_t object_begin_run(struct object *object, uint64_t index, uint64_t count)
{
	uint64_t won = 0, inside;

	while (won < count && page_begin_read(object_word(object, index + won)))
		won++;
	if (won < count)
		cache_uncharge(cache_of(object), &object->table, index + won,
			       count - won, false);
	if (won > 0)
		hook_point(HOOK_READ_BEGUN, &object->table, index);
	/* What was remembered of a page that left may be old. */
	if (atomic_load(&object->foreign_count) > 0)
		atomic_fetch_add(&object->foreign_changes, 1);
	/* Rule 11: store, then look.  A resize stores the size and then looks
	 * at the pages; one of the two sees the other. */
	inside = clip(object, index, won);
	inside = object_before_discard(object, index, inside);
	if (inside < won)
		object_end_run(object, index + inside, won - inside,
			       PAGE_ABSENT);
	return inside;
}

static void submit(struct object *object, struct object_read *read,
		   uint64_t index)
{
	struct counters *counters = object->host->counters;
	uint64_t size = atomic_load(&object->extent),
		 start = index << PAGE_SHIFT;
	uint64_t length = read->count << PAGE_SHIFT;

	read->object = object;
	read->io.operation = PAGER_READ;
	read->io.index = index;
	/* A cut that comes now waits for this read: any length will do. */
	read->io.length = size > start && size - start < length ? size - start
								: length;
	read->io.complete = read_complete;
	object_use(object);
	count_add(counters, COUNT_READS, 1);
	object_count(&object->counts.reads, 1);
	count_level(counters, COUNT_READS_IN_FLIGHT, COUNT_READS_IN_FLIGHT_PEAK,
		    1);
	pager_submit(object->pager, &read->io);
}

static int64_t start(struct object *object, uint64_t index, uint64_t count,
		     const struct request *request, uint64_t *sequence)
{
	struct object_host *host = object->host;
	struct staging *staging = NULL;
	struct object_read *read;
	int64_t result = -ENOMEM;

	count = clip(object, index, count);
	if (count == 0)
		return -ENXIO;
	count = absent_run(object, index, count);
	if (count == 0)
		return 0;
	if (object_before_discard(object, index, 1) == 0)
		return -EBUSY;
	if (take_one(&object->single_reads))
		count = 1;
	read = pool_take(&host->reads);
	if (read)
		staging = staging_take(&host->staging, count);
	if (!staging)
		goto undo;
	if (count > staging->pages)
		count = staging->pages;
	count = cache_charge(host->cache, &object->table, index, count,
			     sequence);
	result = -EAGAIN;
	if (count == 0)
		goto undo;
	read->count = object_begin_run(object, index, count);
	result = (int64_t)read->count;
	if (result == 0)
		goto undo;
	/* It may be gone again before whoever asked has looked at it. */
	if (request->manner == READ_BESIDE || request->manner == READ_NOW)
		page_set_touched(object_word(object, index));
	read->io.staging = staging;
	read->io.urgency = urgency[request->manner];
	read->request = *request;
	submit(object, read, index);
	return result;

undo:
	if (staging)
		staging_drop(&host->staging, staging);
	if (read)
		pool_drop(&host->reads, read);
	return result;
}

int64_t object_start_read(struct object *object, uint64_t index, uint64_t count,
			  uint64_t *sequence)
{
	return start(object, index, count,
		     &(struct request){ .manner = READ_BESIDE }, sequence);
}

int64_t object_read_now(struct object *object, uint64_t index, uint64_t count,
			uint64_t *sequence)
{
	return start(object, index, count,
		     &(struct request){ .manner = READ_NOW }, sequence);
}

int64_t object_read_for(struct object *object, uint64_t index, uint64_t count,
			const struct read_access *access, uint64_t *sequence)
{
	const struct request request = {
		.manner = access->now ? READ_NOW : READ_BESIDE,
		.address = access->address,
		.shown = access->address ? access->pages : 0,
	};

	return start(object, index, count, &request, sequence);
}

static uint64_t start_all(struct object *object, uint64_t index, uint64_t count,
			  struct request request)
{
	uint64_t end = index + count, started = 0, sequence;

	while (index < end) {
		int64_t n =
			start(object, index, end - index, &request, &sequence);
		uint64_t passed = n > 0 ? (uint64_t)n : 1;

		if (n < 0)
			break;
		started += (uint64_t)n;
		index += passed;
		request.withheld = 0;
		if (request.address)
			request.address += passed << PAGE_SHIFT;
	}
	count_add(object->host->counters, COUNT_PAGES_AHEAD, started);
	return started;
}

uint64_t object_read_ahead(struct object *object, uint64_t index,
			   uint64_t count)
{
	return object_read_window(object, index, count, 0);
}

uint64_t object_read_window(struct object *object, uint64_t index,
			    uint64_t count, uint64_t address)
{
	const struct request request = {
		.manner = READ_AHEAD,
		.address = address,
		.withheld = address != 0,
		.shown = address ? count : 0,
	};

	return start_all(object, index, count, request);
}

uint64_t object_read_announced(struct object *object, uint64_t index,
			       uint64_t count)
{
	return start_all(object, index, count,
			 (struct request){ .manner = READ_TO_SHOW,
					   .shown = count });
}

static int put_zeros(struct object *object, uint64_t index)
{
	struct staging *staging = staging_take(&object->host->staging, 1);
	int error;

	if (!staging)
		return -ENOMEM;
	memset(staging->bytes, 0, PAGE_SIZE);
	error = memory_file_write(object->memory, staging->bytes, PAGE_SIZE,
				  index << PAGE_SHIFT);
	staging_drop(&object->host->staging, staging);
	return error;
}

int object_zero_page(struct object *object, uint64_t index, uint64_t *sequence)
{
	if (clip(object, index, 1) == 0)
		return -ENXIO;
	if (cache_charge(cache_of(object), &object->table, index, 1,
			 sequence) == 0)
		return -EAGAIN;
	if (object_begin_run(object, index, 1) == 0)
		return 0;
	if (put_zeros(object, index)) {
		read_failed(object, index, 1, -ENOMEM);
		return -ENOMEM;
	}
	page_set_zeroed(object_word(object, index));
	come(object, index, 1);
	cache_encourage(cache_of(object));
	return 1;
}
