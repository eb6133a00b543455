/* cache.h - the bounded cache: budget, queue, choice of victims */
/* SPDX-License-Identifier: MIT */
/*
 * A page is charged to the budget from before its swap to READING until after
 * it is ABSENT (or FAILED) again.  Charged pages stand in the queue by
 * clusters of 16 neighbours, as only adjacent pages are cheap to give up.
 *
 *   charge --> cluster at a queue's tail (victims.c says which)
 *                 |   ... reclaim takes clusters from a head: a referenced
 *                 |       one is forgiven and goes to the tail once, else its
 *                 v       CLEAN pages without pins become EVICTING
 *   owner's evict() gives the memory up --> ABSENT --> uncharge --> wake
 */
#ifndef QUIRE_PAGE_CACHE_H
#define QUIRE_PAGE_CACHE_H

#include "base/base.h"
#include "page/wait.h"
#include "page/word.h"

#include <stdatomic.h>

#define CLUSTER_SHIFT 4
#define CLUSTER_PAGES (1u << CLUSTER_SHIFT)
/* A chapter's words fill four pages of memory and its clusters one: when the
 * last of its pages has left, these are given back too. */
#define CHAPTER_SHIFT 11
#define CHAPTER_PAGES (1u << CHAPTER_SHIFT)

struct page_table;

/* Pages that leave together.  Some of them may be gaps: pages that are not
 * there, and do not come meanwhile. */
struct page_run {
	uint64_t index;
	uint64_t count;  /* 64 at most */
	uint64_t leaves; /* a bit a page: it is no gap */
};

/* What the owner of a table does for the cache; called with no lock held. */
struct page_owner_ops {
	/* The runs are EVICTING, and evict() comes for each: what is done for
	 * all at once is cheaper, and what was LODGED leaves here.  NULL: there is no such thing. */
	void (*leave)(struct page_table *table, const struct page_run *runs,
		      unsigned count);
	/* Gives the memory of EVICTING pages up, gaps or not.  Not 0: they
	 * stay CLEAN, or LODGED. */
	int (*evict)(struct page_table *table, uint64_t index, uint64_t count);
	/* After that, for each stretch without gaps; still EVICTING. */
	void (*gone)(struct page_table *table, uint64_t index, uint64_t count);
};

/* In which queue a cluster stands. */
enum cluster_queue {
	QUEUE_NONE,
	QUEUE_UNWANTED, /* goes first */
	QUEUE_FRESH,    /* came lately, and was not seen since */
	QUEUE_MAIN,     /* was seen again, or came back soon after it left */
	QUEUES,
};

struct cluster {
	struct list link; /* in its queue */
	struct page_table *table;
	uint32_t charged; /* pages */
	uint32_t queue;   /* enum cluster_queue */
};

struct queue {
	struct list clusters;
	uint64_t length; /* clusters */
	uint64_t pages;  /* that they have charged */
};

/* A cluster that has left; the tag is never 0. */
struct ghost {
	uint16_t tag;
	uint16_t pages; /* bits: those that were in memory */
	uint32_t time;
};

struct cache {
	struct list link;          /* hazard.c's: of all caches */
	struct lock lock;          /* LOCK_RANK_CACHE */
	struct counters *counters; /* [I] */
	/* Nothing can be reclaimed: dirty pages should go home.  No lock is
	 * held; must not block. */
	void (*pressure)(void *context); /* [I] */
	void *pressure_context;          /* [I] */
	uint64_t budget;                 /* [I] pages */
	uint64_t charged;                /* [lock] pages */
	uint64_t charged_peak;           /* [lock] pages */
	struct queue queue[QUEUES];      /* [lock] */
	uint64_t clusters;               /* [lock] in all queues */
	struct ghost *ghosts;            /* [lock] NULL: no memory for them */
	uint64_t ghost_sets;             /* [I] a power of 2 */
	uint32_t ghost_time;             /* [lock] how many have left */
	struct list starving;            /* [lock] of waiters for the budget */
	uint64_t sequence;        /* [lock] of what may have ended a famine */
	_Atomic bool hungry;      /* somebody found nothing to reclaim */
	_Atomic uint64_t dirty;   /* pages DIRTY or WRITING */
	_Atomic uint64_t must_go; /* of these, not scratch */
	_Atomic uint64_t stuck;   /* of those, of objects that are stuck */
	bool pressed;             /* [lock] the budget was too small once */
	/* background.c: who reclaims ahead of need; NULL: nobody. */
	struct worker_pool *reclaimers; /* [I] */
	struct work reclaim;
	_Atomic bool reclaiming;
	struct wait_table waits;
};

struct page_table {
	struct cache *cache;                /* [I] */
	const struct page_owner_ops *owner; /* [I] */
	uint64_t pages;                     /* [I] capacity */
	page_word *words;                   /* [I] atomics */
	struct cluster *clusters;           /* [cache's lock] */
	uint32_t *chapters;                 /* [cache's lock] charged pages */
	uint64_t charged;                   /* [cache's lock] */
	bool ending;                        /* [cache's lock] */
	void *extra;                        /* [I] the owner's own */
	size_t bytes;                       /* [I] mapped, of all this */
	/* Read pins may be announced in place of counted (hazard.h); stays. */
	_Atomic bool announced;
};

void cache_init(struct cache *cache, uint64_t budget_pages,
		struct counters *counters);
void cache_finish(struct cache *cache);
/*
 * From now on a thread keeps some of the budget free once it was too small, so
 * that who reads a page seldom has to evict others first.  Not for budgets
 * below 4 MiB.  Called before the cache is used; 0 or -errno of the thread.
 */
int cache_reclaim_ahead(struct cache *cache);
/* Ends that thread. */
void cache_stop_reclaim(struct cache *cache);

/*
 * Memory for the table is taken as pages come, not here, and so is that for
 * extra bytes of the owner's own, zeros.  0 or -ENOMEM.
 */
int page_table_init(struct page_table *table, struct cache *cache,
		    const struct page_owner_ops *owner, uint64_t pages,
		    size_t extra);
/*
 * All its pages are about to leave, no more come, and nobody looks at the word of
 * one that has left: what chapters take is kept until the table is finished,
 * which gives it back at once.
 */
void page_table_end(struct page_table *table);
/* No page may be charged any more. */
void page_table_finish(struct page_table *table);

static inline page_word *page_table_word(const struct page_table *table,
					 uint64_t index)
{
	return &table->words[index];
}

/*
 * Charges at most count pages from index on, which the caller is about to
 * read, evicting others for it.  Never blocks for I/O.  Returns how many; 0:
 * nothing can be had now, and *sequence is what cache_starve() wants.
 */
uint64_t cache_charge(struct cache *cache, struct page_table *table,
		      uint64_t index, uint64_t count, uint64_t *sequence);
/*
 * Charges pages that are in memory already, within the budget or not: until
 * others have left nobody gets any more.
 */
void cache_charge_anyway(struct cache *cache, struct page_table *table,
			 uint64_t index, uint64_t count);
/*
 * Gives pages back that are ABSENT or FAILED, or were never read.  failed:
 * somebody may be about to look at a word that says FAILED, so the memory of
 * the words stays for now.
 */
void cache_uncharge(struct cache *cache, struct page_table *table,
		    uint64_t index, uint64_t count, bool failed);

/* Evicts up to count pages if it can; returns how many. */
uint64_t cache_reclaim(struct cache *cache, uint64_t count);

/*
 * Parks until the budget may have room.  False: that happened already since
 * the charge that gave sequence.
 */
bool cache_starve(struct cache *cache, uint64_t sequence,
		  struct waiter *waiter);
/* Takes a starving waiter back.  False: it is being woken. */
bool cache_unstarve(struct cache *cache, struct waiter *waiter);
/* A page may have become a victim: unpinned, or CLEAN. */
void cache_encourage(struct cache *cache);

/* Wakes those who wait for a page, if its last swap said so. */
static inline void cache_wake(struct cache *cache,
			      const struct page_table *table, uint64_t index,
			      bool waiters)
{
	if (waiters)
		wait_wake(&cache->waits, table, index);
}

/*
 * Takes the CLEAN pages without pins in [index, index+count) out of memory, but
 * for locked ones.
 * Returns how many left.
 */
uint64_t cache_evict_range(struct cache *cache, struct page_table *table,
			   uint64_t index, uint64_t count);

/*
 * Nobody will want the pages soon: their marks of use are cleared, and what is
 * charged of them is the next that reclaim looks at.
 */
void cache_deactivate(struct cache *cache, struct page_table *table,
		      uint64_t index, uint64_t count);

/* The first page >= index that may be charged; table->pages if there is none. */
uint64_t page_table_next(struct page_table *table, uint64_t index);

#endif
