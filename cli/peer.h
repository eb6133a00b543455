/* peer.h - asks the engines of another process */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_PEER_H
#define QUIRE_CLI_PEER_H

#include <stdbool.h>
#include <sys/types.h>

/* "1234".  false: no process can have that number. */
bool pid_read(const char *text, pid_t *pid);

/*
 * Asks every engine of process pid, and hands each answer to each(), with the
 * engine's number in its process.  The text is malloc'ed and each() frees it.
 * EXIT_SUCCESS, or EXIT_FAILURE and a sentence: no engine is there, one of
 * them broke off, or somebody else listens in its name.
 */
int peer_ask(pid_t pid, const char *question,
	     void (*each)(void *context, unsigned int engine, char *text),
	     void *context);

/*
 * A process without an engine may be a client of `quire run` or `quire serve`,
 * or one of these commands itself: then its server is asked, about it.
 */

/* The same without a sentence: 0 or a negative errno, and which engine it is
 * about.  -ESRCH: none is there; -EPERM: somebody else listens in its name. */
int peer_query(pid_t pid, const char *question,
	       void (*each)(void *context, unsigned int engine, char *text),
	       void *context, unsigned int *engine);
/* The sentence for that error; returns EXIT_FAILURE. */
int peer_failed(pid_t pid, unsigned int engine, int error);

#endif
