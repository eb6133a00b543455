/* figures.c - what a run did, in numbers, for summary and statistics */
/* SPDX-License-Identifier: MIT */
#include "server/figures.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One item more than count; NULL: no memory, and the list is as it was. */
static void *grown(void *list, size_t count, size_t size)
{
	bool full = (count & (count - 1)) == 0; /* at 0, 1, 2, 4, 8 ... */

	return full ? reallocarray(list, count ? 2 * count : 1, size) : list;
}

int figures_add_file(struct figures *figures, const struct file_facts *facts)
{
	struct file_facts *files =
		grown(figures->files, figures->file_count, sizeof(*files));
	char *path;

	if (!files)
		return -ENOMEM;
	figures->files = files;
	path = strdup(facts->path ? facts->path : "(other files)");
	if (!path)
		return -ENOMEM;
	files[figures->file_count] = *facts;
	files[figures->file_count++].path = path;
	return 0;
}

int figures_add_note(struct figures *figures, const char *text, uint64_t times)
{
	struct figure_note *notes =
		grown(figures->notes, figures->note_count, sizeof(*notes));
	char *copy;

	if (!notes)
		return -ENOMEM;
	figures->notes = notes;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	notes[figures->note_count].text = copy;
	notes[figures->note_count++].times = times;
	return 0;
}

struct gathering {
	struct figures *figures;
	int error;
};

static void add_file(void *context, const struct file_facts *facts)
{
	struct gathering *gathering = context;

	if (!gathering->error)
		gathering->error = figures_add_file(gathering->figures, facts);
}

static void add_note(void *context, const char *text, uint64_t times)
{
	struct gathering *gathering = context;

	if (!gathering->error)
		gathering->error =
			figures_add_note(gathering->figures, text, times);
}

static int by_traps(const void *left, const void *right)
{
	const struct file_facts *one = left;
	const struct file_facts *other = right;

	if (figure_traps(one) != figure_traps(other))
		return figure_traps(one) > figure_traps(other) ? -1 : 1;
	return strcmp(one->path, other->path);
}

void figures_sort(struct figures *figures)
{
	if (figures->file_count)
		qsort(figures->files, figures->file_count,
		      sizeof(*figures->files), by_traps);
}

int figures_gather(struct server *server, struct figures *figures)
{
	struct gathering gathering = { .figures = figures };

	*figures = (struct figures){ .engine.size = sizeof(figures->engine) };
	quire_get_statistics(server_engine(server), &figures->engine);
	server_facts(server, &figures->clients);
	server_each_file(server, add_file, &gathering);
	server_each_note(server, add_note, &gathering);
	figures_sort(figures);
	return gathering.error;
}

void figures_free(struct figures *figures)
{
	for (size_t i = 0; i < figures->file_count; i++)
		free((char *)(uintptr_t)figures->files[i].path);
	for (size_t i = 0; i < figures->note_count; i++)
		free(figures->notes[i].text);
	free(figures->files);
	free(figures->notes);
	*figures = (struct figures){ 0 };
}

double figure_amplification(const struct file_facts *file)
{
	uint64_t pages = page_round_up(file->size) >> PAGE_SHIFT;

	return pages ? (double)file->counts.pages_read / (double)pages : NAN;
}
