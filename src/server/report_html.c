/* report_html.c - a page of what was recorded, that needs nothing else */
/* SPDX-License-Identifier: MIT */
#include "server/report_html.h"

#include "server/report_page.h"

#include <errno.h>
#include <stdlib.h>

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

/* Under the recorder's lock into memory, so that a stream that nobody empties
 * keeps nobody waiting. */
static int make_data(struct recorder *recorder,
		     const struct report_facts *facts, char **text)
{
	size_t size;
	FILE *memory = open_memstream(text, &size);
	int error;

	if (!memory)
		return -ENOMEM;
	error = report_json(recorder, facts, memory);
	if (fclose(memory) && !error)
		error = -ENOMEM;
	return error;
}

int report_html(struct recorder *recorder, const struct report_facts *facts,
		FILE *stream)
{
	char *text = NULL;
	int error = make_data(recorder, facts, &text);

	if (!error) {
		fwrite(report_page_head, 1, report_page_head_size, stream);
		put_harmless(text, stream);
		fwrite(report_page_tail, 1, report_page_tail_size, stream);
		error = fflush(stream) || ferror(stream) ? -EIO : 0;
	}
	free(text);
	return error;
}
