/* settings.c - what the server's greeting says */
/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include <fnmatch.h>
#include <locale.h>
#include <string.h>

static uint64_t number(const char *digits)
{
	uint64_t value = 0;

	for (; *digits >= '0' && *digits <= '9'; digits++)
		value = value * 10 + (uint64_t)(*digits - '0');
	return value;
}

/* What follows word and a blank; NULL: another word. */
static const char *after(const char *line, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(line, word, length) != 0 || line[length] != ' ')
		return NULL;
	return line + length + 1;
}

void settings_parse(struct settings *settings)
{
	char *end = settings->text + settings->length;
	const char *value;

	*end = '\0';
	for (char *line = settings->text; line < end;) {
		char *stop = memchr(line, '\n', (size_t)(end - line));

		if (!stop)
			stop = end;
		*stop = '\0';
		value = after(line, "least");
		if (value)
			settings->least = number(value);
		if (after(line, "bind"))
			settings->binds = true;
		if (after(line, "map"))
			settings->maps = true;
		line = stop + 1;
	}
}

static bool matches_any(const struct settings *settings, const char *path)
{
	const char *end = settings->text + settings->length;

	for (const char *line = settings->text; line < end;
	     line += strlen(line) + 1) {
		const char *value = after(line, "map");

		if (value && fnmatch(value, path, 0) == 0)
			return true;
	}
	return false;
}

/* Of bytes, whatever the program's locale: in others fnmatch() allocates. */
bool settings_is_mapped(const struct settings *settings, const char *path)
{
	locale_t before;
	bool matches;

	if (!settings->maps)
		return true;
	before = uselocale(newlocale(LC_ALL_MASK, "C", NULL));
	matches = matches_any(settings, path);
	uselocale(before);
	return matches;
}

bool settings_is_bound(const struct settings *settings, const char *path)
{
	const char *end = settings->text + settings->length;

	if (!settings->binds)
		return false;
	for (const char *line = settings->text; line < end;
	     line += strlen(line) + 1) {
		const char *value = after(line, "bind");

		if (value && strcmp(value, path) == 0)
			return true;
	}
	return false;
}
