/* watch.h - whose accesses a signal handler looks after */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_FAULT_WATCH_H
#define QUIRE_FAULT_WATCH_H

#include "fault/fault.h"

/*
 * From now on accesses to the handler's space that raise a signal are looked
 * after: below mappings that grow downwards (grow_down.h) and, if its mmu has
 * traps resolved in place, all (in_place.h).  To be called again before each
 * mapping that wants it, as the program may have installed a handler since.
 * 0; -EAGAIN: 64 handlers of the process are watched; -errno of sigaction(2).
 */
int fault_watch(struct fault_handler *handler);
/* Nothing is mapped any more; returns when no signal handler is at it.  One that
 * sleeps on a page is not. */
void fault_unwatch(struct fault_handler *handler);

#endif
