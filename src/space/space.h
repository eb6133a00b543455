/* space.h - the address space: what is mapped where, and what it may */
/* SPDX-License-Identifier: MIT */
/*
 * What Linux calls mm: the same checks in the same order with the same errors.
 * A space decides; the mmu obeys.  It makes no host call, does no I/O and
 * waits for nothing but its own lock.
 *
 * space_map(), space_unmap(), space_protect(), space_report(), space_finish():
 *   => no lock of LOCK_RANK_SPACE or below is held; takes the space's itself
 *   => may drop handles, and so block, after the lock is released
 *   => leave a sentence in error_sentence() when they fail
 * space_find(), space_find_intersection(), space_next():
 *   => the space's lock is held, for reading or writing, for as long as the
 *      result is used
 *   => allocate nothing, never block: fit for a thread that resolves traps
 */
#ifndef QUIRE_SPACE_SPACE_H
#define QUIRE_SPACE_SPACE_H

#include "base/base.h"
#include "mmu/mmu.h"
#include "object/object.h"
#include "space/vma.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SPACE_MAP_COUNT_LIMIT 65530 /* Linux's vm.max_map_count */
#define SPACE_ADDRESS_SPACE_LIMIT UINT64_MAX

struct space {
	struct rwlock lock; /* LOCK_RANK_SPACE */
	struct mmu *mmu;    /* [I] */
	struct tree tree;   /* [s] of VMAs, by address */
	/* [a] stored by readers, cleared by the writer before a VMA goes */
	_Atomic(struct vma *) last_hit;
	size_t map_count;             /* [s] VMAs in the tree */
	uint64_t total_pages;         /* [s] that they cover */
	uint64_t generation;          /* [s] grows at each change of layout */
	size_t map_count_limit;       /* [s] */
	uint64_t address_space_limit; /* [s] pages */
	struct pool pool;             /* of VMAs; own lock */
	void *(*map)(size_t bytes);   /* [I] */
	void (*unmap)(void *memory, size_t bytes); /* [I] */
};

/* 0 as a limit means the default. */
struct space_options {
	struct mmu *mmu;
	/* Memory for VMAs and report texts, never the program's own: trap
	 * threads read it.  map: zeroed, NULL when there is none. */
	void *(*map)(size_t bytes);
	void (*unmap)(void *memory, size_t bytes);
	size_t map_count_limit;
	uint64_t address_space_limit; /* pages */
};

/* The mmu remains the caller's, and outlives the space. */
void space_init(struct space *space, const struct space_options *options);
/* Unmaps all, needing no memory for it.  0, or the mmu's first error.  Nobody
 * maps any more. */
int space_unmap_all(struct space *space);
/*
 * Unmaps all and ends the space, which nobody else uses any more.  0, or the
 * mmu's first error; the space is gone all the same.
 */
int space_finish(struct space *space);

struct space_map_request {
	uint64_t address; /* a hint, or with MAP_FIXED the place */
	uint64_t length;  /* bytes */
	int prot;
	int flags;                   /* as of mmap(2); MAP_ANONYMOUS is seen to
					above, MAP_POPULATE too */
	struct quire_object *handle; /* borrowed; NULL is -EBADF */
	uint64_t offset;             /* bytes */
};

/*
 * mmap(2).  A mapping that is not fixed goes to the hint if that is free, else
 * to the highest hole of the arena that holds it; where the mmu answers
 * -EEXIST (a stranger's memory) the search goes on below.
 * -EINVAL, -EBADF, -ENOMEM, -EPERM (fixed below the lowest address), -EEXIST,
 * -EOVERFLOW, -EOPNOTSUPP, -EACCES, and the mmu's own.
 * On failure nothing has changed.
 */
int space_map(struct space *space, const struct space_map_request *request,
	      uint64_t *address);

/*
 * munmap(2).  Holes are no error, and what a stranger has there stays.
 * -EINVAL; -ENOMEM: a cut would make one mapping too many; the mmu's own.
 * On failure nothing has changed, but for this: the range is given to the mmu
 * one contiguous run at a time, and if it refuses one, those before are gone
 * (bytes of private pages could not be brought back).
 */
int space_unmap(struct space *space, uint64_t address, uint64_t length);

/*
 * mprotect(2).  -EINVAL; -ENOMEM: a hole, or a cut would make one mapping too
 * many; -EACCES: more than the mapping may have; the mmu's own.  As in Linux,
 * what comes before a hole or a forbidden mapping is changed all the same.
 * When the limit or the mmu refuses nothing has changed; an mmu that refuses
 * to restore as well keeps the rights that it has.
 */
int space_protect(struct space *space, uint64_t address, uint64_t length,
		  int prot);

/* The VMA that contains address, or NULL. */
struct vma *space_find(struct space *space, uint64_t address);
/* The first VMA that has a byte in [start, end), or NULL. */
struct vma *space_find_intersection(const struct space *space, uint64_t start,
				    uint64_t end);
/* The one behind it by address; NULL at the end. */
struct vma *space_next(const struct vma *vma);

/* The values of enum quire_report. */
enum space_report_kind {
	SPACE_REPORT_MAPS, /* as /proc/PID/maps */
	SPACE_REPORT_TREE, /* the tree by address, its root leftmost */
};

/*
 * Writes what the space was at one moment.  The lock is not held while the
 * stream is written: it may lie in mapped memory.
 * -EINVAL: no such kind; -ENOMEM; -EIO: the stream has an error.
 */
int space_report(struct space *space, enum space_report_kind kind,
		 FILE *stream);

/* Asserts the numbered invariants of README.md; slow.  Takes the lock. */
void space_check(struct space *space);

#endif
