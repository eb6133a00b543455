/* explain_html.c - a story as a page that needs nothing else */
/* SPDX-License-Identifier: MIT */
#include "explain_page.h"
#include "explain_show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The line of explain_page.html where the story's JSON goes. */
#define PLACE "@STORY@"

/* A < would end the element that the JSON lies in, if a / follows; in JSON it
 * stands only inside strings. */
static void put_harmless(const char *text, FILE *stream)
{
	for (; *text; text++)
		if (*text == '<')
			fputs("\\u003c", stream);
		else
			fputc(*text, stream);
}

int story_html(const struct story *story, FILE *stream)
{
	char *text = NULL;
	size_t size;
	FILE *memory = open_memstream(&text, &size);

	if (!memory)
		return -ENOMEM;
	story_json(story, memory);
	if (fclose(memory)) {
		free(text);
		return -ENOMEM;
	}
	for (const char *const *line = explain_page; *line; line++) {
		if (strcmp(*line, PLACE) == 0)
			put_harmless(text, stream);
		else
			fprintf(stream, "%s\n", *line);
	}
	free(text);
	return 0;
}
