/* residency.c - mincore: which pages are in memory now */
/* SPDX-License-Identifier: MIT */
#include "space/advise.h"
#include "space/space_private.h"

#include "mmu/mmu_soft.h"

#include <errno.h>

static bool object_has(const struct vma *vma, uint64_t address)
{
	return vma->handle && object_page_resident(vma->handle->object,
						   vma_index_at(vma, address));
}

/* As Linux: what was never touched is the file's, or nothing. */
static bool soft_has(const struct space *space, const struct vma *vma,
		     uint64_t address)
{
	struct soft_translation seen = soft_look(space->mmu, address);

	if (!seen.flags || (seen.flags & SOFT_GUARD))
		return object_has(vma, address);
	if (!seen.owner) /* the page of zeros */
		return true;
	return object_page_resident(seen.owner, seen.index);
}

static uint64_t look(const struct space *space, const struct vma *vma,
		     uint64_t address, uint64_t pages, unsigned char *vector)
{
	uint64_t there = (vma->mapping.end - address) >> PAGE_SHIFT;

	if (pages > there)
		pages = there;
	for (uint64_t i = 0; i < pages; i++) {
		vector[i] = space->mmu->soft ? soft_has(space, vma, address)
					     : object_has(vma, address);
		address += PAGE_SIZE;
	}
	return pages;
}

int64_t space_residency(struct space *space, uint64_t address, uint64_t pages,
			unsigned char *vector, bool *own)
{
	const struct vma *vma;
	int64_t result = -ENOMEM;

	rwlock_take_read(&space->lock);
	vma = space_find(space, address);
	if (vma) {
		*own = !space->mmu->soft && !vma->mapping.shared;
		result = (int64_t)look(space, vma, address, pages, vector);
	}
	rwlock_drop_read(&space->lock);
	if (!vma)
		return say_hole(address);
	return result;
}
