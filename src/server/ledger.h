/* ledger.h - what another server must know, in memory that outlives this one */
/* SPDX-License-Identifier: MIT */
/*
 * A place is in use while its first word is not 0: that is stored last, and
 * cleared first.  Written by the server alone; read by one that takes over.
 */
#ifndef QUIRE_SERVER_LEDGER_H
#define QUIRE_SERVER_LEDGER_H

#include <stdatomic.h>
#include <stdint.h>

#define LEDGER_WRITES 16384u
#define LEDGER_CLAIMS 65536u

/* A client's write, from before the reply to WRITE_BEGIN until WRITE_END has
 * been done: until then nothing of the range goes home. */
struct ledger_write {
	_Atomic uint64_t id;
	uint64_t file; /* its id */
	uint64_t token;
	uint64_t offset;
	uint64_t length;
	int64_t pid;
	/* Some of it may have gone home meanwhile: overtaken.c. */
	_Atomic uint64_t overtaken;
	/* By which word it stands, with its id (ledger_word()); of another id, or
	 * 0: it does not, or is being ended.  An older server has left here what
	 * was there before. */
	_Atomic uint64_t word;
};

/* A file that a client has mapped by the kernel. */
struct ledger_claim {
	_Atomic uint64_t used;
	_Atomic int64_t pid; /* 0: not known yet */
	uint64_t device;
	uint64_t inode;
};

struct ledger {
	/* No place behind them was ever used. */
	_Atomic uint64_t writes;
	_Atomic uint64_t claims;
	uint64_t unused[6];
	struct ledger_write write[LEDGER_WRITES];
	struct ledger_claim claim[LEDGER_CLAIMS];
};

struct server;
struct server_write;

/* memory: an earlier server's, which is taken over; -1: there was none. */
int ledger_create(struct server *server, int memory);
void ledger_destroy(struct server *server);
/* write->place is set.  -ENOBUFS: there are too many. */
int ledger_add_write(struct server *server, struct server_write *write,
		     int64_t pid);
/* It stands, under another id, by the word of that number. */
void ledger_stand(struct server_write *write, uint64_t word);
/* That number; where it does not stand, one that no word has. */
uint64_t ledger_word(const struct ledger_write *place);
void ledger_remove_write(struct server_write *write);
/* [s] NULL: there are too many. */
struct ledger_claim *ledger_add_claim(struct server *server, int64_t pid,
				      uint64_t device, uint64_t inode);
void ledger_remove_claim(struct ledger_claim *claim);

#endif
