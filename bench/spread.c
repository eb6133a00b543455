/* spread.c - medians and ratios of runs */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	double first = *(const double *)a;
	double second = *(const double *)b;

	return (first > second) - (first < second);
}

static struct spread spread(double *values, unsigned int count)
{
	qsort(values, count, sizeof(*values), compare);
	return (struct spread){
		.min = values[0],
		.median = (values[(count - 1) / 2] + values[count / 2]) / 2,
		.max = values[count - 1],
	};
}

bool ratios(const struct run *runs, const struct run *others,
	    unsigned int count, struct spread *result)
{
	double values[MOST_PAIRS];

	for (unsigned int i = 0; i < count; i++) {
		if (!runs[i].done || !others[i].done || runs[i].seconds <= 0)
			return false;
		values[i] = others[i].seconds / runs[i].seconds;
	}
	*result = spread(values, count);
	return true;
}

double median_rate(const struct question *question,
		   const struct setting *setting, const struct run *runs,
		   unsigned int count)
{
	double values[MOST_PAIRS];

	for (unsigned int i = 0; i < count; i++) {
		if (!runs[i].done || runs[i].seconds <= 0)
			return 0;
		values[i] = (double)setting->operations / question->per_unit /
			    runs[i].seconds;
	}
	return spread(values, count).median;
}

double median_cpu(const struct setting *setting, const struct run *runs,
		  unsigned int count)
{
	double values[MOST_PAIRS];

	for (unsigned int i = 0; i < count; i++)
		values[i] = runs[i].cpu_s * 1e6 / (double)setting->operations;
	return spread(values, count).median;
}

static const struct figure *find(const struct run *run, const char *name)
{
	for (unsigned int i = 0; run->done && i < run->figures; i++)
		if (!strcmp(run->figure[i].name, name))
			return &run->figure[i];
	return NULL;
}

bool median_figure(const struct run *runs, unsigned int count, const char *name,
		   double *median)
{
	double values[MOST_PAIRS];

	for (unsigned int i = 0; i < count; i++) {
		const struct figure *figure = find(&runs[i], name);

		if (!figure)
			return false;
		values[i] = figure->value;
	}
	*median = spread(values, count).median;
	return true;
}
