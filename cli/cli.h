/* cli.h - what the commands of `quire` share */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_H
#define QUIRE_CLI_H

#include <stddef.h>

#define EXIT_USAGE 2 /* beside EXIT_SUCCESS and EXIT_FAILURE */

struct command {
	const char *name;
	const char *summary;     /* a line of `quire help` */
	const char *const *help; /* the manual page's text, NULL last */
	int (*run)(const struct command *command, int argc, char **argv);
};

extern const struct command commands[];
extern const size_t command_count;

/* NULL: there is no such command. */
const struct command *command_find(const char *name);

/* argv[0] is the command's name.  All return the process's exit status. */
int cat_run(const struct command *command, int argc, char **argv);
int cp_run(const struct command *command, int argc, char **argv);
int explain_run(const struct command *command, int argc, char **argv);
int help_command_run(const struct command *command, int argc, char **argv);
int maps_run(const struct command *command, int argc, char **argv);
int run_run(const struct command *command, int argc, char **argv);
int scan_run(const struct command *command, int argc, char **argv);
int serve_run(const struct command *command, int argc, char **argv);
int stat_run(const struct command *command, int argc, char **argv);
int top_run(const struct command *command, int argc, char **argv);
int version_run(const struct command *command, int argc, char **argv);

/* What the program was started with, for SIGPIPE: main() ignores it. */
extern void (*inherited_sigpipe)(int);

/* Prints the lines of a help text to standard output. */
void help_print(const char *const *lines);

/* One sentence on standard error, "quire: ..."; returns EXIT_FAILURE. */
__attribute__((format(printf, 1, 2))) int fail(const char *format, ...);

/* The same for a wrong command line; returns EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) int wrong(const struct command *command,
						const char *format, ...);

#endif
