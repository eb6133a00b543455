/* hook.c - places where a test may come in between */
/* SPDX-License-Identifier: MIT */
#include "base/hook.h"

#ifdef QUIRE_DEBUG
#include <sched.h>
#include <stdatomic.h>

static _Atomic(hook_function *) registered;
static _Atomic unsigned inside; /* threads */

void hook_register(hook_function *function)
{
	/* Store, then look; hook_point() counts itself, then looks. */
	atomic_store(&registered, function);
	while (atomic_load(&inside) > 0)
		sched_yield();
}

void hook_point(enum hook point, const void *thing, uint64_t index)
{
	hook_function *function;

	/* relaxed: whoever is to be caught was started after registering */
	if (!atomic_load_explicit(&registered, memory_order_relaxed))
		return;
	atomic_fetch_add(&inside, 1);
	function = atomic_load(&registered);
	if (function)
		function(point, thing, index);
	atomic_fetch_sub(&inside, 1);
}
#endif
