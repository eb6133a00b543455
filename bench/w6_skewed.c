/* w6_skewed.c - skewed reads, while another thread scans */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#define SKEW 0.99
#define MIB (1u << 20)

enum advice {
	ADVISED,
	NOT_ADVISED,
};

/*
 * Numbers by Zipf's law, as Gray and others draw them ("Quickly generating
 * billion-record synthetic databases", 1994).
 */
struct zipf {
	uint64_t items;
	double zeta;
	double alpha;
	double eta;
	double second; /* below it: the second item */
};

/* One a process is enough: set before the threads begin. */
static struct zipf zipf;

static void zipf_init(uint64_t items)
{
	double zeta = 0;

	for (uint64_t i = 1; i <= items; i++)
		zeta += 1 / pow((double)i, SKEW);
	zipf.items = items;
	zipf.zeta = zeta;
	zipf.alpha = 1 / (1 - SKEW);
	zipf.second = 1 + pow(0.5, SKEW);
	zipf.eta = (1 - pow(2 / (double)items, 1 - SKEW)) /
		   (1 - zipf.second / zeta);
}

/* 0 is the most frequent. */
static uint64_t zipf_rank(uint64_t number)
{
	double part = (double)(mix(number) >> 11) / (double)(1ull << 53);
	double scaled = part * zipf.zeta;
	uint64_t rank;

	if (scaled < 1)
		return 0;
	if (scaled < zipf.second)
		return 1;
	rank = (uint64_t)((double)zipf.items *
			  pow(zipf.eta * part - zipf.eta + 1, zipf.alpha));
	return rank < zipf.items ? rank : zipf.items - 1;
}

/* The frequent ones lie all over the data. */
static uint64_t offset_of(uint64_t rank)
{
	return mix(rank) % zipf.items * PAGE;
}

/* What is read most often is there at the start: an eighth of the budget. */
static void prepare(const struct setting *setting, const struct view *view)
{
	uint64_t hot = setting->budget / 8 / PAGE;
	volatile unsigned char seen;

	zipf_init(setting->size / PAGE);
	for (uint64_t rank = 0; rank < hot; rank += LIST) {
		uint64_t offsets[LIST];

		for (unsigned int i = 0; i < LIST; i++)
			offsets[i] = offset_of(rank + i);
		view_announce(view, offsets, LIST, false);
		for (unsigned int i = 0; i < LIST; i++)
			seen = view->bytes[offsets[i]];
	}
	(void)seen;
}

static uint64_t work(struct job *job)
{
	uint64_t sum = 0;

	for (uint64_t i = job->first; i < job->last; i++) {
		uint64_t offset = offset_of(zipf_rank(i));

		sum += words_sum(job->view->bytes + offset, PAGE, offset);
	}
	return sum;
}

/* MiB of it.  The peer's scan may have a mapping of its own. */
static uint64_t scan(struct job *job)
{
	const unsigned char *own = job->view->own;
	const unsigned char *bytes = own ? own : job->view->bytes;
	uint64_t mib = job->setting->size / MIB;
	volatile uint64_t seen;
	uint64_t done = 0;

	/* relaxed: it orders nothing */
	for (; !atomic_load_explicit(job->stop, memory_order_relaxed); done++)
		seen = words_sum(bytes + done % mib * MIB, MIB, 0);
	(void)seen;
	return done;
}

static unsigned char *map_advised(const struct setting *setting, int fd,
				  int advice, struct run *run)
{
	void *bytes = mmap(NULL, setting->size, PROT_READ, MAP_SHARED, fd, 0);

	if (bytes == MAP_FAILED)
		run_fail(run, "%s: %s", setting->data, strerror(errno));
	madvise(bytes, setting->size, advice);
	return bytes;
}

/* Told by madvise() what each of the two threads does, or told nothing. */
static void with_kernel(const struct question *question,
			const struct setting *setting, struct run *run)
{
	struct view view = {
		.fd = open(setting->data, O_RDONLY | O_CLOEXEC),
	};

	if (view.fd < 0)
		run_fail(run, "%s: %s", setting->data, strerror(errno));
	if (setting->variant->parameter == ADVISED) {
		view.bytes = map_advised(setting, view.fd, MADV_RANDOM, run);
		view.own = map_advised(setting, view.fd, MADV_SEQUENTIAL, run);
	} else {
		view.bytes = map_advised(setting, view.fd, MADV_NORMAL, run);
	}
	measure(question, setting, &view, run);
	munmap(view.bytes, setting->size);
	if (view.own)
		munmap(view.own, setting->size);
	close(view.fd);
}

static uint64_t operations(const struct setting *setting)
{
	(void)setting;
	return 10000;
}

int main(int argc, char **argv)
{
	static const struct variant variants[] = {
		{ "kernel mmap advised", 1, ADVISED, false, QUIRE_TRAP_AUTO },
		{ "kernel mmap not advised", 1, NOT_ADVISED, true,
		  QUIRE_TRAP_AUTO },
		{ .threads = 0 },
	};
	static const struct question question = {
		.id = "W6",
		.title = "reads of 4 KiB, Zipf 0.99, while another thread "
			 "scans the data",
		.unit = "reads/s",
		.per_unit = 1,
		.variants = variants,
		.prepare = prepare,
		.work = work,
		.peer = with_kernel,
		.beside = scan,
		.beside_name = "scan_mib_per_s",
		.operations = operations,
	};

	return bench_main(&question, argc, argv);
}
