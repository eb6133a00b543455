/* backing.c - where the bytes of anonymous memory lie, on the host's MMU */
/* SPDX-License-Identifier: MIT */
#include "space/backing.h"

void backing_init(struct backing *backing, struct quire_object *handle,
		  uint64_t base, void *taken)
{
	backing->base = base;
	backing->pages = object_pages(handle->object);
	backing->taken = taken;
	backing->handle = handle;
}

uint64_t backing_bytes(uint64_t pages)
{
	return page_round_up(((pages >> BACKING_GRANULE_SHIFT) + 1) *
			     sizeof(uint16_t));
}

void backing_finish(struct backing *backing)
{
	if (backing->handle)
		handle_drop(backing->handle);
	backing->handle = NULL;
}

bool backing_place(const struct backing *backing, uint64_t address,
		   uint64_t length, uint64_t *index)
{
	uint64_t first, end;

	if (!backing->handle || address < backing->base)
		return false;
	first = (address - backing->base) >> PAGE_SHIFT;
	end = first + (length >> PAGE_SHIFT);
	if (end > backing->pages)
		return false;
	*index = first;
	for (uint64_t granule = first >> BACKING_GRANULE_SHIFT;
	     granule << BACKING_GRANULE_SHIFT < end; granule++)
		if (atomic_load(&backing->taken[granule]))
			return false;
	return true;
}

bool backing_in_place(const struct backing *backing,
		      const struct quire_object *handle, uint64_t address,
		      uint64_t index)
{
	return handle == backing->handle && address >= backing->base &&
	       (address - backing->base) >> PAGE_SHIFT == index;
}

/* change: 1 or -1 a page. */
static void count(struct backing *backing, const struct quire_object *handle,
		  uint64_t index, uint64_t pages, int change)
{
	uint64_t end = index + pages;

	if (handle != backing->handle)
		return;
	while (index < end) {
		uint64_t granule = index >> BACKING_GRANULE_SHIFT;
		uint64_t border = (granule + 1) << BACKING_GRANULE_SHIFT;
		uint64_t here = (border < end ? border : end) - index;

		atomic_fetch_add(&backing->taken[granule],
				 (uint16_t)((int)here * change));
		index += here;
	}
}

void backing_take(struct backing *backing, const struct quire_object *handle,
		  uint64_t index, uint64_t pages)
{
	count(backing, handle, index, pages, 1);
}

void backing_give(struct backing *backing, const struct quire_object *handle,
		  uint64_t index, uint64_t pages)
{
	count(backing, handle, index, pages, -1);
}
