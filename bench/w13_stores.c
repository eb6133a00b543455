/* w13_stores.c - stores to pages in memory, and msync() */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <string.h>

#define APART 64 /* pages, of what is scattered */
#define DEPTH 32 /* of reading back */

enum kind {
	IN_ORDER,  /* every page; msync() after the last */
	SCATTERED, /* every 64th */
	ONE,       /* msync() of each, after its store */
};

static uint64_t hot_bytes(const struct setting *setting)
{
	return setting->budget / 2;
}

/* Pages from one store to the next. */
static uint64_t apart(const struct setting *setting)
{
	return setting->variant->parameter == IN_ORDER ? 1 : APART;
}

/* Stores of a pass. */
static uint64_t pass(const struct setting *setting)
{
	return hot_bytes(setting) / PAGE / apart(setting);
}

static uint64_t place(const struct setting *setting, uint64_t number)
{
	return number % pass(setting) * apart(setting) * PAGE;
}

/* What the store of this number leaves: other bytes than any before. */
static uint64_t word(const struct setting *setting, uint64_t number)
{
	return mix(number ^ setting->round << 48);
}

static void prepare(const struct setting *setting, const struct view *view)
{
	volatile unsigned char seen;

	for (uint64_t at = 0; at < hot_bytes(setting); at += PAGE)
		seen = view->bytes[at];
	(void)seen;
}

static uint64_t work(struct job *job)
{
	const struct setting *setting = job->setting;
	const struct view *view = job->view;
	bool each = setting->variant->parameter == ONE;

	for (uint64_t i = job->first; i < job->last; i++) {
		uint64_t offset = place(setting, i);
		uint64_t stored = word(setting, i);

		memcpy(view->bytes + offset, &stored, sizeof(stored));
		if (each)
			view_sync(view, offset, PAGE);
		else if ((i + 1) % pass(setting) == 0)
			view_sync(view, 0, hot_bytes(setting));
	}
	view_sync(view, 0, hot_bytes(setting));
	return 0;
}

static uint64_t good(const struct setting *setting, const unsigned char *bytes,
		     size_t length, uint64_t offset)
{
	uint64_t first = offset / PAGE / apart(setting), passes, wanted;

	(void)length;
	passes = (setting->operations - 1 - first) / pass(setting);
	wanted = word(setting, first + passes * pass(setting));
	return !memcmp(bytes, &wanted, sizeof(wanted));
}

static void verify(const struct setting *setting, struct run *run)
{
	uint64_t places = pass(setting);
	struct direct_jobs reads = {
		.depth = DEPTH,
		.length = PAGE,
		.count = setting->operations < places ? setting->operations
						      : places,
		.offset = place,
		.sum = good,
	};

	verify_all(setting, &reads, run);
}

static uint64_t operations(const struct setting *setting)
{
	return setting->variant->parameter == ONE ? 200 : pass(setting);
}

#define KIND(what, kind)                                                      \
	{ .name = what ", thread traps", .threads = 1, .parameter = (kind) }, \
	{                                                                     \
		.name = what ", in the faulting thread", .threads = 1,        \
		.parameter = (kind), .trap = QUIRE_TRAP_SIGBUS                \
	}

int main(int argc, char **argv)
{
	static const struct variant variants[] = {
		KIND("every page in order", IN_ORDER),
		KIND("every 64th page", SCATTERED),
		KIND("a msync() of each", ONE),
		{ .threads = 0 },
	};
	static const struct question question = {
		.id = "W13",
		.title = "stores to pages in memory, and msync(MS_SYNC)",
		.unit = "1000 stores/s",
		.per_unit = 1000,
		.variants = variants,
		.advice = MADV_NORMAL,
		.writable = true,
		.prepare = prepare,
		.work = work,
		.verify = verify,
		.operations = operations,
	};

	return bench_main(&question, argc, argv);
}
