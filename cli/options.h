/* options.h - a command's options and operands, checked */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_OPTIONS_H
#define QUIRE_CLI_OPTIONS_H

#include "cli.h"

#include <stdbool.h>
#include <stdint.h>

enum option_kind {
	OPTION_FLAG,   /* value is a bool: the option has no argument */
	OPTION_SIZE,   /* value is a uint64_t: bytes, "64M" */
	OPTION_BUDGET, /* the same, a page at least */
	OPTION_COUNT,  /* value is a uint32_t: 1 to most */
	OPTION_TEXT,   /* value is a const char *: as it stands */
	OPTION_TEXTS,  /* value is a struct texts: may be given again */
};

#define MOST_TEXTS 256 /* of one option */

struct texts {
	const char *text[MOST_TEXTS];
	size_t count;
};

/* One option that a command knows, and where its value goes. */
struct option_rule {
	const char *name;
	enum option_kind kind;
	void *value;
	uint32_t most; /* of a count */
};

struct arguments {
	const struct option_rule *rules;
	size_t rule_count;
	int least;         /* operands, at least */
	int most;          /* operands, at most */
	const char *names; /* of the operands, for the message */
	bool program;      /* the first operand ends the options */
	/* What options_parse() found: */
	char **operands;
	int count;
	int status; /* to exit with, when it says so */
};

/*
 * Reads argv by the rules.  false: the command is over, with
 * arguments->status (help was printed, or the command line was wrong and a
 * sentence said so).
 */
bool options_parse(const struct command *command, struct arguments *arguments,
		   int argc, char **argv);

/* "64M": a number and perhaps K, M, G or T, powers of 1024.  false: not so. */
bool size_read(const char *text, uint64_t *bytes);

/* A whole number from 1 to most.  false: not so. */
bool count_read(const char *text, uint32_t most, uint32_t *count);

#endif
