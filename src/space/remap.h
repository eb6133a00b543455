/* remap.h - what remap.c and remap_move.c share */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_SPACE_REMAP_H
#define QUIRE_SPACE_REMAP_H

#include "space/space_private.h"

#include <sys/mman.h>

/* Newer than some C libraries' headers. */
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

/* What is being changed; Linux's vma_remap_struct. */
struct remap {
	struct space *space;
	const struct space_remap_request *request;
	struct vma_stock *stock;
	int flags;           /* MREMAP_... */
	uint64_t address;    /* of what is changed */
	uint64_t old_length; /* whole pages, as all that follow */
	uint64_t new_length;
	uint64_t new_address; /* wanted, then found */
	uint64_t delta;       /* by how much it grows or shrinks */
	struct vma *vma;      /* at address */
	uint64_t spare_used;  /* pages of the spare object */
};

static inline bool remap_keeps_old(const struct remap *remap)
{
	return remap->flags & MREMAP_DONTUNMAP;
}

/* Is it private memory that stands on an object, as on the host's MMU? */
static inline bool remap_on_object(const struct vma *vma)
{
	return vma_anonymous(vma) && vma->handle;
}

static inline bool remap_implies_place(const struct remap *remap)
{
	return remap->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP);
}

static inline bool remap_grows(const struct remap *remap)
{
	return remap->new_length > remap->old_length;
}

/* ---- remap_check.c ---- */

/* What can be said without the lock.  -EINVAL. */
int remap_check_arguments(const struct remap *remap);
/* -ENOMEM: with reserve mappings more the limit would be met. */
int remap_check_count(const struct remap *remap, size_t reserve);
/*
 * => sets vma, delta, and lengths of whole pages of the object's size
 * -EFAULT, -EINVAL, -EAGAIN, -ENOMEM
 */
int remap_check_vma(struct remap *remap);
/* The last of those that Linux would have as one with vma. */
struct vma *remap_last(struct vma *vma);

/* ---- remap_move.c ---- */

/* What Linux wants to be free before a move, in mappings. */
#define REMAP_MOVE_RESERVE 3

/* May what is new be committed?  -ENOMEM. */
int remap_charge(const struct remap *remap);
/*
 * What comes behind vma: delta bytes, as a VMA that the space does not have
 * yet.  -ENOMEM: one mapping too many; SPACE_NEEDS_OBJECT.
 */
int remap_tail(const struct remap *remap, const struct vma *vma,
	       struct vma *tail);
/* Has the host map what image says.  -EEXIST: not replace, and a stranger's
 * memory is there; the mmu's errors. */
int remap_map_host(const struct remap *remap, const struct vma *image,
		   bool replace);
/* Makes what the host has mapped a VMA of the space, or its neighbours';
 * returns what holds it.  Needs a spare VMA. */
struct vma *remap_insert(struct remap *remap, const struct vma *image);
/* vma_may_be_strangers() of what stands there now. */
void remap_may_be_strangers(struct space *space, uint64_t start, uint64_t end);
int remap_say_host(int error, uint64_t address);
/* [start, end) from page index on; of a VMA that is in no tree. */
void remap_set_range(struct vma *image, uint64_t start, uint64_t end,
		     uint64_t index);
/* The part of vma that moves, as it is at its new place. */
struct vma remap_moved_part(const struct remap *remap, const struct vma *vma);
/* As Linux: all of the VMA that stays, and that is no reason to join it to a
 * neighbour. */
void remap_unlock_old(struct space *space, struct vma *vma);
/* Does the object choose where it is mapped? */
bool remap_has_own_place(const struct vma *vma);
/*
 * vrm_set_new_addr() and move_vma(): looks for a place, and moves there; to a
 * fixed one nothing is mapped any more.
 */
int remap_move(struct remap *remap);

/* ---- remap_pieces.c ---- */

/* To remap->new_address.  The mmu's errors; -ENOMEM; SPACE_NEEDS_OBJECT. */
int remap_move_pieces(struct remap *remap);

#endif
