/* engine.h - all floors put together */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_ENGINE_ENGINE_H
#define QUIRE_ENGINE_ENGINE_H

#include "fault/fault.h"
#include "quire/quire.h"
#include "space/space.h"
#include "store/store.h"
#include "writeback/writeback.h"

#include <pthread.h>

struct quire_space {
	struct space space;
	struct quire *quire;
};

struct quire {
	struct list link;    /* [engines] of this process */
	_Atomic bool forked; /* this is a child: nothing works */
	struct lock opening; /* LOCK_RANK_ENGINE: look-up to creation */
	struct log log;      /* [I] */
	struct counters counters;
	struct worker_pool *workers; /* [I] */
	struct ring *ring;           /* [I] NULL: workers do all */
	struct store_context stores; /* [I] */
	struct cache cache;
	struct object_host host;
	struct mmu *mmu; /* [I] */
	struct quire_space host_space;
	struct writeback writeback;
	struct fault_handler faults;
	char *swap_directory;          /* [I] */
	_Atomic uint64_t open_handles; /* that users have not closed */
	_Atomic uint64_t pins;
	int report_socket; /* [I] -1: nobody may ask */
	int report_stop;   /* [I] eventfd */
	pthread_t report_thread;
};

/* 0, or -ECHILD in a child of the process that opened the engine. */
int engine_check(const struct quire *quire);

/* Every engine of the process, for what a fork does to them. */
void engines_add(struct quire *quire);
void engines_remove(struct quire *quire);

/* Answers `quire maps` and `quire stat`.  Without it the engine works, too:
 * failures are logged. */
void report_start(struct quire *quire);
void report_stop(struct quire *quire);

/* Ends a handle whose last reference is gone. */
int engine_last_drop(struct quire_object *handle);

static inline struct quire *engine_of(const struct quire_object *handle)
{
	return object_host(handle->object)->context;
}

#endif
