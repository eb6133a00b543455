/* in_place.h - a trap is resolved by the thread that ran into it */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_FAULT_IN_PLACE_H
#define QUIRE_FAULT_IN_PLACE_H

#include "fault/fault.h"

#include <signal.h>
#include <ucontext.h>

enum in_place {
	IN_PLACE_AGAIN,     /* seen to, or may be there now: tried again */
	IN_PLACE_FAILED,    /* past an object's end, or refused */
	IN_PLACE_ELSEWHERE, /* nothing of the space's is mapped there */
};

/*
 * An access has raised SIGBUS on this thread, which is in its handler.  Blocks
 * for as long as it takes to have the page.  Elsewhere: the number of the
 * space's layout is added to *layouts.
 */
enum in_place in_place_try(struct fault_handler *handler, const siginfo_t *info,
			   ucontext_t *context, uint64_t *layouts);
/*
 * Elsewhere for all handlers, whose layouts have that sum.  True: the access is
 * to be tried again, as it is the first time that it is seen with these.
 */
bool in_place_once_more(const siginfo_t *info, uint64_t layouts);

#endif
