/* faulty_store.c - spoils another store's transfers, by a script */
/* SPDX-License-Identifier: MIT */
/*
 *   step of the outer transfer -> decide --+- pass, short -> inner transfer
 *                                          +- fail, lose --> step_complete
 *                                          +- delay -> timer thread -> inner
 *                                          +- hold --> release -----> inner
 *
 * The inner transfer is a whole one of its own, through store_submit().
 */
#include "store/faulty_private.h"

#include "os/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NANOSECONDS_PER_MS UINT64_C(1000000)

struct faulty_store {
	struct store store;
	struct store *inner; /* [I] */
	struct pool pool;    /* of struct errand */
	pthread_t timer;     /* [I] */

	struct lock lock;
	struct condition changed;    /* delayed or ending did */
	struct faulty_script script; /* [lock] */
	struct list held;            /* [lock] of errands */
	unsigned held_count;         /* [lock] */
	struct list delayed;         /* [lock] of errands, the next due first */
	bool ending;                 /* [lock] */
};

/* A step on its way to the inner store. */
struct errand {
	struct store_io inner;
	struct store_io *outer;
	struct faulty_store *faulty;
	struct list link;
	uint64_t due_ns;
};

static struct faulty_store *faulty_of(struct store *store)
{
	return container_of(store, struct faulty_store, store);
}

static struct errand *errand_of(struct list *link)
{
	return container_of(link, struct errand, link);
}

/* ---- errands ---- */

static void errand_complete(struct store_io *inner, int64_t result)
{
	struct errand *errand = container_of(inner, struct errand, inner);
	struct store_io *outer = errand->outer;

	pool_drop(&errand->faulty->pool, errand);
	outer->step_complete(outer, result);
}

/* NULL: no memory. */
static struct errand *errand_create(struct faulty_store *faulty,
				    struct store_io *outer)
{
	struct errand *errand = pool_take(&faulty->pool);

	if (!errand)
		return NULL;
	errand->faulty = faulty;
	errand->outer = outer;
	errand->inner.operation = outer->operation;
	errand->inner.offset = outer->step_offset;
	errand->inner.iov_count = outer->step_iov_count;
	errand->inner.urgency = outer->urgency;
	memcpy(errand->inner.iov, outer->step_iov,
	       outer->step_iov_count * sizeof(outer->step_iov[0]));
	errand->inner.complete = errand_complete;
	return errand;
}

static void errand_shorten(struct errand *errand, uint64_t bytes)
{
	struct store_io *inner = &errand->inner;

	for (unsigned i = 0; i < inner->iov_count; i++) {
		if (inner->iov[i].iov_len > bytes)
			inner->iov[i].iov_len = (size_t)bytes;
		bytes -= inner->iov[i].iov_len;
	}
}

static void errand_go(struct errand *errand)
{
	store_submit(errand->faulty->inner, &errand->inner);
}

static void errand_hold(struct errand *errand)
{
	struct faulty_store *faulty = errand->faulty;

	errand->inner.urgency =
		STORE_AWAITED; /* whoever releases it need not wait */
	lock_take(&faulty->lock);
	list_add_tail(&faulty->held, &errand->link);
	faulty->held_count++;
	lock_drop(&faulty->lock);
}

static void errand_delay(struct errand *errand, uint64_t milliseconds)
{
	struct faulty_store *faulty = errand->faulty;
	struct list *place;

	errand->inner.urgency =
		STORE_AWAITED; /* the timer has others to see to */
	errand->due_ns = clock_now_ns() + milliseconds * NANOSECONDS_PER_MS;
	lock_take(&faulty->lock);
	place = faulty->delayed.prev;
	while (place != &faulty->delayed &&
	       errand_of(place)->due_ns > errand->due_ns)
		place = place->prev;
	list_insert_before(&errand->link, place->next);
	condition_wake_one(&faulty->changed);
	lock_drop(&faulty->lock);
}

/* The next errand that is due, waited for.  NULL: the store ends. */
static struct errand *timer_next(struct faulty_store *faulty)
{
	struct list *link = NULL;

	lock_take(&faulty->lock);
	while (!faulty->ending && !link) {
		struct list *first = faulty->delayed.next;

		if (first == &faulty->delayed)
			condition_wait(&faulty->changed, &faulty->lock);
		else if (errand_of(first)->due_ns > clock_now_ns())
			condition_wait_until(&faulty->changed, &faulty->lock,
					     errand_of(first)->due_ns);
		else
			link = list_pop(&faulty->delayed);
	}
	lock_drop(&faulty->lock);
	return link ? errand_of(link) : NULL;
}

static void *timer_main(void *argument)
{
	struct errand *errand;

	while ((errand = timer_next(argument)))
		errand_go(errand);
	return NULL;
}

/* ---- the store ---- */

static void send(struct faulty_store *faulty, struct store_io *io,
		 enum faulty_action action, uint64_t amount)
{
	struct errand *errand = errand_create(faulty, io);

	if (!errand) {
		io->step_complete(io, -ENOMEM);
		return;
	}
	if (action == FAULTY_SHORT)
		errand_shorten(errand, amount);
	if (action == FAULTY_DELAY)
		errand_delay(errand, amount);
	else if (action == FAULTY_HOLD)
		errand_hold(errand);
	else
		errand_go(errand);
}

static void faulty_submit(struct store *store, struct store_io *io)
{
	struct faulty_store *faulty = faulty_of(store);
	enum faulty_action action;
	uint64_t amount = 0;

	lock_take(&faulty->lock);
	action = faulty_script_decide(&faulty->script, io, &amount);
	lock_drop(&faulty->lock);
	if (action == FAULTY_FAIL)
		io->step_complete(io, -(int64_t)amount);
	else if (action == FAULTY_LOSE)
		io->step_complete(io, (int64_t)step_length(io));
	else
		send(faulty, io, action, amount);
}

static int faulty_size(struct store *store, uint64_t *size)
{
	return store_size(faulty_of(store)->inner, size);
}

static int faulty_resize(struct store *store, uint64_t size)
{
	return store_resize(faulty_of(store)->inner, size);
}

static int faulty_allocate(struct store *store, uint64_t offset,
			   uint64_t length)
{
	return store_allocate(faulty_of(store)->inner, offset, length);
}

static int faulty_discard(struct store *store, uint64_t offset, uint64_t length)
{
	return store_discard(faulty_of(store)->inner, offset, length);
}

static void faulty_free(struct faulty_store *faulty)
{
	pool_finish(&faulty->pool);
	condition_finish(&faulty->changed);
	lock_finish(&faulty->lock);
	free(faulty);
}

static void faulty_destroy(struct store *store)
{
	struct faulty_store *faulty = faulty_of(store);

	lock_take(&faulty->lock);
	check(list_empty(&faulty->held) && list_empty(&faulty->delayed),
	      "a store ends with nothing in flight");
	faulty->ending = true;
	condition_wake_one(&faulty->changed);
	lock_drop(&faulty->lock);
	pthread_join(faulty->timer, NULL);
	store_destroy(faulty->inner);
	faulty_free(faulty);
}

static const struct store_ops faulty_ops = {
	.submit = faulty_submit,
	.size = faulty_size,
	.resize = faulty_resize,
	.allocate = faulty_allocate,
	.discard = faulty_discard,
	.destroy = faulty_destroy,
};

static struct faulty_store *faulty_alloc(struct store *inner)
{
	struct faulty_store *faulty = calloc(1, sizeof(*faulty));

	if (!faulty)
		return NULL;
	faulty->store.ops = &faulty_ops;
	faulty->store.writable = inner->writable;
	faulty->inner = inner;
	pool_init(&faulty->pool, sizeof(struct errand), LOCK_RANK_STORE,
		  memory_pool_map, memory_unmap);
	lock_init(&faulty->lock, LOCK_RANK_STORE);
	condition_init(&faulty->changed);
	list_init(&faulty->held);
	list_init(&faulty->delayed);
	return faulty;
}

int faulty_store_create(const struct store_context *context,
			struct store *inner, const char *script,
			struct store **store)
{
	struct faulty_store *faulty = faulty_alloc(inner);
	int error;

	(void)context; /* delays have a thread of their own: no worker sleeps */
	if (!faulty)
		return -ENOMEM;
	error = faulty_script_parse(script, &faulty->script);
	if (!error)
		error = thread_start(&faulty->timer, "quire-delay", timer_main,
				     faulty);
	if (error) {
		faulty_free(faulty);
		return error;
	}
	*store = &faulty->store;
	return 0;
}

int faulty_store_script(struct store *store, const char *script)
{
	struct faulty_store *faulty = faulty_of(store);
	struct faulty_script parsed;
	int error = faulty_script_parse(script, &parsed);

	if (error)
		return error;
	lock_take(&faulty->lock);
	faulty->script = parsed;
	lock_drop(&faulty->lock);
	return 0;
}

unsigned faulty_store_release(struct store *store)
{
	struct faulty_store *faulty = faulty_of(store);
	struct list released;
	struct list *link;
	unsigned count;

	list_init(&released);
	lock_take(&faulty->lock);
	list_splice_tail(&released, &faulty->held);
	count = faulty->held_count;
	faulty->held_count = 0;
	lock_drop(&faulty->lock);
	while ((link = list_pop(&released)))
		errand_go(errand_of(link));
	return count;
}

unsigned faulty_store_held(struct store *store)
{
	struct faulty_store *faulty = faulty_of(store);
	unsigned count;

	lock_take(&faulty->lock);
	count = faulty->held_count;
	lock_drop(&faulty->lock);
	return count;
}
