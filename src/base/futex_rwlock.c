/* futex_rwlock.c - a read-write lock of two words */
/* SPDX-License-Identifier: MIT */
/*
 *     state   31 WRITERS_WAIT | 30 READERS_WAIT | 29..0 readers, or WRITER
 *
 * The last one to leave takes the marks of those who wait away as he wakes
 * them: one writer, or else all readers.  A writer who comes in after he slept
 * marks that others may sleep still, as nobody counts them.
 */
#include "base/futex_rwlock.h"

#include "base/check.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WRITER 0x3fffffffu
#define READERS_WAIT 0x40000000u
#define WRITERS_WAIT 0x80000000u

#define likely(condition) __builtin_expect(!!(condition), 1)

static void sleep_on(_Atomic uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

/* How many it has woken. */
static long wake(_Atomic uint32_t *word, int most)
{
	return syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, most, NULL, NULL,
		       0);
}

/* ---- taking ---- */

static bool may_read(uint32_t state)
{
	return state < WRITER - 1; /* and nobody waits */
}

static bool is_held(uint32_t state)
{
	return state & WRITER;
}

/* The mark is there, or the state is another one by now. */
static bool mark(struct futex_rwlock *lock, uint32_t state, uint32_t waits)
{
	return (state & waits) || atomic_compare_exchange_strong(
					  &lock->state, &state, state | waits);
}

bool futex_rwlock_try_read(struct futex_rwlock *lock)
{
	uint32_t state =
		atomic_load_explicit(&lock->state, memory_order_relaxed);

	while (may_read(state))
		if (atomic_compare_exchange_weak(&lock->state, &state,
						 state + 1))
			return true;
	return false;
}

static void wait_to_read(struct futex_rwlock *lock)
{
	while (!futex_rwlock_try_read(lock)) {
		uint32_t state = atomic_load(&lock->state);

		check((state & WRITER) != WRITER - 1, "a lock has few readers");
		if (!may_read(state) && mark(lock, state, READERS_WAIT))
			sleep_on(&lock->state, state | READERS_WAIT);
	}
}

void futex_rwlock_read(struct futex_rwlock *lock)
{
	if (!likely(futex_rwlock_try_read(lock)))
		wait_to_read(lock);
}

static bool try_write(struct futex_rwlock *lock, uint32_t state,
		      uint32_t others)
{
	return !is_held(state) &&
	       atomic_compare_exchange_strong(&lock->state, &state,
					      state | WRITER | others);
}

static void wait_to_write(struct futex_rwlock *lock)
{
	uint32_t others = 0;
	uint32_t state, turns;

	while (!try_write(lock, state = atomic_load(&lock->state), others)) {
		if (!is_held(state) || !mark(lock, state, WRITERS_WAIT))
			continue;
		others = WRITERS_WAIT;
		/* Who wakes counts a turn after he has taken the mark away. */
		turns = atomic_load(&lock->turns);
		state = atomic_load(&lock->state);
		if (is_held(state) && (state & WRITERS_WAIT))
			sleep_on(&lock->turns, turns);
	}
}

void futex_rwlock_write(struct futex_rwlock *lock)
{
	if (!likely(try_write(lock, 0, 0)))
		wait_to_write(lock);
}

/* ---- leaving ---- */

static bool wake_writer(struct futex_rwlock *lock)
{
	atomic_fetch_add(&lock->turns, 1);
	return wake(&lock->turns, 1) > 0;
}

static bool unmark(struct futex_rwlock *lock, uint32_t *state, uint32_t left)
{
	return atomic_compare_exchange_strong(&lock->state, state, left);
}

/*
 * Nobody has it, and somebody waits.  Who takes it meanwhile sees to that when
 * he leaves.  A writer that is not asleep yet looks again, but need not be the
 * one who gets it: then the readers are woken as well.
 */
static void wake_next(struct futex_rwlock *lock, uint32_t state)
{
	if (state == WRITERS_WAIT && unmark(lock, &state, 0)) {
		(void)wake_writer(lock);
		return;
	}
	if (state == (READERS_WAIT | WRITERS_WAIT)) {
		if (!unmark(lock, &state, READERS_WAIT) || wake_writer(lock))
			return;
		state = READERS_WAIT;
	}
	if (state == READERS_WAIT && unmark(lock, &state, 0))
		(void)wake(&lock->state, INT_MAX);
}

void futex_rwlock_end_read(struct futex_rwlock *lock)
{
	uint32_t state = atomic_fetch_sub(&lock->state, 1) - 1;

	debug_check((state & WRITER) < WRITER - 1, "it is held by a reader");
	if (!likely(is_held(state) || !(state & WRITERS_WAIT)))
		wake_next(lock, state);
}

void futex_rwlock_end_write(struct futex_rwlock *lock)
{
	uint32_t state = atomic_fetch_sub(&lock->state, WRITER) - WRITER;

	debug_check(!is_held(state), "it is held by the writer");
	if (!likely(!state))
		wake_next(lock, state);
}

bool futex_rwlock_is_free(const struct futex_rwlock *lock)
{
	return !atomic_load(&lock->state);
}
