/* ambush.h - something comes in between, at one place of the protocol */
/* SPDX-License-Identifier: MIT */
/*
 * A looser protocol of the page loses a store, shows a page that is not there,
 * or sleeps for ever, each only if something comes in between at one place.
 * An ambush waits at such a place (base/hook.h), and does the worst that the
 * rules allow, on the thread that has just got there.  The names beside the
 * tests are of docs/models/: the mistake that fails here.
 */
#ifndef QUIRE_TESTS_AMBUSH_H
#define QUIRE_TESTS_AMBUSH_H

#include "model/faults_world.h"

#ifdef QUIRE_DEBUG

/* Acts once, at the first page index that gets to the point. */
static struct {
	enum hook point;
	uint64_t index;
	void (*act)(void);
	_Atomic bool armed;
} ambush[2];

static inline void spring(enum hook point, const void *thing, uint64_t index)
{
	for (unsigned i = 0; i < 2; i++) {
		if (ambush[i].point == point && ambush[i].index == index &&
		    (!thing || thing == object_table(here.handle->object)) &&
		    atomic_exchange(&ambush[i].armed, false))
			ambush[i].act();
	}
}

static inline void lay(unsigned which, enum hook point, uint64_t index,
		       void (*act)(void))
{
	ambush[which].point = point;
	ambush[which].index = index;
	ambush[which].act = act;
	atomic_store(&ambush[which].armed, true);
	hook_register(spring);
}

static inline void assert_sprung(unsigned which)
{
	assert_false(atomic_load(&ambush[which].armed));
}

static inline int leave_ambush(void **state)
{
	hook_register(NULL);
	for (unsigned i = 0; i < 2; i++)
		atomic_store(&ambush[i].armed, false);
	return close_here(state);
}

/* By signals each page that is shown costs a call, and nothing is filled. */
static inline void skip_unless_filled(void)
{
	if (strncmp(quire_trap_mode(here.quire), "userfaultfd", 11) != 0)
		skip();
}

/* A while for what must not happen; what may happen is never judged by it. */
static inline void give_way(const _Atomic bool *done)
{
	for (unsigned i = 0; i < 3000 && !atomic_load(done); i++)
		sched_yield();
}

#define ambushed(test) \
	cmocka_unit_test_setup_teardown(test, open_ample, leave_ambush)

#endif

#endif
