/* w12_latency.c - how long a cold random read takes, alone and under load */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UPDATES 1000u   /* of the load, between two msync() */
#define STRIDE 1000003u /* a prime: each page is read once */

enum load {
	ALONE,
	UPDATED,
};

/* The reads and the load never meet: what is read does not change. */
static uint64_t pages_read(const struct setting *setting)
{
	return setting->size / PAGE / 4 * 3;
}

static uint64_t offset_of(const struct setting *setting, uint64_t number)
{
	return number * STRIDE % pages_read(setting) * PAGE;
}

static uint64_t work(struct job *job)
{
	const struct view *view = job->view;
	unsigned char *buffer = aligned_alloc(PAGE, PAGE);
	uint64_t sum = 0;

	for (uint64_t i = job->first; buffer && i < job->last; i++) {
		uint64_t offset = offset_of(job->setting, i);
		uint64_t begun = clock_ns();
		uint64_t word = 0;

		if (view->bytes)
			memcpy(&word, view->bytes + offset, sizeof(word));
		else if (pread(view->fd, buffer, PAGE, (off_t)offset) == PAGE)
			memcpy(&word, buffer, sizeof(word));
		/* The compiler must not read the clock first. */
		atomic_signal_fence(memory_order_seq_cst);
		job->latency_ns[i] = clock_ns() - begun;
		sum += word;
	}
	free(buffer);
	return sum;
}

/* ---- the load: W7's, in the last quarter ---- */

static void update(const struct view *view, unsigned char *page,
		   uint64_t number, uint64_t offset)
{
	memset(page, (int)(number & 0xff), PAGE);
	if (view->bytes)
		memcpy(view->bytes + offset, page, PAGE);
	else if (pwrite(view->fd, page, PAGE, (off_t)offset) != PAGE)
		return;
}

static void make_durable(const struct setting *setting, const struct view *view)
{
	if (view->space)
		quire_msync(view->space, view->bytes, setting->size, MS_SYNC);
	else if (view->bytes)
		msync(view->bytes, setting->size, MS_SYNC);
	else
		fdatasync(view->fd);
}

static uint64_t load(struct job *job)
{
	const struct setting *setting = job->setting;
	uint64_t first = pages_read(setting);
	uint64_t pages = setting->size / PAGE - first;
	unsigned char *page = aligned_alloc(PAGE, PAGE);
	uint64_t done = 0;

	if (!page || setting->variant->parameter == ALONE)
		return 0;
	/* relaxed: it orders nothing */
	while (!atomic_load_explicit(job->stop, memory_order_relaxed)) {
		update(job->view, page, done,
		       (first + mix(done) % pages) * PAGE);
		if (++done % UPDATES == 0)
			make_durable(setting, job->view);
	}
	free(page);
	return done;
}

static uint64_t operations(const struct setting *setting)
{
	(void)setting;
	return 5000;
}

int main(int argc, char **argv)
{
	static const struct variant variants[] = {
		{ "alone", 1, ALONE, false, QUIRE_TRAP_AUTO },
		{ "beside a thread that updates", 1, UPDATED, false,
		  QUIRE_TRAP_AUTO },
		{ "in the faulting thread, alone", 1, ALONE, false,
		  QUIRE_TRAP_SIGBUS },
		{ "in the faulting thread, beside a thread that updates", 1,
		  UPDATED, false, QUIRE_TRAP_SIGBUS },
		{ .threads = 0 },
	};
	static const struct question question = {
		.id = "W12",
		.title = "latency of a cold random read through a mapping",
		.unit = "reads/s",
		.per_unit = 1,
		.limit_name = "pread() with O_DIRECT; its load pwrite() and "
			      "fdatasync()",
		.variants = variants,
		.advice = MADV_RANDOM,
		.writable = true,
		.work = work,
		.beside = load,
		.beside_name = "updates_per_s",
		.latency_name = "read",
		.limit = arm_file,
		.operations = operations,
	};

	return bench_main(&question, argc, argv);
}
