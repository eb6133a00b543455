/* mmu_sigsegv_rights.c - what pages show: rights of the kernel's, and notes */
/* SPDX-License-Identifier: MIT */
/*
 * A mapping is PROT_NONE at first; showing a page is an mprotect(), and so is
 * hiding it.  The kernel keeps a mapping of its own for each stretch of one
 * protection, and allows so many (vm.max_map_count): when half of them are
 * spent, whole chunks of 2 MiB are hidden, one after the other, until there is
 * room.  Their pages are shown again as they are touched.
 *
 * What is lost of a page's rights is lost in the kernel first and noted then,
 * and what is gained, too.  So a handler that meets the old note tries its
 * access again, or sends a trap that is answered by "it is shown".
 */
#include "mmu/mmu_sigsegv_private.h"

#include "os/memory.h"

#include <errno.h>
#include <sys/mman.h>

uint32_t rights_of(const struct mmu_mapping *mapping)
{
	uint32_t rights = mapping->memory < 0 ? 0 : (uint32_t)mapping->prot;

	return (rights & SHADOW_RIGHTS) | (mapping->shared ? SHADOW_SHARED : 0);
}

/* ---- hiding ---- */

static uint32_t hidden(uint32_t shadow)
{
	return shadow & ~(SHADOW_SHOWN | SHADOW_WRITABLE);
}

/* How far pages of ours go on from start, up to end; is one of them shown? */
static uint64_t stretch(uint64_t start, uint64_t end, bool *mapped, bool *shown)
{
	uint32_t shadow;
	uint64_t at = start, next = shadow_run(at, end, &shadow);

	*mapped = shadow_mapped(shadow);
	*shown = false;
	while (at < end && shadow_mapped(shadow) == *mapped) {
		*shown |= (shadow & SHADOW_SHOWN) != 0;
		at = next;
		if (at < end)
			next = shadow_run(at, end, &shadow);
	}
	return at;
}

/* To the borders that the kernel has there already. */
static void widen(uint64_t *start, uint64_t *end)
{
	int first = shadow_prot(shadow_at(*start));
	int last = shadow_prot(shadow_at(*end - PAGE_SIZE));

	while (shadow_mapped(shadow_at(*start - PAGE_SIZE)) &&
	       shadow_prot(shadow_at(*start - PAGE_SIZE)) == first)
		*start -= PAGE_SIZE;
	while (shadow_mapped(shadow_at(*end)) &&
	       shadow_prot(shadow_at(*end)) == last)
		*end += PAGE_SIZE;
}

/* The program may have unmapped it behind our back: then it shows nothing. */
static bool is_gone(uint64_t page)
{
	unsigned char there;

	return memory_resident(page, PAGE_SIZE, &there) == -ENOMEM;
}

/* Where what is there at start ends, or what is not; *gone: which. */
static uint64_t piece(uint64_t start, uint64_t end, bool *gone)
{
	uint64_t at = start + PAGE_SIZE;

	*gone = is_gone(start);
	while (at < end && is_gone(at) == *gone)
		at += PAGE_SIZE;
	return at;
}

static void note_hidden(uint64_t start, uint64_t end)
{
	uint32_t shadow;
	uint64_t next;

	for (uint64_t at = start; at < end; at = next) {
		next = shadow_run(at, end, &shadow);
		if (shadow & SHADOW_SHOWN)
			shadow_set(at, next, hidden(shadow));
	}
}

/* A hole is a border, too: page by page it would take new mappings. */
static int hide_what_is_left(uint64_t start, uint64_t end)
{
	uint64_t next, tried = end;
	bool gone;
	int error = 0;

	for (uint64_t at = start; at < end && !error; at = next) {
		next = piece(at, end, &gone);
		if (!gone)
			error = memory_protect(at, next - at, PROT_NONE);
		if (!error) {
			note_hidden(at, next);
		} else if (error == -ENOMEM && tried != at) {
			tried = next = at; /* it may have gone since */
			error = 0;
		}
	}
	return error;
}

/* Between borders that are there it takes the kernel no new mapping. */
static int hide_stretch(uint64_t start, uint64_t end)
{
	int error = memory_protect(start, end - start, PROT_NONE);

	if (error == -ENOMEM) {
		widen(&start, &end);
		error = memory_protect(start, end - start, PROT_NONE);
	}
	if (error == -ENOMEM)
		return hide_what_is_left(start, end);
	if (!error)
		note_hidden(start, end);
	return error;
}

int rights_hide(uint64_t start, uint64_t end)
{
	bool mapped, shown;
	int error = 0;

	while (start < end && !error) {
		uint64_t next = stretch(start, end, &mapped, &shown);

		if (mapped && shown)
			error = hide_stretch(start, next);
		start = next;
	}
	return error;
}

void rights_sweep(uint64_t most)
{
	static uint64_t hand; /* under the lock */
	uint64_t start, end;
	bool again = true;

	while (shadow_borders() > most) {
		if (shadow_next_chunk(hand, &start, &end)) {
			rights_hide(start, end);
			hand = end;
		} else if (again) {
			again = false;
			hand = 0;
		} else {
			return;
		}
	}
}

/* ---- what changes in a stretch ---- */

static int change_what_is_left(uint64_t start, uint64_t end, uint32_t to)
{
	int error = 0;

	for (uint64_t at = start; at < end && !error; at += PAGE_SIZE) {
		error = memory_protect(at, PAGE_SIZE, shadow_prot(to));
		if (!error)
			shadow_set(at, at + PAGE_SIZE, to);
		else if (error == -ENOMEM && is_gone(at))
			error = 0;
	}
	return error;
}

int rights_change(uint64_t start, uint64_t end, uint32_t from, uint32_t to)
{
	int error = 0;

	if (shadow_prot(from) != shadow_prot(to)) {
		error = memory_protect(start, end - start, shadow_prot(to));
		if (error == -ENOMEM) {
			rights_sweep(0);
			error = memory_protect(start, end - start,
					       shadow_prot(to));
		}
	}
	if (error == -ENOMEM)
		return change_what_is_left(start, end, to);
	if (!error)
		shadow_set(start, end, to);
	return error;
}

int rights_edit(uint64_t start, uint64_t end, uint32_t clear, uint32_t set)
{
	uint32_t shadow;
	uint64_t next;
	int error = 0;

	for (uint64_t at = start; at < end && !error; at = next) {
		uint32_t to;

		next = shadow_run(at, end, &shadow);
		to = (shadow & ~clear) | set;
		if (!shadow_mapped(shadow))
			return at == start ? -ENOENT : 0;
		if (to == shadow)
			continue;
		error = rights_change(at, next, shadow, to);
		/* A sweep may have hidden what came before: then it traps. */
	}
	return error;
}
