/* client_private.h - shared by client.c and connect.c */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_CLIENT_PRIVATE_H
#define QUIRE_PRELOAD_CLIENT_PRIVATE_H

#include "channel.h"
#include "client.h"
#include "lock.h"

#include <sys/un.h>

struct client {
	struct lock first_lock;
	struct channel first; /* fd -1: there is no server */
	int device;
	bool follows_forks;
	_Atomic bool lost_userfault;
	_Atomic uint64_t generation;
	struct sockaddr_un address;
	/* A page that a fork leaves empty in the child: 1, or 0. */
	_Atomic int *mark;
	_Atomic uint64_t forks;
};

extern struct client client;

/* The server of that generation is lost: 0, there is another one, and it knows
 * us; -EIO: there is none. */
int client_reconnect(uint64_t generation);
/* All of them, which are this process's from now on. */
void client_close_channels(void);

#endif
