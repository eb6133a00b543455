/* lock.c - mutexes, read-write locks and conditions that know their rank */
/* SPDX-License-Identifier: MIT */
#include "base/lock.h"

#include "base/check.h"

#include <errno.h>
#include <time.h>

#define NANOSECONDS UINT64_C(1000000000)

/* A failure of pthread itself is our error: a lock used that is none. */
static void must(int error)
{
	check(error == 0, "a lock is initialised and used by its rules");
}

#ifdef QUIRE_DEBUG

/* Ranks fall strictly, so a thread cannot hold more locks than ranks. */
#define HELD_MAX 32

struct held {
	const void *lock;
	enum lock_rank rank;
};

/* In the order taken, so the last one has the lowest rank. */
static _Thread_local struct held held[HELD_MAX];
static _Thread_local unsigned held_count;

/* Before the wait, so that a wrong order fails where it would deadlock. */
static void rank_take(const void *lock, enum lock_rank rank)
{
	check(held_count == 0 || rank < held[held_count - 1].rank,
	      "locks are taken in falling rank");
	check(held_count < HELD_MAX, "a thread holds few locks");
	held[held_count++] = (struct held){ .lock = lock, .rank = rank };
}

static unsigned held_find(const void *lock)
{
	unsigned i = held_count;

	while (i > 0 && held[i - 1].lock != lock)
		i--;
	return i; /* one more than the place, 0: not held */
}

/* Locks may be dropped in any order. */
static void rank_drop(const void *lock)
{
	unsigned place = held_find(lock);

	check(place > 0, "a lock is dropped by the thread that took it");
	for (; place < held_count; place++)
		held[place - 1] = held[place];
	held_count--;
}

bool lock_held(const struct lock *lock)
{
	return held_find(lock) > 0;
}

#else

static void rank_take(const void *lock, enum lock_rank rank)
{
	(void)lock;
	(void)rank;
}

static void rank_drop(const void *lock)
{
	(void)lock;
}

bool lock_held(const struct lock *lock)
{
	(void)lock;
	return true;
}

#endif

void lock_init(struct lock *lock, enum lock_rank rank)
{
	must(pthread_mutex_init(&lock->mutex, NULL));
	lock->rank = rank;
}

void lock_finish(struct lock *lock)
{
	must(pthread_mutex_destroy(&lock->mutex));
}

bool lock_try(struct lock *lock)
{
	int error = pthread_mutex_trylock(&lock->mutex);

	if (error == EBUSY)
		return false;
	must(error);
	rank_take(lock, lock->rank);
	return true;
}

void lock_take_below(struct lock *lock, enum lock_rank rank)
{
	rank_take(lock, rank);
	must(pthread_mutex_lock(&lock->mutex));
}

void lock_take(struct lock *lock)
{
	rank_take(lock, lock->rank);
	must(pthread_mutex_lock(&lock->mutex));
}

void lock_drop(struct lock *lock)
{
	rank_drop(lock);
	must(pthread_mutex_unlock(&lock->mutex));
}

void rwlock_init(struct rwlock *lock, enum lock_rank rank)
{
	*lock = (struct rwlock){ .rank = rank };
}

void rwlock_finish(struct rwlock *lock)
{
	check(futex_rwlock_is_free(&lock->futex), "nobody holds it any more");
}

void rwlock_take_read(struct rwlock *lock)
{
	rank_take(lock, lock->rank);
	futex_rwlock_read(&lock->futex);
}

bool rwlock_try_read(struct rwlock *lock)
{
	if (!futex_rwlock_try_read(&lock->futex))
		return false;
	rank_take(lock, lock->rank);
	return true;
}

void rwlock_take_write(struct rwlock *lock)
{
	rank_take(lock, lock->rank);
	futex_rwlock_write(&lock->futex);
}

void rwlock_drop_read(struct rwlock *lock)
{
	rank_drop(lock);
	futex_rwlock_end_read(&lock->futex);
}

void rwlock_drop_write(struct rwlock *lock)
{
	rank_drop(lock);
	futex_rwlock_end_write(&lock->futex);
}

void condition_init(struct condition *condition)
{
	pthread_condattr_t attributes;

	must(pthread_condattr_init(&attributes));
	must(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC));
	must(pthread_cond_init(&condition->cond, &attributes));
	must(pthread_condattr_destroy(&attributes));
}

void condition_finish(struct condition *condition)
{
	must(pthread_cond_destroy(&condition->cond));
}

/* What is waited for often lies on the waiter's stack: he is not cancelled
 * here.  Waking takes the lock again, so its rank must fit once more. */
void condition_wait(struct condition *condition, struct lock *lock)
{
	int before;

	rank_drop(lock);
	rank_take(lock, lock->rank);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	must(pthread_cond_wait(&condition->cond, &lock->mutex));
	pthread_setcancelstate(before, NULL);
}

bool condition_wait_until(struct condition *condition, struct lock *lock,
			  uint64_t deadline_ns)
{
	struct timespec deadline = {
		.tv_sec = (time_t)(deadline_ns / NANOSECONDS),
		.tv_nsec = (long)(deadline_ns % NANOSECONDS),
	};
	int error, before;

	rank_drop(lock);
	rank_take(lock, lock->rank);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	error = pthread_cond_timedwait(&condition->cond, &lock->mutex,
				       &deadline);
	pthread_setcancelstate(before, NULL);
	if (error == ETIMEDOUT)
		return false;
	must(error);
	return true;
}

void condition_wake_all(struct condition *condition)
{
	must(pthread_cond_broadcast(&condition->cond));
}

void condition_wake_one(struct condition *condition)
{
	must(pthread_cond_signal(&condition->cond));
}

uint64_t clock_now_ns(void)
{
	struct timespec now;

	must(clock_gettime(CLOCK_MONOTONIC, &now) ? errno : 0);
	return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec;
}
