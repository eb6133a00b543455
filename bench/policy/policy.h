/* policy.h - a policy of eviction, simulated over a trace of accesses */
/* SPDX-License-Identifier: MIT */
/*
 * As in the cache itself: pages come one by one, victims are chosen by
 * clusters of 16 neighbours, and an access to a page that is mapped is not
 * seen by anybody.  A policy that wants to see one unmaps the cluster: the next
 * access to it is a soft fault, which is counted.
 */
#ifndef QUIRE_BENCH_POLICY_H
#define QUIRE_BENCH_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLUSTER_SHIFT 4
#define NOWHERE UINT32_MAX

struct trace {
	char name[32];
	uint32_t *page; /* of each access */
	size_t length;
	uint32_t pages; /* all are below it */
};

/* A cluster of pages, in at most one queue. */
struct cluster {
	uint32_t previous, next; /* clusters */
	uint16_t resident;       /* bits: which pages are in memory */
	uint8_t queue;           /* the policy's number of it; 0: none */
	uint8_t count;           /* the policy's: how often it was seen */
	uint16_t left;           /* the policy's: bits of pages */
	bool mapped;             /* accesses to it are not seen */
	uint64_t stamp;          /* the policy's */
};

struct queue {
	uint32_t head, tail; /* NOWHERE: empty */
	uint64_t pages;      /* resident ones */
	uint8_t number;
};

struct simulation {
	struct cluster *cluster;
	uint32_t clusters;
	uint64_t capacity; /* pages */
	uint64_t resident; /* pages */
	bool all_seen;     /* pins and copies: every access is seen */
	uint64_t hits, misses, soft_faults, runs_evicted, pages_evicted;
	struct queue queue[4]; /* the policy's, 1 on */
	uint32_t *ghost;       /* the policy's ring of what has left */
	uint32_t ghosts, ghost_next;
};

struct policy {
	const char *name;
	/* The page has come; it is the first one if its cluster was empty. */
	void (*arrived)(struct simulation *simulation, uint32_t page,
			bool first);
	/* A page that was there was accessed, and that was seen. */
	void (*seen)(struct simulation *simulation, uint32_t cluster);
	/* Frees at least one page. */
	void (*evict)(struct simulation *simulation);
};

extern const struct policy policies[];
extern const size_t policy_count;

/* ---- simulation.c ---- */

void queue_push(struct simulation *simulation, unsigned queue,
		uint32_t cluster);
void queue_remove(struct simulation *simulation, uint32_t cluster);
uint32_t queue_head(const struct simulation *simulation, unsigned queue);
/* All of its pages leave, and it is in no queue any more. */
void cluster_evict(struct simulation *simulation, uint32_t cluster);
/* The next access to it will be seen. */
void cluster_unmap(struct simulation *simulation, uint32_t cluster);

/* Fills in the counts of *simulation; its capacity and all_seen are given. */
bool simulate(const struct policy *policy, const struct trace *trace,
	      struct simulation *simulation);
/* The best that can be, a page at a time (Belady 1966): hits. */
uint64_t simulate_optimal(const struct trace *trace, uint64_t capacity);
/* Least recently used, a page at a time, seeing every access: hits. */
uint64_t simulate_lru(const struct trace *trace, uint64_t capacity);

/* ---- traces.c ---- */

/* Made by a rule: see trace_names.  False: no such name, or no memory. */
bool trace_make(const char *name, struct trace *trace);
extern const char *const trace_names[];

/* ---- load.c ---- */

/*
 * One page number a line, decimal; or such a list as xz packs it, which takes
 * the program xz.  False: it is no list, or damaged; *trace has nothing.
 */
bool trace_load(const char *path, struct trace *trace);
void trace_free(struct trace *trace);

#endif
