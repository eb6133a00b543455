/* pins.c - how many pins of a handle are held */
/* SPDX-License-Identifier: MIT */
#include "engine/pins.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* Hits of an object that a lane keeps before all may see them. */
#define HITS_KEPT 64

/* Its thread's alone, but for a look by who closes. */
struct pin_lane {
	_Alignas(LANE_LINE) _Atomic uint64_t pins;
	_Atomic uint64_t hits; /* not yet counted for the object */
	_Atomic bool busy;     /* about to take a pin out */
};

struct pins {
	struct lock lock;    /* LOCK_RANK_OBJECT */
	bool settled;        /* [lock] closed, and open is the truth */
	uint64_t open;       /* [lock] once settled */
	uint64_t others;     /* [lock] pins of threads without a lane */
	_Atomic bool closed; /* by the user: no pin comes any more */
	struct pin_lane lane[LANES];
};

static struct pins *pins_create(void)
{
	struct pins *pins = aligned_alloc(LANE_LINE, sizeof(*pins));

	if (!pins)
		return NULL;
	memset(pins, 0, sizeof(*pins));
	lock_init(&pins->lock, LOCK_RANK_OBJECT);
	return pins;
}

void pins_destroy(struct pins *pins)
{
	if (!pins)
		return;
	lock_finish(&pins->lock);
	free(pins);
}

static struct pins *pins_of(struct quire_object *handle)
{
	/* acquire: pairs with the exchange of who made them */
	return atomic_load_explicit(&handle->pins, memory_order_acquire);
}

static int prepare(struct quire_object *handle)
{
	struct pins *none = NULL, *pins = pins_create();

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

static void count_hits(struct quire_object *handle, uint64_t count)
{
	object_count(&object_counts(handle->object)->hits, count);
}

static void hit_in_lane(struct quire_object *handle, struct pin_lane *lane,
			_Atomic uint64_t *all)
{
	lane_add(all, 1);
	lane_add(&lane->hits, 1);
	/* relaxed, here and below: counts order nothing */
	if (atomic_load_explicit(&lane->hits, memory_order_relaxed) < HITS_KEPT)
		return;
	atomic_store_explicit(&lane->hits, 0, memory_order_relaxed);
	count_hits(handle, HITS_KEPT);
}

static void take_without_lane(struct quire_object *handle, bool hit)
{
	struct pins *pins = pins_of(handle);

	lock_take(&pins->lock);
	pins->others++;
	lock_drop(&pins->lock);
	if (!hit)
		return;
	count_add(&engine_of(handle)->counters, COUNT_HITS, 1);
	count_hits(handle, 1);
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
		hit_in_lane(handle, &pins->lane[mine],
			    &engine_of(handle)->hits[mine].count);
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

static bool drop_settled(struct quire_object *handle, struct pins *pins)
{
	struct quire *quire = engine_of(handle);
	bool settled, last = false;

	lock_take(&pins->lock);
	settled = pins->settled;
	if (settled) {
		check(pins->open > 0, "a pin is dropped once");
		last = --pins->open == 0;
	} else {
		pins->others--;
	}
	lock_drop(&pins->lock);
	if (settled)
		atomic_fetch_sub(&quire->pins, 1);
	return last;
}

bool pins_drop(struct quire_object *handle)
{
	struct pins *pins = pins_of(handle);
	unsigned mine = lane_mine();

	if (mine < LANES && drop_in_lane(pins, &pins->lane[mine]))
		return false;
	return drop_settled(handle, pins);
}

/* The lock is held, and nobody uses a lane any more. */
static uint64_t sum(struct quire_object *handle, struct pins *pins)
{
	uint64_t open = pins->others, hits = 0;

	for (unsigned i = 0; i < LANES; i++) {
		open += atomic_load(&pins->lane[i].pins);
		hits += atomic_exchange(&pins->lane[i].hits, 0);
	}
	count_hits(handle, hits);
	return open;
}

bool pins_close(struct quire_object *handle)
{
	struct pins *pins = pins_of(handle);
	uint64_t open;

	if (!pins)
		return true;
	atomic_store(&pins->closed, true);
	lane_barrier();
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

uint64_t pins_hits(const struct quire *quire)
{
	uint64_t hits = 0;

	for (unsigned i = 0; i < LANES; i++)
		hits += atomic_load_explicit(&quire->hits[i].count,
					     memory_order_relaxed);
	return hits;
}
