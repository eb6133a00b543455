/* vma.c - a VMA comes, is cut, changes, goes */
/* SPDX-License-Identifier: MIT */
#include "space/space_private.h"

#include <errno.h>
#include <sys/mman.h>

static struct vma *pop(struct list *list)
{
	struct list *link = list_pop(list);

	return link ? container_of(link, struct vma, mapping.link) : NULL;
}

int vma_stock_init(struct space *space, struct vma_stock *stock, unsigned count)
{
	list_init(&stock->spare);
	list_init(&stock->gone);
	while (count-- > 0) {
		struct vma *vma = pool_take(&space->pool);

		if (!vma) {
			vma_stock_finish(space, stock);
			return error_say(-ENOMEM, "no memory for a mapping");
		}
		list_add_tail(&stock->spare, &vma->mapping.link);
	}
	return 0;
}

void vma_stock_finish(struct space *space, struct vma_stock *stock)
{
	struct vma *vma;

	list_splice_tail(&stock->gone, &stock->spare);
	while ((vma = pop(&stock->gone)) != NULL) {
		/* munmap() has no way to say that a write-back failed. */
		if (vma->handle)
			(void)handle_drop(vma->handle);
		pool_drop(&space->pool, vma);
	}
}

struct vma *vma_stock_take(struct vma_stock *stock)
{
	struct vma *vma = pop(&stock->spare);

	check(vma, "space 6: a commit has the VMAs that it needs");
	return vma;
}

/*
 * The writer of the object walks its mappings meanwhile.  The upper part is
 * attached before the lower one shrinks, so he finds each page at least once.
 *
 *      |--------------|          |-----|--------|
 *            vma           ==>     vma    upper
 */
struct vma *vma_split(struct space *space, struct vma *vma, uint64_t address,
		      struct vma_stock *stock)
{
	struct vma *upper = vma_stock_take(stock);
	uint64_t end = vma->mapping.end;

	check(vma->mapping.start < address && address < end,
	      "a VMA is cut inside");
	upper->mapping = vma->mapping;
	upper->mapping.start = address;
	upper->mapping.index = vma_index_at(vma, address);
	upper->handle = vma->handle;
	handle_take(upper->handle);
	upper->prot = vma->prot;
	upper->may_prot = vma->may_prot;
	upper->flags = vma->flags;
	upper->charged = vma->charged;

	vma_insert(space, upper);
	vma_set_borders(space, vma, vma->mapping.start, address);
	return upper;
}

void vma_set_borders(struct space *space, struct vma *vma, uint64_t start,
		     uint64_t end)
{
	struct mapping *mapping = &vma->mapping;
	uint64_t moved = start - mapping->start; /* modulo 2^64, if downwards */
	/* The difference of two multiples, so the shift keeps the sign. */
	uint64_t index =
		mapping->index + (uint64_t)((int64_t)moved >> PAGE_SHIFT);

	space->total_pages -= vma_bytes(vma) >> PAGE_SHIFT;
	object_adjust(vma->handle->object, mapping, start, end, index);
	space->total_pages += vma_bytes(vma) >> PAGE_SHIFT;
	tree_changed(&space->tree, &vma->node);
	space->generation++;
}

bool vma_charged_with(const struct vma *vma, int prot)
{
	if (vma->flags & (MAP_SHARED | MAP_NORESERVE))
		return false;
	return vma->charged || (prot & PROT_WRITE);
}

void vma_set_prot(struct space *space, struct vma *vma, int prot)
{
	vma->charged = vma_charged_with(vma, prot);
	vma->prot = prot;
	space->generation++;
}
