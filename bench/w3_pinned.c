/* w3_pinned.c - random 4 KiB reads, each under a pin */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <stdlib.h>
#include <unistd.h>

/* A read that fails leaves the sum wrong, and so shows. */
static uint64_t work(struct job *job)
{
	uint64_t sum = 0;

	for (uint64_t i = job->first; i < job->last; i++) {
		uint64_t offset = random_page(job->setting, i);
		struct quire_pin pin;

		if (quire_object_pin(job->view->object, offset, PAGE, PROT_READ,
				     &pin))
			continue;
		sum += words_sum(pin.address, PAGE, offset);
		quire_object_unpin(&pin);
	}
	return sum;
}

static uint64_t peer_work(struct job *job)
{
	unsigned char *buffer = aligned_alloc(PAGE, PAGE);
	uint64_t sum = 0;

	for (uint64_t i = job->first; buffer && i < job->last; i++) {
		uint64_t offset = random_page(job->setting, i);

		if (pread(job->view->fd, buffer, PAGE, (off_t)offset) == PAGE)
			sum += words_sum(buffer, PAGE, offset);
	}
	free(buffer);
	return sum;
}

static void pinned(const struct question *question,
		   const struct setting *setting, struct run *run)
{
	struct view view;

	quire_begin_data(question, setting, run, &view);
	measure(question, setting, &view, run);
	quire_end(&view);
}

int main(int argc, char **argv)
{
	static const struct question question = {
		.id = "W3",
		.title = "random 4 KiB reads, each under a pin",
		.unit = "reads/s",
		.per_unit = 1,
		.peer_name = "pread() with O_DIRECT into own buffers",
		.limit_name = "O_DIRECT through io_uring, as many at once as "
			      "there are threads",
		.variants = variants_threads,
		.unbounded = true,
		.prepare = fill_budget,
		.work = work,
		.peer_work = peer_work,
		.quire = pinned,
		.peer = arm_file,
		.limit = limit_random,
		.operations = reads_at_first,
	};

	return bench_main(&question, argc, argv);
}
