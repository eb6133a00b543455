/* report_json.c - what came out, as JSON */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <stdio.h>

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

static void put_spread(FILE *file, const char *name, const struct run *runs,
		       const struct run *others, unsigned int count)
{
	struct spread spread;

	if (ratios(runs, others, count, &spread))
		fprintf(file,
			"\"%s\": {\"min\": %.4f, \"median\": %.4f, "
			"\"max\": %.4f}, ",
			name, spread.min, spread.median, spread.max);
	else
		fprintf(file, "\"%s\": null, ", name);
}

static void put_value(FILE *file, const char *name, bool known, double value)
{
	if (known)
		fprintf(file, "\"%s\": %.4f", name, value);
	else
		fprintf(file, "\"%s\": null", name);
}

static void put_rates(FILE *file, const struct question *question,
		      const struct setting *setting, const struct pairs *pairs)
{
	const struct {
		const char *name;
		const struct run *runs;
	} arms[] = {
		{ "quire", pairs->quire },
		{ "peer", pairs->peer },
		{ "limit", pairs->limit },
	};

	fputs("\"rate\": {", file);
	for (size_t i = 0; i < sizeof(arms) / sizeof(arms[0]); i++) {
		double rate = median_rate(question, setting, arms[i].runs,
					  pairs->count);

		fputs(i ? ", " : "", file);
		put_value(file, arms[i].name, rate > 0, rate);
	}
	fputs("}, ", file);
}

static void put_figures(FILE *file, const struct pairs *pairs)
{
	const struct run *first = &pairs->quire[0];
	const char *separator = "";

	fputs("\"figures\": {", file);
	for (unsigned int i = 0; i < first->figures; i++) {
		const struct figure *figure = &first->figure[i];
		double quire = 0, peer = 0;
		bool has_quire = median_figure(pairs->quire, pairs->count,
					       figure->name, &quire);
		bool has_peer = median_figure(pairs->peer, pairs->count,
					      figure->name, &peer);

		fprintf(file, "%s\"%s\": {", separator, figure->name);
		put_value(file, "quire", has_quire, quire);
		fputs(", ", file);
		put_value(file, "peer", has_peer, peer);
		fputs(", ", file);
		put_value(file, "at_most", figure->most > 0, figure->most);
		fputs("}", file);
		separator = ", ";
	}
	fputs("}, ", file);
}

bool report_json(const char *path, bool comma, const struct question *question,
		 const struct setting *setting, const struct pairs *pairs)
{
	unsigned int count = pairs->count;
	FILE *file = fopen(path, "ae");
	char name[32];

	if (!file) {
		perror(path);
		return false;
	}
	fprintf(file, "%s{\"id\": \"%s\", \"variant\": ", comma ? ",\n" : "",
		question->id);
	put_text(file, variant_name(setting, name, sizeof(name)));
	fputs(", \"trap_mode\": ", file);
	put_text(file, pairs->quire[0].trap_mode);
	fputs(", \"peer\": ", file);
	put_text(file, peer_name(question));
	fprintf(file, ", \"pairs\": %u, \"unit\": \"%s\", ", count,
		question->unit);
	put_rates(file, question, setting, pairs);
	put_spread(file, "ratio", pairs->quire, pairs->peer, count);
	put_spread(file, "limit_ratio", pairs->quire, pairs->limit, count);
	fputs("\"cpu_us_per_op\": {", file);
	put_value(file, "quire", pairs->quire[0].done,
		  median_cpu(setting, pairs->quire, count));
	fputs(", ", file);
	put_value(file, "peer", pairs->peer[0].done,
		  median_cpu(setting, pairs->peer, count));
	fputs("}, ", file);
	put_figures(file, pairs);
	fprintf(file, "\"checksum_equal\": %s, \"skipped\": ",
		pairs->same ? "true" : "false");
	if (pairs->skipped)
		put_text(file, pairs->skipped);
	else
		fputs("null", file);
	fputc('}', file);
	return fclose(file) == 0;
}
