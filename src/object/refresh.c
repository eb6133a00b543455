/* refresh.c - bytes that somebody else has changed in the store */
/* SPDX-License-Identifier: MIT */
/*
 * What is in memory follows: reads under way end; what is CLEAN goes, or is
 * filled; what cannot go is filled.  Within a foreign write (foreign.c).
 *
 * Why a whole page may be filled under a read pin: its bytes become what the
 * store has, so it need not become dirty (that of a read-only object must not),
 * and nobody writes it home before all of it is there, as it is listed.
 *
 * A page is DIRTY by others' stores to its other bytes: only what is new is
 * copied, and both are home after the next write.
 */
#include "object/object_private.h"

#include "os/memory.h"

#include <errno.h>
#include <sched.h>

#define RUN_MAX 16 /* pages filled by one read */
/* Pages of a change: those of a greater one leave rather than be copied. */
#define STAY_MOST 256

struct refresh {
	struct object *object;
	uint64_t start; /* bytes, half open */
	uint64_t end;
	bool clean_only; /* what is dirty is left as it is */
	bool stay;       /* what is clean need not leave: it is filled */
	int error;       /* the first */
};

struct waited_io {
	struct pager_io io;
	struct lock lock;
	struct condition condition;
	bool done; /* [lock] */
	int error; /* [lock] */
};

static void waited_complete(struct pager_io *io, int error)
{
	struct waited_io *waited = container_of(io, struct waited_io, io);

	lock_take(&waited->lock);
	waited->error = error;
	waited->done = true;
	condition_wake_all(&waited->condition);
	lock_drop(&waited->lock);
}

/* Reads the store's bytes into the buffer.  Blocks. */
static int read_store(struct object *object, uint64_t index, uint64_t length,
		      struct staging *staging)
{
	struct waited_io waited = {
		.io = { .operation = PAGER_READ,
			.index = index,
			.length = length,
			.staging = staging,
			.urgency = STORE_NOW,
			.complete = waited_complete },
	};

	lock_init(&waited.lock, LOCK_RANK_PAGER);
	condition_init(&waited.condition);
	pager_submit(object->pager, &waited.io);
	lock_take(&waited.lock);
	while (!waited.done)
		condition_wait(&waited.condition, &waited.lock);
	lock_drop(&waited.lock);
	lock_finish(&waited.lock);
	condition_finish(&waited.condition);
	return waited.error;
}

/* What was read of one page, from bytes on. */
static int fill_page(const struct refresh *refresh, uint64_t index,
		     const char *bytes)
{
	struct object *object = refresh->object;
	uint64_t first = index << PAGE_SHIFT, end = first + PAGE_SIZE;
	uint64_t start = refresh->start > first ? refresh->start : first;
	int error = 0;

	if (end > refresh->end)
		end = refresh->end;
	/* Nobody can store to it before it is in the set; and who copies it
	 * before that copies it once more (object_lock_dirty()). */
	lock_take(&object->dirty_lock);
	if (!refresh->clean_only ||
	    word_state(atomic_load(object_word(object, index))) == PAGE_CLEAN) {
		page_forget_foreseen(object_word(object, index));
		error = memory_file_write(object->memory,
					  bytes + (start - first), end - start,
					  start);
	}
	atomic_fetch_add(&object->foreign_changes, 1);
	lock_drop(&object->dirty_lock);
	return error;
}

/* The new bytes of pages that are pinned. */
static int fill(const struct refresh *refresh, uint64_t index, uint64_t count,
		struct staging *staging)
{
	uint64_t first = index << PAGE_SHIFT;
	uint64_t end = (index + count) << PAGE_SHIFT;
	int error;

	if (end > refresh->end)
		end = refresh->end;
	error = read_store(refresh->object, index, end - first, staging);
	for (uint64_t i = 0; i < count && !error; i++)
		error = fill_page(refresh, index + i,
				  (char *)staging->bytes + (i << PAGE_SHIFT));
	return error;
}

/* False: the page is not in memory, has left it, or is not to be filled.
 * Zeros in place of its bytes must go. */
static bool may_keep(const struct refresh *refresh, uint64_t index,
		     uint64_t settled)
{
	bool stays = refresh->stay && !object_is_zeroed(refresh->object, index);

	return word_visible(settled) &&
	       (stays || !object_drop_clean(refresh->object, index, 1)) &&
	       (!refresh->clean_only || word_state(settled) == PAGE_CLEAN);
}

/* Takes the page out of memory, or pins it; false: it is not in memory, or is
 * not to be filled.  Waits for a read under way. */
static bool keep(const struct refresh *refresh, uint64_t index)
{
	struct object *object = refresh->object;
	page_word *word = object_word(object, index);

	while (may_keep(refresh, index, object_settle(object, index))) {
		if (page_take_rpin(word, false) == PAGE_TAKEN) {
			if (!object_is_zeroed(object, index))
				return true;
			object_let_go(object, index, 1, false);
		}
		sched_yield(); /* a pin that is being dropped */
	}
	return false;
}

/* Fills the pages from index on that cannot leave; how many it has seen to. */
static uint64_t fill_run(struct refresh *refresh, uint64_t index, uint64_t end)
{
	struct object *object = refresh->object;
	struct staging_pool *pool = &object->host->staging;
	struct staging *staging;
	uint64_t count = 1;
	int error = -ENOMEM;

	if (!keep(refresh, index))
		return 1;
	staging = staging_take(pool, RUN_MAX);
	if (staging) {
		while (count < staging->pages && index + count < end &&
		       keep(refresh, index + count))
			count++;
		error = fill(refresh, index, count, staging);
		staging_drop(pool, staging);
	}
	object_let_go(object, index, count, false);
	if (!refresh->error)
		refresh->error = error;
	return count;
}

/*
 * => the pages are listed: nobody writes them.  What is read now may have old
 * bytes, and its end is waited for (keep()); what begins after a look at the
 * page has new ones.
 */
static int refresh_bytes(struct refresh *refresh)
{
	struct object *object = refresh->object;
	uint64_t index = refresh->start >> PAGE_SHIFT;
	uint64_t last = pages_of(refresh->end);

	if (!refresh->stay)
		object_drop_clean(object, index, last - index); /* in runs */
	while ((index = page_table_next(&object->table, index)) < last)
		index += fill_run(refresh, index, last);
	return refresh->error;
}

/* Where both the store and the object have bytes. */
static int common_end(struct object *object, uint64_t *end)
{
	uint64_t size;
	int error = pager_size(object->pager, &size);

	*end = object_size(object);
	if (!error && size < *end)
		*end = size;
	return error == -EOPNOTSUPP ? 0 : error;
}

static int refresh_range(struct object *object, uint64_t offset,
			 uint64_t length, bool clean_only)
{
	struct refresh refresh = {
		.object = object,
		.start = offset,
		.clean_only = clean_only,
	};
	struct foreign_write write;
	uint64_t first = offset >> PAGE_SHIFT;
	int error;

	lock_take(&object->resize_lock);
	error = common_end(object, &refresh.end);
	if (!error && offset < refresh.end) {
		if (length < refresh.end - offset)
			refresh.end = offset + length;
		/* What is stored to meanwhile is dirty, and is left alone. */
		refresh.stay = clean_only &&
			       pages_of(refresh.end) - first <= STAY_MOST;
		object_foreign_begin(object, &write, first,
				     pages_of(refresh.end) - first);
		error = refresh_bytes(&refresh);
		object_foreign_end(object, &write);
		if (error)
			object_record_error(object, error, "read");
	}
	lock_drop(&object->resize_lock);
	return error;
}

int object_refresh(struct object *object, uint64_t offset, uint64_t length)
{
	return refresh_range(object, offset, length, false);
}

int object_refresh_clean(struct object *object, uint64_t offset,
			 uint64_t length)
{
	return refresh_range(object, offset, length, true);
}

/* What is not in memory comes as the store has it.  False: it may not be filled
 * now. */
static bool fill_at_once(const struct refresh *refresh, uint64_t index,
			 const char *bytes)
{
	struct object *object = refresh->object;
	page_word *word = object_word(object, index);
	enum page_state state = word_state(atomic_load(word));
	bool filled;

	if (state == PAGE_ABSENT)
		return true;
	if (state != PAGE_CLEAN || page_take_rpin(word, false) != PAGE_TAKEN)
		return false;
	filled = !object_is_zeroed(object, index) &&
		 fill_page(refresh, index, bytes) == 0 &&
		 word_state(atomic_load(word)) == PAGE_CLEAN;
	object_let_go(object, index, 1, false);
	return filled;
}

bool object_refresh_at_once(struct object *object, uint64_t offset,
			    uint64_t length,
			    const void *(*fetch)(void *context), void *context)
{
	struct refresh refresh = {
		.object = object,
		.start = offset,
		.end = offset + length,
		.clean_only = true,
	};
	uint64_t first = offset >> PAGE_SHIFT, count = 0;
	const char *bytes;
	bool good;

	if (!lock_try(&object->resize_lock))
		return false;
	bytes = fetch(context);
	good = bytes && refresh.end <= object_size(object);
	while (good && (first + count) << PAGE_SHIFT < refresh.end) {
		good = fill_at_once(&refresh, first + count,
				    bytes + (count << PAGE_SHIFT));
		count++;
	}
	lock_drop(&object->resize_lock);
	return good;
}

/* ---- the size ---- */

int object_refresh_tail(struct object *object, uint64_t old, uint64_t size)
{
	uint64_t edge = page_round_up(old);
	struct refresh tail = {
		.object = object,
		.start = old,
		.end = edge < size ? edge : size,
	};
	struct foreign_write write;
	int error;

	if (old == edge)
		return 0;
	object_foreign_begin(object, &write, old >> PAGE_SHIFT, 1);
	error = refresh_bytes(&tail);
	object_foreign_end(object, &write);
	return error;
}

static int follow_growth(struct object *object, uint64_t end, uint64_t size)
{
	int error = object_grow(object, end, size);

	if (error)
		object_record_error(object, error, "read");
	return error;
}

static int follow(struct object *object)
{
	uint64_t most = object->parameters.capacity;
	uint64_t size, old = object_size(object);
	int error = pager_size(object->pager, &size);
	uint64_t end = size < most ? size : most;

	if (!error && end < old)
		error = object_shrink(object, end, STORE_IS_CUT);
	else if (!error && end > old)
		error = follow_growth(object, end, size);
	if (error || size == end)
		return error;
	return error_say(-EFBIG,
			 "%s has grown beyond its capacity of %llu bytes",
			 object->parameters.identity.name,
			 (unsigned long long)most);
}

int object_follow_size(struct object *object)
{
	struct foreign_write write;
	int error;

	lock_take(&object->resize_lock);
	/* A write under way with the old size would change the store's. */
	object_foreign_begin(object, &write, 0, object->table.pages);
	error = follow(object);
	object_foreign_end(object, &write);
	lock_drop(&object->resize_lock);
	return error;
}
