/* report.c - what came out: a table, and JSON */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

struct spread {
	double min;
	double median;
	double max;
};

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

/* How many times as fast as the other arm of its pair.  false: cannot say. */
static bool ratios(const struct run *runs, const struct run *others,
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

static double median_rate(const struct question *question,
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

static double median_cpu(const struct setting *setting, const struct run *runs,
			 unsigned int count)
{
	double values[MOST_PAIRS];

	for (unsigned int i = 0; i < count; i++)
		values[i] = runs[i].cpu_s * 1e6 / (double)setting->operations;
	return spread(values, count).median;
}

void report_head(const struct question *question, const struct setting *setting)
{
	const char *commit = getenv("QUIRE_COMMIT");
	struct utsname system;

	uname(&system);
	printf("\n%s  %s\n", question->id, question->title);
	printf("    data %ju MiB, budget %ju MiB; %s, %s %s, %ld processors; "
	       "commit %s\n",
	       (uintmax_t)setting->size >> 20, (uintmax_t)setting->budget >> 20,
	       system.machine, system.sysname, system.release,
	       sysconf(_SC_NPROCESSORS_ONLN), commit ? commit : "unknown");
	printf("    limit: %s\n", question->limit_name);
	printf("    %7s %12s %12s %12s  %-22s %-22s %15s\n", "threads", "Quire",
	       "kernel mmap", "limit", "Quire : kernel mmap", "Quire : limit",
	       "CPU us/op");
	printf("    %7s %12s %12s %12s  %-22s %-22s %15s\n", "", question->unit,
	       question->unit, question->unit, "median (min .. max)",
	       "median (min .. max)", "Quire, kernel");
	fflush(stdout);
}

static void print_spread(bool known, const struct spread *spread)
{
	char text[40] = "-";

	if (known)
		snprintf(text, sizeof(text), "%.2f (%.2f .. %.2f)",
			 spread->median, spread->min, spread->max);
	printf(" %-22s", text);
}

void report_pairs(const struct question *question,
		  const struct setting *setting, const struct pairs *pairs)
{
	unsigned int count = pairs->count;
	struct spread peer;
	struct spread limit;
	bool has_peer = ratios(pairs->quire, pairs->peer, count, &peer);
	bool has_limit = ratios(pairs->quire, pairs->limit, count, &limit);

	printf("    %7u %12.0f %12.0f %12.0f ", setting->threads,
	       median_rate(question, setting, pairs->quire, count),
	       median_rate(question, setting, pairs->peer, count),
	       median_rate(question, setting, pairs->limit, count));
	print_spread(has_peer, &peer);
	print_spread(has_limit, &limit);
	printf(" %7.3f %7.3f%s\n", median_cpu(setting, pairs->quire, count),
	       median_cpu(setting, pairs->peer, count),
	       pairs->same ? "" : "  CHECKSUMS DIFFER");
	if (pairs->skipped)
		printf("            kernel mmap skipped: %s\n", pairs->skipped);
	if (!has_limit)
		printf("            no limit: %s\n", pairs->limit[0].why_not);
	fflush(stdout);
}

/* The only texts of others in it are sentences of the system. */
static void put_text(FILE *file, const char *text)
{
	fputc('"', file);
	for (; *text; text++)
		if (*text == '"' || *text == '\\')
			fprintf(file, "\\%c", *text);
		else
			fputc((unsigned char)*text < ' ' ? ' ' : *text, file);
	fputc('"', file);
}

static void put_spread(FILE *file, const char *name, bool known,
		       const struct spread *spread)
{
	if (known)
		fprintf(file,
			"\"%s\": {\"min\": %.4f, \"median\": %.4f, "
			"\"max\": %.4f}, ",
			name, spread->min, spread->median, spread->max);
	else
		fprintf(file, "\"%s\": null, ", name);
}

bool report_json(const char *path, bool comma, const struct question *question,
		 const struct setting *setting, const struct pairs *pairs)
{
	unsigned int count = pairs->count;
	FILE *file = fopen(path, "ae");
	struct spread peer;
	struct spread limit;
	bool has_peer = ratios(pairs->quire, pairs->peer, count, &peer);
	bool has_limit = ratios(pairs->quire, pairs->limit, count, &limit);

	if (!file) {
		perror(path);
		return false;
	}
	fprintf(file, "%s{\"id\": \"%s\", \"variant\": \"%u thread%s\", ",
		comma ? ",\n" : "", question->id, setting->threads,
		setting->threads == 1 ? "" : "s");
	fputs("\"trap_mode\": ", file);
	put_text(file, pairs->quire[0].trap_mode);
	fprintf(file, ", \"peer\": \"kernel mmap\", \"pairs\": %u, ", count);
	put_spread(file, "ratio", has_peer, &peer);
	put_spread(file, "limit_ratio", has_limit, &limit);
	fprintf(file, "\"cpu_us_per_op\": {\"quire\": %.4f, ",
		median_cpu(setting, pairs->quire, count));
	if (has_peer)
		fprintf(file, "\"peer\": %.4f}, ",
			median_cpu(setting, pairs->peer, count));
	else
		fputs("\"peer\": null}, ", file);
	fprintf(file, "\"checksum_equal\": %s, \"skipped\": ",
		pairs->same ? "true" : "false");
	if (has_peer)
		fputs("null}", file);
	else
		put_text(file, pairs->skipped ? pairs->skipped
					      : pairs->quire[0].why_not);
	if (!has_peer)
		fputc('}', file);
	return fclose(file) == 0;
}
