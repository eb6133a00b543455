/* top_frame.c - one frame of `quire top`, as text */
/* SPDX-License-Identifier: MIT */
#include "top.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAGE UINT64_C(4096)
#define BAR 30
#define NUMBER 10 /* columns of a number */
#define PATH 22   /* and of a path, at least, with what keeps it apart */

enum unit {
	UNIT_BYTES,
	UNIT_COUNT,
	UNIT_TIME
};

static const struct {
	const char *title;
	char key;
	enum unit unit;
} columns[TOP_COLUMNS] = {
	[TOP_FILE_RESIDENT] = { "RESIDENT", 'i', UNIT_BYTES },
	[TOP_FILE_MAPPED] = { "MAPPED", 'm', UNIT_BYTES },
	[TOP_FILE_READ] = { "READ", 'r', UNIT_BYTES },
	[TOP_FILE_WRITTEN] = { "WRITTEN", 'w', UNIT_BYTES },
	[TOP_FILE_EVICTED] = { "EVICTED", 'e', UNIT_BYTES },
	[TOP_FILE_DIRTY] = { "DIRTY", 'd', UNIT_BYTES },
	[TOP_FILE_HITS] = { "HITS", 'h', UNIT_COUNT },
	[TOP_FILE_MISSES] = { "MISSES", 'f', UNIT_COUNT },
	[TOP_FILE_STALLED_NS] = { "STALLED", 's', UNIT_TIME },
};

bool top_key(int key, enum top_column *column)
{
	for (unsigned int i = 0; i < TOP_COLUMNS; i++) {
		if (key != columns[i].key)
			continue;
		*column = i;
		return true;
	}
	if (key != 'p')
		return false;
	*column = TOP_FILE_PATH;
	return true;
}

/* ---- sorting: greatest first, paths as they come in the alphabet ---- */

static int by_path(const void *one, const void *other)
{
	const struct top_file *a = one, *b = other;

	return strcmp(a->path, b->path);
}

static int by_column(const void *one, const void *other, void *context)
{
	const struct top_file *a = one, *b = other;
	enum top_column column = *(const enum top_column *)context;

	if (a->value[column] != b->value[column])
		return a->value[column] < b->value[column] ? 1 : -1;
	return by_path(one, other);
}

void top_sort(struct top_sample *sample, enum top_column column)
{
	if (sample->files < 2)
		return;
	if (column == TOP_FILE_PATH)
		qsort(sample->file, sample->files, sizeof(*sample->file),
		      by_path);
	else
		qsort_r(sample->file, sample->files, sizeof(*sample->file),
			by_column, &column);
}

/* ---- numbers as people read them ---- */

struct number {
	char text[24];
};

static struct number scaled(double value, double step, const char *units)
{
	struct number number;

	while (value >= step && units[1]) {
		value /= step;
		units++;
	}
	snprintf(number.text, sizeof(number.text), "%.*f%.1s",
		 value < 10 && *units != ' ' ? 1 : 0, value,
		 *units == ' ' ? "" : units);
	return number;
}

static struct number bytes(double value)
{
	return scaled(value, 1024, " KMGTP");
}

static struct number in_unit(uint64_t value, enum unit unit)
{
	struct number number;

	if (unit == UNIT_BYTES)
		return bytes((double)value);
	if (unit == UNIT_COUNT)
		return scaled((double)value, 1000, " KMGTP");
	snprintf(number.text, sizeof(number.text), "%.2fs",
		 (double)value / 1e9);
	return number;
}

/* ---- the parts of a frame ---- */

/* A line of the frame: it ends where the screen does. */
static void put_line(const struct top_view *view, const char *text,
		     FILE *stream)
{
	if (view->width)
		fprintf(stream, "%.*s\n", (int)view->width, text);
	else
		fprintf(stream, "%s\n", text);
}

static void put_bar(const struct top_view *view, const char *name,
		    uint64_t part, uint64_t whole, FILE *stream)
{
	char bar[BAR + 1], line[120];
	uint64_t filled = whole ? part * BAR / whole : 0;

	if (filled > BAR)
		filled = BAR;
	memset(bar, '.', BAR);
	memset(bar, '#', filled);
	bar[BAR] = '\0';
	snprintf(line, sizeof(line), "%-9s [%s] %s of %s", name, bar,
		 bytes((double)part).text, bytes((double)whole).text);
	put_line(view, line, stream);
}

/* How much more than before in a second; "-" if there is no before. */
static struct number rate(const struct top_sample *before,
			  const struct top_sample *sample, enum top_count count,
			  double unit)
{
	double seconds, more;

	if (!before || sample->time_ns <= before->time_ns ||
	    sample->count[count] < before->count[count])
		return (struct number){ "-" };
	seconds = (double)(sample->time_ns - before->time_ns) / 1e9;
	more = (double)(sample->count[count] - before->count[count]) * unit;
	return unit > 1 ? bytes(more / seconds)
			: scaled(more / seconds, 1000, " KMGTP");
}

static void put_rates(const struct top_view *view,
		      const struct top_sample *before,
		      const struct top_sample *sample, FILE *stream)
{
	char line[200];

	snprintf(line, sizeof(line),
		 "a second  traps %s  hits %s  misses %s  read %s  "
		 "written %s  evicted %s",
		 rate(before, sample, TOP_TRAPS, 1).text,
		 rate(before, sample, TOP_HITS, 1).text,
		 rate(before, sample, TOP_MISSES, 1).text,
		 rate(before, sample, TOP_PAGES_READ, PAGE).text,
		 rate(before, sample, TOP_PAGES_WRITTEN, PAGE).text,
		 rate(before, sample, TOP_EVICTIONS, PAGE).text);
	put_line(view, line, stream);
}

static void put_totals(const struct top_view *view,
		       const struct top_sample *sample, FILE *stream)
{
	const uint64_t *count = sample->count;
	char line[200];

	snprintf(line, sizeof(line),
		 "in all    traps %s  hits %s  misses %s  read %s  "
		 "written %s  evicted %s",
		 in_unit(count[TOP_TRAPS], UNIT_COUNT).text,
		 in_unit(count[TOP_HITS], UNIT_COUNT).text,
		 in_unit(count[TOP_MISSES], UNIT_COUNT).text,
		 bytes((double)(count[TOP_PAGES_READ] * PAGE)).text,
		 bytes((double)(count[TOP_PAGES_WRITTEN] * PAGE)).text,
		 bytes((double)(count[TOP_EVICTIONS] * PAGE)).text);
	put_line(view, line, stream);
}

static void put_head(const struct top_view *view,
		     const struct top_sample *before,
		     const struct top_sample *sample, FILE *stream)
{
	const uint64_t *count = sample->count;
	char line[120];

	snprintf(line, sizeof(line),
		 "quire top: process %d, engines: %u, files: %zu", view->pid,
		 sample->engines, sample->files);
	put_line(view, line, stream);
	put_bar(view, "resident", count[TOP_RESIDENT], count[TOP_BUDGET],
		stream);
	put_bar(view, "at most", count[TOP_RESIDENT_PEAK], count[TOP_BUDGET],
		stream);
	put_bar(view, "dirty", count[TOP_DIRTY], count[TOP_BUDGET], stream);
	put_rates(view, before, sample, stream);
	put_totals(view, sample, stream);
	put_line(view, "", stream);
}

/* On a narrow screen the first ones, and the one that rules: paths have room. */
static bool is_shown(const struct top_view *view, unsigned int column)
{
	unsigned int room = view->width > PATH ? view->width - PATH : 0;

	return view->width == 0 || column < room / NUMBER ||
	       column == view->sorted;
}

/* The column that rules is marked. */
static void put_titles(const struct top_view *view, FILE *stream)
{
	char line[TOP_COLUMNS * (NUMBER + 1) + 16];
	size_t length = 0;

	for (unsigned int i = 0; i < TOP_COLUMNS; i++) {
		char title[NUMBER + 1];

		if (!is_shown(view, i))
			continue;
		snprintf(title, sizeof(title), "%s%s",
			 view->sorted == i ? "*" : "", columns[i].title);
		length += (size_t)snprintf(line + length, sizeof(line) - length,
					   "%*s", NUMBER, title);
	}
	snprintf(line + length, sizeof(line) - length, " %sPATH",
		 view->sorted == TOP_FILE_PATH ? "*" : " ");
	put_line(view, line, stream);
}

/* Where a path is too long its end says more: that, and what stands for the rest. */
static const char *path_end(const struct top_view *view, size_t before,
			    const char **path)
{
	static const char rest[] = "...";
	size_t length = strlen(*path), room;

	if (view->width == 0 || before + length <= view->width ||
	    before + PATH / 2 > view->width)
		return "";
	room = view->width - before - strlen(rest);
	*path += length - room;
	return rest;
}

static void put_file(const struct top_view *view, const struct top_file *file,
		     FILE *stream)
{
	size_t room = strlen(file->path) + TOP_COLUMNS * (NUMBER + 14) + 8;
	char *line = malloc(room);
	const char *path = file->path, *rest;
	size_t length = 0;

	if (!line)
		return;
	for (unsigned int i = 0; i < TOP_COLUMNS; i++)
		if (is_shown(view, i))
			length += (size_t)snprintf(
				line + length, room - length, "%*s", NUMBER,
				in_unit(file->value[i], columns[i].unit).text);
	rest = path_end(view, length + 2, &path);
	snprintf(line + length, room - length, "  %s%s", rest, path);
	put_line(view, line, stream);
	free(line);
}

void top_frame(const struct top_view *view, const struct top_sample *before,
	       const struct top_sample *sample, FILE *stream)
{
	const size_t head = 8; /* lines above the files */
	size_t files = sample->files;

	put_head(view, before, sample, stream);
	put_titles(view, stream);
	if (view->height && files + head > view->height)
		files = view->height > head ? view->height - head : 0;
	for (size_t i = 0; i < files; i++)
		put_file(view, &sample->file[i], stream);
}
