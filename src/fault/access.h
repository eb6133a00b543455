/* access.h - loads, stores and fetches on the software MMU */
/* SPDX-License-Identifier: MIT */
/*
 * What a processor does, and the kernel after it:
 *
 *   TLB, page table --hit--> pin the page, copy, unpin
 *        | miss, or not allowed             ^  | not in memory
 *        v                                  |  v
 *   find the VMA --> rights --> the page:   |  bring it in, unlocked
 *        | none        | no      translation, copy on write
 *        v             v                    |
 *   SEGV_MAPERR   SEGV_ACCERR   past the end: BUS_ADRERR
 *
 * Each round begins anew at the address (invariant 8): a page is copied to or
 * from under the space's read lock, so that who changes the layout has no
 * access under way when he has the lock.
 */
#ifndef QUIRE_FAULT_ACCESS_H
#define QUIRE_FAULT_ACCESS_H

#include "object/anon.h"
#include "space/space.h"
#include "writeback/writeback.h"

/* The values of enum quire_access. */
enum access_kind {
	ACCESS_LOAD,
	ACCESS_STORE,
	ACCESS_FETCH,
};

/* Where the accesses go. */
struct soft_context {
	struct space *space; /* on the software MMU */
	struct anon_pool *anon;
	struct object_host *host;
	struct writeback *writeback;
};

/* What Linux would deliver; error 0: nothing. */
struct access_verdict {
	int error; /* as quire_peek() */
	int signal;
	int code;
	uint64_t address;
};

/*
 * An access of length bytes from address on; bytes may be NULL for one that
 * only touches.  True: done.  Blocks, with no lock held.
 */
bool access_copy(const struct soft_context *context, enum access_kind kind,
		 uint64_t address, void *bytes, size_t length,
		 struct access_verdict *verdict);

#endif
