/* differences.h - where Quire differs from Linux on purpose */
/* SPDX-License-Identifier: MIT */
/*
 * Read from docs/differences.md: a heading `## D1: ...`, a reason, and lines
 * in backticks that begin with "match:".  After that word stand pairs
 * KEY=VALUE, of which all must hold:
 *
 *   executor=soft|host         which of the two differs
 *   op=NAME                    as in op.c; several: op=mmap,mremap
 *   kernel=, quire=            what they answer: ok, an errno's name, SIGBUS or
 *                              SIGSEGV, or any
 *   flags=A|B  prot=A|B        the op has all of these
 *   advice=NAME  file=NAME     of the body, as in files.c
 *   budget=small               only with a budget below the window
 *
 * A line `match: text ...` or `match: value ...` switches something named on:
 *
 *   text join=private|all      neighbours that could be one line are one; with
 *                              after=failure only after an op that Linux
 *                              refused, and the sequence ends there; with
 *                              join=any nothing is compared then
 *   text offset=any file=NAME  offsets in private mappings of it do not count
 *   value op=mincore           what it says of files is not compared; with
 *                              budget=small nothing of what it says, with
 *                              after=pageout neither once MADV_PAGEOUT was done
 *   apart op=mremap limit=LOCKED  such an op and that limit (as in op.c) do not
 *                              come in one sequence: whichever is second is
 *                              left out
 */
#ifndef QUIRE_JUDGE_DIFFERENCES_H
#define QUIRE_JUDGE_DIFFERENCES_H

#include "model/judge/op.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum join {
	JOIN_NONE,
	JOIN_PRIVATE,
	JOIN_ALL,
	JOIN_ANY
};

/* Which executor, and under what circumstances. */
struct match_side {
	const char *executor;
	bool small_budget;
	bool paged_out; /* by MADV_PAGEOUT, in this sequence */
};

/* Ends the program if the file is not well-formed. */
void differences_read(const char *path);
/* True: this difference is listed; it is counted. */
bool differences_allow(const struct match_side *side, const struct op *op,
		       const struct outcome *kernel,
		       const struct outcome *quire);
/* The same outcome, but for the value; own: what it tells of memory that is
 * the program's own differs, too. */
bool differences_allow_value(const struct match_side *side, const struct op *op,
			     bool own);
/* Which lines may be joined; failed: the last op was refused. */
struct join_rule {
	enum join join;
	bool parts;    /* the two are not the same any more */
	uint64_t *met; /* to be counted when it made two texts equal */
};
struct join_rule differences_join(const struct match_side *side,
				  const struct op *op, bool failed);
/* The offset of a private mapping of this name does not count. */
bool differences_ignore_offset(const struct match_side *side, const char *name);
/* The limit that must not come with this op; LIMITS: none.  *met is to be
 * counted if that leaves something out. */
enum limit_kind differences_apart(const struct op *op, uint64_t **met);
/* How often each entry was met; the sum. */
uint64_t differences_print(FILE *stream);

#endif
