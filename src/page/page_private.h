/* page_private.h - what the files of page/ share */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PAGE_PAGE_PRIVATE_H
#define QUIRE_PAGE_PAGE_PRIVATE_H

#include "page/cache.h"

/* Gives the memory of a chapter without charged pages back; cache's lock. */
void page_table_release(struct page_table *table, uint64_t chapter);

/* ---- background.c ---- */

/* Is too little free?  Under cache's lock. */
bool background_wanted(const struct cache *cache);
/* Under no lock. */
void background_begin(struct cache *cache);

/* ---- victims.c: in what order clusters leave; all under cache's lock ---- */

void victims_init(struct cache *cache);
void victims_finish(struct cache *cache);
/* The cluster has its first charged page, or its last one goes. */
void victims_enter(struct cache *cache, struct cluster *cluster);
void victims_leave(struct cache *cache, struct cluster *cluster);
/* The page of that index is charged; one of the cluster's is not any more. */
void victims_charge(struct cache *cache, struct cluster *cluster,
		    uint64_t index);
void victims_uncharge(struct cache *cache, struct cluster *cluster);
/* Once round all clusters that stand in a queue when it begins. */
struct victim_round {
	uint64_t left[QUEUES];
	enum cluster_queue from; /* where the last one stood */
};

void victims_begin_round(const struct cache *cache, struct victim_round *round);
/* Takes out the one to look at next; NULL: each was looked at. */
struct cluster *victims_next(struct cache *cache, struct victim_round *round);
/* Each puts back what was taken out: it was referenced; nothing of it can leave
 * now (coming: as it is being read); pages of it (bits) are about to leave, and
 * maybe the rest of it soon, so that it is to be looked at first. */
void victims_forgive(struct cache *cache, struct cluster *cluster);
void victims_keep(struct cache *cache, struct cluster *cluster,
		  enum cluster_queue from, bool coming);
void victims_chosen(struct cache *cache, struct cluster *cluster,
		    enum cluster_queue from, uint32_t pages);
void victims_first(struct cache *cache, struct cluster *cluster,
		   enum cluster_queue from, uint32_t pages);
/* It leaves before all that somebody may want, in the order in which that is
 * said, wherever it stands: neighbours then leave by one hole. */
void victims_unwanted(struct cache *cache, struct cluster *cluster);

#endif
