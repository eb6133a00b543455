/* w11_softfault.c - the first touch of a page that is in memory already */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define RUN 16u           /* pages that one fault may show */
#define MOST_SINGLE 4096u /* each is a read of its own before */
#define MOST_US 1.5

enum way {
	SINGLE,        /* no neighbour is in memory */
	RUNS,          /* they all are */
	SOFTWARE = 2u, /* a bit beside */
};

static bool in_runs(const struct setting *setting)
{
	return setting->variant->parameter & RUNS;
}

static bool is_software(const struct setting *setting)
{
	return setting->variant->parameter & SOFTWARE;
}

/* Pages that are touched: in runs half the budget, single ones all over. */
static uint64_t operations(const struct setting *setting)
{
	uint64_t runs = setting->size / PAGE / RUN;

	if (in_runs(setting))
		return setting->budget / 2 / PAGE;
	return runs < MOST_SINGLE ? runs : MOST_SINGLE;
}

/* Runs in no order that readahead might know, their pages in theirs. */
static uint64_t offset_of(const struct setting *setting, uint64_t number)
{
	uint64_t runs = setting->operations / RUN;

	if (in_runs(setting))
		return (number / RUN * 257 % runs * RUN + number % RUN) * PAGE;
	return number * 257 % setting->operations * RUN * PAGE;
}

static uint64_t work(struct job *job)
{
	const struct view *view = job->view;
	bool software = view->space && is_software(job->setting);
	uint64_t sum = 0;

	for (uint64_t i = job->first; i < job->last; i++) {
		unsigned char *at = view->bytes + offset_of(job->setting, i);
		uint64_t word = 0;

		if (software)
			quire_access(view->space, QUIRE_LOAD, at, &word,
				     sizeof(word), NULL);
		else
			memcpy(&word, at, sizeof(word));
		sum += word;
	}
	return sum;
}

/* Pages in memory when the touching begins: it may be somebody else who took
 * them out. */
static uint64_t resident;

static bool is_resident(const struct view *view, uint64_t offset)
{
	unsigned char state = 0;

	if (view->object)
		return !quire_object_pages(view->object, offset, PAGE,
					   &state) &&
		       state == QUIRE_PAGE_CLEAN;
	return !mincore(view->bytes + offset, PAGE, &state) && state & 1;
}

static bool bring_in(const struct view *view, uint64_t offset, size_t length)
{
	char bytes[RUN * PAGE];

	if (view->object)
		return quire_object_pread(view->object, bytes, length,
					  offset) == (ssize_t)length;
	return pread(view->fd, bytes, length, (off_t)offset) == (ssize_t)length;
}

/* By another way than the mapping. */
static void prepare(const struct setting *setting, const struct view *view)
{
	uint64_t step = in_runs(setting) ? RUN : 1;

	for (uint64_t i = 0; i < setting->operations; i += step)
		if (!bring_in(view, offset_of(setting, i), step * PAGE))
			return;
	for (uint64_t i = 0; i < setting->operations; i++)
		resident += is_resident(view, offset_of(setting, i));
}

static void page_figure(const struct setting *setting, struct run *run)
{
	run_figure(run, "us_per_page",
		   run->seconds * 1e6 / (double)setting->operations,
		   in_runs(setting) ? MOST_US : 0);
	run_figure(run, "resident_part",
		   (double)resident / (double)setting->operations, 0);
}

static void with_quire(const struct question *question,
		       const struct setting *setting, struct run *run)
{
	/* Else a run would be read where single pages are wanted. */
	struct quire_object_options options = { .size = sizeof(options),
						.readahead = PAGE };
	struct view view;

	quire_begin(setting, run, &view);
	if (quire_object_open(view.quire, setting->data, O_RDONLY, &options,
			      &view.object) ||
	    (is_software(setting) &&
	     quire_space_create(view.quire, NULL, &view.space)))
		run_fail(run, "%s", quire_strerror_last());
	view.bytes = quire_mmap(view.space, NULL, setting->size, PROT_READ,
				MAP_SHARED, view.object, 0);
	if (view.bytes == MAP_FAILED)
		run_fail(run, "%s", quire_strerror_last());
	measure(question, setting, &view, run);
	page_figure(setting, run);
	quire_munmap(view.space, view.bytes, setting->size);
	if (is_software(setting))
		quire_space_close(view.space);
	quire_end(&view);
}

static void with_kernel(const struct question *question,
			const struct setting *setting, struct run *run)
{
	struct view view = {
		.fd = open(setting->data, O_RDONLY | O_CLOEXEC),
	};

	if (view.fd < 0)
		run_fail(run, "%s: %s", setting->data, strerror(errno));
	posix_fadvise(view.fd, 0, 0, POSIX_FADV_RANDOM);
	view.bytes =
		mmap(NULL, setting->size, PROT_READ, MAP_SHARED, view.fd, 0);
	if (view.bytes == MAP_FAILED)
		run_fail(run, "%s: %s", setting->data, strerror(errno));
	measure(question, setting, &view, run);
	page_figure(setting, run);
	munmap(view.bytes, setting->size);
	close(view.fd);
}

int main(int argc, char **argv)
{
	static const struct variant variants[] = {
		{ "single pages", 1, SINGLE, false, QUIRE_TRAP_AUTO },
		{ "runs of 16", 1, RUNS, false, QUIRE_TRAP_AUTO },
		{ "software MMU, single pages", 1, SINGLE | SOFTWARE, false,
		  QUIRE_TRAP_AUTO },
		{ "software MMU, runs of 16", 1, RUNS | SOFTWARE, false,
		  QUIRE_TRAP_AUTO },
		{ .threads = 0 },
	};
	static const struct question question = {
		.id = "W11",
		.title = "the first touch of a page that is in memory already",
		.unit = "pages/s",
		.per_unit = 1,
		.variants = variants,
		.has_size = true,
		.pairs = 3,
		.prepare = prepare,
		.work = work,
		.quire = with_quire,
		.peer = with_kernel,
		.operations = operations,
	};

	return bench_main(&question, argc, argv);
}
