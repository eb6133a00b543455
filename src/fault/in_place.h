/* in_place.h - a trap is resolved by the thread that ran into it */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_FAULT_IN_PLACE_H
#define QUIRE_FAULT_IN_PLACE_H

#include "fault/fault.h"

#include <signal.h>
#include <ucontext.h>

struct page_sleep;

enum in_place {
	IN_PLACE_AGAIN,     /* seen to, or may be there now: tried again */
	IN_PLACE_PARKED,    /* in other hands: tried again after a sleep */
	IN_PLACE_FAILED,    /* past an object's end, or refused */
	IN_PLACE_ELSEWHERE, /* nothing of the space's is mapped there */
};

/*
 * An access has raised SIGBUS on this thread, which is in its handler.  Blocks
 * for as long as it takes to read the page.  Elsewhere: the number of the
 * space's layout is added to *layouts.  Parked: *sleep is for in_place_sleep().
 */
enum in_place in_place_try(struct fault_handler *handler, const siginfo_t *info,
			   const ucontext_t *context, struct page_sleep *sleep,
			   uint64_t *layouts);
/* Until the page is shown, or unmapped.  The program's signals are let in, and
 * may leave by a long jump: nothing of the engine's is touched any more. */
void in_place_sleep(struct page_sleep *sleep, const ucontext_t *context);
/*
 * Elsewhere for all handlers, whose layouts have that sum.  True: the access is
 * to be tried again, as it is the first time that it is seen with these.
 */
bool in_place_once_more(const siginfo_t *info, uint64_t layouts);

#endif
