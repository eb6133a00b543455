/* pins.h - how many pins of a handle are held */
/* SPDX-License-Identifier: MIT */
/*
 * Pins keep a handle: the user's reference is dropped when he has closed it and
 * no pin is held.  A pin that is announced has a slot that says whose it is.  Of
 * those that are counted in their page's word each thread keeps the count, while
 * the handle is open, in a lane of its own:
 *
 *   pin      lane + 1                   the handle is open: the user says so
 *   unpin    busy; closed? no: lane - 1; not busy
 *                          yes: under the lock, as below
 *   close    closed; barrier; wait until no lane is busy;
 *            under the lock: settled, open = the sum of all lanes, and of
 *            what is announced
 *
 * A thread that saw the handle open was busy when the barrier came, and is
 * waited for, or had done with it: its count is in the sum.  Any other sees
 * it closed, and its pin is in the sum until it takes it out under the lock.
 */
#ifndef QUIRE_ENGINE_PINS_H
#define QUIRE_ENGINE_PINS_H

#include "engine/engine.h"
#include "page/hazard.h"

/* Hits that a lane keeps before its object has them. */
#define HITS_KEPT 64

/* Its thread's alone, but for a look by who closes. */
struct pin_lane {
	_Alignas(LANE_LINE) _Atomic uint64_t pins;
	_Atomic uint64_t hits; /* of all times */
	_Atomic bool busy;     /* about to take a pin out */
};

struct pins {
	struct object_face face;     /* [I] */
	struct quire *quire;         /* [I] */
	struct quire_object *handle; /* [I] */
	_Atomic bool closed;         /* by the user: no pin comes any more */
	struct list link;            /* [pins.c's lock] */
	struct lock lock;            /* LOCK_RANK_OBJECT */
	bool settled;                /* [lock] closed, and open is the truth */
	uint64_t open;               /* [lock] once settled */
	uint64_t others;             /* [lock] pins of threads without a lane */
	struct pin_lane lane[LANES];
};

/* Before the first pin, while the user has the handle open; any number of
 * times.  -ENOMEM. */
int pins_prepare(struct quire_object *handle);
/* NULL: not prepared. */
static inline struct pins *pins_of(struct quire_object *handle)
{
	/* acquire: pairs with the exchange of who made them */
	return atomic_load_explicit(&handle->pins, memory_order_acquire);
}

/* After pins_prepare(): a pin that its page's word counts.  hit: the page was
 * in memory, and nobody has counted that. */
void pins_take(struct quire_object *handle, bool hit);
/* Any thread, as all that follow.  True: it was the last pin of a handle that is
 * closed, and the caller drops the user's reference. */
bool pins_drop(struct quire_object *handle);
/* The same of a pin that is announced, if hazard_drop() could not. */
bool pins_drop_announced(struct quire_object *handle, struct hazard *hazard);
/* The user closes it.  True: no pin is held, and he drops his reference; false:
 * who drops the last pin does. */
bool pins_close(struct quire_object *handle);

void pins_destroy(struct pins *pins); /* NULL is allowed */

/* Before and after a fork: what pins_in_child() looks at is whole. */
void pins_begin_fork(void);
void pins_end_fork(void);
/* In the child, between them: no handle of the engine can be pinned from. */
void pins_in_child(struct quire *quire);

/* HITS_KEPT more of them; 0. */
int pins_count_hits(struct pins *pins);
/* Hits of the engine, of all threads: they never get less. */
uint64_t pins_hits(struct quire *quire);

/* A pin found its page in memory; by the lane's thread.  0. */
static inline int pins_hit(struct pins *pins, unsigned lane)
{
	if (lane_add(&pins->lane[lane].hits, 1) % HITS_KEPT == 0)
		return pins_count_hits(pins);
	return 0;
}

#endif
