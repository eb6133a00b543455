/* peer_server.h - the server of a process that has no engine */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_PEER_SERVER_H
#define QUIRE_CLI_PEER_SERVER_H

#include <sys/types.h>

/* Whose child is it, if pid is `quire run` or `quire serve`; 0: it is not. */
pid_t peer_supervised(pid_t pid);
/* Who listens where the environment of pid says; 0: nobody. */
pid_t peer_server(pid_t pid);

#endif
