/* w7_updates.c - random 4 KiB updates, made durable every 1,000 */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <string.h>

#define UPDATES 1000u /* between two msync() */
#define DEPTH 32      /* of the limit, and of reading back */
#define LONGEST_STALL_US 100000

/* What the page holds after this run: other words than after any before. */
static void fill(const struct setting *setting, unsigned char *page,
		 uint64_t offset)
{
	uint64_t seed = mix(offset ^ setting->round << 48);

	for (size_t at = 0; at < PAGE; at += sizeof(seed), seed++)
		memcpy(page + at, &seed, sizeof(seed));
}

/* Lets all that was stored get home. */
static void make_durable(struct job *job)
{
	const struct view *view = job->view;
	uint64_t begun = clock_ns(), took;

	view_sync(view, 0, job->setting->size);
	took = clock_ns() - begun;
	if (took > job->longest_ns)
		job->longest_ns = took;
}

/* With a parameter the pages are announced as written anew, in lists. */
static uint64_t work(struct job *job)
{
	const struct setting *setting = job->setting;

	for (uint64_t i = job->first; i < job->last; i++) {
		uint64_t offset = random_page(setting, i);
		uint64_t begun = clock_ns();

		if (setting->variant->parameter && (i - job->first) % LIST == 0)
			announce_list(job, i, true);
		fill(setting, job->view->bytes + offset, offset);
		job->latency_ns[i] = clock_ns() - begun;
		if ((i - job->first + 1) % UPDATES == 0)
			make_durable(job);
	}
	make_durable(job);
	return 0;
}

/* 1 for a page that holds what this run has stored. */
static uint64_t good(const struct setting *setting, const unsigned char *bytes,
		     size_t length, uint64_t offset)
{
	unsigned char wanted[PAGE];

	fill(setting, wanted, offset);
	return !memcmp(bytes, wanted, length);
}

static void verify(const struct setting *setting, struct run *run)
{
	struct direct_jobs reads = {
		.depth = DEPTH,
		.length = PAGE,
		.count = setting->operations,
		.offset = random_page,
		.sum = good,
	};

	verify_all(setting, &reads, run);
}

static void limit(const struct question *question,
		  const struct setting *setting, struct run *run)
{
	struct direct_jobs writes = {
		.depth = DEPTH,
		.length = PAGE,
		.count = setting->operations,
		.offset = random_page,
		.fill = fill,
		.sync_every = UPDATES,
	};

	(void)question;
	arm_direct(setting, &writes, run);
}

static uint64_t operations(const struct setting *setting)
{
	(void)setting;
	return 2000;
}

int main(int argc, char **argv)
{
	static const struct variant variants[] = {
		{ .threads = 1 },
		{ .threads = 4 },
		{ .threads = 16, .only_long = true },
		IN_PLACE(1),
		IN_PLACE(4),
		{ .name = "announced as written anew, 1 thread",
		  .threads = 1,
		  .parameter = 1 },
		{ .name = "announced as written anew, 4 threads",
		  .threads = 4,
		  .parameter = 1 },
		{ .threads = 0 },
	};
	static const struct question question = {
		.id = "W7",
		.title = "random 4 KiB updates, each thread's msync(MS_SYNC) "
			 "after every 1,000 of its own",
		.unit = "updates/s",
		.per_unit = 1,
		.limit_name = "O_DIRECT writes, 32 at once, fdatasync() after "
			      "every 1,000",
		.variants = variants,
		.advice = MADV_RANDOM,
		.writable = true,
		.prepare = fill_budget,
		.work = work,
		.verify = verify,
		.latency_name = "store",
		.latency_most_us = LONGEST_STALL_US,
		.longest_name = "longest_msync_ms",
		.limit = limit,
		.operations = operations,
	};

	return bench_main(&question, argc, argv);
}
