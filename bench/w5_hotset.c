/* w5_hotset.c - random reads of a hot set that fits in the budget */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <sys/mman.h>

#define LINE 64u /* bytes a read: what the processor fetches */

static uint64_t hot_bytes(const struct setting *setting)
{
	return setting->budget / 2;
}

/* Twice: the first pass brings pages in, the second maps what is left. */
static void prepare(const struct setting *setting, const struct view *view)
{
	volatile unsigned char seen;

	for (unsigned int pass = 0; pass < 2; pass++)
		for (uint64_t at = 0; at < hot_bytes(setting); at += PAGE)
			seen = view->bytes[at];
	(void)seen;
}

static uint64_t work(struct job *job)
{
	const unsigned char *bytes = job->view->bytes;
	uint64_t lines = hot_bytes(job->setting) / LINE;
	uint64_t sum = 0;

	for (uint64_t number = job->first; number < job->last; number++) {
		uint64_t offset = mix(number) % lines * LINE;

		sum += words_sum(bytes + offset, LINE, offset);
	}
	return sum;
}

static void limit(const struct question *question,
		  const struct setting *setting, struct run *run)
{
	arm_memory(question, setting, run, hot_bytes(setting));
}

static uint64_t operations(const struct setting *setting)
{
	(void)setting;
	return 2000000;
}

int main(int argc, char **argv)
{
	static const struct question question = {
		.id = "W5",
		.title = "random reads of 64 bytes in a hot set of half the "
			 "budget, warm",
		.unit = "1000 reads/s",
		.per_unit = 1000,
		.limit_name = "the same bytes in plain memory",
		.variants = variants_threads,
		.advice = MADV_NORMAL,
		.prepare = prepare,
		.work = work,
		.limit = limit,
		.operations = operations,
	};

	return bench_main(&question, argc, argv);
}
