/* space_private.h - what the files of space/ share */
/* SPDX-License-Identifier: MIT */
/*
 * All functions here: under the write lock, but for those that say otherwise.
 */
#ifndef QUIRE_SPACE_SPACE_PRIVATE_H
#define QUIRE_SPACE_SPACE_PRIVATE_H

#include "space/space.h"

#include <errno.h>

/* -ENOMEM, with its sentence. */
static inline int say_hole(uint64_t address)
{
	return error_say(-ENOMEM, "nothing is mapped at 0x%llx",
			 (unsigned long long)address);
}

/* ---- vma.c ---- */

/*
 * The VMAs that an operation may need, taken before it does anything, and those
 * that it has removed, given back after the lock: handle_drop() may block.
 */
struct vma_stock {
	struct pool_link *spare;
	unsigned count;   /* of them */
	struct list gone; /* through mapping.link */
};

/* So many stay in the space, for who comes next. */
#define VMA_STOCK_KEPT 4

/* => space->lock for writing, or nobody knows the space.  So many VMAs can be
 * inserted then.  -ENOMEM: the stock is empty. */
int vma_stock_init(struct space *space, struct vma_stock *stock,
		   unsigned count);
/* => the same.  After that nothing is taken. */
void vma_stock_keep(struct space *space, struct vma_stock *stock);
/* => no lock held. */
void vma_stock_finish(struct space *space, struct vma_stock *stock);
/* Takes space->lock for writing, and a stock; -ENOMEM: neither. */
int vma_stock_begin(struct space *space, struct vma_stock *stock,
		    unsigned count);
/* Keeps, gives the lock back, and finishes. */
void vma_stock_end(struct space *space, struct vma_stock *stock);
/* What becomes of [start, end). */
struct vma_change {
	uint64_t start;
	uint64_t end;
	uint64_t flags;
};

/* One of those that init took; there is one. */
struct vma *vma_stock_take(struct vma_stock *stock);

/* Cuts vma at address, which lies inside it; returns the upper part. */
struct vma *vma_split(struct space *space, struct vma *vma, uint64_t address,
		      struct vma_stock *stock);
/* Moves the borders without passing a neighbour's. */
void vma_set_borders(struct space *space, struct vma *vma, uint64_t start,
		     uint64_t end);
/* Changes the flags, and what the space counts by them. */
void vma_set_flags(struct space *space, struct vma *vma, uint64_t flags);
/* A VMA that was merged into another: its bytes are the other one's now. */
void vma_absorbed(struct vma *vma);

/* ---- accounting.c: mm/mmap.c's and mm/util.c's, by their names ---- */

/* Adds (sign 1) or takes away (-1) what vma counts for. */
void account_vma(struct space *space, const struct vma *vma, int sign);
/* May these flags have so many pages more?  RLIMIT_AS, RLIMIT_DATA. */
bool may_expand_vm(const struct space *space, uint64_t flags, uint64_t pages);
/* Is a mapping of these flags counted as committed? */
bool accountable_mapping(uint64_t flags);
/* __vm_enough_memory(): 0 or -ENOMEM. */
int enough_memory(const struct space *space, uint64_t pages);
bool can_do_mlock(const struct space *space);
bool mlock_future_ok(const struct space *space, uint64_t flags, uint64_t bytes);

/* ---- vma_tree.c ---- */

static inline struct vma *vma_of(struct range_item *item)
{
	return item ? container_of(item, struct vma, item) : NULL;
}

static inline struct range_bounds vma_range(const struct vma *vma)
{
	return (struct range_bounds){ vma->mapping.start, vma->mapping.end };
}

/* Attaches to the object and puts it into the tree.  It is of a stock. */
void vma_insert(struct space *space, struct vma *vma);
/* The reverse; the VMA is in stock->gone then. */
void vma_remove(struct space *space, struct vma *vma, struct vma_stock *stock);
/* Under either lock: the first VMA that ends above address (find_vma). */
struct vma *vma_find(const struct space *space, uint64_t address);
/* Under either lock: the last VMA that starts below address. */
struct vma *vma_find_below(const struct space *space, uint64_t address);
static inline struct vma *vma_first(const struct space *space)
{
	return vma_of(space->tree.first);
}

/*
 * May the mmu have anything of [start, end), whose VMAs go on from vma without
 * a hole?  If not it need not be told that they change or go.
 */
bool vma_may_show(const struct space *space, const struct vma *vma,
		  uint64_t start, uint64_t end);

static inline struct vma *vma_prev(const struct vma *vma)
{
	return vma_of(vma->item.prev);
}

/* ---- gap.c ---- */

/* A search for a place, which can go on when a place was refused. */
struct area_search {
	uint64_t hint;   /* 0: none, or no longer */
	uint64_t length; /* bytes, whole pages */
	uint64_t align;  /* bytes: a page, ordinary or huge */
	bool fixed;
	bool upwards; /* the lowest hole, not the highest */
	uint64_t low; /* holes are looked for in [low, high) */
	uint64_t high;
	uint64_t stride; /* how far behind the next refused place it goes on */
};

void area_search_init(struct area_search *search, const struct space *space,
		      uint64_t hint, uint64_t length, bool fixed);
/* Of huge pages: align bytes each. */
void area_search_align(struct area_search *search, uint64_t align);
/* MAP_32BIT and MAP_ABOVE4G, of mmap's flags. */
void area_search_flags(struct area_search *search, const struct space *space,
		       int flags);
/* Where to map.  0, -ENOMEM, -EINVAL, -EPERM. */
int get_unmapped_area(const struct space *space, struct area_search *search,
		      uint64_t *address);
/* A stranger is somewhere in [address, +length): the next call goes on. */
void area_search_refuse(struct area_search *search, uint64_t address);
/* The highest, and the lowest, hole of length bytes in [low, high), the end of
 * the one and the start of the other; false: none.  Guard gaps are free. */
bool gap_find(const struct space *space, uint64_t length, uint64_t low,
	      uint64_t high, uint64_t *address);
bool gap_find_low(const struct space *space, uint64_t length, uint64_t low,
		  uint64_t high, uint64_t *address);
/* Where vma begins, with the guard gap below what grows downwards. */
uint64_t vma_start_gap(const struct space *space, const struct vma *vma);
/* Nothing is mapped there, and no guard gap is below what comes next. */
bool area_is_free(const struct space *space, uint64_t address, uint64_t length);

/* ---- unmap.c ---- */

/* Of the pages that vma is made of, ordinary or huge. */
static inline unsigned vma_page_shift(const struct vma *vma)
{
	return (vma->flags & VM_HUGETLB) && vma->handle &&
			       vma->handle->huge_shift
		       ? vma->handle->huge_shift
		       : PAGE_SHIFT;
}

/* Is address one where vma, which holds it inside, may be cut? */
static inline bool vma_can_cut(const struct vma *vma, uint64_t address)
{
	return !(address & ((UINT64_C(1) << vma_page_shift(vma)) - 1));
}

/* In what follows, first is space_find_intersection() of the range. */

/* -EINVAL: start or end is inside a huge page. */
int check_huge_borders(const struct space *space, const struct vma *first,
		       uint64_t start, uint64_t end);
/* munmap under the lock.  Needs two spare VMAs. */
int unmap_locked(struct space *space, uint64_t start, uint64_t end,
		 struct vma_stock *stock);
/* Would removing [start, end) cut a VMA in three, beyond the limit? */
int unmap_check_limit(const struct space *space, const struct vma *first,
		      uint64_t start, uint64_t end);
/*
 * Takes [start, end), which the mmu has dropped already, out of the tree.
 * Cannot fail.  Needs a spare VMA.
 */
void unmap_commit(struct space *space, struct vma *first, uint64_t start,
		  uint64_t end, struct vma_stock *stock);

/* ---- merge.c ---- */

/* Could the two be one VMA?  Neither need be in the tree. */
bool vma_can_merge(const struct vma *left, const struct vma *right);
/* Inserts vma, or lets its neighbours grow over it; then it is gone.
 * Returns what holds its range. */
struct vma *vma_merge_new(struct space *space, struct vma *vma,
			  struct vma_stock *stock);
/*
 * vma_modify(): the part of vma in [start, end) gets flags, joined to its
 * neighbours if it can be one with them, or cut off.  Returns what holds it.
 * Needs two spare VMAs at most.
 */
struct vma *vma_modify(struct space *space, struct vma *vma,
		       const struct vma_change *change,
		       struct vma_stock *stock);
/*
 * To be called before the host is told to unmap addresses, or to map others in
 * their place: until the tree says so, too, whoever evicts pages must not drop
 * what is mapped there; never again, if the host should fail half-way.  What is
 * still lodged in [start, end) is dropped: space_bring_home() comes before, where
 * it may be wanted again.  vma: the first there; NULL: there is none.
 */
void vma_may_be_strangers(struct vma *vma, uint64_t start, uint64_t end);
/* Nothing is lodged in [start, end) of vma any more; it may be absent then. */
void vma_drop_lodged(const struct vma *vma, uint64_t start, uint64_t end);
/*
 * What is lodged in [start, end) goes to the memfds of its objects, as far as
 * anybody will have use for it; stays: the mapping itself will.  Before the
 * layout changes there, and without the space's lock: it takes a microsecond a
 * page.
 */
void space_bring_home(struct space *space, uint64_t start, uint64_t end,
		      bool stays);
/* How many VMAs more that would make; so many at most. */
#define VMA_MODIFY_MOST 2
size_t vma_modify_cost(const struct vma *vma, const struct vma_change *change);

/* ---- advise.c ---- */

/* vma_modify(), if the limit of mappings and huge pages allow it: 0, and *vma
 * is what holds the range then; -ENOMEM, -EINVAL: nothing has changed. */
int vma_modify_within_limit(struct space *space, struct vma **vma,
			    const struct vma_change *change,
			    struct vma_stock *stock);

/* ---- lock.c ---- */

/* Of a new VMA with VM_LOCKED, or new in it is [start, end).  Before the host
 * maps it: 0 or -ENOMEM.  And after what stood there is gone: its object's pages
 * are locked from now on. */
int vma_prepare_lock(const struct vma *vma);
void vma_lock_new(const struct vma *vma);
void vma_lock_grown(const struct vma *vma, uint64_t start, uint64_t end);
/* [start, end) of vma is about to go, or to be unlocked; it is in the tree.
 * Nothing, if it is not locked. */
void vma_unlock_part(const struct space *space, const struct vma *vma,
		     uint64_t start, uint64_t end);
/* Of that, private pages on the software MMU only. */
void vma_unlock_slots(const struct space *space, const struct vma *vma,
		      uint64_t start, uint64_t end);
/* Before the translations in [start, end) go, which tell them: what is locked,
 * from first on.  A child may still show them. */
void vma_unlock_going_slots(const struct space *space, const struct vma *first,
			    uint64_t start, uint64_t end);

#endif
