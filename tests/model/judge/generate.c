/* generate.c - random operations, mostly sensible */
/* SPDX-License-Identifier: MIT */
#include "model/judge/generate.h"

#include "model/judge/files.h"

#include "unit/unit.h"

#include <sys/mman.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t below(struct generator *generator, uint64_t limit)
{
	/* The upper bits are the better ones. */
	return (next_random(&generator->state) >> 11) % limit;
}

static bool one_in(struct generator *generator, uint64_t count)
{
	return below(generator, count) == 0;
}

/* ---- places ---- */

static void set_pages(struct op *op, uint64_t first, uint64_t pages)
{
	if (first >= WINDOW_PAGES)
		first = WINDOW_PAGES - 1;
	if (pages > WINDOW_PAGES - first)
		pages = WINDOW_PAGES - first;
	op->address = WINDOW + first * PAGE;
	op->length = pages * PAGE;
}

static void anywhere(struct generator *generator, struct op *op)
{
	uint64_t first = below(generator, WINDOW_PAGES);

	set_pages(op, first,
		  1 + below(generator,
			    one_in(generator, 6) ? WINDOW_PAGES : 5));
}

/* A mapping, a part of one, or a bit more. */
static void at_mapping(struct generator *generator, struct op *op)
{
	const struct maps_line *line =
		&generator->lines[below(generator, generator->line_count)];
	uint64_t first = (line->start - WINDOW) / PAGE;
	uint64_t pages = (line->end - line->start) / PAGE;

	switch (below(generator, 5)) {
	case 0: /* some pages in it, or past its end */
		first += below(generator, pages);
		set_pages(op, first, 1 + below(generator, 4));
		return;
	case 1: /* from below it */
		if (first > 0)
			first--;
		set_pages(op, first, 1 + below(generator, pages + 2));
		return;
	case 2: /* its first pages */
		set_pages(op, first, 1 + below(generator, pages));
		return;
	case 3: /* what follows on it */
		set_pages(op, first + pages, 1 + below(generator, 4));
		return;
	default:
		set_pages(op, first, pages);
	}
}

static void choose_range(struct generator *generator, struct op *op)
{
	if (generator->line_count && !one_in(generator, 3))
		at_mapping(generator, op);
	else
		anywhere(generator, op);
}

/*
 * What should be refused.  Never a range that is large and valid: outside of
 * the window lies what the kernel's process lives on.
 */
static void spoil_range(struct generator *generator, struct op *op)
{
	bool maps = op->kind == OP_MMAP || op->kind == OP_MUNMAP;

	switch (below(generator, 6)) {
	case 0:
		op->length = 0;
		break;
	case 1:
		op->length -= below(generator, PAGE);
		break;
	case 2:
		op->address += 8 * below(generator, PAGE / 8);
		if (op->address + op->length > WINDOW_END)
			op->length = WINDOW_END - op->address;
		break;
	case 3:
		op->length = UINT64_MAX - (one_in(generator, 2) ? PAGE - 2 : 0);
		break;
	case 4: /* up to the last address; where that is no error: too much */
		op->length = maps ? UINT64_C(1)
					     << (one_in(generator, 2) ? 47 : 63)
				  : -op->address;
		break;
	default:
		op->address = one_in(generator, 2) ? UINT64_MAX - PAGE + 1
						   : UINT64_C(0x7ffffffff000);
	}
}

/* ---- arguments ---- */

static int choose_prot(struct generator *generator)
{
	static const int prots[] = {
		PROT_READ | PROT_WRITE,
		PROT_READ | PROT_WRITE,
		PROT_READ,
		PROT_NONE,
		PROT_READ | PROT_EXEC,
		PROT_READ | PROT_WRITE | PROT_EXEC,
		PROT_WRITE,
		PROT_EXEC,
	};
	int prot = prots[below(generator, one_in(generator, 3) ? 8 : 3)];

	if (one_in(generator, 60))
		prot |= 8 << below(generator, 8);
	return prot;
}

static int choose_map_flags(struct generator *generator)
{
	static const int kinds[] = {
		MAP_SHARED,  MAP_SHARED,  MAP_SHARED,          MAP_PRIVATE,
		MAP_PRIVATE, MAP_PRIVATE, MAP_SHARED_VALIDATE,
	};
	static const int fixes[] = {
		MAP_FIXED, MAP_FIXED, MAP_FIXED, MAP_FIXED_NOREPLACE, 0, 0,
	};
	static const int others[] = {
		MAP_NORESERVE, MAP_DENYWRITE, MAP_EXECUTABLE, MAP_NONBLOCK,
		MAP_GROWSDOWN, MAP_POPULATE,  MAP_LOCKED,     MAP_STACK,
		MAP_32BIT,     MAP_SYNC,      MAP_NORESERVE,  MAP_POPULATE,
		0x200000,      MAP_HUGETLB,
	};
	int flags = kinds[below(generator, COUNT(kinds))];

	if (one_in(generator, 80))
		flags = (int)below(generator, 16);
	flags |= fixes[below(generator, COUNT(fixes))];
	if (one_in(generator, 3))
		flags |= MAP_ANONYMOUS;
	if (one_in(generator, 6))
		flags |= others[below(generator,
				      COUNT(others) - !one_in(generator, 8))];
	return flags & ~generator->never;
}

static unsigned choose_file(struct generator *generator)
{
	unsigned file;

	if (one_in(generator, 100))
		return NO_FILE;
	do
		file = (unsigned)below(generator,
				       one_in(generator, 2) ? 2 : HANDLES);
	while (!file_exists(file));
	return file;
}

static void choose_mmap(struct generator *generator, struct op *op)
{
	choose_range(generator, op);
	op->prot = choose_prot(generator);
	op->flags = choose_map_flags(generator);
	op->file = choose_file(generator);
	if (one_in(generator, 100))
		op->prot |= one_in(generator, 2) ? PROT_GROWSDOWN
						 : PROT_GROWSUP;
	/* Mostly so that neighbours of one file join. */
	op->offset = op->address - WINDOW;
	if (one_in(generator, 4))
		op->offset = below(generator, 8) * PAGE;
	if (one_in(generator, 80))
		op->offset += below(generator, PAGE);
	if (one_in(generator, 80))
		op->offset = INT64_MAX - PAGE + 1 - below(generator, 4) * PAGE;
	if (!(op->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) &&
	    one_in(generator, 2))
		op->address = 0;
	if (one_in(generator, 30))
		spoil_range(generator, op);
	/* A huge page would be larger than the window. */
	if ((op->flags & MAP_FIXED) && op->address == WINDOW)
		op->flags &= ~MAP_HUGETLB;
}

static void choose_mremap(struct generator *generator, struct op *op)
{
	static const int flags[] = {
		MREMAP_MAYMOVE,
		MREMAP_MAYMOVE,
		0,
		MREMAP_MAYMOVE | MREMAP_FIXED,
		MREMAP_MAYMOVE | MREMAP_FIXED,
		MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
		MREMAP_MAYMOVE | MREMAP_DONTUNMAP | MREMAP_FIXED,
		MREMAP_FIXED,
		MREMAP_DONTUNMAP,
		8,
	};
	struct op other = *op;

	choose_range(generator, op);
	anywhere(generator, &other);
	op->new_address = other.address;
	op->new_length = one_in(generator, 3) ? op->length : other.length;
	op->flags = flags[below(generator, one_in(generator, 6) ? 10 : 7)];
	if (op->flags & MREMAP_DONTUNMAP && !one_in(generator, 4))
		op->new_length = op->length;
	/* Nothing grows out of the window. */
	if (op->new_length > WINDOW_END - op->address)
		op->new_length = WINDOW_END - op->address;
	if (op->new_address + op->new_length > WINDOW_END)
		op->new_address = WINDOW_END - op->new_length;
	if (one_in(generator, 20))
		op->length = 0;
	if (one_in(generator, 40))
		op->new_length = one_in(generator, 2) ? 0 : UINT64_MAX;
	if (one_in(generator, 40))
		op->new_address += 8;
	if (one_in(generator, 40))
		spoil_range(generator, op);
}

static void choose_advice(struct generator *generator, struct op *op)
{
	static const int advices[] = {
		MADV_DONTNEED,
		MADV_DONTNEED,
		MADV_DONTNEED,
		MADV_NORMAL,
		MADV_RANDOM,
		MADV_SEQUENTIAL,
		MADV_WILLNEED,
		MADV_REMOVE,
		MADV_REMOVE,
		MADV_DONTFORK,
		MADV_DOFORK,
		MADV_MERGEABLE,
		MADV_UNMERGEABLE,
		MADV_HUGEPAGE,
		MADV_NOHUGEPAGE,
		MADV_DONTDUMP,
		MADV_DODUMP,
		MADV_WIPEONFORK,
		MADV_KEEPONFORK,
		MADV_COLD,
		MADV_PAGEOUT,
		MADV_POPULATE_READ,
		MADV_POPULATE_WRITE,
		MADV_FREE,
		24 /* DONTNEED_LOCKED */,
		25 /* COLLAPSE */,
		102 /* GUARD_INSTALL */,
		102,
		103 /* GUARD_REMOVE */,
		MADV_HWPOISON,
		101 /* SOFT_OFFLINE */,
		5,
		7,
		26,
		104,
		-1,
	};

	choose_range(generator, op);
	op->flags = advices[below(generator, COUNT(advices))];
	if (generator->short_of_memory && op->flags == MADV_FREE)
		op->flags = MADV_COLD;
	if (one_in(generator, 30))
		spoil_range(generator, op);
}

static void choose_flags(struct generator *generator, struct op *op)
{
	static const int syncs[] = {
		MS_SYNC,
		MS_ASYNC,
		MS_INVALIDATE,
		MS_SYNC | MS_INVALIDATE,
		MS_ASYNC | MS_INVALIDATE,
		0,
		MS_SYNC | MS_ASYNC,
		8,
	};
	static const int locks[] = { MLOCK_ONFAULT, 0, MLOCK_ONFAULT, 2 };
	static const int alls[] = {
		MCL_CURRENT,
		MCL_FUTURE,
		MCL_CURRENT | MCL_FUTURE,
		MCL_CURRENT | MCL_ONFAULT,
		MCL_FUTURE | MCL_ONFAULT,
		MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT,
		MCL_ONFAULT,
		0,
		8,
	};

	if (op->kind == OP_MLOCKALL) {
		op->flags = alls[below(generator, COUNT(alls))];
		return;
	}
	choose_range(generator, op);
	if (op->kind == OP_MSYNC)
		op->flags = syncs[below(generator, COUNT(syncs))];
	else if (op->kind == OP_MLOCK2)
		op->flags = locks[below(generator, COUNT(locks))];
	else if (op->kind == OP_MPROTECT)
		op->prot = choose_prot(generator);
	if (op->kind == OP_MPROTECT && one_in(generator, 12))
		op->prot |= one_in(generator, 3) ? PROT_GROWSUP
						 : PROT_GROWSDOWN;
	if (one_in(generator, 30))
		spoil_range(generator, op);
}

static void choose_access(struct generator *generator, struct op *op)
{
	choose_range(generator, op);
	op->address += below(generator, op->length / 8) * 8;
	if (one_in(generator, 2)) /* near the end of a page */
		op->address |= PAGE - 16;
	if (op->kind == OP_LOAD && one_in(generator, 12))
		op->address = (op->address | (PAGE - 1)) - 3;
	if (op->kind == OP_LOAD && op->address + 8 > WINDOW_END)
		op->address = WINDOW_END - 8;
	op->length = 8;
	op->value = UNIQUE_WORD(++generator->number);
}

/* A handle whose size means something, and that may be written. */
static void choose_file_op(struct generator *generator, struct op *op)
{
	do
		op->file = choose_file(generator);
	while (!file_exists(op->file) || !file_has_size(op->file) ||
	       (op->kind == OP_PREAD ? !file_is_readable(op->file)
				     : !file_is_writable(op->file)));
	op->length = below(generator, 20) * PAGE;
	if (one_in(generator, 2))
		op->length += 8 * below(generator, PAGE / 8);
	if (op->kind == OP_RESIZE)
		return;
	op->offset = 8 * below(generator, 12 * PAGE / 8);
	op->length = 8 * (1 + below(generator, 2 * PAGE / 8));
	op->value = UNIQUE_WORD(++generator->number);
}

static void choose_limit(struct generator *generator, struct op *op)
{
	op->flags = (int)below(generator, LIMITS);
	op->length = one_in(generator, 2) ? NO_LIMIT : below(generator, 40);
}

/* ---- kinds ---- */

static enum op_kind choose_kind(struct generator *generator)
{
	static const unsigned char weights[OP_KINDS] = {
		[OP_MMAP] = 60,   [OP_MUNMAP] = 14,  [OP_MPROTECT] = 25,
		[OP_MREMAP] = 25, [OP_MSYNC] = 6,    [OP_MADVISE] = 25,
		[OP_MINCORE] = 3, [OP_MLOCK] = 4,    [OP_MLOCK2] = 3,
		[OP_MUNLOCK] = 5, [OP_MLOCKALL] = 1, [OP_MUNLOCKALL] = 2,
		[OP_LOAD] = 20,   [OP_STORE] = 50,   [OP_FETCH] = 10,
		[OP_RESIZE] = 5,  [OP_PWRITE] = 6,   [OP_PREAD] = 4,
		[OP_FORK] = 3,    [OP_EXIT] = 1,     [OP_LIMIT] = 2,
	};
	unsigned sum = 0;
	uint64_t left;
	int kind;

	for (kind = 0; kind < OP_KINDS; kind++)
		if (generator->allowed & UINT64_C(1) << kind)
			sum += weights[kind];
	left = below(generator, sum);
	for (kind = 0; kind < OP_KINDS; kind++) {
		if (!(generator->allowed & UINT64_C(1) << kind))
			continue;
		if (left < weights[kind])
			break;
		left -= weights[kind];
	}
	return (enum op_kind)kind;
}

static void fill(struct generator *generator, struct op *op)
{
	switch (op->kind) {
	case OP_MMAP:
		choose_mmap(generator, op);
		break;
	case OP_MREMAP:
		choose_mremap(generator, op);
		break;
	case OP_MADVISE:
		choose_advice(generator, op);
		break;
	case OP_LOAD:
	case OP_STORE:
	case OP_FETCH:
		choose_access(generator, op);
		break;
	case OP_RESIZE:
	case OP_PWRITE:
	case OP_PREAD:
		choose_file_op(generator, op);
		break;
	case OP_LIMIT:
		choose_limit(generator, op);
		break;
	case OP_FORK:
		op->length = generator->forks + 1;
		break;
	case OP_EXIT:
		break;
	default:
		choose_flags(generator, op);
	}
}

static unsigned alive_count(const struct generator *generator)
{
	unsigned count = 0;

	for (unsigned i = 0; i < PROCESSES; i++)
		count += generator->alive[i];
	return count;
}

unsigned generate_process(struct generator *generator)
{
	unsigned process;

	do
		process = (unsigned)below(generator, PROCESSES);
	while (!generator->alive[process]);
	return process;
}

struct op generate_op(struct generator *generator, unsigned process)
{
	struct op op = { .process = process, .file = NO_FILE };

	do
		op.kind = choose_kind(generator);
	while ((op.kind == OP_FORK && generator->forks == PROCESSES - 1) ||
	       (op.kind == OP_EXIT && alive_count(generator) < 2));
	fill(generator, &op);
	op.look = one_in(generator, 8);
	return op;
}
