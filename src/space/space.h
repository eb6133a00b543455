/* space.h - the address space: what is mapped where, and what it may */
/* SPDX-License-Identifier: MIT */
/*
 * What Linux calls mm: the same checks in the same order with the same errors.
 * A space decides; the mmu obeys.  It makes no host call, does no I/O and
 * waits for nothing but its own lock.
 *
 * space_map(), space_unmap(), space_protect(), space_expand_stack(),
 * space_brk(), space_report(), space_finish():
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
#include "space/backing.h"
#include "space/vma.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SPACE_MAP_COUNT_LIMIT 65530 /* Linux's vm.max_map_count */
#define SPACE_STACK_LIMIT (UINT64_C(8) << 20)
#define SPACE_GUARD_GAP 256 /* pages below what grows downwards */
#define SPACE_NO_LIMIT UINT64_MAX

/* The values of enum quire_limit. */
enum space_limit {
	SPACE_LIMIT_MAPPINGS,
	SPACE_LIMIT_ADDRESS_SPACE, /* bytes, as all that follow */
	SPACE_LIMIT_DATA,
	SPACE_LIMIT_LOCKED,
	SPACE_LIMIT_STACK,
	SPACE_LIMIT_COMMIT,
	SPACE_LIMITS,
};

/* The values of enum quire_overcommit. */
enum space_overcommit {
	SPACE_OVERCOMMIT_GUESS,
	SPACE_OVERCOMMIT_ALWAYS,
	SPACE_OVERCOMMIT_NEVER,
};

/* What space_map() and space_remap() return on the host's MMU if anonymous
 * memory needs an object of its own: come again with one. */
#define SPACE_NEEDS_OBJECT (-ERESTART)

/* The values of QUIRE_SPACE_... */
#define SPACE_READ_IMPLIES_EXEC 0x1u
#define SPACE_MAY_LOCK 0x2u

struct space {
	struct rwlock lock;       /* LOCK_RANK_SPACE */
	struct mmu *mmu;          /* [I] */
	struct range_tree tree;   /* [s] of VMAs, by address */
	size_t map_count;         /* [s] VMAs in the tree */
	uint64_t total_pages;     /* [s] that they cover: total_vm */
	uint64_t data_pages;      /* [s] private, writable, no stack: data_vm */
	uint64_t locked_pages;    /* [s] locked_vm */
	uint64_t committed_pages; /* [s] of VMAs with VM_ACCOUNT */
	uint64_t generation;      /* [s] grows at each change of layout */
	uint64_t limit[SPACE_LIMITS]; /* [s] */
	uint64_t default_flags; /* [s] of new VMAs: mlockall(MCL_FUTURE) */
	uint64_t last_anon;     /* [s] the number of the last anon_vma */
	bool apart; /* [s] a fork or MREMAP_DONTUNMAP left neighbours so */
	uint64_t break_start;             /* [I] of brk; 0: there is none */
	uint64_t break_end;               /* [s] */
	uint64_t guard_gap;               /* [I] bytes */
	uint32_t flags;                   /* [I] SPACE_... */
	enum space_overcommit overcommit; /* [I] */
	struct backing backing;     /* of anonymous memory, on the host's MMU */
	struct pool pool;           /* of VMAs; own lock */
	struct pool_link *kept;     /* [s] VMAs for who comes next */
	unsigned kept_count;        /* [s] */
	void *(*map)(size_t bytes); /* [I] */
	void (*unmap)(void *memory, size_t bytes); /* [I] */
};

/* 0 as a limit, or a gap, means the default. */
struct space_options {
	struct mmu *mmu;
	/* Memory for VMAs and report texts, never the program's own: trap
	 * threads read it.  map: zeroed, NULL when there is none. */
	void *(*map)(size_t bytes);
	void (*unmap)(void *memory, size_t bytes);
	size_t map_count_limit;
	uint64_t address_space_limit; /* pages */
	uint64_t break_start;
	uint64_t guard_gap; /* pages */
	uint32_t flags;     /* SPACE_... */
	enum space_overcommit overcommit;
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
	int flags; /* as of mmap(2) */
	/* Borrowed.  With MAP_ANONYMOUS: what a shared mapping shows, or, on
	 * the host's MMU, what a private one may stand on if the space's
	 * backing is taken there (NULL: SPACE_NEEDS_OBJECT then).  Else NULL
	 * is -EBADF. */
	struct quire_object *handle;
	uint64_t offset;     /* bytes */
	uint64_t huge_shift; /* of MAP_HUGETLB memory; 0: ordinary pages */
	bool *populate; /* out: the pages should be brought in; may be NULL */
};

/*
 * mmap(2).  A mapping that is not fixed goes to the hint if that is free, else
 * to the highest hole of the arena that holds it, or with MAP_32BIT the lowest
 * one from 1 GiB on; where the mmu answers -EEXIST (a stranger's memory) the
 * search goes on behind.
 * -EINVAL, -EBADF, -ENOMEM, -EPERM (fixed below the lowest address; a seal, no
 * execution, no locking), -EEXIST, -EOVERFLOW, -EOPNOTSUPP, -EACCES, -EAGAIN
 * (the locked limit), -ETXTBSY, -ENODEV, SPACE_NEEDS_OBJECT, what the object's
 * hooks say, and the mmu's own.
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

/* Addresses, half open; end 0: none. */
struct space_range {
	uint64_t start;
	uint64_t end;
};

/*
 * mprotect(2).  -EINVAL; -ENOMEM: a hole, or a cut would make one mapping too
 * many, or the limit of data or of what is committed; -EACCES: more than the
 * mapping may have; the mmu's own.  As in Linux, mappings are changed one after
 * the other, and those before the one that is refused stay changed.  That one
 * is as it was, unless an mmu that refuses keeps new rights as well.
 * *populate (NULL is allowed) is where pages of locked mappings, now writable,
 * are to be brought in, also if a later part of the range was refused.
 */
int space_protect(struct space *space, uint64_t address, uint64_t length,
		  int prot, struct space_range *populate);

/*
 * An access below a mapping that grows downwards: it grows to the page of
 * address (Linux's expand_downwards()).  0, also if that is mapped by now;
 * -EFAULT: nothing there that grows; -EPERM: below the lowest address;
 * -ENOMEM: a limit, or the guard gap, or another's memory; -EAGAIN: on the
 * host's MMU, pages of its object are taken, or about to be given back; the
 * mmu's own.
 * On failure nothing has changed.
 */
int space_expand_stack(struct space *space, uint64_t address);

/*
 * brk(2): moves the end of the data segment.  *now: where it is then, moved or
 * not.  0; -ENOMEM, -EAGAIN, -EPERM, the mmu's own: why it stays.  An address
 * below the segment moves nothing, and is no error.  *grown: what came, which is
 * to be brought in if it is locked; it ends where it starts, or before, if
 * nothing came.
 */
int space_brk(struct space *space, uint64_t address, uint64_t *now,
	      struct space_range *grown);

/* Pages that the caller should bring in, once the lock is released. */
struct space_wanted {
	uint64_t start;
	uint64_t length; /* 0: none */
	bool write;      /* as if they were stored to */
};

struct space_remap_request {
	uint64_t old_address;
	uint64_t old_length; /* bytes; 0: what is shared is mapped once more */
	uint64_t new_length; /* bytes */
	uint64_t new_address;
	int flags; /* MREMAP_... */
	/* Borrowed; only on the host's MMU, where private memory may need it:
	 * of new_length bytes, as whole pages, in nobody else's hands. */
	struct quire_object *spare;
	struct space_wanted *wanted; /* out: of a locked mapping that has
					grown; may be NULL */
};

/*
 * mremap(2).  *address: where it is then.  -EINVAL; -EFAULT: nothing is mapped
 * there, or not enough, or it may not grow; -ENOMEM: no room, or a limit;
 * -EAGAIN: the limit of locked memory; SPACE_NEEDS_OBJECT; the mmu's own.
 * On failure nothing has changed, but for what Linux changes as well: what was
 * mapped at a fixed new place, and the tail of what was to shrink and move, may
 * be gone; of several mappings some may have moved.
 */
int space_remap(struct space *space, const struct space_remap_request *request,
		uint64_t *address);

/* setrlimit(2) for a space: what is mapped already stays. */
void space_set_limit(struct space *space, enum space_limit limit,
		     uint64_t value);

/*
 * fork(2), of a space on the software MMU, or another process's, into one that
 * space_init() has just made, on an mmu of the same kind and borders.  -ENOMEM:
 * the child has a part, and is to be finished.
 */
int space_fork(struct space *parent, struct space *child);

/*
 * From now on every touch of the mapping at address traps, if it is one whose
 * touches are to be seen (VM_UNTRAPPED).  Takes the space's lock for writing;
 * waits for no page.  0, or what the host says.
 */
int space_trap_all(struct space *space, uint64_t address);
/* Under the write lock, before a page of vma is made private (anon_vma.c). */
void vma_prepare_anon(struct space *space, struct vma *vma);

/* The VMA that contains address, or NULL. */
struct vma *space_find(struct space *space, uint64_t address);
/* The first VMA that has a byte in [start, end), or NULL. */
struct vma *space_find_intersection(const struct space *space, uint64_t start,
				    uint64_t end);
/* The one behind it by address; NULL at the end. */
struct vma *space_next(const struct vma *vma);

/* The values of enum quire_report. */
enum space_report_kind {
	SPACE_REPORT_MAPS,  /* as /proc/PID/maps */
	SPACE_REPORT_TREE,  /* the tree by address, its root leftmost */
	SPACE_REPORT_SMAPS, /* as /proc/PID/smaps */
	SPACE_REPORT_PAGES, /* the page table of the software MMU */
};

/*
 * Writes what the space was at one moment.  The lock is not held while the
 * stream is written: it may lie in mapped memory.
 * -EINVAL: no such kind; -EOPNOTSUPP: pages, and the mmu is the host's;
 * -ENOMEM; -EIO: the stream has an error.
 */
int space_report(struct space *space, enum space_report_kind kind,
		 FILE *stream);

/* Asserts the numbered invariants of README.md; slow.  Takes the lock. */
void space_check(struct space *space);

#endif
