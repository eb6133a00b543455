/* faulty_private.h - a script of faults, parsed */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_STORE_FAULTY_PRIVATE_H
#define QUIRE_STORE_FAULTY_PRIVATE_H

#include "store/store.h"

#define FAULTY_STATEMENTS 32

enum faulty_action {
	FAULTY_PASS, /* no statement applies */
	FAULTY_FAIL,
	FAULTY_DELAY,
	FAULTY_SHORT,
	FAULTY_LOSE,
	FAULTY_HOLD,
};

struct faulty_statement {
	unsigned operations; /* bit 1 << enum store_operation */
	bool ranged;
	uint64_t from, to; /* if ranged; half open */
	uint64_t every;    /* at least 1 */
	uint64_t after;
	uint64_t times; /* UINT64_MAX: always */
	enum faulty_action action;
	uint64_t amount; /* errno, milliseconds or bytes of the action */

	uint64_t matched; /* operations so far that it describes */
	uint64_t applied; /* of these, the ones it was applied to */
};

struct faulty_script {
	struct faulty_statement statements[FAULTY_STATEMENTS];
	unsigned count;
};

/* Of io's step, bytes. */
static inline uint64_t step_length(const struct store_io *io)
{
	uint64_t length = 0;

	for (unsigned i = 0; i < io->step_iov_count; i++)
		length += io->step_iov[i].iov_len;
	return length;
}

/* NULL is an empty script.  0, or -EINVAL with its sentence. */
int faulty_script_parse(const char *text, struct faulty_script *script);

/*
 * What happens to io's step.  Counts, so once for each step; the caller
 * serialises.  *amount as in the statement.
 */
enum faulty_action faulty_script_decide(struct faulty_script *script,
					const struct store_io *io,
					uint64_t *amount);

#endif
