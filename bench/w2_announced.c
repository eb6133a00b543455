/* w2_announced.c - random 4 KiB reads, announced in lists of 64 */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

static uint64_t touch(const struct job *job, uint64_t first)
{
	const unsigned char *bytes = job->view->bytes;
	uint64_t sum = 0;

	for (uint64_t i = first; i < first + LIST && i < job->last; i++) {
		uint64_t offset = random_page(job->setting, i);

		sum += words_sum(bytes + offset, PAGE, offset);
	}
	return sum;
}

/* The variant's parameter says how many lists ahead of the touches are
 * announced. */
static uint64_t work(struct job *job)
{
	uint64_t ahead = job->setting->variant->parameter * LIST;
	uint64_t sum = 0;

	for (uint64_t at = 0; at < ahead; at += LIST)
		announce_list(job, job->first + at, false);
	for (uint64_t at = job->first; at < job->last; at += LIST) {
		announce_list(job, at + ahead, false);
		sum += touch(job, at);
	}
	return sum;
}

static void limit(const struct question *question,
		  const struct setting *setting, struct run *run)
{
	(void)question;
	random_reads(setting, LIST, run);
}

int main(int argc, char **argv)
{
	static const struct variant variants[] = {
		{ .threads = 1 },
		{ .name = "1 thread, a list ahead",
		  .threads = 1,
		  .parameter = 1 },
		{ .threads = 4, .only_long = true },
		{ .threads = 0 },
	};
	static const struct question question = {
		.id = "W2",
		.title = "random 4 KiB reads through a mapping, announced in "
			 "lists of 64",
		.unit = "reads/s",
		.per_unit = 1,
		.peer_name = "kernel mmap, MADV_WILLNEED for each page",
		.limit_name = "O_DIRECT through io_uring, 64 at once",
		.variants = variants,
		.advice = MADV_RANDOM,
		.prepare = fill_budget,
		.work = work,
		.limit = limit,
		.operations = reads_at_first,
	};

	return bench_main(&question, argc, argv);
}
