/* object.c - the life of an object */
/* SPDX-License-Identifier: MIT */
#include "object/object_private.h"

#include "os/memory.h"
#include "page/hazard.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int object_punch(struct object *object, uint64_t index, uint64_t count)
{
	return memory_file_punch(object->memory, index << PAGE_SHIFT,
				 count << PAGE_SHIFT);
}

#define LEAVE_AT_ONCE 64 /* runs */
#define DROP_RUN 256     /* pages that are dropped by one hole */

static bool all_hollow(struct object *object, uint64_t index, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		if (!(atomic_load(object_word(object, index + i)) &
		      WORD_HOLLOW))
			return false;
	return true;
}

static int evict(struct page_table *table, uint64_t index, uint64_t count)
{
	struct object *object = container_of(table, struct object, table);
	int error = object_hide(object, index, count);

	if (error || all_hollow(object, index, count))
		return error;
	return object_punch(object, index, count);
}

static void gone(struct page_table *table, uint64_t index, uint64_t count)
{
	struct object *object = container_of(table, struct object, table);
	uint64_t hollow = 0;

	for (uint64_t i = 0; i < count; i++)
		if (atomic_load(object_word(object, index + i)) & WORD_HOLLOW)
			hollow++;
	if (hollow)
		object_count_lodged_gone(object, hollow);
	object_count_gone(object, count);
	ahead_gone(object, index, count);
	object_count(&object->counts.evictions, count);
	object_happened(object, index, count, OBJECT_EVICTED);
}

static void leave_view(const struct object *object, const struct page_run *runs,
		       unsigned count)
{
	char *view = atomic_load(&object->view); /* make_view() */
	struct iovec ranges[LEAVE_AT_ONCE];
	unsigned n = 0;

	if (!view || view == object->window)
		return;
	for (; n < count && n < LEAVE_AT_ONCE; n++)
		ranges[n] = (struct iovec){
			.iov_base = view + (runs[n].index << PAGE_SHIFT),
			.iov_len = runs[n].count << PAGE_SHIFT,
		};
	memory_forget_many(ranges, n);
}

/*
 * A hole in the memory takes the translations of each page from all processors
 * that run this program, which is most of what it costs.  Those of the view,
 * and where the kernel shows pages by itself, go at once for all runs: none is
 * dirty, so that can wait for the last of them.
 */
static void leave(struct page_table *table, const struct page_run *runs,
		  unsigned count)
{
	struct object *object = container_of(table, struct object, table);

	/* A hole alone costs no more. */
	if (count > 1) {
		leave_view(object, runs, count);
		object_leave_untrapped(object, runs, count);
	}
	object_leave_lodged(object, runs, count);
}

static const struct page_owner_ops owner_ops = { .leave = leave,
						 .evict = evict,
						 .gone = gone };

static int open_memory(struct object *object)
{
	const struct object_kept *kept = object->parameters.kept;

	if (!kept)
		return memory_file_create("quire-object", &object->memory);
	object->memory = fcntl(kept->memory, F_DUPFD_CLOEXEC, 0);
	return object->memory < 0 ? -errno : 0;
}

static int init_memory(struct object *object)
{
	uint64_t capacity = object->parameters.capacity;
	int error = open_memory(object);

	if (error)
		return error;
	error = memory_file_resize(object->memory,
				   page_round_up(object->parameters.size));
	if (!error)
		error = memory_file_view(object->memory, capacity,
					 &object->window);
	if (error)
		close(object->memory);
	return error;
}

static void finish_memory(struct object *object)
{
	void *view = atomic_load(&object->view);

	if (view && view != object->window)
		memory_unmap(view, object->parameters.capacity);
	memory_unmap(object->window, object->parameters.capacity);
	close(object->memory);
}

static void init_locks(struct object *object)
{
	lock_init(&object->resize_lock, LOCK_RANK_OBJECT_RESIZE);
	lock_init(&object->mappings_lock, LOCK_RANK_OBJECT_MAPPINGS);
	lock_init(&object->dirty_lock, LOCK_RANK_OBJECT_DIRTY);
	lock_init(&object->flush_lock, LOCK_RANK_OBJECT_FLUSH);
	lock_init(&object->lock, LOCK_RANK_OBJECT);
	lock_init(&object->locked_lock, LOCK_RANK_OBJECT);
	lock_init(&object->foreign_lock, LOCK_RANK_OBJECT);
	condition_init(&object->foreign_ended);
	lock_init(&object->watch_lock, LOCK_RANK_OBJECT);
	condition_init(&object->watched);
	list_init(&object->mappings);
	list_init(&object->foreign);
}

static void destroy(struct object *object)
{
	foreseen_forget(object); /* who looks for a slot looks at words */
	ahead_finish(object);
	page_table_finish(&object->table);
	hook_point(HOOK_WORDS_GONE, &object->table, 0);
	object_finish_record(object);
	object_forget_locked(object);
	finish_memory(object);
	if (object_writer(object) != object->pager)
		pager_destroy(object_writer(object));
	pager_destroy(object->pager);
	lock_finish(&object->resize_lock);
	lock_finish(&object->mappings_lock);
	lock_finish(&object->dirty_lock);
	lock_finish(&object->flush_lock);
	lock_finish(&object->lock);
	lock_finish(&object->locked_lock);
	check(list_empty(&object->foreign), "nobody writes past it");
	condition_finish(&object->foreign_ended);
	lock_finish(&object->foreign_lock);
	condition_finish(&object->watched);
	lock_finish(&object->watch_lock);
	free((char *)object->parameters.identity.name);
	free(object);
}

/* They lie with the page table, but for what is to last. */
static void init_bitmaps(struct object *object, size_t bytes)
{
	uint64_t pages = object->table.pages;
	char *room = object->table.extra;

	bitmap_init(&object->written, pages, room);
	bitmap_init(&object->flushing, pages, room + bytes);
	bitmap_init(&object->dirty, pages,
		    object->record ? object_record_bits(object)
				   : room + 2 * bytes);
}

static int init_with_capacity(struct object *object)
{
	uint64_t pages = pages_of(object->parameters.capacity);
	size_t bytes = bitmap_bytes(pages);
	int error = init_memory(object);

	if (error)
		return error;
	error = object_init_record(object);
	if (error)
		goto undo_memory;
	error = page_table_init(&object->table, object->host->cache, &owner_ops,
				pages, (object->record ? 2 : 3) * bytes);
	if (error)
		goto undo_record;
	init_bitmaps(object, bytes);
	return 0;

undo_record:
	object_finish_record(object);
undo_memory:
	finish_memory(object);
	return error;
}

/* Where addresses are short (RLIMIT_AS) it may grow to less. */
static int init(struct object *object)
{
	uint64_t least =
		object->parameters.kept
			? object->parameters.capacity
			: page_round_up(object->parameters.least_capacity);
	uint64_t *capacity = &object->parameters.capacity;
	int error;

	*capacity = page_round_up(*capacity);
	while ((error = init_with_capacity(object)) == -ENOMEM &&
	       *capacity > least) {
		*capacity = page_round_up(*capacity / 2);
		if (*capacity < least)
			*capacity = least;
	}
	if (!error)
		init_locks(object);
	return error;
}

int object_create(struct object_host *host,
		  const struct object_parameters *parameters,
		  struct pager *pager, struct object **object)
{
	struct object *new = calloc(1, sizeof(*new));
	char *name = strdup(parameters->identity.name);
	int error = -ENOMEM;

	if (!new || !name)
		goto undo;
	new->host = host;
	new->parameters = *parameters;
	new->parameters.identity.name = name;
	if (parameters->kept)
		error = object_read_record(&new->parameters);
	if (parameters->kept && error)
		goto undo;
	new->pager = pager;
	atomic_store(&new->writer, pager->writable ? pager : NULL);
	new->handles = 1;
	atomic_store(&new->size, new->parameters.size);
	atomic_store(&new->extent, new->parameters.size);
	error = init(new);
	if (error)
		goto undo;
	new->parameters.kept = NULL; /* the caller's */
	lock_take(&host->registry.lock);
	list_add_tail(&host->registry.objects, &new->link);
	lock_drop(&host->registry.lock);
	*object = new;
	return 0;

undo:
	pager_destroy(pager);
	free(name);
	free(new);
	return error_say(error, "no memory for the object %s: %s",
			 parameters->identity.name, strerror(-error));
}

/* One try to take the page out. */
static bool begin_drop(struct object *object, uint64_t index)
{
	bool dirty;

	if (!page_begin_cut(object_word(object, index), &dirty))
		return false;
	if (dirty)
		object_forget_dirty(object, index);
	return true;
}

/* Waits for reclaim to end what it is taking out.  False: the page is gone. */
static bool await_drop(struct object *object, uint64_t index)
{
	page_word *word = object_word(object, index);

	while (!begin_drop(object, index)) {
		enum page_state state = word_state(atomic_load(word));

		if (state == PAGE_ABSENT || state == PAGE_FAILED)
			return false;
		if (state == PAGE_LODGED)
			object_drop_lodged(object, index);
		else if (state == PAGE_CLEAN || state == PAGE_DIRTY)
			sched_yield(); /* a pin that is being dropped */
		else
			wait_for_change(&object->host->cache->waits,
					&object->table, index, word, state);
	}
	return true;
}

static void end_drop(struct object *object, uint64_t index, uint64_t count)
{
	struct cache *cache = object->host->cache;

	check(object_hide(object, index, count) == 0, "a page can be hidden");
	/* The hole cannot fail to be punched: it needs no memory. */
	check(object_punch(object, index, count) == 0, "a page can be dropped");
	object_count_gone(object, count);
	ahead_gone(object, index, count);
	for (uint64_t i = index; i < index + count; i++)
		cache_wake(cache, &object->table, i,
			   page_end_evict(object_word(object, i), PAGE_ABSENT));
	cache_uncharge(cache, &object->table, index, count, false);
}

void object_drop_pages(struct object *object, uint64_t index)
{
	uint64_t pages = object->table.pages, count;

	object_bring_home(object, index, pages - index, false);
	while ((index = page_table_next(&object->table, index)) < pages) {
		/* Waits for the first one alone, while it has none. */
		count = await_drop(object, index);
		while (count && count < DROP_RUN && index + count < pages &&
		       begin_drop(object, index + count))
			count++;
		if (count)
			end_drop(object, index, count);
		index += count ? count : 1;
	}
}

/* Reclaim may have a page ABSENT and not yet given back. */
static void wait_for_reclaim(struct object *object)
{
	struct cache *cache = object->host->cache;
	bool empty;

	do {
		lock_take(&cache->lock);
		empty = object->table.charged == 0;
		lock_drop(&cache->lock);
		if (!empty)
			sched_yield();
	} while (!empty);
}

bool object_end(struct object *object, bool lose)
{
	struct object_registry *registry = &object->host->registry;
	bool end;

	lock_take(&registry->lock);
	while (object->handles == 0 && atomic_load(&object->users) > 1)
		condition_wait(&registry->idle, &registry->lock);
	end = object->handles == 0 && (lose || object_dirty_pages(object) == 0);
	object->ending = end;
	if (end)
		list_remove(&object->link);
	lock_drop(&registry->lock);
	if (!end) {
		object_release(object);
		return false;
	}
	page_table_end(&object->table);
	object_drop_pages(object, 0);
	wait_for_reclaim(object);
	destroy(object);
	return true;
}

const struct object_identity *object_identity(const struct object *object)
{
	return &object->parameters.identity;
}

void object_set_identity(struct object *object, uint64_t device, uint64_t inode)
{
	struct object_registry *registry = &object->host->registry;

	lock_take(&registry->lock); /* object_lookup() reads them */
	object->parameters.identity.device = device;
	object->parameters.identity.inode = inode;
	lock_drop(&registry->lock);
}

int object_memory(const struct object *object)
{
	return object->memory;
}

uint64_t object_size(const struct object *object)
{
	return atomic_load(&object->size); /* rule 11: pairs with the pins */
}

uint64_t object_pages(const struct object *object)
{
	return pages_of(object_size(object));
}

uint64_t object_capacity(const struct object *object)
{
	return object->parameters.capacity;
}

bool object_writable(const struct object *object)
{
	return object_writer(object) != NULL;
}

bool object_discards(const struct object *object)
{
	return object->parameters.discard;
}

struct object_host *object_host(const struct object *object)
{
	return object->host;
}

struct pager *object_writer(const struct object *object)
{
	return atomic_load(&object->writer);
}

void object_set_writer(struct object *object, struct pager *pager)
{
	struct pager *none = NULL;

	if (!atomic_compare_exchange_strong(&object->writer, &none, pager))
		pager_destroy(pager);
}

struct page_table *object_table(struct object *object)
{
	return &object->table;
}

page_word *object_word(const struct object *object, uint64_t index)
{
	debug_check(index < object->table.pages, "a page of the object");
	return page_table_word(&object->table, index);
}

/* Two threads may make one each. */
static void *make_view(struct object *object)
{
	uint64_t capacity = object->parameters.capacity;
	void *none = NULL, *view;

	if (memory_file_view_read(object->memory, capacity, &view))
		view = object->window;
	if (atomic_compare_exchange_strong(&object->view, &none, view))
		return view;
	if (view != object->window)
		memory_unmap(view, capacity);
	return none;
}

const void *object_view(struct object *object, uint64_t offset)
{
	/* acquire: pairs with make_view() */
	char *view = atomic_load_explicit(&object->view, memory_order_acquire);

	if (!view)
		view = make_view(object);
	return view + offset;
}

void object_face(struct object *object, struct object_face *face)
{
	*face = (struct object_face){
		.words = object->table.words,
		.size = &object->size,
		.view = object_view(object, 0),
	};
	hazards_expect(&object->table);
}

void *object_window(const struct object *object, uint64_t offset)
{
	return (char *)object->window + offset;
}

enum object_error_policy object_decide(struct object *object, uint64_t index,
				       int error)
{
	const struct object_parameters *p = &object->parameters;
	enum object_error_policy policy = p->error_policy;

	if (policy == OBJECT_ERROR_CALLBACK)
		policy = p->error_function(p->error_context,
					   index << PAGE_SHIFT, error);
	if (policy == OBJECT_ERROR_CALLBACK)
		policy = OBJECT_ERROR_SIGNAL; /* no answer */
	return policy;
}
