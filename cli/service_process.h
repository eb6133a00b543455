/* service_process.h - the inside of the server's process */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_SERVICE_PROCESS_H
#define QUIRE_CLI_SERVICE_PROCESS_H

#include "service.h"

/* Words to it, of one byte. */
#define SERVICE_STOP 's'
#define SERVICE_HUSH 'h'
#define SERVICE_LEAVE 'l'

/* In the environment of a program that is to be the server: its descriptors,
 * and the socket's path. */
#define SERVICE_VARIABLE "QUIRE_SERVE_INHERITED"

#define SERVICE_WAITING 128 /* connections that are not accepted yet */

/* Its first and only word back. */
struct service_ready {
	bool failed;
	char sentence[500];
};

/* All that it does; control and keeper are its ends.  restarts: the keeper says
 * what there is already. */
_Noreturn void service_process(const struct service_settings *settings,
			       const struct socket_place *place, int control,
			       int keeper, bool restarts);

#endif
