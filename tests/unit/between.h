/* between.h - something happens once, when a thread passes a hook point */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_UNIT_BETWEEN_H
#define QUIRE_UNIT_BETWEEN_H

#include "base/hook.h"
#include "unit/unit.h"

#include <stdatomic.h>
#include <stdbool.h>

#ifdef QUIRE_DEBUG

static _Atomic bool come;
static enum hook wanted;
static uint64_t wanted_index;
static void (*comes)(void);

static inline void act(enum hook point, const void *thing, uint64_t index)
{
	(void)thing;
	if (point == wanted && index == wanted_index &&
	    !atomic_exchange(&come, true))
		comes();
}

static inline void arm(enum hook point, uint64_t index, void (*function)(void))
{
	wanted = point;
	wanted_index = index;
	comes = function;
	come = false;
	hook_register(act);
}

static inline void disarm(void)
{
	hook_register(NULL);
	assert_true(come);
}

#endif

#endif
