/* json.h - one JSON value written to a stream, piece by piece */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_BASE_JSON_H
#define QUIRE_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Starts zeroed but for the stream. */
struct json {
	FILE *stream;
	unsigned int depth;
	bool comma; /* something precedes on this level */
};

/* name is NULL inside an array, and for the outermost value. */
void json_object_begin(struct json *json, const char *name);
void json_object_end(struct json *json);
void json_array_begin(struct json *json, const char *name);
void json_array_end(struct json *json);
void json_integer(struct json *json, const char *name, uint64_t value);
void json_number(struct json *json, const char *name, double value);
void json_boolean(struct json *json, const char *name, bool value);

/* What is not UTF-8 in value becomes U+FFFD: the output is valid always. */
void json_string(struct json *json, const char *name, const char *value);

#endif
