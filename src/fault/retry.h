/* retry.h - an access that raised a signal is tried again, once */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_FAULT_RETRY_H
#define QUIRE_FAULT_RETRY_H

#include "space/space.h"

/* What was tried again last by this thread, with what layout. */
struct retry {
	const struct space *space;
	uint64_t page;
	uint64_t generation;
};

/* With another layout it is the first time again. */
static inline bool retry_first_time(struct retry *last, struct retry now)
{
	bool again = last->space == now.space && last->page == now.page &&
		     last->generation == now.generation;

	*last = now;
	return !again;
}

#endif
