/* w1_random.c - random 4 KiB reads through a mapping */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <sys/mman.h>

static uint64_t work(struct job *job)
{
	const unsigned char *bytes = job->view->bytes;
	uint64_t sum = 0;

	for (uint64_t number = job->first; number < job->last; number++) {
		uint64_t offset = random_page(job->setting, number);

		sum += words_sum(bytes + offset, PAGE, offset);
	}
	return sum;
}

int main(int argc, char **argv)
{
	static const struct variant variants[] = {
		{ .threads = 1 }, { .threads = 4 }, { .threads = 16 },
		IN_PLACE(1),      IN_PLACE(4),      IN_PLACE(16),
		{ .threads = 0 },
	};
	static const struct question question = {
		.id = "W1",
		.title = "random 4 KiB reads through a mapping",
		.unit = "reads/s",
		.per_unit = 1,
		.limit_name = "O_DIRECT through io_uring, as many at once as "
			      "there are threads; nothing is cached",
		.variants = variants,
		.advice = MADV_RANDOM,
		.prepare = fill_budget,
		.work = work,
		.limit = limit_random,
		.operations = reads_at_first,
	};

	return bench_main(&question, argc, argv);
}
