/* report_curve.c - what other budgets would have had to read */
/* SPDX-License-Identifier: MIT */
/*
 * What is seen of a page is that it was read, and accesses that trapped; one
 * that finds its page mapped does not trap.  So, for a cache that gives up the
 * least recently used page (LRU), and a run with B pages that had to read R:
 *
 *  - a smaller budget C has all misses that the run had, and, of what was not
 *    seen, nobody knows how many: R or more;
 *  - a page that was not seen for a while and was not read either was in
 *    memory all the time, and there are B of these at most.  So a distance
 *    that was seen as D was D + B or less, and a budget C > B has no more
 *    misses than there are distances of C - B or more; nor more than R, nor
 *    fewer than there are distinct pages that had to be read;
 *  - in between, the distances as seen are a guess, and exact where each
 *    reference traps (a scan of more than the budget does).
 */
#include "server/record_distance.h"
#include "server/report_html.h"

#define MIB_PAGES (UINT64_C(1) << 8)

struct curve {
	const struct distances *distances;
	uint64_t own;  /* pages of the run's budget */
	double read;   /* pages that it read */
	double needed; /* distinct ones that had to be read */
};

static double lesser(double a, double b)
{
	return a < b ? a : b;
}

static double greater(double a, double b)
{
	return a > b ? a : b;
}

static void judge(const struct curve *curve, struct report_point *point)
{
	const struct distances *distances = curve->distances;
	double seen = distances_misses(distances, point->pages);

	if (point->pages < curve->own) {
		point->least = curve->read;
		point->guess = greater(curve->read, seen);
		point->most = -1;
	} else if (point->pages == curve->own) {
		point->least = point->guess = point->most = curve->read;
	} else {
		uint64_t surely = point->pages - curve->own;

		point->least = curve->needed;
		point->most =
			greater(curve->needed,
				lesser(curve->read,
				       distances_misses(distances, surely)));
		point->guess =
			greater(curve->needed, lesser(point->most, seen));
	}
}

static uint64_t pages_read(const struct recorder *recorder)
{
	const struct record_file *file;
	uint64_t pages = 0;

	for (uint32_t i = 0; (file = recorder_file(recorder, i)); i++)
		pages += file->total[OBJECT_READ];
	return pages;
}

static uint64_t eighth(unsigned step)
{
	return (MIB_PAGES << (step / 8)) / 8 * (8 + step % 8);
}

/* 64M, 128M, 256M, 512M, 1G. */
static bool is_round(uint64_t pages)
{
	return pages >= 64 * MIB_PAGES && pages <= 1024 * MIB_PAGES &&
	       (pages & (pages - 1)) == 0;
}

unsigned report_curve(const struct recorder *recorder, uint64_t budget,
		      struct report_point *points)
{
	const struct distances *distances = recorder_distances(recorder);
	double distinct = distances_distinct(distances);
	struct curve curve = {
		.distances = distances,
		.own = budget >> 12,
		.read = (double)pages_read(recorder),
	};
	uint64_t last = 2048 * MIB_PAGES;
	unsigned count = 0;

	curve.needed = lesser(curve.read, distinct);
	while (last >> 40 == 0 &&
	       (last < 2 * curve.own || (double)last < 1.25 * distinct))
		last *= 2;
	for (unsigned step = 0;
	     eighth(step) <= last && count < REPORT_POINTS - 1; step++) {
		uint64_t previous = step ? eighth(step - 1) : 0;
		bool own = curve.own == eighth(step);

		/* The run's own budget, where its place is. */
		if (previous < curve.own && curve.own < eighth(step)) {
			points[count].pages = curve.own;
			points[count++].marked = true;
		}
		points[count].pages = eighth(step);
		points[count++].marked = own || is_round(eighth(step));
	}
	for (unsigned i = 0; i < count; i++)
		judge(&curve, &points[i]);
	return count;
}
