/* fault.h - a trap becomes a page or a verdict */
/* SPDX-License-Identifier: MIT */
/*
 * The life of a fault:
 *
 *            trap
 *              v
 *        +-> resolve -> shown, or the mapping is gone: done
 *        |     |  \
 *        |     |   `-> verdict (the page cannot be had): refuse, zero, wait
 *        |     v
 *        |   parked: on its page, the budget or the dirty bound; or delayed
 *        |     | woken, or its time has come
 *        +-- ready: by whichever thread of the engine is next
 *
 * Each round begins anew from the address: after any wait everything may have
 * changed (invariant 8).  No round blocks (invariant 7).
 */
#ifndef QUIRE_FAULT_FAULT_H
#define QUIRE_FAULT_FAULT_H

#include "space/space.h"
#include "writeback/writeback.h"

#include <pthread.h>

#define TRAP_THREADS_MAX 64
#define REFUSALS_KEPT 256

/* Why an access got SIGBUS. */
struct refusal {
	uint64_t address;
	int error;
};

struct fault_handler {
	struct space *space;         /* [I] */
	struct mmu *mmu;             /* [I] */
	struct object_host *host;    /* [I] */
	struct writeback *writeback; /* [I] */
	struct pool faults;
	struct lock lock;      /* LOCK_RANK_FAULTS */
	struct list ready;     /* [lock] */
	struct list waiting;   /* [lock] until a time, or for room */
	struct list refused;   /* [lock] to be tried again */
	uint64_t next_time_ns; /* [lock] when to look at the lists */
	/* Of another process: what it maps is not all known.  Asked once for a
	 * fault, with no lock held; must not block.  True: look again.  Set
	 * after fault_handler_init(); NULL: all is known. */
	bool (*unknown)(void *context, uint64_t address);
	void *unknown_context;
	_Atomic unsigned live;                /* faults, in whatever hands */
	struct refusal recent[REFUSALS_KEPT]; /* [lock] a ring */
	unsigned next_refusal;                /* [lock] */
	_Atomic bool stopping;
	int wake_fd;          /* [I] eventfd: the trap threads' */
	bool traps_elsewhere; /* [I] see fault_handler_take_traps() */
	unsigned threads;
	pthread_t thread[TRAP_THREADS_MAX];
};

/*
 * Starts the trap threads, if any.  traps_elsewhere: they only see to what becomes
 * ready or due, and some other thread calls fault_handler_take_traps().
 * 0 or a negative errno.
 */
int fault_handler_init(struct fault_handler *handler, struct space *space,
		       struct object_host *host, struct writeback *writeback,
		       unsigned threads, bool traps_elsewhere);
/* Ends them.  Nothing is mapped any more. */
void fault_handler_stop(struct fault_handler *handler);
/* After all threads that may drain have ended, too: forgets what waits. */
void fault_handler_finish(struct fault_handler *handler);

/*
 * Takes the faults that became ready.  For threads that complete reads, after
 * a batch: it saves a switch to a trap thread.
 */
void fault_handler_drain(struct fault_handler *handler);

/* Takes the traps that wait in the mmu's descriptor.  Never blocks.  False: there
 * were none. */
bool fault_handler_take_traps(struct fault_handler *handler);

/*
 * A handler with no threads (0 of them, traps_elsewhere) belongs to one thread
 * of the caller's, which polls wake_fd and mmu_traps_fd(), and calls this when
 * one of them is ready or the time has come: takes traps, and what is ready or
 * due.  Milliseconds until it wants to be called again; -1: not by itself.
 */
int fault_handler_poll(struct fault_handler *handler);
/*
 * The space's process is gone.  Forgets what waits for time or room.  True:
 * nothing is left, and fault_handler_finish() may be called.  False: faults
 * are parked on pages; again when wake_fd is ready.  On the thread that polls,
 * which does not do so any more.
 */
bool fault_handler_abandon(struct fault_handler *handler);

/*
 * Puts the bytes of pages of the object, which are READING, into its memory, or
 * that of the mapping, by showing them at an address, or (0) at the first place
 * where the space maps them: as many as can be, from index on; how many.  Never
 * blocks: a space whose layout changes just now has 0.  Whoever calls has the
 * object in use.
 */
uint64_t fault_fill(struct fault_handler *handler, struct object *object,
		    uint64_t index, uint64_t count, struct object_fill *wanted);
/*
 * Shows pages of the object that are in memory where the space maps them, as
 * far as that goes, without anybody having touched them.  Never blocks, but for
 * the space's lock.  Whoever calls has the object in use.
 */
void fault_show(struct fault_handler *handler, struct object *object,
		uint64_t index, uint64_t count);
/* The same, to be stored to, of those that are DIRTY or WRITING. */
void fault_show_dirty(struct fault_handler *handler, struct object *object,
		      uint64_t index, uint64_t count);

/* Why the page of address was refused: a negative errno, or 0. */
int fault_handler_error_at(struct fault_handler *handler, uint64_t address);
/* Has refused pages tried again now rather than later. */
void fault_handler_retry(struct fault_handler *handler);

#endif
