/* w4_scan.c - a sequential scan of four times the budget */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <sys/mman.h>

#define PIECE (1u << 20) /* one operation */

static uint64_t offset_of(const struct setting *setting, uint64_t number)
{
	(void)setting;
	return number * PIECE;
}

static uint64_t work(struct job *job)
{
	const unsigned char *bytes = job->view->bytes;
	uint64_t sum = 0;

	for (uint64_t number = job->first; number < job->last; number++) {
		uint64_t offset = offset_of(job->setting, number);

		sum += words_sum(bytes + offset, PIECE, offset);
	}
	return sum;
}

static void limit(const struct question *question,
		  const struct setting *setting, struct run *run)
{
	struct direct_jobs reads = {
		.depth = 8,
		.length = PIECE,
		.count = setting->operations,
		.offset = offset_of,
		.sum = direct_sum,
	};

	(void)question;
	arm_direct(setting, &reads, run);
}

static uint64_t operations(const struct setting *setting)
{
	return setting->size / PIECE;
}

int main(int argc, char **argv)
{
	static const struct question question = {
		.id = "W4",
		.title = "sequential scan of four times the budget, a part of "
			 "it each thread",
		.unit = "MiB/s",
		.per_unit = 1,
		.limit_name = "O_DIRECT through io_uring, 8 reads of 1 MiB at "
			      "once, one thread",
		.variants = variants_threads,
		.advice = MADV_SEQUENTIAL,
		.work = work,
		.limit = limit,
		.operations = operations,
		.has_size = true,
	};

	return bench_main(&question, argc, argv);
}
