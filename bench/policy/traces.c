/* traces.c - accesses made by a rule */
/* SPDX-License-Identifier: MIT */
#include "policy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGES 65536u
#define LENGTH 2000000u
#define SKEW 0.99

const char *const trace_names[] = {
	"uniform",   "zipf",      "zipf-local", "scan",     "loop",
	"zipf+scan", "zipf+loop", "phases",     "hot+once", NULL,
};

static uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

/* Ranks by the usual inverse of Zipf's sum, approximated (Gray 1994). */
struct zipf {
	double zeta, eta, alpha, second;
	uint32_t count;
};

static void zipf_init(struct zipf *zipf, uint32_t count)
{
	double zeta = 0;

	for (uint32_t i = 1; i <= count; i++)
		zeta += 1 / pow(i, SKEW);
	zipf->count = count;
	zipf->zeta = zeta;
	zipf->second = 1 + pow(0.5, SKEW);
	zipf->alpha = 1 / (1 - SKEW);
	zipf->eta =
		(1 - pow(2.0 / count, 1 - SKEW)) / (1 - zipf->second / zeta);
}

static uint32_t zipf_next(const struct zipf *zipf, uint64_t *state)
{
	double u = (double)(random_next(state) >> 11) * 0x1p-53;
	double uz = u * zipf->zeta;
	uint32_t rank;

	if (uz < 1)
		return 0;
	if (uz < zipf->second)
		return 1;
	rank = (uint32_t)(zipf->count *
			  pow(zipf->eta * u - zipf->eta + 1, zipf->alpha));
	return rank < zipf->count ? rank : zipf->count - 1;
}

/* Neighbouring ranks far apart: as keys of a hash table. */
static uint32_t scatter(uint32_t rank)
{
	return (uint32_t)((rank * UINT64_C(2654435761)) % PAGES);
}

struct maker {
	struct zipf zipf, phase;
	uint64_t random;
	uint32_t scan;
};

static uint32_t scan_next(struct maker *maker, uint32_t pages)
{
	return maker->scan++ % pages;
}

/* The page of access i; NOWHERE: no such rule. */
static uint32_t make_page(struct maker *maker, const char *name, size_t i)
{
	uint32_t zipf = zipf_next(&maker->zipf, &maker->random);
	bool half = random_next(&maker->random) & 1;

	if (!strcmp(name, "uniform"))
		return (uint32_t)(random_next(&maker->random) % PAGES);
	if (!strcmp(name, "zipf"))
		return scatter(zipf);
	if (!strcmp(name, "zipf-local"))
		return zipf;
	if (!strcmp(name, "scan"))
		return scan_next(maker, PAGES);
	if (!strcmp(name, "loop"))
		return scan_next(maker, PAGES / 3);
	if (!strcmp(name, "zipf+scan"))
		return half ? scatter(zipf) : scan_next(maker, PAGES);
	if (!strcmp(name, "zipf+loop"))
		return half ? zipf : PAGES / 2 + scan_next(maker, PAGES / 3);
	if (!strcmp(name, "phases"))
		return (zipf_next(&maker->phase, &maker->random) +
			(uint32_t)(i / (LENGTH / 8)) * (PAGES / 8)) %
		       PAGES;
	if (!strcmp(name, "hot+once")) /* a tenth of accesses never again */
		return random_next(&maker->random) % 10
			       ? (uint32_t)(random_next(&maker->random) %
					    (PAGES / 8))
			       : PAGES / 8 + scan_next(maker, PAGES * 7 / 8);
	return NOWHERE;
}

bool trace_make(const char *name, struct trace *trace)
{
	struct maker maker = { .random = 88172645463325252u };

	zipf_init(&maker.zipf, PAGES);
	zipf_init(&maker.phase, PAGES / 8);
	snprintf(trace->name, sizeof(trace->name), "%s", name);
	trace->pages = PAGES;
	trace->length = LENGTH;
	trace->page = malloc(LENGTH * sizeof(*trace->page));
	if (!trace->page)
		return false;
	for (size_t i = 0; i < LENGTH; i++) {
		trace->page[i] = make_page(&maker, name, i);
		if (trace->page[i] == NOWHERE) {
			trace_free(trace);
			return false;
		}
	}
	return true;
}
