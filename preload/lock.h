/* lock.h - a lock for places where signals wait and fork() may come by */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_LOCK_H
#define QUIRE_PRELOAD_LOCK_H

#include <stdatomic.h>
#include <stdint.h>

/* A zeroed one is free. */
struct lock {
	_Atomic uint32_t word; /* 0 free, 1 held, 2 held and waited for */
	_Atomic int holder;    /* its thread */
	int depth;             /* the holder's: it may take it again */
	uint64_t signals;      /* the holder's mask, before */
};

/* With all signals blocked until lock_drop().  A thread that holds it, as
 * handlers of pthread_atfork(3) do that run while a fork holds it, takes it
 * once more. */
void lock_take(struct lock *lock);
void lock_drop(struct lock *lock);
/* In the only thread of a child: it is this thread's, that held it before. */
void lock_inherit(struct lock *lock);
/* In a child of which nothing is known. */
void lock_reset(struct lock *lock);

#endif
