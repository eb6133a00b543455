/* calls.c - calls of mmap's family on a software space, by the bytes given */
/* SPDX-License-Identifier: MIT */
/*
 * What the calls answer is the judge's business (tests/model/judge).  Here
 * they may be anything: any address, length, flag and advice, in a window of a
 * few pages, over a budget of eight.  The space's own invariants are asserted
 * after each, and at the end every page has gone back to the budget.
 */
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

#define PAGES 24
#define BASE UINT64_C(0x10000)
#define STEPS_MOST 200
#define SPACES 3

struct input {
	const unsigned char *bytes;
	size_t left;
};

static struct quire *quire;
static struct quire_object *object;
static struct quire_space *space[SPACES];

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t length);

/* 0 when the bytes have ended. */
static unsigned next(struct input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->bytes++;
}

static uint64_t wide(struct input *input)
{
	return (uint64_t)next(input) << 8 | next(input);
}

/* Mostly a page of the window; now and then any number. */
static void *address(struct input *input)
{
	unsigned byte = next(input);
	uint64_t at = BASE + (byte % PAGES) * QUIRE_PAGE_SIZE;

	if (byte >= 250)
		at = wide(input) << (byte - 250) * 8 | byte;
	return (void *)(uintptr_t)at;
}

static size_t length(struct input *input)
{
	unsigned byte = next(input);

	return byte >= 248 ? wide(input) << (byte - 248) * 7
			   : byte % 9 * QUIRE_PAGE_SIZE;
}

static void map(struct quire_space *in, struct input *input)
{
	int flags = (int)(wide(input) | (uint64_t)next(input) << 16);
	void *place = address(input);
	size_t bytes = length(input);

	/* A gigabyte's page is no page of this window. */
	flags &= (int)~(0x3fu << 26);
	(void)quire_mmap(in, place, bytes, (int)next(input) % 9, flags,
			 next(input) % 4 ? object : NULL,
			 (off_t)(wide(input) * QUIRE_PAGE_SIZE / 8));
}

static void access_bytes(struct quire_space *in, struct input *input)
{
	char bytes[3 * QUIRE_PAGE_SIZE];
	unsigned kind = next(input) % 4;

	memset(bytes, (int)kind, sizeof(bytes));
	(void)quire_access(in, (enum quire_access)kind, address(input), bytes,
			   wide(input) % sizeof(bytes), NULL);
}

static void begin_spaces(void)
{
	const struct quire_space_options options = {
		.size = sizeof(options),
		.base = BASE,
		.end = BASE + PAGES * QUIRE_PAGE_SIZE,
		.break_start = BASE + PAGES / 2 * QUIRE_PAGE_SIZE,
		.stack_guard_gap = 2,
	};

	if (quire_space_create(quire, &options, &space[0]))
		abort();
}

static void fork_space(unsigned which, struct input *input)
{
	unsigned child = next(input) % SPACES;

	if (child == which)
		return;
	quire_space_close(space[child]);
	space[child] = NULL;
	if (quire_space_fork(space[which], &space[child]))
		space[child] = NULL;
}

static void advise(struct quire_space *in, struct input *input)
{
	unsigned char vector[PAGES];
	void *place = address(input);
	size_t bytes = length(input);

	if (next(input) % 4)
		(void)quire_madvise(in, place, bytes, (int)next(input));
	else if (bytes <= sizeof(vector) * QUIRE_PAGE_SIZE)
		(void)quire_mincore(in, place, bytes, vector);
}

static void lock(struct quire_space *in, struct input *input)
{
	void *place = address(input);
	size_t bytes = length(input);

	switch (next(input) % 5) {
	case 0:
		(void)quire_mlock(in, place, bytes);
		break;
	case 1:
		(void)quire_mlock2(in, place, bytes, next(input) % 3);
		break;
	case 2:
		(void)quire_mlockall(in, (int)next(input) % 9);
		break;
	case 3:
		(void)quire_munlockall(in);
		break;
	default:
		(void)quire_munlock(in, place, bytes);
	}
}

static void remap(struct quire_space *in, struct input *input)
{
	void *from = address(input);
	size_t old = length(input), new = length(input);
	int flags = (int)next(input) % 9;

	(void)quire_mremap(in, from, old, new, flags, address(input));
}

static void step(struct input *input)
{
	unsigned what = next(input), which = what / 16 % SPACES;
	struct quire_space *in = space[which];
	void *place;

	if (!in)
		return;
	switch (what % 16) {
	case 0:
	case 1:
	case 2:
		map(in, input);
		break;
	case 3:
		place = address(input);
		(void)quire_munmap(in, place, length(input));
		break;
	case 4:
		place = address(input);
		(void)quire_mprotect(in, place, length(input),
				     (int)next(input) % 9);
		break;
	case 5:
		remap(in, input);
		break;
	case 6:
	case 7:
		advise(in, input);
		break;
	case 8:
		lock(in, input);
		break;
	case 9:
		fork_space(which, input);
		break;
	case 10:
		(void)quire_brk(in, address(input));
		break;
	case 11:
		(void)quire_object_resize(object, wide(input) % 40000);
		break;
	case 12:
		place = address(input);
		(void)quire_msync(in, place, length(input),
				  (int)next(input) % 8);
		break;
	default:
		access_bytes(in, input);
	}
	space_check(&in->space);
}

static void say_nothing(void *context, enum quire_log_level level,
			const char *line)
{
	(void)context;
	(void)level;
	(void)line;
}

static void begin(void)
{
	const struct quire_options options = {
		.size = sizeof(options),
		.budget = UINT64_C(8) * QUIRE_PAGE_SIZE,
		.full_wait_ms = 20,
		.flags = QUIRE_NO_REPORT,
		.log = say_nothing,
	};

	if (quire_open(&options, &quire) ||
	    quire_object_create_anonymous(quire, 20000, NULL, &object))
		abort();
	begin_spaces();
}

static void end(void)
{
	struct quire_statistics statistics = { .size = sizeof(statistics) };

	for (unsigned i = 0; i < SPACES; i++) {
		quire_space_close(space[i]);
		space[i] = NULL;
	}
	if (quire_object_close(object) ||
	    quire_get_statistics(quire, &statistics) || statistics.resident ||
	    quire_close(quire))
		abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t bytes_length)
{
	struct input input = { bytes, bytes_length };

	begin();
	for (int i = 0; i < STEPS_MOST && input.left > 0; i++)
		step(&input);
	end();
	return 0;
}
