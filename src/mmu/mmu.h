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
	/* Shared, and nobody may store there, if mmu->untraps: whoever touches a
	 * page that is in memory is shown it by the kernel, at once and as its
	 * own.  What is absent traps as ever; then a wake will do. */
	bool untrapped;
	/* Shared, and nobody may ever store there, if mmu->lodges: what is filled
	 * is in memory of the mapping's own, not in the memfd. */
	bool lodges;
	int memory;      /* the object's memfd */
	uint64_t offset; /* in it */
	bool replace;    /* what else stands there goes; else -EEXIST */
};

/* What moves, and where to; the two ranges do not overlap. */
struct mmu_move {
	uint64_t from;
	uint64_t length; /* of what moves; the new mapping may be longer */
	bool keep;       /* the old place stays mapped, with nothing shown */
	struct mmu_mapping to; /* as a new mapping */
};

/* An access that waits for its page. */
struct mmu_trap {
	uint64_t address;
	bool write;
	bool shown; /* a store; the page was shown then, and protected */
};

struct mmu_ops {
	int (*map)(struct mmu *mmu, const struct mmu_mapping *mapping);
	int (*unmap)(struct mmu *mmu, uint64_t start, uint64_t length);
	int (*protect)(struct mmu *mmu, uint64_t start, uint64_t length,
		       int prot);
	int (*install)(struct mmu *mmu, uint64_t start, uint64_t length,
		       bool protect);
	int (*grant)(struct mmu *mmu, uint64_t start, uint64_t length,
		     bool shown);
	uint64_t (*fill)(struct mmu *mmu, uint64_t start, const void *bytes,
			 uint64_t length, bool protect); /* NULL: it cannot */
	int (*write_protect)(struct mmu *mmu, uint64_t start, uint64_t length);
	int (*refuse)(struct mmu *mmu, uint64_t start, bool shared);
	int (*move)(struct mmu *mmu, const struct mmu_move *move);
	int (*forget)(struct mmu *mmu, uint64_t start, uint64_t length,
		      bool shared);
	int (*guard)(struct mmu *mmu, uint64_t start, uint64_t length,
		     bool guard);
	int (*copy_guards)(struct mmu *mmu, uint64_t from, uint64_t to,
			   uint64_t length); /* NULL: not needed */
	int (*hide)(struct mmu *mmu, uint64_t start, uint64_t length);
	int (*trap_all)(struct mmu *mmu, uint64_t start, uint64_t length,
			bool lodges);
	void (*wake)(struct mmu *mmu, uint64_t start, uint64_t length);
	int (*traps_fd)(const struct mmu *mmu);
	int (*take_traps)(struct mmu *mmu, struct mmu_trap *traps, int most);
	void (*destroy)(struct mmu *mmu);
};

struct mmu {
	const struct mmu_ops *ops;
	uint64_t lowest;    /* addresses that may be mapped at all: [lowest, */
	uint64_t highest;   /* highest) */
	uint64_t arena;     /* where a free range is looked for: [arena, */
	uint64_t arena_end; /* arena_end) */
	/* The page table is our own (mmu_soft.h), and so are private pages. */
	bool soft;
	/* Knows nothing of a mapping until it shows a page there: what never did
	 * may be protected and unmapped without a call. */
	bool lazy;
	/* Another process's (mmu_remote.h): what it shows is hidden by a punch
	 * only, so a shared page can be refused only if it is absent. */
	bool remote;
	/* The access gets SIGBUS, and its thread sees to the page itself:
	 * nothing is ever taken here. */
	bool in_place;
	/* Shared mappings may be untrapped, */
	bool untraps;
	/* and lodge what is filled there. */
	bool lodges;
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
 * Shows resident pages and wakes who waits for them.  protect: a store there
 * traps; else it gets a copy of its own, if the mapping is private, or there
 * can be none, if it lodges.  All
 * of [start, start+length) lies in one mapping of one protection.  The first
 * page is shown; the others as far as it goes in one call.  A page that is
 * shown already is left as it is.  0; -EAGAIN: try again a little later;
 * -ENOENT, -ESRCH: no mapping there any more; -EFAULT: not resident.
 */
int mmu_install(struct mmu *mmu, uint64_t start, uint64_t length, bool protect);
/*
 * Shows pages of a shared mapping writable, all of them, shown before or not.  As
 * mmu_install().  Of more than one all may be hidden for a moment.
 * shown: the first one was when the access trapped (mmu_trap.shown).  If it is so
 * no more, it may be left as it is: who waits for it is woken, and traps anew.
 */
int mmu_grant(struct mmu *mmu, uint64_t start, uint64_t length, bool shown);
/*
 * Puts bytes into the memory behind a shared mapping, where it has none, or into
 * that of one that lodges, and shows them there in one step, as mmu_install()
 * would; but nobody is woken.
 * How many, from start on: whatever stands in its way, the others are left to
 * be written to the memory, and shown when they are touched.
 */
bool mmu_fills(const struct mmu *mmu);
uint64_t mmu_fill(struct mmu *mmu, uint64_t start, const void *bytes,
		  uint64_t length, bool protect);
/*
 * Layout: the mapping at move->from is at move->to from now on, with the
 * private copies that it has; the space has nothing at the new one.  -EEXIST (a
 * stranger has, and is not to be replaced), -ENOMEM, ...: nothing has changed,
 * but for what was replaced; what the kernel can move neither on nor back is
 * left unmapped: an access is SIGSEGV.  So may be one to either place while it
 * lasts.
 */
int mmu_move(struct mmu *mmu, const struct mmu_move *move);
/*
 * Layout: drops what is shown, and private copies, so that the next access
 * traps anew.  Under the space's write lock, as no page may be shown meanwhile.
 */
int mmu_forget(struct mmu *mmu, uint64_t start, uint64_t length, bool shared);
/* Layout: every access is SIGSEGV from now on, or (guard false) traps again.
 * -EOPNOTSUPP: this mmu cannot. */
int mmu_guard(struct mmu *mmu, uint64_t start, uint64_t length, bool guard);
/* Layout: what is guarded in [from, from+length) is so behind to, where the
 * same is mapped anew.  mmu_move() does so by itself. */
int mmu_copy_guards(struct mmu *mmu, uint64_t from, uint64_t to,
		    uint64_t length);
/* True: mmu_hide() must be called before memory is punched, as this mmu shows
 * a hole as zeros.  When that returns 0, the next access to each page traps. */
bool mmu_must_hide(const struct mmu *mmu);
int mmu_hide(struct mmu *mmu, uint64_t start, uint64_t length);
/* Layout: shared mappings are untrapped no more, and show nothing, unless they
 * lodge: then what is shown stays.  There is no way back. */
int mmu_trap_all(struct mmu *mmu, uint64_t start, uint64_t length, bool lodges);
/*
 * When it returns 0 no store goes through without a trap.  Pages that are not
 * shown, or not mapped at all, are no error.  -EAGAIN, only of another
 * process's: what is mapped where is changing; again with no lock held between.
 */
int mmu_write_protect(struct mmu *mmu, uint64_t start, uint64_t length);
/*
 * The access waiting at the page of start, and later ones, get SIGBUS, until
 * the page is installed or granted.  Under the space's write lock: no install
 * may come between.  A shared page that is shown is hidden first; a private
 * one that is shown stays, and whoever waits for it is woken.
 * Of another process's: a shared page must be absent, and nobody may have shown
 * it since.  -EOPNOTSUPP: it is shown; -EAGAIN: again a little later.
 */
int mmu_refuse(struct mmu *mmu, uint64_t start, bool shared);
/* Lets the threads trapped in the range try their access again. */
void mmu_wake(struct mmu *mmu, uint64_t start, uint64_t length);
/*
 * Where traps come from, if accesses are the processor's and not calls: a
 * descriptor that can be polled, and what waits there now, as many as most.
 * Never blocks.  How many, or a negative errno.
 */
int mmu_traps_fd(const struct mmu *mmu);
int mmu_take_traps(struct mmu *mmu, struct mmu_trap *traps, int most);
void mmu_destroy(struct mmu *mmu); /* NULL is allowed */

#endif
