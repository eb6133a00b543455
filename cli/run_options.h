/* run_options.h - the options of `quire run` and `quire serve` */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_RUN_OPTIONS_H
#define QUIRE_CLI_RUN_OPTIONS_H

#include "options.h"
#include "service.h"

/* Starts zeroed; what settings borrows is in here, so it stays in its place. */
struct run_options {
	uint64_t budget;
	uint64_t least;
	struct texts globs;
	struct texts bindings;
	const char *stats;
	const char *report;
	const char *socket;
	bool quiet;
	bool no_restart;
	bool everybody; /* `quire serve` alone knows it */
	struct server_binding bound[MOST_TEXTS];
	char *bound_text[MOST_TEXTS];
	struct service_settings settings;
};

enum run_kind {
	RUN_PROGRAM,
	RUN_SERVER
};

/* As options_parse(): what follows the options is in arguments->operands. */
bool run_options_parse(const struct command *command, enum run_kind kind,
		       struct run_options *options, struct arguments *arguments,
		       int argc, char **argv);

/* Opens the files that are asked for.  0, or EXIT_FAILURE and a sentence. */
int run_options_open(struct run_options *options);
/* The server has all of it: lets go of what is borrowed and open. */
void run_options_close(struct run_options *options);

#endif
