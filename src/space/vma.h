/* vma.h - one stretch of a space, mapped to one stretch of an object */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_SPACE_VMA_H
#define QUIRE_SPACE_VMA_H

#include "base/base.h"
#include "object/object.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Letters: [I] immutable while it is in a tree, [s] the space's lock: written
 * under the write lock, read under either; [m] written under the object's lock
 * of mappings as well, by object_adjust().
 */
struct vma {
	struct tree_node node;       /* [s] */
	struct mapping mapping;      /* [s] [m] start, end, index, shared */
	struct quire_object *handle; /* [I] one reference is this VMA's */
	int prot;                    /* [s] PROT_READ, _WRITE, _EXEC */
	int may_prot;                /* [I] what mprotect may set */
	int flags;                   /* [I] MAP_SHARED or MAP_PRIVATE, and
					MAP_NORESERVE */
	bool charged;                /* [s] private and, now or once, writable:
					Linux's VM_ACCOUNT */

	/* The summary of the subtree under this node. [s] */
	uint64_t subtree_start; /* of its first VMA */
	uint64_t subtree_end;   /* of its last VMA */
	uint64_t subtree_gap;   /* bytes of its largest hole between two */
};

static inline uint64_t vma_bytes(const struct vma *vma)
{
	return vma->mapping.end - vma->mapping.start;
}

static inline bool vma_contains(const struct vma *vma, uint64_t address)
{
	return vma->mapping.start <= address && address < vma->mapping.end;
}

/* The object's page that stands at address, which lies in vma. */
static inline uint64_t vma_index_at(const struct vma *vma, uint64_t address)
{
	return vma->mapping.index +
	       ((address - vma->mapping.start) >> PAGE_SHIFT);
}

#endif
