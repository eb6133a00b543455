/* mmu_sigsegv.c - the hardware MMU, by mprotect() and SIGSEGV */
/* SPDX-License-Identifier: MIT */
/*
 * The functions of the table: each takes the lock of shadows, and wakes who
 * sleeps once it is dropped.
 */
#include "mmu/mmu_sigsegv.h"

#include "mmu/mmu_host.h"
#include "mmu/mmu_sigsegv_private.h"
#include "os/memory.h"
#include "os/page_sleep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEFAULT_MAP_COUNT 65530
#define TRAPS_AT_ONCE 32

struct mmu_sigsegv {
	struct mmu mmu;
	unsigned owner;
	int traps;             /* where they are read */
	uint64_t most_borders; /* [I] of all engines of the process */
};

static struct mmu_sigsegv *own(const struct mmu *mmu)
{
	return container_of(mmu, struct mmu_sigsegv, mmu);
}

static void wake(struct mmu *mmu, uint64_t start, uint64_t length)
{
	(void)mmu;
	page_sleep_wake(start, length);
}

/* ---- pages ---- */

static int hide(struct mmu *mmu, uint64_t start, uint64_t length)
{
	int error;

	(void)mmu;
	shadow_lock();
	error = rights_hide(start, start + length);
	shadow_unlock();
	return error;
}

/* The first page of [start, end) that is guarded, or end. */
static uint64_t guard_from(uint64_t start, uint64_t end)
{
	while (start < end && !(shadow_at(start) & SHADOW_GUARDED))
		start += PAGE_SIZE;
	return start;
}

/* Up to a guarded page, which is not shown. */
static int show(struct mmu *mmu, uint64_t start, uint64_t length, uint32_t as)
{
	uint64_t end = start + length, most = own(mmu)->most_borders;
	int error;

	shadow_lock();
	error = shadow_reserve(start, end, true);
	if (!error && shadow_borders() > most)
		rights_sweep(most - most / 4);
	end = guard_from(start, end);
	if (!error && end > start)
		error = rights_edit(start, end, SHADOW_REFUSED, as);
	shadow_unlock();
	if (!error)
		page_sleep_wake(start, length);
	return error;
}

static int install(struct mmu *mmu, uint64_t start, uint64_t length,
		   bool shared)
{
	(void)shared; /* the region knows */
	return show(mmu, start, length, SHADOW_SHOWN);
}

static int grant(struct mmu *mmu, uint64_t start, uint64_t length, bool shown)
{
	(void)shown; /* the shadow says it */
	return show(mmu, start, length, SHADOW_SHOWN | SHADOW_WRITABLE);
}

static int write_protect(struct mmu *mmu, uint64_t start, uint64_t length)
{
	uint64_t end = start + length, next;
	uint32_t shadow;
	int error = 0;

	(void)mmu;
	shadow_lock();
	for (uint64_t at = start; at < end && !error; at = next) {
		next = shadow_run(at, end, &shadow);
		if (!(shadow & SHADOW_WRITABLE))
			continue;
		error = rights_change(at, next, shadow,
				      shadow & ~SHADOW_WRITABLE);
		if (error)
			error = rights_hide(at, next);
	}
	shadow_unlock();
	return error;
}

static int refuse(struct mmu *mmu, uint64_t start, bool shared)
{
	uint64_t end = start + PAGE_SIZE;
	int error = 0;

	(void)mmu;
	shadow_lock();
	if (!shadow_mapped(shadow_at(start)))
		error = -ENOENT;
	else
		error = shadow_reserve(start, end, true);
	if (!error && shared)
		error = rights_hide(start, end);
	if (!error && !(shadow_at(start) & SHADOW_SHOWN))
		shadow_set(start, end, shadow_at(start) | SHADOW_REFUSED);
	shadow_unlock();
	if (!error)
		page_sleep_wake(start, PAGE_SIZE);
	return error;
}

/* ---- the layout ---- */

static int map_locked(struct mmu *mmu, const struct mmu_mapping *mapping)
{
	uint64_t start = mapping->start, end = start + mapping->length;
	uint32_t shadow;
	int error = shadow_reserve(start, end, false);

	if (!error)
		error = shadow_region_create(mapping->memory,
					     mapping->offset - start,
					     own(mmu)->owner, &shadow);
	if (error)
		return error;
	error = memory_map_at(start, mapping->length, PROT_NONE,
			      mapping->shared, mapping->memory, mapping->offset,
			      mapping->replace);
	if (error)
		shadow_region_drop(shadow);
	else
		shadow_set(start, end, shadow | rights_of(mapping));
	return error;
}

static int map(struct mmu *mmu, const struct mmu_mapping *mapping)
{
	int error = traps_arm();

	if (error)
		return error;
	shadow_lock();
	error = map_locked(mmu, mapping);
	shadow_unlock();
	if (mapping->replace)
		page_sleep_wake(mapping->start, mapping->length);
	return error;
}

static int unmap_locked(uint64_t start, uint64_t end)
{
	int error = shadow_reserve(start, end, false);

	if (!error)
		error = memory_unmap_at(start, end - start);
	if (!error)
		shadow_set(start, end, 0);
	return error;
}

static int unmap(struct mmu *mmu, uint64_t start, uint64_t length)
{
	int error;

	(void)mmu;
	shadow_lock();
	error = unmap_locked(start, start + length);
	shadow_unlock();
	if (!error)
		page_sleep_wake(start, length);
	return error;
}

/* The space asks for one mapping at a time: its rights were all the same. */
static int protect(struct mmu *mmu, uint64_t start, uint64_t length, int prot)
{
	uint64_t end = start + length;
	uint32_t before;
	int error;

	(void)mmu;
	shadow_lock();
	before = shadow_at(start) & SHADOW_RIGHTS;
	error = shadow_reserve(start, end, false);
	if (!error)
		error = rights_edit(start, end, SHADOW_RIGHTS, (uint32_t)prot);
	if (error)
		rights_edit(start, end, SHADOW_RIGHTS, before);
	shadow_unlock();
	return error;
}

/* In a shared mapping the same bytes would be shown again. */
static int forget(struct mmu *mmu, uint64_t start, uint64_t length, bool shared)
{
	int error;

	if (shared)
		return 0;
	error = hide(mmu, start, length);
	return error ? error : memory_forget(start, length);
}

/* Ours, as an old kernel has none; a private copy goes, as it does there. */
static int guard(struct mmu *mmu, uint64_t start, uint64_t length, bool guard)
{
	uint64_t end = start + length;
	int error;

	(void)mmu;
	shadow_lock();
	error = shadow_reserve(start, end, false);
	if (!error)
		error = rights_hide(start, end);
	if (!error && guard && !(shadow_at(start) & SHADOW_SHARED))
		error = memory_forget(start, length);
	if (!error)
		error = rights_edit(start, end, SHADOW_GUARDED | SHADOW_REFUSED,
				    guard ? SHADOW_GUARDED : 0);
	shadow_unlock();
	if (!error)
		page_sleep_wake(start, length);
	return error;
}

static int copy_guards(struct mmu *mmu, uint64_t from, uint64_t to,
		       uint64_t length)
{
	(void)mmu;
	shadow_lock();
	shadow_copy_guards(from, length, to);
	shadow_unlock();
	return 0;
}

/*
 * Nothing is shown at the new place: until the space has it in its books
 * nobody could hide a page there.
 */
static int move(struct mmu *mmu, const struct mmu_move *move)
{
	int error = traps_arm();

	if (error)
		return error;
	shadow_lock();
	error = shadow_move(own(mmu)->owner, move);
	shadow_unlock();
	page_sleep_wake(move->from, move->length);
	return error;
}

/* ---- traps ---- */

static int traps_fd(const struct mmu *mmu)
{
	return own(mmu)->traps;
}

static int take_traps(struct mmu *mmu, struct mmu_trap *traps, int most)
{
	uint64_t words[TRAPS_AT_ONCE];
	size_t room = (size_t)(most < TRAPS_AT_ONCE ? most : TRAPS_AT_ONCE);
	ssize_t got = read(own(mmu)->traps, words, room * sizeof(words[0]));
	int count = got < 0 ? 0 : (int)((size_t)got / sizeof(words[0]));

	for (int i = 0; i < count; i++) {
		traps[i].address = page_round_down(words[i]);
		traps[i].write = words[i] & 1;
		traps[i].shown = false; /* it would not matter */
	}
	return count;
}

/* ---- life ---- */

static void destroy(struct mmu *mmu)
{
	traps_close(own(mmu)->owner, own(mmu)->traps);
	free(own(mmu));
}

static const struct mmu_ops ops = {
	.map = map,
	.unmap = unmap,
	.protect = protect,
	.install = install,
	.grant = grant,
	.write_protect = write_protect,
	.refuse = refuse,
	.move = move,
	.forget = forget,
	.guard = guard,
	.copy_guards = copy_guards,
	.hide = hide,
	.wake = wake,
	.traps_fd = traps_fd,
	.take_traps = take_traps,
	.destroy = destroy,
};

/* The other half is for the program's mappings. */
static uint64_t borders_allowed(void)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
	unsigned long long count = DEFAULT_MAP_COUNT;

	if (file) {
		if (fscanf(file, "%llu", &count) != 1)
			count = DEFAULT_MAP_COUNT;
		fclose(file);
	}
	return count / 2;
}

int mmu_sigsegv_create(struct mmu **mmu)
{
	struct mmu_sigsegv *new = calloc(1, sizeof(*new));
	int error;

	if (!new)
		return -ENOMEM;
	error = shadow_init();
	if (!error)
		error = traps_open(&new->owner, &new->traps);
	if (error) {
		free(new);
		return error;
	}
	new->most_borders = borders_allowed();
	new->mmu.ops = &ops;
	mmu_host_places(&new->mmu);
	*mmu = &new->mmu;
	return 0;
}
