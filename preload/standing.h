/* standing.h - writes that are begun without a message */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_STANDING_H
#define QUIRE_PRELOAD_STANDING_H

#include "io.h"

/*
 * A write of a file that was looked at.  True: it stands, and is begun.  False: it
 * is to be begun as any, and may stand from its end on, if there is a place.
 * Signals are blocked from before this to the end.
 */
bool standing_begin(struct begun *begun, const struct look *look, off_t offset,
		    size_t length);
/* It was not begun. */
void standing_free(struct begun *begun);
/* Around WRITE_END.  look NULL: it is none that may stand. */
void standing_ask(struct begun *begun, const struct look *look,
		  struct call *call);
void standing_end(struct begun *begun, const struct look *look,
		  struct call *call);
/* In a child with descriptors of its own: what stands is its parent's. */
void standing_after_fork(void);

#endif
