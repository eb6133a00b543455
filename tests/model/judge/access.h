/* access.h - a load, a store, a fetch by the processor itself */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_JUDGE_ACCESS_H
#define QUIRE_JUDGE_ACCESS_H

#include "model/judge/op.h"

#include <stdbool.h>
#include <stdint.h>

/* What access_body() does. */
struct access {
	enum op_kind kind; /* OP_LOAD, OP_STORE, OP_FETCH */
	uint64_t address;
	uint64_t value; /* stored, or loaded */
};

/* Fetches can be tried on this machine. */
bool access_can_fetch(void);
/* The handler for the steps of a fetch. */
void access_init(void);
/* The plain access, of 8 bytes; SIGSEGV and SIGBUS are the caller's. */
void access_body(void *access);

/* Handlers for SIGSEGV and SIGBUS, on a stack of their own. */
void access_catch(void);
/* The access, with its signal, if there is one, in the outcome. */
void access_try(struct access *access, struct outcome *outcome);
/* Copies a page from address.  The signal that stopped it, or 0. */
int access_copy_page(void *to, uint64_t address);

#endif
