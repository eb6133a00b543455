/* report_pages.c - the page table of the software MMU as text */
/* SPDX-License-Identifier: MIT */
/*
 * A line for each run of translations that look alike and go on in what they
 * show: the addresses, what is allowed (rwx), what was done and what it is,
 * and whose pages they are, from which one on.
 *
 *   00010000-00013000 rw- ad--- 5 data.bin
 *
 * a: accessed, d: dirty, p: private, g: guard, h: huge, H: 1 GiB.
 */
#include "space/report_private.h"

#include "mmu/mmu_soft.h"

struct run {
	uint64_t start;
	uint64_t end;
	struct soft_translation first;
};

static char mark(const struct run *run, uint32_t flag, char letter)
{
	return run->first.flags & flag ? letter : '-';
}

static void add_run(struct text *text, const struct run *run)
{
	const struct soft_translation *first = &run->first;
	const char *name = "zeros";

	text_print(text, "%08llx-%08llx %c%c%c %c%c%c%c%c ",
		   (unsigned long long)run->start, (unsigned long long)run->end,
		   mark(run, SOFT_READ, 'r'), mark(run, SOFT_WRITE, 'w'),
		   mark(run, SOFT_EXECUTE, 'x'), mark(run, SOFT_ACCESSED, 'a'),
		   mark(run, SOFT_DIRTY, 'd'), mark(run, SOFT_PRIVATE, 'p'),
		   mark(run, SOFT_GUARD, 'g'),
		   first->flags & SOFT_GIANT ? 'H' : mark(run, SOFT_HUGE, 'h'));
	if (first->flags & SOFT_GUARD) {
		text_print(text, "0 guard\n");
		return;
	}
	if (first->owner)
		name = object_identity(first->owner)->name;
	text_print(text, "%llu ", (unsigned long long)first->index);
	text_add_name(text, name ? name : "");
	text_print(text, "\n");
}

static uint64_t leaf_end(uint64_t address, uint32_t flags)
{
	unsigned shift = flags & SOFT_GIANT  ? 30
			 : flags & SOFT_HUGE ? 21
					     : PAGE_SHIFT;

	return ((address >> shift) + 1) << shift;
}

/* The page of zeros, and a guard, is the same everywhere. */
static bool goes_on(const struct run *run, uint64_t address,
		    const struct soft_translation *next)
{
	const struct soft_translation *first = &run->first;

	return run->end == address && first->flags == next->flags &&
	       first->owner == next->owner &&
	       (!first->owner ||
		first->index + ((address - run->start) >> PAGE_SHIFT) ==
			next->index);
}

void report_pages(struct text *text, const struct space *space)
{
	uint64_t address = space->mmu->lowest;
	uint64_t end = space->mmu->highest;
	struct soft_translation next;
	struct run run = { .end = 0 };

	while (address < end && soft_next(space->mmu, &address, end, &next)) {
		if (run.end && !goes_on(&run, address, &next)) {
			add_run(text, &run);
			run.end = 0;
		}
		if (!run.end)
			run = (struct run){ .start = address, .first = next };
		run.end = leaf_end(address, next.flags);
		address = run.end;
	}
	if (run.end)
		add_run(text, &run);
}
