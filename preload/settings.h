/* settings.h - what the server's greeting says */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_SETTINGS_H
#define QUIRE_PRELOAD_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A zeroed one has no bindings, and takes everything. */
struct settings {
	uint64_t least; /* bytes of a mapping that is taken */
	bool binds;     /* there are bindings */
	bool maps;      /* there are patterns */
	size_t length;
	char text[32769]; /* the lines, each ended by 0 */
};

extern struct settings client_settings;

/* The text is settings->text, length bytes of lines. */
void settings_parse(struct settings *settings);
/* path matches a pattern, or there is none. */
bool settings_is_mapped(const struct settings *settings, const char *path);
/* path, which is absolute and without . and .., is bound. */
bool settings_is_bound(const struct settings *settings, const char *path);

#endif
