/* json.c - one JSON value written to a stream, piece by piece */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <math.h>
#include <string.h>

/*
 * Bytes of the UTF-8 character that text begins with; 0: it is none.  The
 * first byte tells the length, and bounds the second so that overlong forms,
 * surrogates and what lies above U+10FFFF are refused.
 */
static size_t utf8_length(const unsigned char *text)
{
	static const struct {
		unsigned char first, last, second_low, second_high;
		size_t length;
	} forms[] = {
		{ 0x20, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (text[0] < forms[i].first || text[0] > forms[i].last)
			continue;
		if (forms[i].length > 1 && (text[1] < forms[i].second_low ||
					    text[1] > forms[i].second_high))
			return 0;
		for (size_t j = 2; j < forms[i].length; j++)
			if ((text[j] & 0xc0) != 0x80)
				return 0;
		return forms[i].length;
	}
	return 0;
}

static void put_text(FILE *stream, const char *text)
{
	const unsigned char *byte = (const unsigned char *)text;

	fputc('"', stream);
	while (*byte) {
		size_t length = utf8_length(byte);

		if (*byte == '"' || *byte == '\\')
			fprintf(stream, "\\%c", *byte);
		else if (*byte < 0x20)
			fprintf(stream, "\\u%04x", *byte);
		else if (length)
			fwrite(byte, 1, length, stream);
		else
			fputs("\\ufffd", stream);
		byte += length ? length : 1;
	}
	fputc('"', stream);
}

/* All that comes before a value: comma, line, indentation, name. */
static void lead(struct json *json, const char *name)
{
	if (json->comma)
		fputc(',', json->stream);
	if (json->depth)
		fprintf(json->stream, "\n%*s", (int)json->depth * 2, "");
	if (name) {
		put_text(json->stream, name);
		fputs(": ", json->stream);
	}
	json->comma = true;
}

static void begin(struct json *json, const char *name, char bracket)
{
	lead(json, name);
	fputc(bracket, json->stream);
	json->depth++;
	json->comma = false;
}

static void end(struct json *json, char bracket)
{
	json->depth--;
	if (json->comma)
		fprintf(json->stream, "\n%*s", (int)json->depth * 2, "");
	fputc(bracket, json->stream);
	json->comma = true;
	if (!json->depth)
		fputc('\n', json->stream);
}

void json_object_begin(struct json *json, const char *name)
{
	begin(json, name, '{');
}

void json_object_end(struct json *json)
{
	end(json, '}');
}

void json_array_begin(struct json *json, const char *name)
{
	begin(json, name, '[');
}

void json_array_end(struct json *json)
{
	end(json, ']');
}

void json_integer(struct json *json, const char *name, uint64_t value)
{
	lead(json, name);
	fprintf(json->stream, "%ju", (uintmax_t)value);
}

void json_number(struct json *json, const char *name, double value)
{
	lead(json, name);
	if (isfinite(value))
		fprintf(json->stream, "%.6g", value);
	else
		fputs("null", json->stream); /* JSON has no infinity */
}

void json_boolean(struct json *json, const char *name, bool value)
{
	lead(json, name);
	fputs(value ? "true" : "false", json->stream);
}

void json_string(struct json *json, const char *name, const char *value)
{
	lead(json, name);
	put_text(json->stream, value);
}
