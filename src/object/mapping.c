/* mapping.c - where an object is mapped, for those who protect it */
/* SPDX-License-Identifier: MIT */
#include "object/object_private.h"

void object_attach(struct object *object, struct mapping *mapping)
{
	lock_take(&object->mappings_lock);
	list_add_tail(&object->mappings, &mapping->link);
	lock_drop(&object->mappings_lock);
}

void object_detach(struct object *object, struct mapping *mapping)
{
	lock_take(&object->mappings_lock);
	list_remove(&mapping->link);
	lock_drop(&object->mappings_lock);
}

void object_adjust(struct object *object, struct mapping *mapping,
		   uint64_t start, uint64_t end, uint64_t index)
{
	lock_take(&object->mappings_lock);
	mapping->start = start;
	mapping->end = end;
	mapping->index = index;
	lock_drop(&object->mappings_lock);
}

static int protect_in(const struct mapping *mapping, uint64_t index,
		      uint64_t count)
{
	uint64_t pages = (mapping->end - mapping->start) >> PAGE_SHIFT;
	uint64_t first = index > mapping->index ? index : mapping->index;
	uint64_t end = index + count < mapping->index + pages
			       ? index + count
			       : mapping->index + pages;

	if (!mapping->shared || first >= end)
		return 0;
	return mmu_write_protect(mapping->mmu,
				 mapping->start + ((first - mapping->index)
						   << PAGE_SHIFT),
				 (end - first) << PAGE_SHIFT);
}

int object_write_protect(struct object *object, uint64_t index, uint64_t count)
{
	struct list *link;
	int error = 0;

	lock_take(&object->mappings_lock);
	list_for_each(link, &object->mappings) {
		error = protect_in(container_of(link, struct mapping, link),
				   index, count);
		if (error)
			break;
	}
	lock_drop(&object->mappings_lock);
	return error;
}
