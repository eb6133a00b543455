/* keep.h - holds the clients' userfaultfds, so that none of them reads zeros */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_KEEP_H
#define QUIRE_CLI_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kept {
	uint64_t number;
	int userfault;
	int process; /* pidfd; -1: it was gone when it was told of */
};

struct keep {
	int socket; /* from the server; see server/keeper.h */
	bool ended; /* the server has closed its end */
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

/*
 * The server is dead: kills every client, waits until they are gone, and lets
 * go.  How many there were.
 */
size_t keep_kill(struct keep *keep);

/* Lets go of all. */
void keep_finish(struct keep *keep);

#endif
