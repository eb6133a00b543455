/* mmu_sigsegv_move.c - a mapping goes to another place */
/* SPDX-License-Identifier: MIT */
/*
 * All is hidden first, and the words of both places are there: when the host
 * has moved, nothing can fail.  A shared mapping is made anew, as it has
 * nothing that another one of the same bytes would lack.
 */
#include "mmu/mmu_sigsegv_private.h"

#include "mmu/mmu_host.h"

#include <sys/mman.h>

void shadow_copy_guards(uint64_t from, uint64_t length, uint64_t to)
{
	uint64_t next;
	uint32_t shadow;

	for (uint64_t at = from; at < from + length; at = next) {
		next = shadow_run(at, from + length, &shadow);
		if (shadow & SHADOW_GUARDED)
			rights_edit(to + (at - from), to + (next - from), 0,
				    SHADOW_GUARDED);
	}
}

static int prepare(unsigned owner, const struct mmu_move *move,
		   uint32_t *shadow)
{
	const struct mmu_mapping *to = &move->to;
	int error = shadow_reserve(to->start, to->start + to->length, true);

	if (!error)
		error = shadow_reserve(move->from, move->from + move->length,
				       false);
	if (!error)
		error = rights_hide(move->from, move->from + move->length);
	if (!error)
		error = shadow_region_create(to->memory, to->offset - to->start,
					     owner, shadow);
	return error;
}

static int map_anew(const struct mmu_move *move)
{
	const struct mmu_mapping *to = &move->to;
	int error = memory_map_at(to->start, to->length, PROT_NONE, true,
				  to->memory, to->offset, to->replace);

	if (error || move->keep)
		return error;
	error = memory_unmap_at(move->from, move->length);
	if (error)
		memory_unmap_at(to->start, to->length);
	return error;
}

static int move_host(const struct mmu_move *move)
{
	const struct memory_move host = mmu_host_move(move);

	return move->to.shared ? map_anew(move) : memory_move(&host);
}

int shadow_move(unsigned owner, const struct mmu_move *move)
{
	const struct mmu_mapping *to = &move->to;
	uint32_t shadow;
	int error = prepare(owner, move, &shadow);

	if (error)
		return error;
	error = move_host(move);
	if (error) {
		shadow_region_drop(shadow);
		return error;
	}
	shadow_set(to->start, to->start + to->length, shadow | rights_of(to));
	shadow_copy_guards(move->from, move->length, to->start);
	if (move->keep) /* they have moved */
		rights_edit(move->from, move->from + move->length,
			    SHADOW_GUARDED, 0);
	if (!move->keep)
		shadow_set(move->from, move->from + move->length, 0);
	return 0;
}
