/* service.h - the server in a process of its own, and how it is told to end */
/* SPDX-License-Identifier: MIT */
/*
 *	supervisor                    server process
 *	fork ------------------------>  session of its own; the engine opens
 *	         <------------------- ready, or the sentence why not
 *	service_stop() -------------->  server_stop()
 *	         <------------------- writes all home, prints, exits
 *
 * If the server is killed, or leaves, another one is started and handed all that
 * the supervisor has kept (keep.h).
 *
 * If the supervisor is gone (kill -9), the server goes on until the last client
 * is, and takes the socket away itself.
 */
#ifndef QUIRE_CLI_SERVICE_H
#define QUIRE_CLI_SERVICE_H

#include "keep.h"
#include "server/server.h"
#include "socket_place.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#define SERVICE_NAME "quire-server" /* of its process */

struct service_settings {
	struct server_options server; /* but socket, keeper and record */
	FILE *stats;                  /* NULL: not asked for */
	FILE *report;                 /* NULL: not asked for */
	bool quiet;                   /* no summary */
};

struct service {
	pid_t pid;
	int control;
	int keeper;
};

/*
 * Starts it on the place's socket, which remains the caller's as well.  When
 * it returns 0 clients can connect.  EXIT_FAILURE: a sentence was said, and
 * nothing runs.
 * keep: what a server before it has left, which it goes on with; NULL: there was
 * none.  program: it becomes that program, which calls service_inherited(); NULL:
 * it is a copy of this one.
 */
int service_start(const struct service_settings *settings,
		  const struct socket_place *place, struct keep *keep,
		  char *const *program, struct service *service);
/* The same for one that has ended, which it takes the place of; if it does not
 * come to be it is tried again. */
int service_restart(const struct service_settings *settings,
		    const struct socket_place *place, struct keep *keep,
		    char *const *program, struct service *service);
/* This process is such a program: becomes the server, and does not return.
 * Else returns. */
void service_inherited(const struct service_settings *settings);

/* Ends it when the last client is gone; said twice: now. */
void service_stop(const struct service *service);
/* Ends it, writing nothing home: another one goes on. */
void service_leave(const struct service *service);
/* Nothing was done: it need not print anything. */
void service_hush(const struct service *service);

/* What it exited with: EXIT_SUCCESS, EXIT_FAILURE (it has said why), or -1: it
 * was killed. */
int service_outcome(int wait_status);
/* The sentence of one that was killed. */
enum service_loss {
	SERVICE_GOES_ON, /* another one has all */
	SERVICE_LOST,    /* its clients are killed */
};

void service_say_killed(int wait_status, enum service_loss loss);

/* How often another one may go on, so that one that dies of what it is told does
 * not do so for ever. */
struct service_patience {
	time_t since;
	unsigned count;
};

bool service_may_restart(struct service_patience *patience);

/* Closes our ends. */
void service_finish(struct service *service);

/* Standard input and output become /dev/null: a pipe there ends when the
 * program's side does, not when ours would. */
void leave_standard_streams(void);

#endif
