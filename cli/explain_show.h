/* explain_show.h - a story as text, as JSON, as a page */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_EXPLAIN_SHOW_H
#define QUIRE_CLI_EXPLAIN_SHOW_H

#include "explain_story.h"

#include <stdio.h>

/* How text is drawn. */
struct paper {
	FILE *stream;
	bool colour;
	bool unicode; /* else boxes of + - | */
};

void paper_begin(const struct paper *paper, const struct script *script);
void paper_step(const struct paper *paper, const struct story *story,
		const struct step *step);
void paper_end(const struct paper *paper, const struct story *story);

/* Of paper_step(): spaces, page tables, cache and files (explain_draw.c). */
void paper_picture(const struct paper *paper, const struct script *script,
		   const struct picture *picture);

/* "\033[1m" and its like, if there are colours; "" else. */
const char *paper_colour(const struct paper *paper, const char *code);
#define COLOUR_BOLD "1"
#define COLOUR_FAINT "2"
#define COLOUR_BAD "31"
#define COLOUR_GOOD "32"
#define COLOUR_CHANGED "33"
#define COLOUR_TITLE "36"
#define COLOUR_END "0"

/* One JSON object. */
void story_json(const struct story *story, FILE *stream);
/* A page that needs nothing else.  0, or -ENOMEM; the stream has its errors. */
int story_html(const struct story *story, FILE *stream);

#endif
