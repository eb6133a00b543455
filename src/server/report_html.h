/* report_html.h - a page of what was recorded */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_SERVER_REPORT_HTML_H
#define QUIRE_SERVER_REPORT_HTML_H

#include "server/record.h"

#include <stdint.h>
#include <stdio.h>

/* What the recorder does not know. */
struct report_facts {
	const char *program; /* as the title shows it */
	uint64_t budget;     /* bytes */
	uint64_t resident_peak;
	uint64_t duration_ns;
	uint64_t traps;
};

/* Page by page for the budgets that the curve shows. */
struct report_point {
	uint64_t pages; /* the budget */
	double least;   /* pages that it would have had to read: so many or
			   more, */
	double guess;   /* about so many, */
	double most;    /* at most so many; negative: that cannot be told */
	bool marked;    /* one of the round numbers, or the run's own */
};

#define REPORT_POINTS 160 /* at most */

/* How many there are: by eighths of a power of two, from 1 MiB on. */
unsigned report_curve(const struct recorder *recorder, uint64_t budget,
		      struct report_point *points);

/* The recorder is not held.  0, -ENOMEM, or the stream's error. */
int report_json(struct recorder *recorder, const struct report_facts *facts,
		FILE *stream);
int report_html(struct recorder *recorder, const struct report_facts *facts,
		FILE *stream);

#endif
