/* explain_operation.h - what a step does, in numbers, and what came of it */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_EXPLAIN_OPERATION_H
#define QUIRE_CLI_EXPLAIN_OPERATION_H

#include "explain_script.h"

/* A statement whose names have become numbers. */
struct operation {
	enum statement_kind kind;
	uint32_t process;
	uint32_t target; /* a file that is made or resized, or a new process */
	uint32_t file;   /* that is mapped */
	uint64_t address;
	uint64_t to; /* of a remap */
	uint64_t length;
	uint64_t new_length;
	uint64_t offset;
	int prot;
	int flags;
	int advice;
	bool readonly;
	bool expects_signal; /* an instruction fetch that Quire refused */
	uint32_t text_length;
	char text[SCRIPT_BYTES]; /* to write; of a file its path */
};

struct outcome {
	int error;       /* an errno; 0: none */
	int signal;      /* 0: none */
	int signal_code; /* si_code */
	bool skipped;    /* could not be done here: no answer */
	uint64_t signal_address;
	uint64_t address; /* of a mapping that was made or moved */
	uint32_t length;  /* bytes that were read */
	char bytes[SCRIPT_BYTES];
};

static inline bool outcome_good(const struct outcome *outcome)
{
	return !outcome->error && !outcome->signal;
}

/* Accesses go page by page; a write of several pages begins in each anew. */
static inline uint64_t operation_chunk(const struct operation *operation,
				       uint64_t address, uint64_t done)
{
	uint64_t left = operation->length - done;
	uint64_t chunk = SCRIPT_PAGE - (address + done) % SCRIPT_PAGE;

	return chunk < left ? chunk : left;
}

#endif
