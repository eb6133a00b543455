/* notes.c - what fell back, in words, and the settings that clients get */
/* SPDX-License-Identifier: MIT */
#include "server/server_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- notes ---- */

static struct note *find(struct server *server, const char *text)
{
	struct list *link;

	list_for_each(link, &server->notes) {
		struct note *note = container_of(link, struct note, link);

		if (!strcmp(note->text, text))
			return note;
	}
	return NULL;
}

/* Those that there is no room for are one. */
static const char *text_or_rest(const struct server *server, const char *text)
{
	return server->note_count + 1 < SERVER_NOTES ? text : "other reasons";
}

static void count(struct server *server, const char *text)
{
	struct note *note = find(server, text);

	if (!note) {
		text = text_or_rest(server, text);
		note = find(server, text);
	}
	if (!note) {
		note = malloc(sizeof(*note) + strlen(text) + 1);
		if (!note)
			return;
		note->times = 0;
		strcpy(note->text, text);
		list_add_tail(&server->notes, &note->link);
		server->note_count++;
	}
	note->times++;
}

void note_add(struct server *server, const char *text, size_t length)
{
	char line[SERVER_NOTE_BYTES];

	if (length >= sizeof(line))
		length = sizeof(line) - 1;
	/* A client's words go to a terminal. */
	for (size_t i = 0; i < length; i++)
		line[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f
				  ? '?'
				  : text[i];
	line[length] = '\0';
	lock_take(&server->lock);
	count(server, line);
	lock_drop(&server->lock);
}

void server_each_note(struct server *server,
		      void (*each)(void *context, const char *text,
				   uint64_t times),
		      void *context)
{
	struct list *link;

	lock_take(&server->lock);
	list_for_each(link, &server->notes) {
		struct note *note = container_of(link, struct note, link);

		each(context, note->text, note->times);
	}
	lock_drop(&server->lock);
}

/* ---- settings ---- */

static void print_settings(const struct server_options *options, FILE *stream)
{
	fprintf(stream, "least %llu\n", (unsigned long long)options->least);
	for (size_t i = 0; i < options->glob_count; i++)
		fprintf(stream, "map %s\n", options->globs[i]);
	for (size_t i = 0; i < options->binding_count; i++)
		fprintf(stream, "bind %s\n", options->bindings[i].path);
}

/* A line break in a path would be another setting. */
static int check_settings(const struct server_options *options)
{
	for (size_t i = 0; i < options->glob_count; i++)
		if (strchr(options->globs[i], '\n'))
			return error_say(-EINVAL, "a glob has a line break");
	for (size_t i = 0; i < options->binding_count; i++)
		if (strchr(options->bindings[i].path, '\n') ||
		    options->bindings[i].path[0] != '/')
			return error_say(-EINVAL,
					 "what is bound needs an absolute path "
					 "without line breaks");
	return 0;
}

int settings_create(struct server *server)
{
	int error = check_settings(&server->options);
	size_t length;
	FILE *stream;

	if (error)
		return error;
	stream = open_memstream(&server->settings, &length);
	if (!stream)
		return -ENOMEM;
	print_settings(&server->options, stream);
	if (fclose(stream))
		return -ENOMEM;
	if (length > PROTOCOL_BYTES_MAX)
		return error_say(-E2BIG,
				 "globs and bindings are longer than "
				 "%u bytes",
				 PROTOCOL_BYTES_MAX);
	return 0;
}
