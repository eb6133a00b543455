/* supervise.h - a program and its server, from first to last process */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_SUPERVISE_H
#define QUIRE_CLI_SUPERVISE_H

#include "keep.h"
#include "service.h"

#include <signal.h>
#include <stdbool.h>

struct supervisor {
	const struct service_settings *settings;
	const struct socket_place *place;
	bool may_restart;
	struct service_patience patience;
	struct service *service;
	struct keep keep;
	int signals;           /* signalfd */
	sigset_t mask;         /* as it was */
	void (*on_child)(int); /* as it was */
	pid_t program;
	bool program_stopped; /* as far as we were told */
	bool program_over;
	int program_status; /* of wait(2) */
	bool server_over;
	int server_status; /* of wait(2) */
};

/*
 * First of all: from here on signals wait to be handled, and the descendants
 * of this process stay its own.  0, or EXIT_FAILURE and a sentence.  The
 * caller then says with what settings, and where, another server may go on.
 */
int supervise_begin(struct supervisor *supervisor);

/*
 * service and program run: sees to them until the last descendant is gone and
 * the server has ended.  What to exit with.
 */
int supervise(struct supervisor *supervisor, struct service *service,
	      pid_t program);

/* No program came to be: ends the server, which has nothing to say. */
void supervise_nothing(struct supervisor *supervisor, struct service *service);

#endif
