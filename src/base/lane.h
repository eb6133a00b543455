/* lane.h - a place that a thread shares with nobody */
/* SPDX-License-Identifier: MIT */
/*
 * What every thread counts all the time costs more to share than to do.  A
 * lane is one thread's at a time, so that a count of one's own is a load and a
 * store; who wants the sum adds all lanes up.  A thread keeps its lane until it
 * ends; the next to have it finds the counts as they were.
 *
 * lane_barrier() is the other half of a protocol without fences: each other
 * thread of the process has then passed a full barrier, so that either it sees
 * what was stored before the call, or its stores until then are seen after it.
 */
#ifndef QUIRE_BASE_LANE_H
#define QUIRE_BASE_LANE_H

#include <stdatomic.h>
#include <stdint.h>

#define LANES 64
#define LANE_LINE 64 /* bytes */

/* Lanes are to be had, and a barrier: from then on lane_mine() gives them.
 * Any number of times. */
void lanes_prepare(void);
/* 0 .. LANES - 1, nobody else's while this thread lives; LANES: there is none
 * (many threads, an old kernel), and the caller does it another way. */
unsigned lane_mine(void);
/* In a child of the process: what were others' lanes are nobody's any more, and
 * remain so. */
void lanes_in_child(void);
void lane_barrier(void);
/* Lanes 0 .. lanes_ever() - 1 may have been somebody's. */
unsigned lanes_ever(void);

/* Of this thread: 0: not asked yet; else the lane's number and one, which is
 * LANES + 1 if there is none.  lane.c sets it. */
extern _Thread_local unsigned lane_own;

/* By the lane's thread alone; the new count.  Relaxed: who sums orders by other
 * means. */
static inline uint64_t lane_add(_Atomic uint64_t *count, uint64_t amount)
{
	uint64_t sum =
		atomic_load_explicit(count, memory_order_relaxed) + amount;

	atomic_store_explicit(count, sum, memory_order_relaxed);
	return sum;
}

#endif
