/* mmu.h - what the program may touch now */
/* SPDX-License-Identifier: MIT */
/*
 * An mmu holds the translations of one address space.  It decides nothing:
 * the space says what is mapped where, fault/ says which page is shown.
 * Addresses and lengths are multiples of the page size.
 *
 * Layout calls (map, unmap, protect) are made under the space's write lock.
 * Page calls are made under the space's read lock (install, grant, wake,
 * refuse) or the object's lock of mappings (write_protect); they do not wait
 * for any page.  mmu.c's functions are the one caller of the table.
 */
#ifndef QUIRE_MMU_MMU_H
#define QUIRE_MMU_MMU_H

#include "base/base.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mmu;

struct mmu_mapping {
	uint64_t start;
	uint64_t length;
	int prot;
	bool shared;
	int memory;      /* the object's memfd */
	uint64_t offset; /* in it */
	bool replace;    /* what else stands there goes; else -EEXIST */
};

struct mmu_ops {
	int (*map)(struct mmu *mmu, const struct mmu_mapping *mapping);
	int (*unmap)(struct mmu *mmu, uint64_t start, uint64_t length);
	int (*protect)(struct mmu *mmu, uint64_t start, uint64_t length,
		       int prot);
	int (*install)(struct mmu *mmu, uint64_t start, uint64_t length,
		       bool shared);
	int (*grant)(struct mmu *mmu, uint64_t start, uint64_t length);
	int (*write_protect)(struct mmu *mmu, uint64_t start, uint64_t length);
	int (*refuse)(struct mmu *mmu, uint64_t start, bool shared);
	void (*wake)(struct mmu *mmu, uint64_t start, uint64_t length);
	void (*destroy)(struct mmu *mmu);
};

struct mmu {
	const struct mmu_ops *ops;
	uint64_t lowest;    /* addresses that may be mapped at all: [lowest, */
	uint64_t highest;   /* highest) */
	uint64_t arena;     /* where a free range is looked for: [arena, */
	uint64_t arena_end; /* arena_end) */
};

/*
 * Maps with no translation, ready to trap.  -EEXIST, -ENOMEM, ...: nothing has
 * changed; but if the kernel takes the place of what is replaced and then has
 * no memory to watch it, that place is left unmapped: an access is SIGSEGV.
 */
int mmu_map(struct mmu *mmu, const struct mmu_mapping *mapping);
/* Drops mapping and translations, and wakes who was trapped there. */
int mmu_unmap(struct mmu *mmu, uint64_t start, uint64_t length);
/* Changes what the program may do; translations stay. */
int mmu_protect(struct mmu *mmu, uint64_t start, uint64_t length, int prot);

/*
 * Shows resident pages and wakes who waits for them.  A store there traps if
 * the mapping is shared, and gets a copy of its own if it is private.  All
 * of [start, start+length) lies in one mapping of one protection.  The first
 * page is shown; the others as far as it goes in one call.  A page that is
 * shown already is left as it is.  0; -EAGAIN: try again a little later;
 * -ENOENT, -ESRCH: no mapping there any more; -EFAULT: not resident.
 */
int mmu_install(struct mmu *mmu, uint64_t start, uint64_t length, bool shared);
/* Shows pages writable, all of them, shown before or not.  As mmu_install(). */
int mmu_grant(struct mmu *mmu, uint64_t start, uint64_t length);
/*
 * When it returns 0 no store goes through without a trap.  Pages that are not
 * shown, or not mapped at all, are no error.
 */
int mmu_write_protect(struct mmu *mmu, uint64_t start, uint64_t length);
/*
 * The access waiting at the page of start, and later ones, get SIGBUS, until
 * the page is installed or granted.  Under the space's write lock: no install
 * may come between.  A shared page that is shown is hidden first; a private
 * one that is shown stays, and whoever waits for it is woken.
 */
int mmu_refuse(struct mmu *mmu, uint64_t start, bool shared);
/* Lets the threads trapped in the range try their access again. */
void mmu_wake(struct mmu *mmu, uint64_t start, uint64_t length);
void mmu_destroy(struct mmu *mmu); /* NULL is allowed */

#endif
