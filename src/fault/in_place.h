/* in_place.h - a trap is resolved by the thread that ran into it */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_FAULT_IN_PLACE_H
#define QUIRE_FAULT_IN_PLACE_H

#include "fault/fault.h"

#include <signal.h>
#include <ucontext.h>

/*
 * An access has raised SIGBUS on this thread, which is in its handler.  True:
 * its page was absent or protected, and has been seen to, or may be there now:
 * the access is to be tried again.  False: it is not of the handler's space, or
 * past an object's end, or was refused.  Blocks for as long as that takes.
 */
bool in_place_try(struct fault_handler *handler, const siginfo_t *info,
		  ucontext_t *context);

#endif
