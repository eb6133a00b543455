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
static void prepare(const struct setting *setting, const unsigned char *bytes)
{
	volatile unsigned char seen;

	for (unsigned int pass = 0; pass < 2; pass++)
		for (uint64_t at = 0; at < hot_bytes(setting); at += PAGE)
			seen = bytes[at];
	(void)seen;
}

static uint64_t work(const struct setting *setting, uint64_t first,
		     uint64_t last, const unsigned char *bytes)
{
	uint64_t lines = hot_bytes(setting) / LINE;
	uint64_t sum = 0;

	for (; first < last; first++) {
		uint64_t offset = mix(first) % lines * LINE;

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
	static const unsigned int threads[] = { 1, 4, 16, 0 };
	static const struct question question = {
		.id = "W5",
		.title = "random reads of 64 bytes in a hot set of half the "
			 "budget, warm",
		.unit = "1000 reads/s",
		.per_unit = 1000,
		.limit_name = "the same bytes in plain memory",
		.threads = threads,
		.advice = MADV_NORMAL,
		.prepare = prepare,
		.work = work,
		.limit = limit,
		.operations = operations,
	};

	return bench_main(&question, argc, argv);
}
