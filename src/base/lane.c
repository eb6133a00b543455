/* lane.c - a place that a thread shares with nobody */
/* SPDX-License-Identifier: MIT */
#include "base/lane.h"

#include "base/check.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

_Thread_local unsigned lane_own;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;      /* [once] its end gives the lane back */
static _Atomic bool prepared;  /* set in once */
static _Atomic uint64_t taken; /* a bit a lane */
static _Atomic uint64_t ever;  /* the same, of all that were ever taken */

static void give_back(void *value)
{
	uint64_t bit = UINT64_C(1) << ((uintptr_t)value - 1);

	lane_own = LANES + 1; /* another destructor may still count something */
	/* release: the next owner sees the counts (take_one) */
	atomic_fetch_and_explicit(&taken, ~bit, memory_order_release);
}

static void prepare(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
		    0, 0) ||
	    pthread_key_create(&key, give_back))
		return;
	atomic_store(&prepared, true);
}

void lanes_prepare(void)
{
	pthread_once(&once, prepare);
}

/* LANES: all are taken. */
static unsigned take_one(void)
{
	uint64_t old = atomic_load(&taken);
	unsigned lane;

	do {
		if (~old == 0)
			return LANES;
		lane = (unsigned)__builtin_ctzll(~old);
		/* acquire: pairs with give_back() */
	} while (!atomic_compare_exchange_weak_explicit(
		&taken, &old, old | UINT64_C(1) << lane, memory_order_acq_rel,
		memory_order_relaxed));
	/* Before anything is stored there: who looks at all lanes after a
	 * swap sees either this, or that its swap is seen from here. */
	atomic_fetch_or(&ever, UINT64_C(1) << lane);
	return lane;
}

unsigned lanes_ever(void)
{
	uint64_t lanes = atomic_load(&ever);

	return lanes ? LANES - (unsigned)__builtin_clzll(lanes) : 0;
}

static unsigned ask(void)
{
	unsigned lane;

	if (!atomic_load(&prepared))
		return LANES;
	lane = take_one();
	if (lane < LANES &&
	    pthread_setspecific(key, (void *)(uintptr_t)(lane + 1))) {
		give_back((void *)(uintptr_t)(lane + 1));
		lane = LANES;
	}
	lane_own = lane + 1;
	return lane;
}

void lanes_in_child(void)
{
	if (!atomic_load(&prepared))
		return;
	/* Not every kernel has it inherited. */
	check(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
		      0, 0) == 0,
	      "what was registered once can be again");
	atomic_fetch_or(&taken, atomic_load(&ever));
	lane_own = 0;
}

unsigned lane_mine(void)
{
	return lane_own ? lane_own - 1 : ask();
}

void lane_barrier(void)
{
	if (!atomic_load(&prepared))
		return; /* nobody has a lane */
	check(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) ==
		      0,
	      "what was registered can be done");
}
