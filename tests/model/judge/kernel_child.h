/* kernel_child.h - the processes in which the kernel is the executor */
/* SPDX-License-Identifier: MIT */
/*
 *   judge --fork--> server --fork--> process 0 --fork (an op)--> process 1 ...
 *
 * The server, forked before there are threads, fills all of its addresses but
 * the window, so that the kernel finds a place nowhere else.  For each
 * sequence it forks process 0, with fresh files.  A slot of memory that all of
 * them share carries requests to each process; whoever's turn it is owns it.
 */
#ifndef QUIRE_JUDGE_KERNEL_CHILD_H
#define QUIRE_JUDGE_KERNEL_CHILD_H

#include "model/judge/executor.h"

#include <stdatomic.h>
#include <sys/types.h>

enum request {
	REQUEST_BEGIN, /* of the server: a sequence */
	REQUEST_OP,
	REQUEST_MAPS,
	REQUEST_LOOK,
	REQUEST_END,
};

#define TURN_JUDGE 0u
#define TURN_CHILD 1u

struct slot {
	_Atomic uint32_t turn; /* a futex */
	enum request request;
	struct op op;
	struct outcome outcome;
	char maps[MAPS_BYTES];
	struct page_look pages[WINDOW_PAGES];
};

#define SLOT_SERVER PROCESSES

struct kernel_slots {
	pid_t judge;
	struct slot slot[PROCESSES + 1];
};

/* Waits until it is turn's turn.  False: not for so long. */
bool slot_wait(struct slot *slot, uint32_t turn, unsigned seconds);
void slot_give(struct slot *slot, uint32_t turn);

/* The server; never returns. */
__attribute__((noreturn)) void kernel_server(struct kernel_slots *slots);
/* Fills the addresses outside of the window; drops what root may do. */
bool kernel_reserve(void);
void kernel_drop_rights(void);
/* /proc/self/maps, as far as the end of the window; into text, in the form
 * that executors give it. */
struct file_set;
void kernel_read_maps(const struct file_set *files, char *text);

#endif
