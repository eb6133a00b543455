/* ranges.h - this process's taken ranges, and their lock */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_RANGES_H
#define QUIRE_PRELOAD_RANGES_H

#include "table.h"

#include <stdbool.h>
#include <stdint.h>

/* Under the lock. */
extern struct table ranges;

/*
 * Held over what the kernel is asked to change, too, so that what it has and
 * what stands here stay the same; over forks; with all signals blocked.
 */
void ranges_lock(void);
/* Gives up the server's objects that nothing is mapped of any more. */
void ranges_unlock(void);
/* Is any of [address, +length) taken?  Without the lock, quickly. */
bool ranges_reach(const void *address, size_t length);
/* What the kernel has mapped there now is not ours. */
void ranges_forget(const void *address, size_t length);

/* In a child, before it does anything else: it has this thread alone. */
void ranges_after_fork(void);
void ranges_fork_begin(void);
void ranges_fork_parent(void);

/* length in whole pages; 0 if that is too much. */
static inline size_t whole_pages(size_t length)
{
	return (length + 4095) & ~(size_t)4095;
}

#endif
