/* figures.h - what a run did, in numbers, for summary and statistics */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_SERVER_FIGURES_H
#define QUIRE_SERVER_FIGURES_H

#include "server/server_private.h"

struct figure_note {
	char *text;
	uint64_t times;
};

struct figures {
	struct quire_statistics engine;
	struct server_facts clients;
	struct file_facts *files; /* most traps first; their paths are ours */
	size_t file_count;
	struct figure_note *notes;
	size_t note_count;
};

/* 0 or -ENOMEM.  figures_free() in both cases. */
int figures_gather(struct server *server, struct figures *figures);
void figures_free(struct figures *figures);

/* Copies; what is not copied for want of memory: -ENOMEM.  The list stays
 * valid. */
int figures_add_file(struct figures *figures, const struct file_facts *facts);
int figures_add_note(struct figures *figures, const char *text, uint64_t times);
void figures_sort(struct figures *figures);

static inline uint64_t figure_traps(const struct file_facts *file)
{
	return file->counts.hits + file->counts.misses;
}

/*
 * Bytes read of the file for each byte that it has, in whole pages: 1 if each
 * page was read once.  NaN: it has none.
 */
double figure_amplification(const struct file_facts *file);

void figures_print(const struct figures *figures, FILE *stream);
void figures_write_json(const struct figures *figures, FILE *stream);

#endif
