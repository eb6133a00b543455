/* keeper.h - what the server tells who keeps its clients' userfaultfds */
/* SPDX-License-Identifier: MIT */
/*
 * A userfaultfd whose last holder is gone lets accesses through, to zeros.  So
 * another process than the server holds each one, too: the keeper, which does
 * nothing with them.  If the server dies, accesses to absent pages block,
 * and the keeper kills the clients before it lets go.
 *
 *	server                            keeper
 *	KEEP number, pid; uffd, pidfd --> holds both
 *	LET_GO number ------------------> closes both
 *
 * One struct keeper_message each, over a SOCK_SEQPACKET socket; no replies.
 * KEEP is sent before anything can trap: what was sent is held, read or not.
 * LET_GO is sent when the process is known to be gone, or to have another
 * address space since exec().
 */
#ifndef QUIRE_SERVER_KEEPER_H
#define QUIRE_SERVER_KEEPER_H

#include <stdint.h>

enum keeper_type {
	/* Descriptors by SCM_RIGHTS: the userfaultfd, and a pidfd of its
	 * process if the server has one. */
	KEEPER_KEEP = 1,
	KEEPER_LET_GO,
};

#define KEEPER_DESCRIPTORS 2 /* at most, with one message */

struct keeper_message {
	uint32_t type; /* enum keeper_type */
	int32_t pid;
	uint64_t number; /* the server's, of this userfaultfd; never reused */
};

#endif
