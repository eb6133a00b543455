/* advise_calls.c - the public functions madvise, posix_madvise and mincore */
/* SPDX-License-Identifier: MIT */
#include "engine/populate.h"

#include "os/memory.h"

#include <errno.h>
#include <string.h>

/* ---- madvise ---- */

/* madvise_pageout(): what cannot be written home stays. */
static void page_out(struct quire *quire, const struct space_run *run)
{
	uint64_t count = space_run_pages(run);

	(void)writeback_sync(&quire->writeback, run->object, run->index, count,
			     false);
	object_drop_clean(run->object, run->index, count);
}

static void read_ahead(const struct space_run *run)
{
	uint64_t pages = object_pages(run->object);
	uint64_t count = space_run_pages(run);

	if (run->index >= pages)
		return;
	if (count > pages - run->index)
		count = pages - run->index;
	object_read_ahead(run->object, run->index, count);
}

static int act(struct quire *quire, int advice, const struct space_run *run)
{
	uint64_t count = space_run_pages(run);

	if (!run->object)
		return 0;
	switch (advice) {
	case MADV_WILLNEED:
		read_ahead(run);
		return 0;
	case MADV_COLD:
		object_deactivate(run->object, run->index, count);
		return 0;
	case MADV_PAGEOUT:
		page_out(quire, run);
		return 0;
	case MADV_FREE:
		object_free_lazily(run->object, run->index, count);
		return 0;
	default: /* MADV_DONTNEED, _REMOVE, _GUARD_INSTALL */
		return object_discard(run->object, run->index, count);
	}
}

static int advise_pages(struct quire_space *space, uint64_t start, uint64_t end,
			int advice)
{
	struct space_walk walk = { .advice = advice, .at = start, .end = end };
	struct space_run run;
	int error = 0, next = 0;

	walk.anon = space->soft ? &space->quire->anon : NULL;
	while (!error &&
	       (next = space_advise_next(&space->space, &walk, &run)) > 0) {
		error = act(space->quire, advice, &run);
		space_run_drop(&run);
	}
	soft_settle(space);
	if (!error)
		error = next;
	if (!error && walk.hole)
		error = error_say(-ENOMEM, "nothing is mapped in a part of the "
					   "range");
	return error;
}

static int advise(struct quire_space *space, uint64_t address, uint64_t length,
		  int advice)
{
	int result = space_advice_check(address, length, advice);

	if (result <= 0)
		return result;
	if (space_advice_sets_flags(advice))
		return space_advise(&space->space, address, length, advice);
	switch (advice) {
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
		return space_populate(space, address, length,
				      advice == MADV_POPULATE_WRITE);
	default:
		return advise_pages(space, address,
				    address + page_round_up(length), advice);
	}
}

int quire_madvise(struct quire_space *space, void *address, size_t length,
		  int advice)
{
	int error = space_begin(space);

	if (!error)
		error = advise(space, (uint64_t)(uintptr_t)address, length,
			       advice);
	if (!error)
		return 0;
	errno = -error;
	return -1;
}

int quire_posix_madvise(struct quire_space *space, void *address, size_t length,
			int advice)
{
	int error = space_begin(space);

	if (error)
		return -error;
	/* As glibc: no bytes may be lost, so that one does nothing. */
	if (advice == POSIX_MADV_DONTNEED)
		return 0;
	if (advice < 0 || advice > POSIX_MADV_WILLNEED)
		return -error_say(-EINVAL, "no advice has the number %d",
				  advice);
	return -advise(space, (uint64_t)(uintptr_t)address, length, advice);
}

/* ---- mincore ---- */

#define PAGES_AT_ONCE 4096

static int check_range(const struct quire_space *space, uint64_t address,
		       uint64_t length)
{
	if (address & PAGE_MASK)
		return error_say(-EINVAL, "address 0x%llx is inside a page",
				 (unsigned long long)address);
	if (length > space->mmu->highest ||
	    address > space->mmu->highest - length)
		return error_say(-ENOMEM, "the range exceeds the space");
	return 0;
}

/* What the caller gives is filled with no lock held: it may be mapped. */
static int give(struct quire *quire, unsigned char *vector,
		const unsigned char *bytes, size_t count)
{
	struct object_host *host = &quire->host;

	if (host->managed(host->context, vector, count))
		return host->copy(host->context, vector, bytes, count, true);
	if (memory_give(vector, bytes, count))
		return error_say(-EFAULT, "%p cannot be written",
				 (void *)vector);
	return 0;
}

/* Private copies that the host has are in memory, too. */
static void add_own(uint64_t address, unsigned char *bytes, uint64_t count)
{
	unsigned char theirs[PAGES_AT_ONCE];

	if (memory_resident(address, count << PAGE_SHIFT, theirs))
		return; /* unmapped by now */
	for (uint64_t i = 0; i < count; i++)
		bytes[i] |= theirs[i] & 1;
}

static int residency(struct quire_space *space, uint64_t address,
		     uint64_t length, unsigned char *vector)
{
	uint64_t pages = length / PAGE_SIZE + (length % PAGE_SIZE != 0);
	unsigned char bytes[PAGES_AT_ONCE];
	int error = 0;

	while (!error && pages > 0) {
		uint64_t most = pages < PAGES_AT_ONCE ? pages : PAGES_AT_ONCE;
		bool own = false;
		int64_t count = space_residency(&space->space, address, most,
						bytes, &own);

		if (count < 0)
			return (int)count;
		if (own)
			add_own(address, bytes, (uint64_t)count);
		error = give(space->quire, vector, bytes, (size_t)count);
		pages -= (uint64_t)count;
		vector += count;
		address += (uint64_t)count << PAGE_SHIFT;
	}
	return error;
}

int quire_mincore(struct quire_space *space, void *address, size_t length,
		  unsigned char *vector)
{
	uint64_t start = (uint64_t)(uintptr_t)address;
	int error = space_begin(space);

	if (!error)
		error = check_range(space, start, length);
	if (!error)
		error = residency(space, start, length, vector);
	if (!error)
		return 0;
	errno = -error;
	return -1;
}
