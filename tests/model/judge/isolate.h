/* isolate.h - what may crash or hang is done in a child */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_JUDGE_ISOLATE_H
#define QUIRE_JUDGE_ISOLATE_H

#include <stdbool.h>
#include <stddef.h>

enum isolated {
	ISOLATED_DONE,
	ISOLATED_CRASHED,
	ISOLATED_HUNG,
};

/* Zeroed memory that children share.  Ends the program if there is none. */
void *isolate_memory(size_t bytes);

/*
 * Runs body(argument) in a child and waits so long at most.  quiet: what the
 * child says on standard error is lost.  A child that calls die() ends the
 * program.  *signal: what a crash ended by.
 */
enum isolated isolate(void (*body)(void *), void *argument, unsigned seconds,
		      bool quiet, int *signal);

#endif
