/* pins.h - how many pins of a handle are held */
/* SPDX-License-Identifier: MIT */
/*
 * Pins keep a handle: the user's reference is dropped when he has closed it and
 * no pin is held.  A pin of a page in memory costs little more than the swap of
 * its word, so while the handle is open each thread counts in a lane of its own:
 *
 *   pin      lane + 1                   the handle is open: the user says so
 *   unpin    busy; closed? no: lane - 1; not busy
 *                          yes: under the lock, as below
 *   close    closed; barrier; wait until no lane is busy;
 *            under the lock: settled, open = the sum of all lanes
 *
 * A thread that saw the handle open was busy when the barrier came, and is
 * waited for, or had done with it: its count is in the sum.  Any other sees
 * it closed, and its pin is in the sum until it takes it out under the lock.
 */
#ifndef QUIRE_ENGINE_PINS_H
#define QUIRE_ENGINE_PINS_H

#include "engine/engine.h"

/* Before the first pin, while the user has the handle open; any number of
 * times.  -ENOMEM. */
int pins_prepare(struct quire_object *handle);
/* After pins_prepare().  hit: the page was in memory, and nobody has counted
 * that. */
void pins_take(struct quire_object *handle, bool hit);
/* Any thread.  True: it was the last pin of a handle that is closed, and the
 * caller drops the user's reference. */
bool pins_drop(struct quire_object *handle);
/* The user closes it.  True: no pin is held, and he drops his reference; false:
 * who drops the last pin does. */
bool pins_close(struct quire_object *handle);

void pins_destroy(struct pins *pins); /* NULL is allowed */

/* Hits of all threads that are not among the counters yet. */
uint64_t pins_hits(const struct quire *quire);

#endif
