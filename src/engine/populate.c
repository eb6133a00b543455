/* populate.c - pages are brought in before they are touched */
/* SPDX-License-Identifier: MIT */
/*
 * Mapping by mapping, with no lock held.  On the host the kernel touches the
 * pages, and traps as the program would; where it cannot (traps of user mode
 * alone), this thread touches them itself, under a guard.
 */
#include "engine/populate.h"

#include "fault/guard.h"
#include "os/memory.h"

#include <errno.h>

/* ---- one mapping ---- */

struct touch {
	uint64_t start;
	uint64_t end;
	bool write;
};

static void touch_body(void *argument)
{
	const struct touch *touch = argument;

	for (uint64_t at = touch->start; at < touch->end; at += PAGE_SIZE) {
		char *byte = (char *)(uintptr_t)at;

		/* relaxed: it leaves the byte as it is */
		if (touch->write)
			__atomic_fetch_or(byte, 0, __ATOMIC_RELAXED);
		else
			(void)__atomic_load_n(byte, __ATOMIC_RELAXED);
	}
}

static int touch_host(struct quire_space *space, struct touch touch)
{
	int error = memory_populate(touch.start, touch.end - touch.start,
				    touch.write);

	/* A refused page is as one that never was.  One that is hidden by its
	 * rights (traps by signals) is EINVAL: the mapping's were checked. */
	if (error == -EFAULT || error == -EHWPOISON || error == -EINVAL)
		error = guard_run(&space->quire->faults, touch_body, &touch,
				  NULL)
				? -EFAULT
				: 0;
	return error;
}

static int touch_soft(struct quire_space *space, const struct touch *touch)
{
	struct soft_context context = soft_context(space);
	struct access_verdict verdict;

	if (access_copy(&context, touch->write ? ACCESS_STORE : ACCESS_LOAD,
			touch->start, NULL, touch->end - touch->start,
			&verdict))
		return 0;
	return verdict.error == -ENOMEM ? -ENOMEM : -EFAULT;
}

static int touch_run(struct quire_space *space, const struct space_run *run,
		     bool write)
{
	struct touch touch = { run->start, run->end, write };
	int error = space->soft ? touch_soft(space, &touch)
				: touch_host(space, touch);

	trace("populate", "0x%llx-0x%llx for %s: %d",
	      (unsigned long long)run->start, (unsigned long long)run->end,
	      write ? "stores" : "loads", error);
	return error ? error_say_first(error,
				       "a page from 0x%llx on cannot be "
				       "had",
				       (unsigned long long)run->start)
		     : 0;
}

/* ---- MADV_POPULATE_READ, MADV_POPULATE_WRITE ---- */

/* check_vma_flags() */
static int check_rights(const struct space_run *run, bool write)
{
	if ((run->flags & (VM_IO | VM_PFNMAP)) ||
	    !(run->flags & (write ? VM_WRITE : VM_READ)))
		return error_say(-EINVAL,
				 "the mapping at 0x%llx cannot be populated so",
				 (unsigned long long)run->start);
	return 0;
}

int space_populate(struct quire_space *space, uint64_t address, uint64_t length,
		   bool write)
{
	uint64_t end = address + page_round_up(length);
	int error = 0;

	while (!error && address < end) {
		struct space_run run;

		if (!space_run_at(&space->space, address, end, &run))
			run.start = end;
		else if (run.start == address)
			error = check_rights(&run, write);
		if (run.start > address)
			error = error_say(-ENOMEM,
					  "nothing is mapped at 0x%llx",
					  (unsigned long long)address);
		if (!error)
			error = touch_run(space, &run, write);
		address = run.end;
		space_run_drop(&run);
	}
	return error;
}

/* ---- mlock, MAP_POPULATE ---- */

#define HOLD_PAGES 16

/* What may not be loaded can be in memory all the same. */
static int hold_run(const struct space_run *run)
{
	uint64_t left = space_run_pages(run), index = run->index;
	int error = 0;

	while (!error && left > 0) {
		uint64_t count = left < HOLD_PAGES ? left : HOLD_PAGES;

		error = object_hold(run->object, index, count, false);
		if (!error)
			object_let_go(run->object, index, count, false);
		index += count;
		left -= count;
	}
	return error && error != -ENOMEM ? -EFAULT : error;
}

/* populate_vma_page_range(): private pages of files are copied now. */
static int bring_in(struct quire_space *space, const struct space_run *run)
{
	bool private = (run->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE;
	bool own = !space->soft && (run->flags & VM_ANONYMOUS);

	if (!(run->flags & VM_ACCESS_FLAGS))
		return error_say(-EFAULT,
				 "the mapping at 0x%llx allows nothing",
				 (unsigned long long)run->start);
	if (private && !own)
		return touch_run(space, run, true);
	/* A guard is met by a touch alone. */
	if (!space->soft && !(run->flags & (VM_READ | VM_GUARDED)) &&
	    run->object)
		return hold_run(run);
	return touch_run(space, run, false);
}

int populate_range(struct quire_space *space, uint64_t start, uint64_t end,
		   uint64_t flags, bool ignore_errors)
{
	struct space_run run;
	int error = 0;

	while (!error && start < end &&
	       space_run_at(&space->space, start, end, &run)) {
		/* Not what is locked when it is touched. */
		if (!(run.flags & (VM_IO | VM_PFNMAP | VM_LOCKONFAULT)) &&
		    (run.flags & flags) == flags)
			error = bring_in(space, &run);
		if (ignore_errors)
			error = 0;
		start = run.end;
		space_run_drop(&run);
	}
	return error;
}
