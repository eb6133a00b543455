/* program.h - the program that is run */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_PROGRAM_H
#define QUIRE_CLI_PROGRAM_H

#include <signal.h>
#include <sys/types.h>

#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND 127

struct program {
	char **words;          /* name and arguments, NULL last */
	const char *library;   /* loaded before it */
	const char *socket;    /* the server's */
	const sigset_t *mask;  /* its blocked signals */
	void (*on_child)(int); /* its SIGCHLD */
};

/*
 * Starts it, in this process's group and session, with its descriptors.  0;
 * or EXIT_NOT_FOUND, EXIT_CANNOT_RUN or EXIT_FAILURE, and a sentence.
 */
int program_start(const struct program *program, pid_t *pid);

/* Becomes it: returns only with a sentence, and what program_start() would. */
int program_become(const struct program *program);

/* What a shell would say that a process of this wait status exited with. */
int program_status(int wait_status);

#endif
