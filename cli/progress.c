/* progress.c - how far long work is, on a terminal and nowhere else */
/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL_NS 200000000L /* five lines a second: smooth, and no load */

static void show(struct progress *progress)
{
	/* Only a figure for the eye: no order with anything is needed. */
	uint64_t done =
		atomic_load_explicit(&progress->done, memory_order_relaxed);
	double percent =
		progress->total ? 100.0 * (double)done / (double)progress->total
				: 100.0;

	fprintf(stderr, "\r%s: %ju of %ju MiB, %.0f %%\033[K", progress->what,
		(uintmax_t)(done >> 20), (uintmax_t)(progress->total >> 20),
		percent);
	fflush(stderr);
}

static struct timespec next_line(void)
{
	struct timespec when;

	clock_gettime(CLOCK_REALTIME, &when);
	when.tv_nsec += INTERVAL_NS;
	if (when.tv_nsec >= 1000000000L) {
		when.tv_nsec -= 1000000000L;
		when.tv_sec++;
	}
	return when;
}

static void *ticker(void *argument)
{
	struct progress *progress = argument;

	pthread_mutex_lock(&progress->lock);
	while (!progress->stopped) {
		struct timespec when = next_line();

		if (pthread_cond_timedwait(&progress->stop, &progress->lock,
					   &when))
			show(progress);
	}
	pthread_mutex_unlock(&progress->lock);
	return NULL;
}

void progress_start(struct progress *progress, const char *what, uint64_t total)
{
	memset(progress, 0, sizeof(*progress));
	progress->what = what;
	progress->total = total;
	pthread_mutex_init(&progress->lock, NULL);
	pthread_cond_init(&progress->stop, NULL);
	/* Without a thread there is no progress to see; the work goes on. */
	progress->shown =
		isatty(STDERR_FILENO) &&
		pthread_create(&progress->thread, NULL, ticker, progress) == 0;
}

void progress_add(struct progress *progress, uint64_t bytes)
{
	atomic_fetch_add_explicit(&progress->done, bytes, memory_order_relaxed);
}

void progress_stop(struct progress *progress)
{
	if (progress->shown) {
		pthread_mutex_lock(&progress->lock);
		progress->stopped = true;
		pthread_cond_signal(&progress->stop);
		pthread_mutex_unlock(&progress->lock);
		pthread_join(progress->thread, NULL);
		fputs("\r\033[K", stderr);
		progress->shown = false;
	}
	pthread_cond_destroy(&progress->stop);
	pthread_mutex_destroy(&progress->lock);
}
