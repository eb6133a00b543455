/* keep.h - holds what must not be lost with the server */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_KEEP_H
#define QUIRE_CLI_KEEP_H

#include "server/keeper.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one message brought. */
struct kept {
	struct keeper_message message;
	int fds[KEEPER_DESCRIPTORS]; /* -1: none */
};

struct keep {
	int socket; /* from the server; see server/keeper.h */
	bool ended; /* the server has closed its end */
	/* Not all that it has is here: no other server can go on. */
	bool incomplete;
	uint64_t sequence; /* of the last message */
	uint64_t servers;  /* that have been */
	struct kept *kept;
	size_t count;
	size_t room;
};

/* From here on this process may have as many descriptors as it may allow
 * itself. */
void keep_begin(struct keep *keep, int socket);

/* What to poll for keep_take(): -1 if nothing comes any more. */
static inline int keep_poll_fd(const struct keep *keep)
{
	return keep->ended ? -1 : keep->socket;
}

/* Takes what the server has sent.  Never blocks; of no use when it is late, as
 * what waits in the socket is held, too. */
void keep_take(struct keep *keep);

/* How many clients there are. */
size_t keep_clients(const struct keep *keep);

/*
 * The server is dead, and a new one waits for it: tells it all, at the other end
 * of socket, which is listened to from now on.  Blocks until the new one has
 * taken it or is dead.  False: it cannot have all.
 */
bool keep_hand_over(struct keep *keep, int socket);

/*
 * The server is dead: kills every client, waits until they are gone, and lets
 * go.  How many there were.
 */
size_t keep_kill(struct keep *keep);

/* Lets go of all. */
void keep_finish(struct keep *keep);

#endif
