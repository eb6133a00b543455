/* vma.h - one stretch of a space, mapped to one stretch of an object */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_SPACE_VMA_H
#define QUIRE_SPACE_VMA_H

#include "base/base.h"
#include "object/object.h"

#include <stdbool.h>
#include <stdint.h>

/* As in Linux's mm.h, value for value where /proc/PID/smaps shows them. */
#define VM_READ UINT64_C(0x1) /* these three are PROT_... */
#define VM_WRITE UINT64_C(0x2)
#define VM_EXEC UINT64_C(0x4)
#define VM_SHARED UINT64_C(0x8)   /* stores may reach the object */
#define VM_MAYREAD UINT64_C(0x10) /* what mprotect may set */
#define VM_MAYWRITE UINT64_C(0x20)
#define VM_MAYEXEC UINT64_C(0x40)
#define VM_MAYSHARE UINT64_C(0x80) /* MAP_SHARED was asked for */
#define VM_GROWSDOWN UINT64_C(0x100)
#define VM_PFNMAP UINT64_C(0x400) /* chosen frames, by the object's hook */
#define VM_LOCKED UINT64_C(0x2000)
#define VM_IO UINT64_C(0x4000)
#define VM_SEQ_READ UINT64_C(0x8000)
#define VM_RAND_READ UINT64_C(0x10000)
#define VM_DONTCOPY UINT64_C(0x20000)
#define VM_DONTEXPAND UINT64_C(0x40000)
#define VM_LOCKONFAULT UINT64_C(0x80000)
#define VM_ACCOUNT UINT64_C(0x100000) /* counted as committed */
#define VM_NORESERVE UINT64_C(0x200000)
#define VM_HUGETLB UINT64_C(0x400000)
#define VM_SYNC UINT64_C(0x800000)
#define VM_WIPEONFORK UINT64_C(0x2000000)
#define VM_DONTDUMP UINT64_C(0x4000000)
#define VM_HUGEPAGE UINT64_C(0x20000000)
#define VM_NOHUGEPAGE UINT64_C(0x40000000)
#define VM_MERGEABLE UINT64_C(0x80000000)
#define VM_DROPPABLE (UINT64_C(1) << 38)
/* Ours: private memory without a file.  On the software MMU there is no
 * handle; on the host's its bytes lie in an object that nobody else sees. */
#define VM_ANONYMOUS (UINT64_C(1) << 48)
/* Ours: Linux's chain of several anon_vmas: a fork has shared its pages. */
#define VM_FORKED (UINT64_C(1) << 49)

/* Ours: Linux's VM_MAYBE_GUARD: there may be guards, which a fork copies. */
#define VM_GUARDED (UINT64_C(1) << 50)
/* Ours: a part may be without traps of pages that are in memory
 * (mmu_trap_all()): nobody may store there, and none has trapped yet, or it is
 * read at random, so that nothing is to be learned from touches. */
#define VM_UNTRAPPED (UINT64_C(1) << 51)
/* Ours: on the software MMU: a translation may stand there.  Set with the first
 * one, under the write lock, as each of them is. */
#define VM_SHOWN (UINT64_C(1) << 52)
/* Two VMAs that differ in these alone can be one. */
#define VM_IGNORE_MERGE (VM_FORKED | VM_GUARDED | VM_UNTRAPPED | VM_SHOWN)

#define VM_ACCESS_FLAGS (VM_READ | VM_WRITE | VM_EXEC)
#define VM_MAY_FLAGS (VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC)
#define VM_LOCKED_MASK (VM_LOCKED | VM_LOCKONFAULT)
/* Can never be one VMA with a neighbour. */
#define VM_SPECIAL (VM_IO | VM_DONTEXPAND | VM_PFNMAP)

/*
 * Letters: [I] immutable while it is in a tree, [s] the space's lock: written
 * under the write lock, read under either; [m] written under the object's lock
 * of mappings as well, by object_adjust(); [f] as [s], but anon is also set
 * once by a fault, under the write lock.
 */
struct vma {
	struct range_item item; /* [s] in the space's tree */
	struct mapping mapping; /* [s] [m] index: Linux's vm_pgoff */
	/* [I] one reference is this VMA's; NULL: private and anonymous, on the
	 * software MMU, and index is then what the address was at first. */
	struct quire_object *handle;
	uint64_t flags; /* [s] VM_... */
	/* [f] Linux's anon_vma, as a number: who has the same could share
	 * private pages, and be one VMA; 0: nothing was stored yet. */
	uint64_t anon;
};

_Static_assert(sizeof(struct vma) <= 88, "a VMA takes at most 88 bytes");

/*
 * What vma is, in no tree and in no object's list: these links are changed
 * by others, under other locks.
 */
static inline struct vma vma_image(const struct vma *vma)
{
	return (struct vma){
		.mapping = {
			.mmu = vma->mapping.mmu,
			.start = vma->mapping.start,
			.end = vma->mapping.end,
			.index = vma->mapping.index,
			.shared = vma->mapping.shared,
			.locked = vma->mapping.locked,
			.untrapped = vma->mapping.untrapped,
			.lodges = vma->mapping.lodges,
		},
		.handle = vma->handle,
		.flags = vma->flags,
		.anon = vma->anon,
	};
}

static inline uint64_t vma_bytes(const struct vma *vma)
{
	return vma->mapping.end - vma->mapping.start;
}

static inline uint64_t vma_pages(const struct vma *vma)
{
	return vma_bytes(vma) >> PAGE_SHIFT;
}

/* Touches tell how it is read, and it has none to tell. */
static inline bool vma_traps_too_little(const struct vma *vma)
{
	return (vma->flags & (VM_UNTRAPPED | VM_RAND_READ)) == VM_UNTRAPPED;
}

/* PROT_READ, _WRITE, _EXEC. */
static inline int vma_prot(const struct vma *vma)
{
	return (int)(vma->flags & VM_ACCESS_FLAGS);
}

/* What mprotect may set. */
static inline int vma_may_prot(const struct vma *vma)
{
	return (int)((vma->flags & VM_MAY_FLAGS) >> 4);
}

static inline bool vma_anonymous(const struct vma *vma)
{
	return vma->flags & VM_ANONYMOUS;
}

/* vma_is_anonymous(): what maps /dev/zero without sharing is so, too; it has
 * a name and an offset all the same. */
static inline bool vma_is_anonymous(const struct vma *vma)
{
	return vma_anonymous(vma) ||
	       (!(vma->flags & VM_SHARED) && vma->handle &&
		(vma->handle->flags & HANDLE_ZERO));
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
