/* shrink.h - fewer and simpler operations that still differ */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_JUDGE_SHRINK_H
#define QUIRE_JUDGE_SHRINK_H

#include "model/judge/trial.h"

/*
 * Runs ops from the executors' start, in a child; how many steps agreed.
 * trial is in memory that children share.
 */
size_t shrink_try(struct trial *trial, const struct op *ops, size_t count,
		  bool forks);
/*
 * Shrinks ops in place; returns how many are left.  Each attempt runs the
 * executors from their start.  count: it does not differ again, and nothing
 * was changed.
 */
size_t shrink(struct trial *trial, struct op *ops, size_t count, bool forks);

#endif
