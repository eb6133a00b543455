/* anon_vma.c - who could share private pages with whom */
/* SPDX-License-Identifier: MIT */
/*
 * Linux gives a VMA an anon_vma at its first private page, and VMAs that have
 * different ones are never joined again.  Here it is a number.  A VMA takes
 * over a neighbour's number where the two could become one some day
 * (find_mergeable_anon_vma()), else it gets a new one.
 */
#include "space/space_private.h"

/* anon_vma_compatible(): alike but for what mprotect changes. */
static bool compatible(const struct vma *left, const struct vma *right)
{
	uint64_t ignored = VM_ACCESS_FLAGS | VM_IGNORE_MERGE;

	return left->mapping.end == right->mapping.start &&
	       left->handle == right->handle &&
	       !((left->flags ^ right->flags) & ~ignored) &&
	       vma_index_at(left, left->mapping.end) == right->mapping.index;
}

/* reusable_anon_vma(): of what was never forked. */
static uint64_t reusable(const struct vma *near)
{
	return near->flags & VM_FORKED ? 0 : near->anon;
}

void vma_prepare_anon(struct space *space, struct vma *vma)
{
	const struct vma *next = space_next(vma);
	const struct vma *prev = vma_prev(vma);

	if (vma->anon)
		return;
	if (next && compatible(vma, next))
		vma->anon = reusable(next);
	if (!vma->anon && prev && compatible(prev, vma))
		vma->anon = reusable(prev);
	if (!vma->anon)
		vma->anon = ++space->last_anon;
}
