/* progress.h - how far long work is, on a terminal and nowhere else */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_PROGRESS_H
#define QUIRE_CLI_PROGRESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what;
	uint64_t total; /* bytes */
	_Atomic uint64_t done;
	bool shown;   /* standard error is a terminal */
	bool stopped; /* [lock] */
	pthread_mutex_t lock;
	pthread_cond_t stop;
	pthread_t thread;
};

/* Begins to show it, if there is a terminal to show it on. */
void progress_start(struct progress *progress, const char *what,
		    uint64_t total);

/* So many bytes more are done.  From any thread. */
void progress_add(struct progress *progress, uint64_t bytes);

/* Takes the line off the terminal again. */
void progress_stop(struct progress *progress);

#endif
