/* keeper.h - what the server tells who keeps what must not be lost with it */
/* SPDX-License-Identifier: MIT */
/*
 * A userfaultfd whose last holder is gone lets accesses through, to zeros; the
 * memory of a file may have bytes that the file has not.  So another process
 * than the server holds each of them, too: the keeper, which does nothing with
 * them.  If the server dies, accesses to absent pages block; and the keeper
 * starts another server and tells it all that it was told, or kills the clients
 * before it lets go.
 *
 *	server                              keeper
 *	TABLES; tables -------------------> holds them
 *	FILE number; memory, record, ... -> holds them; again: instead
 *	KEEP number, pid; uffd, ... ------> holds them; again: instead
 *	LET_GO number --------------------> closes them
 *	LOST -----------------------------> knows that nothing can go on
 *
 *	new server                          keeper
 *	         <------ all of TABLES, FILE, KEEP that it has; END
 *
 * One struct keeper_message each, over a SOCK_SEQPACKET socket; no replies.
 * FILE and KEEP are sent before anything can be stored or trap: what was sent is
 * held, read or not.  LET_GO is sent when the process is known to be gone, or
 * to have another address space since exec(); or when all of the file is home.
 * A message that could not be sent leaves a gap in the sequence: then nothing can
 * go on, either.
 */
#ifndef QUIRE_SERVER_KEEPER_H
#define QUIRE_SERVER_KEEPER_H

#include <stdint.h>

/* Of these messages, and of all that is in the memory that comes with them. */
#define KEEPER_VERSION 1u

enum keeper_type {
	/* Descriptors by SCM_RIGHTS: the userfaultfd, and a pidfd of its
	 * process if the server has one, and then its words (standing.c) if
	 * there are any.  Again: instead. */
	KEEPER_KEEP = 1,
	KEEPER_LET_GO, /* number: of a client or a file */
	/* The memory, its record (object_kept()), the file for reading, or
	 * what stands for it; and, with KEEPER_WRITER, for writing; with
	 * KEEPER_BOUND, what is bound. */
	KEEPER_FILE,
	/* The taken table and the ledger (ledger.h). */
	KEEPER_TABLES,
	/* Something is mapped that another server could not have. */
	KEEPER_LOST,
	/* To the server: that was all; number: how many servers there were. */
	KEEPER_END,
};

#define KEEPER_FOLLOWS_FORKS 0x1u /* KEEP */
#define KEEPER_WRITER 0x2u        /* FILE: one more, open for writing */
#define KEEPER_BOUND 0x4u         /* FILE: by --bind; binding says which */

#define KEEPER_DESCRIPTORS 4 /* at most, with one message */

struct keeper_message {
	uint32_t version;
	uint32_t type; /* enum keeper_type */
	uint64_t sequence;
	uint64_t number; /* the server's, of this thing; never reused */
	int32_t pid;     /* KEEP; 0: not known yet */
	uint32_t flags;
	uint64_t id;      /* FILE: the clients' name for it */
	uint64_t binding; /* FILE */
	uint64_t parent;  /* KEEP: the number of who was forked; 0: none */
	uint64_t fork;    /* KEEP: and its number of that fork; 0: not known */
};

#endif
