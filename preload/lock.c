/* lock.c - a lock for places where signals wait and fork() may come by */
/* SPDX-License-Identifier: MIT */
#include "lock.h"

#include "raw.h"

#include <linux/futex.h>

static int this_thread(void)
{
	return (int)raw(SYS_gettid);
}

void lock_take(struct lock *lock)
{
	uint64_t signals = signals_block();
	int self = this_thread();
	uint32_t free = 0;

	/* relaxed: only its own writing can make the two equal */
	if (atomic_load_explicit(&lock->holder, memory_order_relaxed) == self) {
		lock->depth++;
		return;
	}
	/* acquire: with the release in lock_drop() */
	if (!atomic_compare_exchange_strong_explicit(&lock->word, &free, 1,
						     memory_order_acquire,
						     memory_order_relaxed)) {
		while (atomic_exchange_explicit(&lock->word, 2,
						memory_order_acquire) != 0)
			raw(SYS_futex, &lock->word, FUTEX_WAIT_PRIVATE, 2,
			    NULL);
	}
	atomic_store_explicit(&lock->holder, self, memory_order_relaxed);
	lock->depth = 1;
	lock->signals = signals;
}

void lock_drop(struct lock *lock)
{
	uint64_t signals = lock->signals;

	if (--lock->depth > 0)
		return;
	atomic_store_explicit(&lock->holder, 0, memory_order_relaxed);
	/* release: with the acquire in lock_take() */
	if (atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2)
		raw(SYS_futex, &lock->word, FUTEX_WAKE_PRIVATE, 1);
	signals_restore(signals);
}

void lock_inherit(struct lock *lock)
{
	atomic_store_explicit(&lock->word, 1, memory_order_relaxed);
	atomic_store_explicit(&lock->holder, this_thread(),
			      memory_order_relaxed);
}

void lock_reset(struct lock *lock)
{
	atomic_store_explicit(&lock->holder, 0, memory_order_relaxed);
	atomic_store_explicit(&lock->word, 0, memory_order_relaxed);
	lock->depth = 0;
}
