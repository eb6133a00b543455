/* explain_words.c - a line of a script as words, and what each means */
/* SPDX-License-Identifier: MIT */
#include "explain_words.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *script_keep(struct script *script, const char *text, size_t length)
{
	char *kept = script->arena + script->arena_used;

	memcpy(kept, text, length);
	kept[length] = '\0';
	script->arena_used += length + 1;
	return kept;
}

int words_complain(struct words *words, const struct word *word,
		   const char *format, ...)
{
	struct script *script = words->script;
	va_list arguments;

	script->line = words->line;
	script->column = word->column;
	va_start(arguments, format);
	vsnprintf(script->complaint, sizeof(script->complaint), format,
		  arguments);
	va_end(arguments);
	return -EINVAL;
}

int words_expected(struct words *words, const char *what)
{
	const struct word *word = words_look(words);

	if (word->kind == WORD_END)
		return words_complain(words, word,
				      "expected %s, but the line ends here",
				      what);
	return words_complain(words, word, "expected %s, not '%.40s'", what,
			      word->text);
}

/* ---- cutting ---- */

struct cutter {
	struct words *words;
	const char *start; /* of the line */
	const char *at;
	const char *end;
	struct word *word;
};

static int cut_complain(struct cutter *cutter, const char *what)
{
	struct word here = {
		.column = (unsigned int)(cutter->at - cutter->start) + 1,
	};

	return words_complain(cutter->words, &here, "%s", what);
}

static bool is_inside(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '/';
}

static void cut_plain(struct cutter *cutter)
{
	const char *start = cutter->at;

	while (cutter->at < cutter->end && is_inside(*cutter->at))
		cutter->at++;
	cutter->word->kind = isdigit((unsigned char)*start) ? WORD_NUMBER
							    : WORD_NAME;
	cutter->word->length = (size_t)(cutter->at - start);
	cutter->word->text =
		script_keep(cutter->words->script, start, cutter->word->length);
}

static int digit_value(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return tolower((unsigned char)c) - 'a' + 10;
}

/* Behind a backslash.  False: no such escape. */
static bool cut_escape(struct cutter *cutter, char *out)
{
	static const char from[] = "nt0\\\"", to[] = "\n\t\0\\\"";
	const char *found =
		cutter->at < cutter->end ? memchr(from, *cutter->at, 5) : NULL;

	if (found) {
		*out = to[found - from];
		cutter->at++;
		return true;
	}
	if (cutter->end - cutter->at < 3 || *cutter->at != 'x' ||
	    !isxdigit((unsigned char)cutter->at[1]) ||
	    !isxdigit((unsigned char)cutter->at[2]))
		return false;
	*out = (char)(digit_value(cutter->at[1]) * 16 +
		      digit_value(cutter->at[2]));
	cutter->at += 3;
	return true;
}

static int cut_text(struct cutter *cutter)
{
	struct script *script = cutter->words->script;
	char *out = script->arena + script->arena_used;
	size_t length = 0;

	cutter->at++;
	while (cutter->at < cutter->end && *cutter->at != '"') {
		char c = *cutter->at++;

		if (c == '\\' && !cut_escape(cutter, &c))
			return cut_complain(cutter,
					    "expected one of n t 0 \\ \" xHH "
					    "behind the backslash");
		out[length++] = c;
	}
	if (cutter->at == cutter->end)
		return cut_complain(cutter, "expected a closing quote, but the "
					    "line ends here");
	cutter->at++;
	out[length] = '\0';
	script->arena_used += length + 1;
	cutter->word->kind = WORD_TEXT;
	cutter->word->text = out;
	cutter->word->length = length;
	return 0;
}

static int cut_word(struct cutter *cutter)
{
	cutter->word->column = (unsigned int)(cutter->at - cutter->start) + 1;
	if (*cutter->at == '"')
		return cut_text(cutter);
	if (is_inside(*cutter->at)) {
		cut_plain(cutter);
		return 0;
	}
	if (!strchr("=+-:", *cutter->at) || !*cutter->at)
		return cut_complain(cutter, "expected a word, a number or a "
					    "text in quotes");
	cutter->word->kind = WORD_SIGN;
	cutter->word->length = 1;
	cutter->word->text = script_keep(cutter->words->script, cutter->at, 1);
	cutter->at++;
	return 0;
}

int words_cut(struct words *words, const char *text, size_t length)
{
	struct cutter cutter = {
		.words = words,
		.start = text,
		.at = text,
		.end = text + length,
		.word = words->word,
	};

	words->next = 0;
	for (;;) {
		int error;

		while (cutter.at < cutter.end && isblank(*cutter.at))
			cutter.at++;
		if (cutter.at == cutter.end || *cutter.at == '#')
			break;
		if (cutter.word == words->word + WORDS_MOST)
			return cut_complain(&cutter, "too many words");
		error = cut_word(&cutter);
		if (error)
			return error;
		cutter.word++;
	}
	*cutter.word = (struct word){
		.kind = WORD_END,
		.column = (unsigned int)(cutter.at - text) + 1,
		.text = "",
	};
	return 0;
}

/* ---- taking ---- */

const struct word *words_look(const struct words *words)
{
	return &words->word[words->next];
}

bool words_take(struct words *words, const char *text)
{
	const struct word *word = words_look(words);

	if ((word->kind != WORD_NAME && word->kind != WORD_SIGN) ||
	    strcmp(word->text, text))
		return false;
	words->next++;
	return true;
}

int words_name(struct words *words, const char *what, const struct word **word)
{
	*word = words_look(words);
	if ((*word)->kind != WORD_NAME)
		return words_expected(words, what);
	words->next++;
	return 0;
}

int words_text(struct words *words, struct statement *statement)
{
	const struct word *word = words_look(words);

	if (word->kind != WORD_TEXT)
		return words_expected(words, "a text in quotes");
	if (word->length > SCRIPT_BYTES)
		return words_complain(words, word,
				      "expected a text of at most %d bytes",
				      SCRIPT_BYTES);
	statement->text = word->text;
	statement->text_length = word->length;
	words->next++;
	return 0;
}

static unsigned int suffix_shift(const char *suffix)
{
	static const char letters[] = "kpmg";
	static const unsigned int shifts[] = { 10, 12, 20, 30 };
	const char *found = strchr(letters, tolower((unsigned char)*suffix));

	if (!*suffix)
		return 0;
	return found && !suffix[1] ? shifts[found - letters] : 64;
}

int words_size(struct words *words, const char *what, uint64_t *size)
{
	const struct word *word = words_look(words);
	bool hexadecimal = word->text[0] == '0' && word->text[1] == 'x';
	unsigned int shift;
	char *end;

	if (word->kind != WORD_NUMBER)
		return words_expected(words, what);
	errno = 0;
	*size = strtoull(word->text, &end, hexadecimal ? 16 : 10);
	shift = suffix_shift(end);
	if (errno || shift == 64 || *size > (uint64_t)INT64_MAX >> shift)
		return words_expected(words, what);
	*size <<= shift;
	words->next++;
	return 0;
}

int words_end(struct words *words)
{
	if (words_look(words)->kind == WORD_END)
		return 0;
	return words_expected(words, "the end of the line");
}
