/* pins.c - how many pins of a handle are held */
/* SPDX-License-Identifier: MIT */
#include "engine/pins.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* A leaf; held across a fork. */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;

static struct pins *pins_create(struct quire_object *handle)
{
	struct pins *pins = aligned_alloc(LANE_LINE, sizeof(*pins));
	struct quire *quire = engine_of(handle);

	if (!pins)
		return NULL;
	memset(pins, 0, sizeof(*pins));
	lock_init(&pins->lock, LOCK_RANK_OBJECT);
	pins->quire = quire;
	pins->handle = handle;
	object_face(handle->object, &pins->face);
	pthread_mutex_lock(&list_lock);
	list_add_tail(&quire->all_pins, &pins->link);
	pthread_mutex_unlock(&list_lock);
	return pins;
}

static uint64_t hits_of(const struct pins *pins)
{
	uint64_t hits = 0;

	for (unsigned i = 0; i < LANES; i++)
		hits += atomic_load_explicit(&pins->lane[i].hits,
					     memory_order_relaxed);
	return hits;
}

void pins_destroy(struct pins *pins)
{
	if (!pins)
		return;
	/* Together, for pins_hits(). */
	pthread_mutex_lock(&list_lock);
	list_remove(&pins->link);
	count_add(&pins->quire->counters, COUNT_HITS, hits_of(pins));
	pthread_mutex_unlock(&list_lock);
	lock_finish(&pins->lock);
	free(pins);
}

static int prepare(struct quire_object *handle)
{
	struct pins *none = NULL, *pins = pins_create(handle);

	if (!pins)
		return -ENOMEM;
	lanes_prepare();
	if (!atomic_compare_exchange_strong(&handle->pins, &none, pins))
		pins_destroy(pins); /* another thread was faster */
	return 0;
}

int pins_prepare(struct quire_object *handle)
{
	return pins_of(handle) ? 0 : prepare(handle);
}

static void count_hits_of_object(struct pins *pins, uint64_t count)
{
	object_count(&object_counts(pins->handle->object)->hits, count);
}

__attribute__((noinline)) int pins_count_hits(struct pins *pins)
{
	count_hits_of_object(pins, HITS_KEPT);
	return 0;
}

static void take_without_lane(struct quire_object *handle, bool hit)
{
	struct pins *pins = pins_of(handle);

	lock_take(&pins->lock);
	pins->others++;
	lock_drop(&pins->lock);
	if (!hit)
		return;
	count_add(&pins->quire->counters, COUNT_HITS, 1);
	count_hits_of_object(pins, 1);
}

void pins_take(struct quire_object *handle, bool hit)
{
	struct pins *pins = pins_of(handle);
	unsigned mine = lane_mine();

	if (mine == LANES) {
		take_without_lane(handle, hit);
		return;
	}
	lane_add(&pins->lane[mine].pins, 1);
	if (hit)
		pins_hit(pins, mine);
}

/* False: the user has closed the handle. */
static bool drop_in_lane(struct pins *pins, struct pin_lane *lane)
{
	bool open;

	atomic_store_explicit(&lane->busy, true, memory_order_relaxed);
	/* Busy, then the look: the other half is lane_barrier(). */
	atomic_signal_fence(memory_order_seq_cst);
	open = !atomic_load_explicit(&pins->closed, memory_order_acquire);
	if (open)
		lane_add(&lane->pins, UINT64_MAX);
	/* release: who closes sees the count, and may free it after this */
	atomic_store_explicit(&lane->busy, false, memory_order_release);
	return open;
}

/* hazard: NULL, or where the pin is announced, and so not counted until then. */
static bool drop_settled(struct quire_object *handle, struct pins *pins,
			 struct hazard *hazard)
{
	struct quire *quire = engine_of(handle);
	bool settled, last = false;

	lock_take(&pins->lock);
	settled = pins->settled;
	if (hazard)
		hazard_free(hazard);
	if (settled) {
		check(pins->open > 0, "a pin is dropped once");
		last = --pins->open == 0;
	} else if (!hazard) {
		pins->others--;
	}
	lock_drop(&pins->lock);
	if (settled)
		atomic_fetch_sub(&quire->pins, 1);
	return last;
}

bool pins_drop_announced(struct quire_object *handle, struct hazard *hazard)
{
	bool last;

	check(atomic_load(&hazard->word) != 0, "a pin is dropped once");
	last = drop_settled(handle, pins_of(handle), hazard);
	hazards_look();
	return last;
}

bool pins_drop(struct quire_object *handle)
{
	struct pins *pins = pins_of(handle);
	unsigned mine = lane_mine();

	if (mine < LANES && drop_in_lane(pins, &pins->lane[mine]))
		return false;
	return drop_settled(handle, pins, NULL);
}

/* The lock is held, and nobody uses a lane any more. */
static uint64_t sum(struct quire_object *handle, struct pins *pins)
{
	uint64_t open = pins->others + hazards_count(handle);

	for (unsigned i = 0; i < LANES; i++) {
		open += atomic_load(&pins->lane[i].pins);
		count_hits_of_object(pins, atomic_load(&pins->lane[i].hits) %
						   HITS_KEPT);
	}
	return open;
}

bool pins_close(struct quire_object *handle)
{
	struct pins *pins = pins_of(handle);
	uint64_t open;

	if (!pins)
		return true;
	atomic_store(&pins->closed, true);
	hazards_close(handle); /* and what lane_barrier() does */
	for (unsigned i = 0; i < LANES; i++)
		while (atomic_load(&pins->lane[i].busy)) /* drop_in_lane() */
			sched_yield();
	lock_take(&pins->lock);
	open = sum(handle, pins);
	pins->open = open;
	pins->settled = true;
	/* Under the lock: who drops the last one takes it away again. */
	atomic_fetch_add(&engine_of(handle)->pins, open);
	lock_drop(&pins->lock);
	return open == 0;
}

uint64_t pins_hits(struct quire *quire)
{
	struct list *link;
	uint64_t hits;

	pthread_mutex_lock(&list_lock);
	hits = count_get(&quire->counters, COUNT_HITS);
	list_for_each(link, &quire->all_pins)
		hits += hits_of(container_of(link, struct pins, link));
	pthread_mutex_unlock(&list_lock);
	return hits;
}

void pins_begin_fork(void)
{
	pthread_mutex_lock(&list_lock);
}

void pins_end_fork(void)
{
	pthread_mutex_unlock(&list_lock);
}

void pins_in_child(struct quire *quire)
{
	struct list *link;

	list_for_each(link, &quire->all_pins)
		atomic_store(
			&container_of(link, struct pins, link)->handle->pins,
			NULL);
}
