/* lodged.c - pages that lie in a mapping's own memory leave it in time */
/* SPDX-License-Identifier: MIT */
#include "space/space_private.h"

/* A part of an object that may be lodged, and is in use. */
struct lodgers {
	struct object *object; /* NULL: none */
	uint64_t index;
	uint64_t count;
	bool keep; /* somebody may want them again */
};

static struct lodgers part_of(const struct vma *vma, uint64_t start,
			      uint64_t end)
{
	uint64_t from = start > vma->mapping.start ? start : vma->mapping.start;
	uint64_t to = end < vma->mapping.end ? end : vma->mapping.end;

	return (struct lodgers){
		.object = vma->handle->object,
		.index = vma_index_at(vma, from),
		.count = (to - from) >> PAGE_SHIFT,
		.keep = atomic_load(&vma->handle->references) > 1,
	};
}

void vma_drop_lodged(const struct vma *vma, uint64_t start, uint64_t end)
{
	struct lodgers part;

	if (!vma->mapping.lodges)
		return;
	part = part_of(vma, start, end);
	object_bring_home(part.object, part.index, part.count, false);
}

/* The next that lodges; where to go on. */
static uint64_t next_part(struct space *space, uint64_t start, uint64_t end,
			  struct lodgers *part)
{
	struct vma *vma;

	part->object = NULL;
	rwlock_take_read(&space->lock);
	vma = space_find_intersection(space, start, end);
	while (vma && vma->mapping.start < end && !vma->mapping.lodges)
		vma = space_next(vma);
	if (vma && vma->mapping.start < end) {
		*part = part_of(vma, start, end);
		object_use(part->object);
		start = vma->mapping.end;
	}
	rwlock_drop_read(&space->lock);
	return start;
}

void space_bring_home(struct space *space, uint64_t start, uint64_t end,
		      bool stays)
{
	struct lodgers part;

	if (!space->mmu->lodges)
		return;
	start = page_round_down(start);
	end = page_round_up(end);
	while (start < end) {
		start = next_part(space, start, end, &part);
		if (!part.object)
			return;
		if (part.keep || stays)
			object_bring_home(part.object, part.index, part.count,
					  true);
		object_release(part.object);
	}
}
