/* channel.h - sockets to the server, one for each request at a time */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_CHANNEL_H
#define QUIRE_PRELOAD_CHANNEL_H

#include "client.h"

/* A socket that is surely still ours: the program may have closed it. */
struct channel {
	int fd;
	uint64_t inode;
};

/* What a new channel is opened with.  0 or a negative errno. */
int channel_set(struct channel *channel, int fd);
/* No other descriptor has come under its number. */
bool channel_is_alive(const struct channel *channel);
/* Sends, and with reply receives.  0: there is a reply, which may be an error;
 * -EIO: the channel is of no use any more.  All signals are blocked. */
int channel_exchange(int fd, struct call *call, bool reply);
/* Only receives. */
int channel_receive(int fd, struct call *call);
/* A socket whose other end lies in *other. */
int channel_pair(int *fd, int *other);

#endif
