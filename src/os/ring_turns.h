/* ring_turns.h - which of a ring's operations goes to the kernel next */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_OS_RING_TURNS_H
#define QUIRE_OS_RING_TURNS_H

#include "os/ring.h"

/*
 * Short reads first, as somebody waits for them; then long ones; then what is no
 * read.  Of the latter two so much is in flight at a time that a short read
 * which comes then does not stand behind all of it.  And of what is no read one
 * user may have USER_SHARE times as much in flight as there is room for beside
 * it, and one in any case: what hangs does not keep others waiting.
 */
struct ring_turns {
	/* Wait for their turn.  The ring's lock. */
	struct list reads;
	struct list long_reads;
	struct list users;       /* that wait with what is no read, by turns */
	struct ring_user nobody; /* of operations that have none */
	unsigned turn;
	/* In flight, and what has been lately.  The ring's thread. */
	unsigned in_flight;
	unsigned others_in_flight;
	uint64_t long_bytes;
	unsigned since_read;  /* others that went since a read did */
	unsigned since_short; /* long reads since a short one */
};

void turns_init(struct ring_turns *turns);
/* The ring's lock is held.  again: it has been in flight, and goes first. */
void turns_add(struct ring_turns *turns, struct ring_op *op, bool again);
/* The ring's thread, with the lock held: the one whose turn it is, in flight
 * from now on; NULL: none may go. */
struct ring_op *turns_next(struct ring_turns *turns);
/* The ring's thread: it is not in flight any more. */
void turns_end(struct ring_turns *turns, const struct ring_op *op);

#endif
