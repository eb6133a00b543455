/* engine.h - all floors put together */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_ENGINE_ENGINE_H
#define QUIRE_ENGINE_ENGINE_H

#include "fault/access.h"
#include "fault/fault.h"
#include "object/anon.h"
#include "quire/quire.h"
#include "space/space.h"
#include "store/store.h"
#include "writeback/writeback.h"

#include <errno.h>
#include <pthread.h>

struct quire_space {
	struct list link; /* [spaces_lock] if it is soft */
	struct space space;
	struct quire *quire;
	struct mmu *mmu; /* [I] */
	bool soft;       /* [I] made by quire_space_create() or _fork() */
	struct quire_space_options options; /* [I] of one that is */
};

/* Answers questions in place of the engine, on the reporter's thread. */
struct report_more {
	/* false: the engine shall answer itself. */
	bool (*answer)(void *context, const char *question, FILE *out);
	void *context;
};

struct quire {
	struct list link;    /* [engines] of this process */
	_Atomic bool forked; /* this is a child: nothing works */
	struct lock opening; /* LOCK_RANK_ENGINE: look-up to creation */
	struct log log;      /* [I] */
	quire_trace_function *trace_sink; /* [I] */
	void *trace_context;              /* [I] */
	struct counters counters;
	struct worker_pool *workers; /* [I] */
	struct ring *ring;           /* [I] NULL: workers do all */
	struct store_context stores; /* [I] */
	struct cache cache;
	struct object_host host;
	struct mmu *mmu;       /* [I] */
	const char *trap_mode; /* [I] */
	struct quire_space host_space;
	struct lock spaces_lock; /* LOCK_RANK_SPACES */
	struct list soft_spaces; /* [spaces_lock] that are open */
	/* Private pages of soft spaces; made with the first of them. */
	struct quire_object *slots; /* [opening] NULL: not yet */
	struct anon_pool anon;
	void *backing_taken; /* [opening] of the host space's backing */
	size_t backing_bytes;
	/* Objects keep a record for who may take them over (object_kept());
	 * set before the first one is opened. */
	bool lasting;
	struct writeback writeback;
	struct fault_handler faults;
	char *swap_directory;          /* [I] */
	_Atomic uint64_t open_handles; /* that users have not closed */
	_Atomic uint64_t pins;         /* of handles that they have closed */
	struct list all_pins;          /* [pins.c's lock] of handles */
	int report_socket;             /* [I] -1: nobody may ask */
	/* [a] NULL: none; set once */
	const struct report_more *_Atomic report_more;
	int report_stop; /* [I] eventfd */
	pthread_t report_thread;
};

/* 0, or -ECHILD in a child of the process that opened the engine. */
int engine_check(const struct quire *quire);

/* Each public function on a space begins so: 0, or -ECHILD. */
static inline int space_begin(const struct quire_space *space)
{
	int error = engine_check(space->quire);

	if (!error)
		error_clear();
	return error;
}

/* What those return that carry a POSIX name. */
static inline int posix_result(int error)
{
	if (!error)
		return 0;
	errno = -error;
	return -1;
}

/* mmap(2), with what the mapping stands on, and populated if it must be. */
int space_map_whole(struct quire_space *space,
		    struct space_map_request *request, uint64_t *address);

/* ---- spaces on the software MMU: soft_space.c ---- */

static inline struct soft_context soft_context(struct quire_space *space)
{
	struct quire *quire = space->quire;

	return (struct soft_context){ .space = &space->space,
				      .anon = &quire->anon,
				      .host = &quire->host,
				      .writeback = &quire->writeback };
}

/* After a call that may have dropped private pages: gives them back. */
void soft_settle(struct quire_space *space);
/* The same, after what may have concerned all soft spaces. */
void soft_settle_all(struct quire *quire);
/* object_host's cut(). */
void soft_cut(struct quire *quire, struct object *object, uint64_t index);
bool soft_any_open(struct quire *quire);
/* Ends what all soft spaces share; none is open. */
void soft_finish(struct quire *quire);

/*
 * Brings the pages of [address, +length) in, for stores if write; as far as
 * their mappings allow.  0, -ENOMEM (a hole), -EFAULT (SIGBUS, SIGSEGV), or
 * the store's error.  Blocks.
 */
int space_populate(struct quire_space *space, uint64_t address, uint64_t length,
		   bool write);

/* Every engine of the process, for what a fork does to them. */
void engines_add(struct quire *quire);
void engines_remove(struct quire *quire);

/* Answers `quire maps` and `quire stat`.  Without it the engine works, too:
 * failures are logged. */
void report_start(struct quire *quire);
void report_stop(struct quire *quire);
/* more lives until the engine is closed. */
void report_add(struct quire *quire, const struct report_more *more);

/*
 * The file of fd, as an engine of an earlier process had it: object_adopt() is
 * the next call.  The descriptors remain the caller's.
 */
int object_over_kept(struct quire *quire, int fd, bool writable,
		     const struct object_kept *kept,
		     struct quire_object **handle);

/* Bytes of the object may change by this handle, other than through a mapping:
 * 0, -EACCES or -EPERM. */
int engine_check_storable(const struct quire_object *handle);

/* Ends a handle whose last reference is gone. */
int engine_last_drop(struct quire_object *handle);

static inline struct quire *engine_of(const struct quire_object *handle)
{
	return object_host(handle->object)->context;
}

#endif
