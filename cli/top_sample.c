/* top_sample.c - what the engines of a process answer, as numbers */
/* SPDX-License-Identifier: MIT */
#include "peer.h"
#include "top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGE UINT64_C(4096)

static const char *const count_names[TOP_COUNTS] = {
	[TOP_BUDGET] = "budget",
	[TOP_RESIDENT] = "resident",
	[TOP_RESIDENT_PEAK] = "resident_peak",
	[TOP_DIRTY] = "dirty",
	[TOP_TRAPS] = "traps",
	[TOP_HITS] = "hits",
	[TOP_MISSES] = "misses",
	[TOP_PAGES_READ] = "pages_read",
	[TOP_PAGES_WRITTEN] = "pages_written",
	[TOP_EVICTIONS] = "evictions",
};

/* The fields of a line "file" behind the path, and their units. */
static const struct {
	int column; /* -1: not shown */
	uint64_t unit;
} fields[] = {
	{ TOP_FILE_MAPPED, 1 },
	{ TOP_FILE_RESIDENT, PAGE },
	{ -1, PAGE }, /* resident_peak */
	{ TOP_FILE_HITS, 1 },
	{ TOP_FILE_MISSES, 1 },
	{ -1, 1 }, /* reads */
	{ TOP_FILE_READ, PAGE },
	{ -1, 1 }, /* writes */
	{ TOP_FILE_WRITTEN, PAGE },
	{ TOP_FILE_EVICTED, PAGE },
	{ TOP_FILE_STALLED_NS, 1 },
	{ TOP_FILE_DIRTY, PAGE },
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

void top_take_stat(struct top_sample *sample, char *text)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		const char *name = strsep(&line, " ");

		for (unsigned int i = 0; line && i < TOP_COUNTS; i++)
			if (!strcmp(name, count_names[i]))
				sample->count[i] += strtoull(line, NULL, 10);
	}
}

/* "PATH", "123", ... of one line.  false: it has not all of them. */
static bool take_fields(struct top_file *file, char *line)
{
	char *path = strsep(&line, "\t");

	for (size_t i = 0; i < FIELDS; i++) {
		const char *text = strsep(&line, "\t");
		char *end;
		uint64_t value;

		if (!text)
			return false;
		value = strtoull(text, &end, 10);
		if (end == text || *end)
			return false;
		if (fields[i].column >= 0)
			file->value[fields[i].column] = value * fields[i].unit;
	}
	file->path = path;
	return true;
}

static bool add_file(struct top_sample *sample, const struct top_file *file)
{
	struct top_file *more =
		realloc(sample->file, (sample->files + 1) * sizeof(*more));
	char *path;

	if (!more)
		return false;
	sample->file = more;
	path = strdup(file->path);
	if (!path)
		return false;
	more[sample->files] = *file;
	more[sample->files++].path = path;
	return true;
}

bool top_take_files(struct top_sample *sample, char *text)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		struct top_file file = { .path = NULL };
		const char *kind = strsep(&line, "\t");

		if (!line || strcmp(kind, "file") || !take_fields(&file, line))
			continue;
		if (!add_file(sample, &file))
			return false;
	}
	return true;
}

struct asking {
	struct top_sample *sample;
	bool full; /* of memory */
};

static void take_stat(void *context, unsigned int engine, char *text)
{
	struct asking *asking = context;

	(void)engine;
	asking->sample->engines++;
	top_take_stat(asking->sample, text);
	free(text);
}

static void take_files(void *context, unsigned int engine, char *text)
{
	struct asking *asking = context;

	(void)engine;
	if (!top_take_files(asking->sample, text))
		asking->full = true;
	free(text);
}

int top_ask(pid_t pid, struct top_sample *sample, unsigned int *engine)
{
	struct asking asking = { .sample = sample };
	struct timespec now;
	int error;

	clock_gettime(CLOCK_MONOTONIC, &now);
	sample->time_ns =
		(uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	error = peer_query(pid, "stat\n", take_stat, &asking, engine);
	if (!error)
		error = peer_query(pid, "files\n", take_files, &asking, engine);
	if (!error && asking.full)
		error = -ENOMEM;
	if (error)
		top_forget(sample);
	return error;
}

void top_forget(struct top_sample *sample)
{
	for (size_t i = 0; i < sample->files; i++)
		free(sample->file[i].path);
	free(sample->file);
	*sample = (struct top_sample){ .engines = 0 };
}
