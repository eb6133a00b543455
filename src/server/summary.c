/* summary.c - what a run did, as a table for people */
/* SPDX-License-Identifier: MIT */
#include "server/figures.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define FILES_SHOWN 25 /* beyond, the statistics as JSON have them all */
#define NUMBER_BYTES 24
#define COLUMNS 9

/* "640K", "8.0M", "1.5G": at most five characters, up to petabytes. */
static void print_size(char *text, uint64_t bytes)
{
	static const char units[] = "BKMGTPE";
	double value = (double)bytes;
	size_t unit = 0;

	/* 999.5 would be printed as 1000. */
	while (value >= 999.5 && units[unit + 1]) {
		value /= 1024;
		unit++;
	}
	if (unit == 0)
		snprintf(text, NUMBER_BYTES, "%" PRIu64, bytes);
	else
		snprintf(text, NUMBER_BYTES, value < 9.95 ? "%.1f%c" : "%.0f%c",
			 value, units[unit]);
}

static void print_time(char *text, uint64_t ns)
{
	double seconds = (double)ns / 1e9;

	if (ns == 0)
		strcpy(text, "0");
	else if (seconds < 0.9995)
		snprintf(text, NUMBER_BYTES,
			 seconds < 0.00995 ? "%.1fms" : "%.0fms",
			 seconds * 1000);
	else
		snprintf(text, NUMBER_BYTES,
			 seconds < 99.95 ? "%.1fs" : "%.0fs", seconds);
}

static void print_count(char *text, uint64_t count)
{
	snprintf(text, NUMBER_BYTES, "%" PRIu64, count);
}

static void print_ratio(char *text, double ratio)
{
	if (isfinite(ratio))
		snprintf(text, NUMBER_BYTES, "%.2f", ratio);
	else
		strcpy(text, "-");
}

struct row {
	char text[COLUMNS][NUMBER_BYTES];
	const char *name;
};

static const struct row heading = {
	{ "mapped", "in memory", "traps", "hits", "reads", "read x", "writes",
	  "written", "stalled" },
	"file",
};

static void fill_row(struct row *row, const struct file_facts *file)
{
	const struct file_counts *counts = &file->counts;
	unsigned i = 0;

	print_size(row->text[i++], file->mapped_peak);
	print_size(row->text[i++], counts->resident_peak << PAGE_SHIFT);
	print_count(row->text[i++], figure_traps(file));
	print_count(row->text[i++], counts->hits);
	print_count(row->text[i++], counts->reads);
	print_ratio(row->text[i++], figure_amplification(file));
	print_count(row->text[i++], counts->writes);
	print_size(row->text[i++], counts->pages_written << PAGE_SHIFT);
	print_time(row->text[i++], counts->stalled_ns);
	row->name = file->path;
}

static void widen(int *widths, const struct row *row)
{
	for (unsigned i = 0; i < COLUMNS; i++) {
		int width = (int)strlen(row->text[i]);

		if (width > widths[i])
			widths[i] = width;
	}
}

/* A file's name may hold what would move the terminal's cursor. */
static void print_name(const char *name, FILE *stream)
{
	for (; *name; name++) {
		unsigned char byte = (unsigned char)*name;

		fputc(byte < ' ' || byte == 0x7f ? '?' : byte, stream);
	}
}

static void print_row(const int *widths, const struct row *row, FILE *stream)
{
	for (unsigned i = 0; i < COLUMNS; i++)
		fprintf(stream, "  %*s", widths[i], row->text[i]);
	fputs("  ", stream);
	print_name(row->name, stream);
	fputc('\n', stream);
}

static void print_files(const struct figures *figures, FILE *stream)
{
	static struct row rows[FILES_SHOWN]; /* one thread prints */
	size_t count = figures->file_count;
	int widths[COLUMNS] = { 0 };

	if (count > FILES_SHOWN)
		count = FILES_SHOWN;
	widen(widths, &heading);
	for (size_t i = 0; i < count; i++) {
		fill_row(&rows[i], &figures->files[i]);
		widen(widths, &rows[i]);
	}
	print_row(widths, &heading, stream);
	for (size_t i = 0; i < count; i++)
		print_row(widths, &rows[i], stream);
	if (count < figures->file_count)
		fprintf(stream, "  and %zu files more, with fewer traps\n",
			figures->file_count - count);
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static const char *plural_processes(uint64_t count)
{
	return count == 1 ? "" : "es";
}

static void print_whole(const struct figures *figures, FILE *stream)
{
	uint64_t clients = figures->clients.clients_ever;
	char budget[NUMBER_BYTES];
	char peak[NUMBER_BYTES];

	print_size(budget, figures->engine.budget);
	print_size(peak, figures->engine.resident_peak);
	if (figures->file_count == 0) {
		fprintf(stream, "quire: no file was mapped; budget %s\n",
			budget);
		return;
	}
	fprintf(stream,
		"quire: %zu file%s mapped, %" PRIu64
		" process%s; budget %s, at most %s in memory\n",
		figures->file_count, plural(figures->file_count), clients,
		plural_processes(clients), budget, peak);
	print_files(figures, stream);
}

static void print_notes(const struct figures *figures, FILE *stream)
{
	for (size_t i = 0; i < figures->note_count; i++) {
		const struct figure_note *note = &figures->notes[i];

		fputs("  not as asked: ", stream);
		print_name(note->text, stream);
		if (note->times > 1)
			fprintf(stream, " (%" PRIu64 " times)", note->times);
		fputc('\n', stream);
	}
	if (figures->clients.refused)
		fprintf(stream,
			"  refused: %" PRIu64 " request%s that made no sense\n",
			figures->clients.refused,
			plural(figures->clients.refused));
}

void figures_print(const struct figures *figures, FILE *stream)
{
	print_whole(figures, stream);
	print_notes(figures, stream);
}

int server_summary(struct server *server, FILE *stream)
{
	struct figures figures;
	int error = figures_gather(server, &figures);

	if (!error)
		figures_print(&figures, stream);
	figures_free(&figures);
	return error;
}
