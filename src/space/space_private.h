/* space_private.h - what the files of space/ share */
/* SPDX-License-Identifier: MIT */
/*
 * All functions here: under the write lock, but for those that say otherwise.
 */
#ifndef QUIRE_SPACE_SPACE_PRIVATE_H
#define QUIRE_SPACE_SPACE_PRIVATE_H

#include "space/space.h"

/* ---- vma.c ---- */

/*
 * The VMAs that an operation may need, taken before the lock, and those that
 * it has removed, given back after it: handle_drop() may block, and the pool
 * may map.
 */
struct vma_stock {
	struct list spare; /* through mapping.link */
	struct list gone;
};

/* => no lock held.  0 or -ENOMEM. */
int vma_stock_init(struct space *space, struct vma_stock *stock,
		   unsigned count);
/* => no lock held. */
void vma_stock_finish(struct space *space, struct vma_stock *stock);
/* One of those that init took; there is one. */
struct vma *vma_stock_take(struct vma_stock *stock);

/* Cuts vma at address, which lies inside it; returns the upper part. */
struct vma *vma_split(struct space *space, struct vma *vma, uint64_t address,
		      struct vma_stock *stock);
/* Moves the borders without passing a neighbour's. */
void vma_set_borders(struct space *space, struct vma *vma, uint64_t start,
		     uint64_t end);
void vma_set_prot(struct space *space, struct vma *vma, int prot);
/* What vma->charged is once prot is set. */
bool vma_charged_with(const struct vma *vma, int prot);

/* ---- vma_tree.c ---- */

static inline struct vma *vma_of(struct tree_node *node)
{
	return node ? container_of(node, struct vma, node) : NULL;
}

void vma_tree_init(struct tree *tree);
/* Attaches to the object and hangs it in the tree. */
void vma_insert(struct space *space, struct vma *vma);
/* The reverse; the VMA is in stock->gone then. */
void vma_remove(struct space *space, struct vma *vma, struct vma_stock *stock);
/* Under either lock: the first VMA that ends above address (find_vma). */
struct vma *vma_find(const struct space *space, uint64_t address);
/* Under either lock: the last VMA that starts below address. */
struct vma *vma_find_below(const struct space *space, uint64_t address);
struct vma *vma_prev(const struct vma *vma);

/* ---- gap.c ---- */

/* A search for a place, which can go on when a place was refused. */
struct area_search {
	uint64_t hint;   /* 0: none, or no longer */
	uint64_t length; /* bytes, whole pages */
	bool fixed;
	uint64_t high;   /* where the search in the arena begins */
	uint64_t stride; /* how far below the next refused place it goes on */
};

void area_search_init(struct area_search *search, const struct space *space,
		      uint64_t hint, uint64_t length, bool fixed);
/* Where to map.  0, -ENOMEM, -EINVAL, -EPERM. */
int get_unmapped_area(const struct space *space, struct area_search *search,
		      uint64_t *address);
/* A stranger is somewhere in [address, +length): the next call goes on. */
void area_search_refuse(struct area_search *search, uint64_t address);
/* The highest hole of length bytes in [low, high); false: none. */
bool gap_find(const struct space *space, uint64_t length, uint64_t low,
	      uint64_t high, uint64_t *address);

/* ---- unmap.c ---- */

/* Would removing [start, end) cut a VMA in three, beyond the limit? */
int unmap_check_limit(const struct space *space, uint64_t start, uint64_t end);
/*
 * Takes [start, end), which the mmu has dropped already, out of the tree.
 * Cannot fail.  Needs a spare VMA.
 */
void unmap_commit(struct space *space, uint64_t start, uint64_t end,
		  struct vma_stock *stock);

/* ---- merge.c ---- */

/* Could the two be one VMA?  Neither need be in the tree. */
bool vma_can_merge(const struct vma *left, const struct vma *right);
/* Inserts vma, or lets its neighbours grow over it; then it is gone. */
void vma_merge_new(struct space *space, struct vma *vma,
		   struct vma_stock *stock);
/* Joins vma to the one before it if they can be one; returns what holds it. */
struct vma *vma_merge_left(struct space *space, struct vma *vma,
			   struct vma_stock *stock);

#endif
