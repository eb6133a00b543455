/* trial.h - the same operations on several executors, compared step by step */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_JUDGE_TRIAL_H
#define QUIRE_JUDGE_TRIAL_H

#include "model/judge/executor.h"
#include "model/judge/files.h"
#include "model/judge/maps.h"

#define EXECUTORS 3
#define MOST_WORDS 65536

enum what_differs {
	ANSWERS_DIFFER,
	MAPS_DIFFER,
	BYTES_DIFFER,
	CRASHED,
	HUNG,
};

struct finding {
	enum what_differs what;
	unsigned executor; /* which differs from the first */
	enum op_kind kind; /* of the step */
};

struct trial {
	/* The first leads: the others are compared with it. */
	struct executor *executor[EXECUTORS];
	unsigned executors;
	bool small_budget;

	/* While a sequence runs: */
	unsigned running; /* executors that take part in this one */
	bool alive[PROCESSES];
	bool used[PROCESSES];
	uint64_t size[BODIES];
	bool limited[LIMITS];   /* it was set */
	bool unlimited[LIMITS]; /* it must not be set any more */
	struct op last;         /* step, */
	struct outcome led;     /* and what the leader said */
	bool paged_out;         /* by MADV_PAGEOUT */
	bool droppable;         /* there is such memory, or was */
	bool over;             /* a difference that is listed has parted them */
	char maps[MAPS_BYTES]; /* the leader's, after the last step */
	struct maps_line lines[MAPS_LINES];
	size_t line_count;

	size_t agreed; /* steps */

	/* What differed, if something did. */
	struct finding finding;
	char words[MOST_WORDS];
};

/* forks: only those take part that can. */
void trial_begin(struct trial *trial, bool forks);
void trial_end(struct trial *trial);
/* Nothing would be done: its process has ended, say. */
bool trial_is_void(struct trial *trial, const struct op *op);
/* One step.  False: something differs that is not listed; see words. */
bool trial_step(struct trial *trial, const struct op *op);
/* All bytes of all processes, once more. */
bool trial_look(struct trial *trial);
/* The leader's lines of a process, into trial->lines. */
void trial_read_maps(struct trial *trial, unsigned process);

/* A whole sequence: how many steps agreed, in trial->agreed; count: all. */
void trial_run(struct trial *trial, const struct op *ops, size_t count,
	       bool forks);
/* What became of the process in which it ran; ended by this signal. */
void trial_crashed(struct trial *trial, enum what_differs what, int signal);

#endif
