/* generate.h - random operations, mostly sensible */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_JUDGE_GENERATE_H
#define QUIRE_JUDGE_GENERATE_H

#include "model/judge/maps.h"
#include "model/judge/op.h"

/* What an operation is chosen by. */
struct generator {
	uint64_t state;   /* of the random numbers */
	uint64_t allowed; /* a bit for each kind */
	int never;        /* flags of mmap */
	/* What MADV_FREE gave up may be gone at any moment then, in Linux as
	 * here: it is left out. */
	bool short_of_memory;
	uint64_t number; /* of the next unique word */
	/* As it is now: */
	bool alive[PROCESSES];
	unsigned forks;                     /* so far */
	struct maps_line lines[MAPS_LINES]; /* of the process */
	size_t line_count;
};

/* Which process does the next operation; its lines are to be set then. */
unsigned generate_process(struct generator *generator);
struct op generate_op(struct generator *generator, unsigned process);

#endif
