/* grow.c - what grows by itself: stacks downwards, the data segment upwards */
/* SPDX-License-Identifier: MIT */
/*
 * Linux's expand_downwards() with acct_stack_growth(), and brk(2) with
 * do_brk_flags().  Both check, then have the host map the new part, and then
 * nothing can fail.
 *
 *            guard gap            VM_GROWSDOWN
 *   |-prev-|~~~~~~~~~~~~[++++++++|------------|
 *                       address
 *
 *   break_start     break_end
 *      |---------------|++++++++++]  a page free  |-next-|
 */
#include "space/space_private.h"

#include <errno.h>
#include <sys/mman.h>

/* The part that comes: of vma, or as its own. */
static int map_part(const struct space *space, const struct vma *vma,
		    uint64_t start, uint64_t end)
{
	struct mmu_mapping mapping = {
		.start = start,
		.length = end - start,
		.prot = vma_prot(vma),
		.shared = vma->mapping.shared,
		.memory = vma->handle ? object_memory(vma->handle->object) : -1,
	};
	int error = vma_prepare_lock(vma);

	if (error)
		return error;
	/* Modulo 2^64, if it is below. */
	mapping.offset =
		(vma->mapping.index << PAGE_SHIFT) + start - vma->mapping.start;
	error = mmu_map(space->mmu, &mapping);
	if (!error)
		return 0;
	return error_say(error == -EEXIST ? -ENOMEM : error,
			 "the host maps nothing at 0x%llx",
			 (unsigned long long)start);
}

/* ---- stacks ---- */

static int check_guard_gap(const struct space *space, const struct vma *vma,
			   uint64_t address)
{
	const struct vma *prev = vma_prev(vma);

	if (!prev || (prev->flags & VM_GROWSDOWN) ||
	    !(prev->flags & VM_ACCESS_FLAGS) ||
	    address - prev->mapping.end >= space->guard_gap)
		return 0;
	return error_say(-ENOMEM, "0x%llx is too near to what ends at 0x%llx",
			 (unsigned long long)address,
			 (unsigned long long)prev->mapping.end);
}

/*
 * On the host what grows stands at the end of an object of its own, which has
 * pages for it below.  -EAGAIN: some of them are about to be given back.
 */
static int check_below(const struct vma *vma, uint64_t address)
{
	uint64_t pages = (vma->mapping.start - address) >> PAGE_SHIFT;

	if (!vma->handle)
		return vma->mapping.index >= pages ? 0 : -ENOMEM;
	if (atomic_load(&vma->handle->dying))
		return error_say(-EAGAIN, "pages below 0x%llx are given back",
				 (unsigned long long)vma->mapping.start);
	if (vma->mapping.index >= pages &&
	    !object_is_mapped(vma->handle->object, vma->mapping.index - pages,
			      pages))
		return 0;
	return error_say(-ENOMEM, "no pages are left below 0x%llx",
			 (unsigned long long)vma->mapping.start);
}

/* acct_stack_growth() */
static int check_growth(const struct space *space, const struct vma *vma,
			uint64_t address)
{
	uint64_t bytes = vma->mapping.start - address;
	uint64_t pages = bytes >> PAGE_SHIFT;
	int error = check_below(vma, address);

	if (error)
		return error;
	if (!may_expand_vm(space, vma->flags, pages))
		return error_say(-ENOMEM,
				 "%llu pages more exceed the limit of "
				 "addresses",
				 (unsigned long long)pages);
	if (vma->mapping.end - address > space->limit[SPACE_LIMIT_STACK])
		return error_say(-ENOMEM, "the limit of stacks is met");
	if (!mlock_future_ok(space, vma->flags, bytes))
		return error_say(-ENOMEM, "the limit of locked memory is met");
	return enough_memory(space, pages);
}

static int expand_downwards(struct space *space, struct vma *vma,
			    uint64_t address)
{
	uint64_t old_start = vma->mapping.start;
	int error;

	if (!(vma->flags & VM_GROWSDOWN))
		return error_say(-EFAULT, "what is above 0x%llx does not grow",
				 (unsigned long long)address);
	if (address < space->mmu->lowest)
		return error_say(-EPERM, "address 0x%llx is below 0x%llx",
				 (unsigned long long)address,
				 (unsigned long long)space->mmu->lowest);
	error = check_guard_gap(space, vma, address);
	if (error)
		return error;
	/* As Linux, which needs its lock: before the limits are looked at. */
	vma_prepare_anon(space, vma);
	error = check_growth(space, vma, address);
	if (!error)
		error = map_part(space, vma, address, old_start);
	if (error)
		return error;
	trace("expand_downwards", "0x%llx grows down to 0x%llx",
	      (unsigned long long)old_start, (unsigned long long)address);
	vma_set_borders(space, vma, address, vma->mapping.end);
	vma_lock_grown(vma, address, old_start);
	return 0;
}

int space_expand_stack(struct space *space, uint64_t address)
{
	struct vma *vma;
	int error = 0;

	address = page_round_down(address);
	rwlock_take_write(&space->lock);
	vma = vma_find(space, address);
	if (!vma)
		error = error_say(-EFAULT, "nothing is mapped above 0x%llx",
				  (unsigned long long)address);
	else if (vma->mapping.start > address)
		error = expand_downwards(space, vma, address);
	rwlock_drop_write(&space->lock);
	return error;
}

/* ---- the data segment ---- */

static int shrink_break(struct space *space, uint64_t new_end, uint64_t old_end,
			struct vma_stock *stock)
{
	if (!space_find_intersection(space, new_end, old_end))
		return error_say(-ENOMEM, "the data segment is not there");
	return unmap_locked(space, new_end, old_end, stock);
}

/* check_brk_limits(), and the guard gap of what comes next. */
static int check_break_place(const struct space *space, uint64_t start,
			     uint64_t end)
{
	const struct vma *next = vma_find(space, start);
	struct area_search search;
	uint64_t address;
	int error;

	area_search_init(&search, space, start, end - start, true);
	error = get_unmapped_area(space, &search, &address);
	if (error)
		return error;
	if (!mlock_future_ok(space, space->default_flags, end - start))
		return error_say(-EAGAIN, "the limit of locked memory is met");
	if (next && end + PAGE_SIZE > vma_start_gap(space, next))
		return error_say(-ENOMEM,
				 "0x%llx is too near to what begins "
				 "at 0x%llx",
				 (unsigned long long)end,
				 (unsigned long long)next->mapping.start);
	return 0;
}

/* do_brk_flags()'s checks. */
static int check_break_limits(const struct space *space, uint64_t flags,
			      uint64_t pages)
{
	if (!may_expand_vm(space, flags, pages))
		return error_say(-ENOMEM,
				 "%llu pages more exceed the limit of "
				 "addresses, or of data",
				 (unsigned long long)pages);
	if (space->map_count > space->limit[SPACE_LIMIT_MAPPINGS])
		return error_say(-ENOMEM, "more than %zu mappings",
				 (size_t)space->limit[SPACE_LIMIT_MAPPINGS]);
	return enough_memory(space, pages);
}

static uint64_t break_flags(const struct space *space)
{
	uint64_t flags = VM_READ | VM_WRITE | VM_MAY_FLAGS | VM_ACCOUNT |
			 VM_ANONYMOUS | space->default_flags;

	return space->flags & SPACE_READ_IMPLIES_EXEC ? flags | VM_EXEC : flags;
}

static int make_part(const struct space *space, struct vma *vma, uint64_t start,
		     uint64_t end)
{
	uint64_t index = start >> PAGE_SHIFT;
	int error;

	vma->handle = NULL;
	vma->flags = break_flags(space);
	if (!space->mmu->soft) {
		if (!backing_place(&space->backing, start, end - start, &index))
			return error_say(-ENOMEM, "no object is behind 0x%llx",
					 (unsigned long long)start);
		vma->handle = space->backing.handle;
	}
	vma->anon = 0;
	vma->mapping.mmu = space->mmu;
	vma->mapping.start = start;
	vma->mapping.end = end;
	vma->mapping.index = index & MAPPING_INDEX_MASK;
	vma->mapping.shared = vma->handle != NULL;
	vma->mapping.locked = !!(vma->flags & VM_LOCKED);
	vma->mapping.untrapped = false;
	vma->mapping.lodges = false;
	error = map_part(space, vma, start, end);
	if (!error)
		vma_lock_new(vma);
	return error;
}

/* As Linux: never joined to what ends where the segment begins. */
static bool part_can_join(const struct space *space, const struct vma *left,
			  const struct vma *part)
{
	return left && left->mapping.end > space->break_start &&
	       vma_can_merge(left, part);
}

static int grow_break(struct space *space, uint64_t start, uint64_t end,
		      struct vma_stock *stock)
{
	struct vma *left = vma_find_below(space, start);
	struct vma *part = vma_stock_take(stock);
	int error = check_break_place(space, start, end);

	if (!error)
		error = check_break_limits(space, break_flags(space),
					   (end - start) >> PAGE_SHIFT);
	if (!error)
		error = make_part(space, part, start, end);
	if (!error && !part_can_join(space, left, part)) {
		if (part->handle)
			handle_take(part->handle);
		vma_insert(space, part);
		return 0;
	}
	if (!error)
		vma_set_borders(space, left, left->mapping.start, end);
	part->handle = NULL;
	list_add_tail(&stock->gone, &part->mapping.link);
	return error;
}

static int move_break(struct space *space, uint64_t address,
		      struct vma_stock *stock)
{
	uint64_t old_end = page_round_up(space->break_end);
	uint64_t new_end = page_round_up(address);
	uint64_t limit = space->limit[SPACE_LIMIT_DATA];
	int error = 0;

	if (address > space->mmu->highest)
		return error_say(-ENOMEM, "0x%llx is above 0x%llx",
				 (unsigned long long)address,
				 (unsigned long long)space->mmu->highest);
	if (address - space->break_start > limit)
		return error_say(-ENOMEM, "the limit of data is met");
	if (new_end < old_end)
		error = shrink_break(space, new_end, old_end, stock);
	else if (new_end > old_end)
		error = grow_break(space, old_end, new_end, stock);
	if (error)
		return error;
	trace("brk", "the data segment ends at 0x%llx",
	      (unsigned long long)address);
	space->break_end = address;
	return 0;
}

int space_brk(struct space *space, uint64_t address, uint64_t *now,
	      struct space_range *grown)
{
	struct vma_stock stock;
	int error;

	rwlock_take_write(&space->lock);
	grown->start = page_round_up(space->break_end);
	error = vma_stock_init(space, &stock, 2);
	if (!error && space->break_start && address >= space->break_start)
		error = move_break(space, address, &stock);
	*now = space->break_end;
	grown->end = page_round_up(space->break_end);
	vma_stock_end(space, &stock);
	return error;
}
