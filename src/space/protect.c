/* protect.c - mprotect: what the program may do changes */
/* SPDX-License-Identifier: MIT */
/*
 *   1 walk      how far the change goes: to the end, or to a hole or to a
 *               mapping that may not have such rights.  As in Linux, what is
 *               before that is changed, and the error returned all the same.
 *   2 limit     would the cuts make too many mappings?  Nothing is done yet.
 *   3 host      one call for each run that changes.  If it refuses one, the
 *               tree still has the old rights: they are set again, backwards,
 *               so each call undoes the latest state that the host agreed to.
 *   4 tree      cannot fail.
 *
 * No mapping moves, so the writers of the objects see each page all the time.
 */
#include "space/space_private.h"

#include <errno.h>
#include <sys/mman.h>

#define PROT_SEMAPHORE 0x8 /* PROT_SEM: known, without effect */
#define PROT_ACCESS (PROT_READ | PROT_WRITE | PROT_EXEC)
#define PROT_GROWS (PROT_GROWSDOWN | PROT_GROWSUP)

/* What changes: [start, stop) gets prot. */
struct change {
	uint64_t start;
	uint64_t stop;
	int prot;
};

static uint64_t clip_low(const struct change *change, const struct vma *vma)
{
	return vma->mapping.start > change->start ? vma->mapping.start
						  : change->start;
}

static uint64_t clip_high(const struct change *change, const struct vma *vma)
{
	return vma->mapping.end < change->stop ? vma->mapping.end
					       : change->stop;
}

/* Sets change->stop; the error to return once all before it is changed. */
static int walk(const struct space *space, struct change *change)
{
	const struct vma *vma = vma_find(space, change->start);
	uint64_t end = change->stop;

	change->stop = change->start;
	while (change->stop < end) {
		if (!vma || vma->mapping.start > change->stop)
			return error_say(-ENOMEM, "nothing is mapped at 0x%llx",
					 (unsigned long long)change->stop);
		if (change->prot & ~vma->may_prot)
			return error_say(
				-EACCES,
				"the mapping at 0x%llx may not be written",
				(unsigned long long)vma->mapping.start);
		change->stop = vma->mapping.end;
		vma = space_next(vma);
	}
	change->stop = end;
	return 0;
}

static struct vma with_prot(const struct vma *vma, int prot)
{
	struct vma changed = *vma;

	changed.charged = vma_charged_with(vma, prot);
	changed.prot = prot;
	return changed;
}

/*
 * How many VMAs more there are once the part of vma is changed.  None if that
 * part goes over to a neighbour: then only a border slides.
 */
static size_t cuts_of(const struct vma *vma, const struct change *change)
{
	bool lower = vma->mapping.start < change->start;
	bool upper = vma->mapping.end > change->stop;
	const struct vma *prev = vma_prev(vma);
	const struct vma *next = space_next(vma);
	struct vma changed = with_prot(vma, change->prot);

	if (vma->prot == change->prot)
		return 0;
	if (!lower && prev) {
		bool within = vma->mapping.start > change->start;
		struct vma before =
			with_prot(prev, within ? change->prot : prev->prot);

		if (vma_can_merge(&before, &changed))
			return 0;
	}
	if (!upper && next && vma_can_merge(&changed, next))
		return 0;
	return (size_t)lower + (size_t)upper;
}

/* Only the first and the last VMA of the range can be cut. */
static int check_limit(const struct space *space, const struct change *change)
{
	const struct vma *first = vma_find(space, change->start);
	const struct vma *last = vma_find(space, change->stop - 1);
	size_t cuts = cuts_of(first, change);

	if (last != first)
		cuts += cuts_of(last, change);
	if (cuts == 0 || space->map_count + cuts <= space->map_count_limit)
		return 0;
	return error_say(-ENOMEM, "a cut would exceed %zu mappings",
			 space->map_count_limit);
}

/* Best effort: gives what changed below stop its old rights again. */
static void restore(struct space *space, const struct change *change,
		    uint64_t stop)
{
	struct change done = *change;
	const struct vma *vma = vma_find_below(space, stop);

	done.stop = stop;
	for (; vma && vma->mapping.end > done.start; vma = vma_prev(vma)) {
		uint64_t low = clip_low(&done, vma);

		if (vma->prot != done.prot)
			mmu_protect(space->mmu, low,
				    clip_high(&done, vma) - low, vma->prot);
	}
}

static int protect_host(struct space *space, const struct change *change)
{
	const struct vma *vma = vma_find(space, change->start);

	while (vma && vma->mapping.start < change->stop) {
		uint64_t low = clip_low(change, vma);
		uint64_t high = low;
		int error;

		for (; vma && vma->mapping.start < change->stop &&
		       vma->prot != change->prot;
		     vma = space_next(vma))
			high = clip_high(change, vma);
		if (high == low) {
			vma = space_next(vma);
			continue;
		}
		error = mmu_protect(space->mmu, low, high - low, change->prot);
		if (error) {
			restore(space, change, high);
			return error_say(error,
					 "the host keeps the rights at 0x%llx",
					 (unsigned long long)low);
		}
	}
	return 0;
}

/*
 *     start        stop
 *   |---|------------|-----|
 *    vma             |     |   cut where the range begins and ends,
 *   |---|+++++++++++++-----|   and the middle gets the rights
 */
static struct vma *change_vma(struct space *space, struct vma *vma,
			      const struct change *change,
			      struct vma_stock *stock)
{
	if (vma->mapping.start < change->start)
		vma = vma_split(space, vma, change->start, stock);
	if (vma->mapping.end > change->stop)
		vma_split(space, vma, change->stop, stock);
	vma_set_prot(space, vma, change->prot);
	return vma;
}

static void protect_commit(struct space *space, const struct change *change,
			   struct vma_stock *stock)
{
	struct vma *vma = vma_find(space, change->start);

	while (vma && vma->mapping.start < change->stop) {
		if (vma->prot != change->prot)
			vma = change_vma(space, vma, change, stock);
		vma = vma_merge_left(space, vma, stock);
		vma = space_next(vma);
	}
	if (vma)
		vma_merge_left(space, vma, stock);
}

static int protect_locked(struct space *space, struct change *change,
			  struct vma_stock *stock)
{
	int stopped = walk(space, change);
	int error;

	if (change->stop == change->start)
		return stopped;
	error = check_limit(space, change);
	if (error)
		return error;
	error = protect_host(space, change);
	if (error)
		return error;
	protect_commit(space, change, stock);
	return stopped;
}

/* No mapping grows yet, but a hole is found out first, as in Linux. */
static int protect_growing(struct space *space, const struct change *change,
			   int grows)
{
	const struct vma *vma =
		space_find_intersection(space, change->start, change->stop);

	if (!vma ||
	    (!(grows & PROT_GROWSDOWN) && vma->mapping.start > change->start))
		return error_say(-ENOMEM, "nothing is mapped at 0x%llx",
				 (unsigned long long)change->start);
	return error_say(-EINVAL, "the mapping at 0x%llx does not grow",
			 (unsigned long long)vma->mapping.start);
}

static int check_arguments(uint64_t address, uint64_t length, int prot)
{
	if ((prot & PROT_GROWS) == PROT_GROWS)
		return error_say(-EINVAL, "cannot grow both ways");
	if (address & PAGE_MASK)
		return error_say(-EINVAL, "address 0x%llx is inside a page",
				 (unsigned long long)address);
	if (length == 0)
		return 0;
	if (length > UINT64_MAX - PAGE_MASK ||
	    address + page_round_up(length) <= address)
		return error_say(-ENOMEM, "the range exceeds any space");
	if (prot & ~(PROT_ACCESS | PROT_SEMAPHORE | PROT_GROWS))
		return error_say(-EINVAL, "unknown rights 0x%x",
				 (unsigned)prot);
	return 0;
}

int space_protect(struct space *space, uint64_t address, uint64_t length,
		  int prot)
{
	struct change change = {
		.start = address,
		.prot = prot & PROT_ACCESS,
	};
	struct vma_stock stock;
	int error;

	error = check_arguments(address, length, prot);
	if (error || length == 0)
		return error;
	error = vma_stock_init(space, &stock, 2);
	if (error)
		return error;
	change.stop = address + page_round_up(length);

	rwlock_take_write(&space->lock);
	if (prot & PROT_GROWS)
		error = protect_growing(space, &change, prot & PROT_GROWS);
	else
		error = protect_locked(space, &change, &stock);
	rwlock_drop_write(&space->lock);
	vma_stock_finish(space, &stock);
	return error;
}
