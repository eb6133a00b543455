/* mmu_uffd_layout.c - mappings are made and moved, and watched all the time */
/* SPDX-License-Identifier: MIT */
/*
 * A mapping is inaccessible until it is registered: a touch before that would
 * be answered by the kernel, with zeros that then stand in the memfd.
 */
#include "mmu/mmu_uffd_private.h"

#include "mmu/mmu_host.h"

#include <sys/mman.h>

/* Registered, and only then accessible. */
static int take_over(const struct uffd *uffd, const struct mmu_mapping *mapping)
{
	unsigned traps =
		(mapping->untrapped ? 0 : UFFD_TRAPS_MINOR) |
		(mapping->shared && !mapping->lodges ? UFFD_TRAPS_STORES : 0);
	int error = uffd_register(uffd, mapping->start, mapping->length, traps);

	if (!error)
		error = memory_protect(mapping->start, mapping->length,
				       mapping->prot);
	return error;
}

int uffd_host_map(const struct uffd *uffd, const struct mmu_mapping *mapping)
{
	int error = memory_map_at(mapping->start, mapping->length, PROT_NONE,
				  mapping->shared && !mapping->lodges,
				  mapping->memory, mapping->offset,
				  mapping->replace);

	if (error)
		return error;
	error = take_over(uffd, mapping);
	if (error)
		memory_unmap_at(mapping->start, mapping->length);
	return error;
}

/* ---- moving ---- */

/* It has nothing that another one of the same bytes would lack. */
static int move_shared(const struct uffd *uffd, const struct mmu_move *move)
{
	int error = uffd_host_map(uffd, &move->to);

	if (error || move->keep)
		return error;
	error = memory_unmap_at(move->from, move->length);
	if (error)
		memory_unmap_at(move->to.start, move->to.length);
	return error;
}

/* What the mapping is at its old place. */
static struct mmu_mapping old_place(const struct mmu_move *move)
{
	struct mmu_mapping old = move->to;

	old.start = move->from;
	old.length = move->length;
	return old;
}

static int move_and_take_over(const struct uffd *uffd,
			      const struct mmu_move *move)
{
	const struct memory_move host = mmu_host_move(move);
	const struct mmu_mapping old = old_place(move);
	int error = memory_move(&host);

	if (error)
		return error;
	error = take_over(uffd, &move->to);
	if (!error && move->keep)
		error = take_over(uffd, &old);
	if (error)
		memory_move_back(&host);
	return error;
}

/*
 * The kernel takes the registration away from what it moves, and would answer
 * the next touch itself: so it moves with no rights, and is registered anew,
 * at the old place as well if it has come back.
 */
static int move_private(const struct uffd *uffd, const struct mmu_move *move)
{
	const struct mmu_mapping old = old_place(move);
	int error = memory_protect(old.start, old.length, PROT_NONE);

	if (!error)
		error = move_and_take_over(uffd, move);
	if (error)
		take_over(uffd, &old);
	return error;
}

int uffd_host_move(const struct uffd *uffd, const struct mmu_move *move)
{
	return move->to.shared ? move_shared(uffd, move)
			       : move_private(uffd, move);
}
