/* model_work.h - what the threads of test_engine_model do, and the model */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_MODEL_WORK_H
#define QUIRE_TESTS_MODEL_WORK_H

#include "model/engine_world.h"

#define WORKERS 4u
#define OBJECTS 4u
#define HANDLES 2u /* on each object */
#define STRIDE ((size_t)64)
#define STABLE_PAGES 80u /* never cut */
#define TAIL_PAGES 16u
#define STABLE (STABLE_PAGES * PAGE)
#define MOST (STABLE + TAIL_PAGES * PAGE)
#define SLOTS 5u /* mappings of each thread */

#if defined(__SANITIZE_THREAD__)
#define ROUNDS 2u
#define STEPS 120u
#elif defined(__SANITIZE_ADDRESS__)
#define ROUNDS 3u
#define STEPS 500u
#else
#define ROUNDS 4u
#define STEPS 900u
#endif

/* One object, and what its bytes must be. */
struct body {
	struct quire_object *handle[HANDLES];
	struct quire_object *reader; /* of a file: may not store; or NULL */
	unsigned char *model;
	uint64_t size;         /* thread 0's, in a round */
	unsigned char *served; /* by our own pager; or NULL */
	char path[64];         /* of a file; or empty */
};

/* A private page, once its thread has stored to it, follows nobody. */
struct slot {
	unsigned char *address; /* NULL: free */
	unsigned object;
	uint64_t page;
	uint64_t pages;
	int prot;
	bool shared;
	bool reads; /* by the handle that may not store: its pages may lodge */
	bool copied[STABLE_PAGES];        /* by page of the object */
	unsigned char *own[STABLE_PAGES]; /* the copy, where it is copied */
};

struct worker {
	struct trial *trial;
	unsigned id;
	uint64_t seed;
	struct slot slot[SLOTS];
};

struct trial {
	uint64_t seed;
	struct quire *quire;
	struct body body[OBJECTS];
	struct worker worker[WORKERS];
};

void work_open(struct trial *trial);
/* STEPS by each thread. */
void work_round(struct trial *trial);
/* Every way in shows the model; the budget held. */
void work_verify(struct trial *trial);
void work_close(struct trial *trial);
/* The engine is closed: what is at home? */
void work_verify_home(struct trial *trial);
void work_free(struct trial *trial);

/* ---- model_steps.c ---- */

void worker_step(struct worker *worker);
void worker_unmap_all(struct worker *worker);

static inline uint64_t below(uint64_t *seed, uint64_t limit)
{
	return next_random(seed) % limit;
}

#endif
