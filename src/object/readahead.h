/* readahead.h - what to read at a touch, and what next */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_OBJECT_READAHEAD_H
#define QUIRE_OBJECT_READAHEAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct object;

/* What the streams of an engine have, of late (ahead.c). */
struct ahead_sum {
	_Atomic int64_t of[2]; /* by generation's last bit */
	_Atomic uint32_t generation;
	_Atomic uint64_t wanted; /* pages, in this generation */
};

struct ahead_share {
	struct ahead_sum held;    /* pages asked for and not reached yet */
	struct ahead_sum streams; /* 1 for each that has any */
};

/* What the access pattern suggests at a touch of page index. */
struct read_plan {
	uint64_t count;       /* to read, if index is absent */
	uint64_t ahead_index; /* and this, without waiting for it */
	uint64_t ahead_count; /* 0: nothing */
	int64_t ahead_step;   /* from one of these to the next: 1, mostly */
	uint64_t install_end; /* pages from index to here may be shown */
	/* What is read ahead may be shown as it comes, but for its first page:
	 * the touch of that asks for the next window. */
	bool show_ahead;
};

void object_plan(struct object *object, uint64_t index, struct read_plan *plan);

/* What the program said of its pattern: MADV_NORMAL, _RANDOM, _SEQUENTIAL. */
enum read_advice {
	READ_AS_IT_COMES,
	READ_RANDOM,     /* never ahead */
	READ_SEQUENTIAL, /* twice as far ahead; what lies behind may leave */
};

/* As object_plan(), of an access; shows: what is read ahead for it may be shown
 * as it comes.  Never blocks. */
void object_plan_advised(struct object *object, uint64_t index,
			 enum read_advice advice, bool shows,
			 struct read_plan *plan);
/*
 * Starts to read the plan's pages ahead; after the page in hand was asked for.
 * address: where the first of them is mapped; 0: it is not to be shown.  Never
 * blocks.
 */
void object_follow_plan(struct object *object, const struct read_plan *plan,
			uint64_t address);

#endif
