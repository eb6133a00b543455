/* scan.h - a scan: its threads read all of a mapping once */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_SCAN_H
#define QUIRE_CLI_SCAN_H

#include "mapped.h"
#include "page_order.h"
#include "progress.h"

#include <stdatomic.h>
#include <stdbool.h>

struct scan {
	/* what is asked for */
	const char *uri;
	uint64_t budget;
	uint32_t threads;
	bool random;
	bool verify;
	bool json;
	/* while it runs */
	struct mapped mapped;
	uint64_t pages;
	struct page_order order;
	int verify_fd;     /* -1: nothing to compare with */
	_Atomic bool stop; /* a thread failed */
	struct progress progress;
	/* what came out */
	uint64_t checksum;
	double seconds;
};

/* Reads every byte.  EXIT_SUCCESS, or EXIT_FAILURE and a sentence. */
int scan_read(struct scan *scan);

#endif
