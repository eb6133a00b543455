/* report.c - what came out, as a table */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

const char *variant_name(const struct setting *setting, char *text, size_t size)
{
	if (setting->variant->name)
		return setting->variant->name;
	snprintf(text, size, "%u thread%s", setting->threads,
		 setting->threads == 1 ? "" : "s");
	return text;
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
	printf("    peer: %s; limit: %s\n", peer_name(question),
	       question->limit ? question->limit_name : "none");
	printf("    %-34s %12s %12s %12s  %-22s %-22s %15s\n", "", "Quire",
	       "peer", "limit", "Quire : peer", "Quire : limit", "CPU us/op");
	printf("    %-34s %12s %12s %12s  %-22s %-22s %15s\n", "",
	       question->unit, question->unit, question->unit,
	       "median (min .. max)", "median (min .. max)", "Quire, peer");
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

static void print_figures(const struct pairs *pairs)
{
	const struct run *first = &pairs->quire[0];

	for (unsigned int i = 0; i < first->figures; i++) {
		const struct figure *figure = &first->figure[i];
		double quire, peer;

		if (!median_figure(pairs->quire, pairs->count, figure->name,
				   &quire))
			continue;
		printf("        %-30s %12.3f", figure->name, quire);
		if (median_figure(pairs->peer, pairs->count, figure->name,
				  &peer))
			printf(" %12.3f", peer);
		if (figure->most > 0)
			printf("  at most %g%s", figure->most,
			       quire > figure->most ? ": EXCEEDED" : "");
		putchar('\n');
	}
}

void report_pairs(const struct question *question,
		  const struct setting *setting, const struct pairs *pairs)
{
	unsigned int count = pairs->count;
	struct spread peer = { 0 };
	struct spread limit = { 0 };
	bool has_peer = ratios(pairs->quire, pairs->peer, count, &peer);
	bool has_limit = ratios(pairs->quire, pairs->limit, count, &limit);
	char name[32];

	printf("    %-34s %12.0f %12.0f %12.0f ",
	       variant_name(setting, name, sizeof(name)),
	       median_rate(question, setting, pairs->quire, count),
	       median_rate(question, setting, pairs->peer, count),
	       median_rate(question, setting, pairs->limit, count));
	print_spread(has_peer, &peer);
	print_spread(has_limit, &limit);
	printf(" %7.3f %7.3f%s\n", median_cpu(setting, pairs->quire, count),
	       median_cpu(setting, pairs->peer, count),
	       pairs->same ? "" : "  CHECKSUMS DIFFER");
	print_figures(pairs);
	if (pairs->skipped)
		printf("        skipped: %s\n", pairs->skipped);
	if (question->limit && !has_limit)
		printf("        no limit: %s\n", pairs->limit[0].why_not);
	fflush(stdout);
}
