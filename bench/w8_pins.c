/* w8_pins.c - pin and unpin of a page that is in memory */
/* SPDX-License-Identifier: MIT */
#include "harness.h"
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PAGES 16u        /* of each thread */
#define MOST_THREADS 16u /* of a variant */

enum sharing {
	DISTINCT,
	ONE_PAGE,
};

static uint64_t page_of(const struct job *job, uint64_t number)
{
	if (job->setting->variant->parameter == ONE_PAGE)
		return 0;
	return job->thread * PAGES + number % PAGES;
}

static uint64_t first_word(const void *page)
{
	uint64_t word;

	memcpy(&word, page, sizeof(word));
	return word;
}

static uint64_t work(struct job *job)
{
	uint64_t sum = 0;

	for (uint64_t i = job->first; i < job->last; i++) {
		struct quire_pin pin;

		if (quire_object_pin(job->view->object, page_of(job, i) * PAGE,
				     PAGE, PROT_READ, &pin))
			continue;
		sum += first_word(pin.address);
		quire_object_unpin(&pin);
	}
	return sum;
}

static uint64_t peer_work(struct job *job)
{
	struct pool *pool = job->view->own;
	uint64_t sum = 0;

	for (uint64_t i = job->first; i < job->last; i++) {
		uint64_t index = page_of(job, i);
		unsigned char *page = pool_pin(pool, index);

		if (!page)
			continue;
		sum += first_word(page);
		pool_unpin(pool, index);
	}
	return sum;
}

static void prepare(const struct setting *setting, const struct view *view)
{
	(void)setting;
	for (uint64_t index = 0; index < PAGES * MOST_THREADS; index++) {
		struct quire_pin pin = { 0 };

		if (!view->object) {
			if (pool_pin(view->own, index))
				pool_unpin(view->own, index);
		} else if (!quire_object_pin(view->object, index * PAGE, PAGE,
					     PROT_READ, &pin)) {
			quire_object_unpin(&pin);
		}
	}
}

static void pair_figure(const struct setting *setting, struct run *run)
{
	run_figure(run, "ns_per_pair",
		   run->seconds * 1e9 / (double)setting->operations, 0);
}

static void pins(const struct question *question, const struct setting *setting,
		 struct run *run)
{
	struct view view;

	quire_begin_data(question, setting, run, &view);
	measure(question, setting, &view, run);
	pair_figure(setting, run);
	quire_end(&view);
}

static void pool(const struct question *question, const struct setting *setting,
		 struct run *run)
{
	struct view view = {
		.fd = open(setting->data, O_RDONLY | O_CLOEXEC),
	};

	if (view.fd < 0)
		run_fail(run, "%s: %s", setting->data, strerror(errno));
	view.own = pool_create(view.fd, setting->budget / PAGE);
	if (!view.own)
		run_fail(run, "out of memory");
	measure(question, setting, &view, run);
	pair_figure(setting, run);
	pool_destroy(view.own);
	close(view.fd);
}

static uint64_t operations(const struct setting *setting)
{
	(void)setting;
	return 500000;
}

int main(int argc, char **argv)
{
	static const struct variant variants[] = {
		{ "1 thread, 16 pages", 1, DISTINCT, false, QUIRE_TRAP_AUTO },
		{ "1 thread, one page", 1, ONE_PAGE, false, QUIRE_TRAP_AUTO },
		{ "16 threads, 16 pages each", 16, DISTINCT, false,
		  QUIRE_TRAP_AUTO },
		{ "16 threads, one page", 16, ONE_PAGE, false,
		  QUIRE_TRAP_AUTO },
		{ .threads = 0 },
	};
	static const struct question question = {
		.id = "W8",
		.title = "pin and unpin of a page that is in memory",
		.unit = "1000 pairs/s",
		.per_unit = 1000,
		.peer_name = "buffer pool: a mutex and a hash table",
		.variants = variants,
		.unbounded = true,
		.prepare = prepare,
		.work = work,
		.peer_work = peer_work,
		.quire = pins,
		.peer = pool,
		.operations = operations,
	};

	return bench_main(&question, argc, argv);
}
