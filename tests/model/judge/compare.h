/* compare.h - two executors say the same, or a listed difference */
/* SPDX-License-Identifier: MIT */
/* Each returns false if they do not, with trial->words saying so. */
#ifndef QUIRE_JUDGE_COMPARE_H
#define QUIRE_JUDGE_COMPARE_H

#include "model/judge/trial.h"

/* Executor index's outcome with the leader's. */
bool compare_outcomes(struct trial *trial, unsigned index, const struct op *op,
		      const struct outcome *led, const struct outcome *outcome);
bool compare_maps(struct trial *trial, unsigned process);
/* After compare_maps() of that process. */
bool compare_bytes(struct trial *trial, unsigned process);

#endif
