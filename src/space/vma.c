/* vma.c - a VMA comes, is cut, changes, goes */
/* SPDX-License-Identifier: MIT */
#include "space/space_private.h"

#include "mmu/mmu_soft.h"

#include <errno.h>
#include <string.h>

static struct vma *pop(struct list *list)
{
	struct list *link = list_pop(list);

	return link ? container_of(link, struct vma, mapping.link) : NULL;
}

static struct pool_link **last_link(struct pool_link **link)
{
	while (*link)
		link = &(*link)->next;
	return link;
}

static void move_link(struct pool_link **from, unsigned *from_count,
		      struct pool_link **to, unsigned *to_count)
{
	struct pool_link *link = *from;

	*from = link->next;
	link->next = *to;
	*to = link;
	--*from_count;
	++*to_count;
}

/*
 * Most operations cut nothing, and need nothing of their stock: what is left of
 * it, and what they removed, stays in the space for the next one, which need
 * not go to the pool.
 */
int vma_stock_init(struct space *space, struct vma_stock *stock, unsigned count)
{
	struct pool_link *more = NULL;

	*stock = (struct vma_stock){ .spare = NULL };
	list_init(&stock->gone);
	while (stock->count < count && space->kept)
		move_link(&space->kept, &space->kept_count, &stock->spare,
			  &stock->count);
	if (stock->count < count)
		more = pool_take_several(&space->pool, count - stock->count);
	if ((stock->count < count && !more) ||
	    range_tree_reserve(&space->tree, count)) {
		vma_stock_keep(space, stock);
		pool_drop_several(&space->pool, more);
		return error_say(-ENOMEM, "no memory for a mapping");
	}
	*last_link(&stock->spare) = more;
	stock->count = count;
	return 0;
}

int vma_stock_begin(struct space *space, struct vma_stock *stock,
		    unsigned count)
{
	int error;

	rwlock_take_write(&space->lock);
	error = vma_stock_init(space, stock, count);
	if (error)
		rwlock_drop_write(&space->lock);
	return error;
}

static void put_back(struct vma_stock *stock, struct vma *vma)
{
	struct pool_link *link = (struct pool_link *)vma;

	memset(vma, 0, sizeof(*vma));
	link->next = stock->spare;
	stock->spare = link;
	stock->count++;
}

/* What is gone and nobody's, as far as it is wanted. */
static void take_back(struct vma_stock *stock)
{
	while (stock->count < VMA_STOCK_KEPT && !list_empty(&stock->gone)) {
		struct vma *vma = container_of(stock->gone.next, struct vma,
					       mapping.link);

		if (vma->handle)
			return;
		list_remove(&vma->mapping.link);
		put_back(stock, vma);
	}
}

void vma_stock_keep(struct space *space, struct vma_stock *stock)
{
	take_back(stock);
	while (space->kept_count < VMA_STOCK_KEPT && stock->spare)
		move_link(&stock->spare, &stock->count, &space->kept,
			  &space->kept_count);
}

/*
 * Bytes of anonymous memory that is gone are nobody's: its place can be mapped
 * again once they are discarded.  If that fails it stays taken, for whoever
 * came there would see them.
 */
static void forget_bytes(struct space *space, const struct vma *vma)
{
	if (!vma_anonymous(vma) ||
	    object_discard(vma->handle->object, vma->mapping.index,
			   vma_pages(vma)))
		return;
	if (vma->handle != space->backing.handle)
		atomic_fetch_sub(&vma->handle->dying, 1);
	backing_give(&space->backing, vma->handle, vma->mapping.index,
		     vma_pages(vma));
}

void vma_stock_finish(struct space *space, struct vma_stock *stock)
{
	struct vma *vma;

	while ((vma = pop(&stock->gone)) != NULL) {
		if (vma->handle) {
			forget_bytes(space, vma);
			/* munmap() cannot say that a write-back failed. */
			(void)handle_drop(vma->handle);
		}
		put_back(stock, vma);
	}
	pool_drop_several(&space->pool, stock->spare);
}

void vma_stock_end(struct space *space, struct vma_stock *stock)
{
	vma_stock_keep(space, stock);
	rwlock_drop_write(&space->lock);
	vma_stock_finish(space, stock);
}

void vma_absorbed(struct vma *vma)
{
	vma->flags &= ~VM_ANONYMOUS;
}

struct vma *vma_stock_take(struct vma_stock *stock)
{
	struct pool_link *link = stock->spare;

	check(link, "space 6: a commit has the VMAs that it needs");
	stock->spare = link->next;
	stock->count--;
	link->next = NULL;
	return (struct vma *)link;
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
	upper->mapping = vma_image(vma).mapping;
	upper->mapping.start = address;
	upper->mapping.index = vma_index_at(vma, address) & MAPPING_INDEX_MASK;
	upper->handle = vma->handle;
	if (upper->handle)
		handle_take(upper->handle);
	upper->flags = vma->flags;
	upper->anon = vma->anon;

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

	struct range_bounds range = { start, end };

	account_vma(space, vma, -1);
	range_tree_move(&space->tree, mapping->start, &vma->item, &range);
	if (vma->handle) {
		object_adjust(vma->handle->object, mapping, start, end, index);
	} else {
		mapping->start = start;
		mapping->end = end;
		mapping->index = index & MAPPING_INDEX_MASK;
	}
	account_vma(space, vma, 1);
	space->generation++;
}

void vma_may_be_strangers(struct vma *vma, uint64_t start, uint64_t end)
{
	for (; vma && vma->mapping.start < end; vma = space_next(vma)) {
		if (vma->mapping.untrapped)
			object_mark(vma->handle->object, &vma->mapping,
				    vma->mapping.locked, false);
		vma_drop_lodged(vma, start, end);
	}
}

static bool shows_none(struct mmu *mmu, uint64_t start, uint64_t end)
{
	struct soft_translation found;

	return !soft_next(mmu, &start, end, &found);
}

bool vma_may_show(const struct space *space, const struct vma *vma,
		  uint64_t start, uint64_t end)
{
	if (!space->mmu->lazy)
		return true;
	for (; vma && vma->mapping.start < end; vma = space_next(vma))
		if (vma->flags & VM_SHOWN)
			return true;
	debug_check(shows_none(space->mmu, start, end), "VM_SHOWN tells of it");
	return false;
}

int space_trap_all(struct space *space, uint64_t address)
{
	struct vma *vma;
	int error = 0;

	rwlock_take_write(&space->lock);
	vma = vma_find(space, address);
	if (vma && vma_contains(vma, address) && vma_traps_too_little(vma)) {
		error = mmu_trap_all(space->mmu, vma->mapping.start,
				     vma_bytes(vma), vma->mapping.lodges);
		if (!error)
			vma_set_flags(space, vma, vma->flags & ~VM_UNTRAPPED);
	}
	rwlock_drop_write(&space->lock);
	return error;
}

void vma_set_flags(struct space *space, struct vma *vma, uint64_t flags)
{
	bool locked = flags & VM_LOCKED;
	/* What may be a stranger's is so for good. */
	bool untrapped = vma->mapping.untrapped && (flags & VM_UNTRAPPED);

	account_vma(space, vma, -1);
	vma->flags = flags;
	account_vma(space, vma, 1);
	if (vma->handle)
		object_mark(vma->handle->object, &vma->mapping, locked,
			    untrapped);
	else
		vma->mapping.locked = locked;
	space->generation++;
}
