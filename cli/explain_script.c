/* explain_script.c - a script of `quire explain`, read and checked */
/* SPDX-License-Identifier: MIT */
#include "explain_verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_sign(const struct word *word, char sign)
{
	return word->kind == WORD_SIGN && word->text[0] == sign;
}

static int read_statement(struct words *words, struct statement *statement)
{
	const struct word *word = words_look(words);

	if (word->kind == WORD_NAME && is_sign(word + 1, '='))
		return verb_read_assignment(words, statement);
	return verb_read(words, statement);
}

/* "child: write ..." */
static int read_process(struct words *words, struct statement *statement)
{
	struct script *script = words->script;
	const struct word *word = words_look(words);

	if (word->kind != WORD_NAME || !is_sign(word + 1, ':'))
		return 0;
	statement->process = script_find(script->processes,
					 script->process_count, word->text);
	if (statement->process == SCRIPT_NOWHERE)
		return words_expected(words, "a process that a line above has "
					     "forked");
	words->next += 2;
	return 0;
}

/* 1: the line was one of these; 0: it is none; or an error. */
static int read_heading(struct words *words)
{
	struct script *script = words->script;
	const struct word *word = words_look(words);
	struct statement texts = { .length = 0 };
	int error;

	if (word->kind == WORD_NAME && is_sign(word + 1, '='))
		return 0;
	if (words_take(words, "title")) {
		error = words_text(words, &texts);
		script->title = texts.text;
	} else if (words_take(words, "introduction")) {
		error = words_text(words, &texts);
		script->introduction = texts.text;
	} else if (words_take(words, "budget")) {
		error = words_size(words, "a budget such as 8p",
				   &script->budget);
		if (!error && script->budget < SCRIPT_PAGE)
			return words_complain(words, word + 1,
					      "expected a page at least");
	} else {
		return 0;
	}
	if (!error && script->count)
		return words_complain(words, word,
				      "expected '%s' above all statements",
				      word->text);
	if (!error)
		error = words_end(words);
	return error ? error : 1;
}

/* The line as it was written, from its first word to its last. */
static const char *source_of(struct words *words, const char *text)
{
	const struct word *end = words->word;
	const char *last;

	while (end->kind != WORD_END)
		end++;
	last = text + end->column - 1;
	while (last[-1] == ' ' || last[-1] == '\t')
		last--;
	text += words->word[0].column - 1;
	return script_keep(words->script, text, (size_t)(last - text));
}

static int read_line(struct words *words, const char *text, size_t length)
{
	struct script *script = words->script;
	struct statement *statement = &script->statements[script->count];
	int error = words_cut(words, text, length);

	if (error || words_look(words)->kind == WORD_END)
		return error;
	error = read_heading(words);
	if (error)
		return error < 0 ? error : 0;
	*statement = (struct statement){
		.line = words->line,
		.column = words->word[0].column,
		.file = SCRIPT_NOWHERE,
		.place.mapping = SCRIPT_NOWHERE,
		.to.mapping = SCRIPT_NOWHERE,
	};
	error = read_process(words, statement);
	if (!error)
		error = read_statement(words, statement);
	if (!error)
		error = words_end(words);
	if (error)
		return error;
	statement->source = source_of(words, text);
	script->steps += statement_is_step(statement);
	script->count++;
	return 0;
}

static int read_lines(struct script *script, const char *text, size_t length)
{
	struct words words = { .script = script };
	const char *end = text + length;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *stop = newline ? newline : end;
		int error;

		words.line++;
		error = read_line(&words, text, (size_t)(stop - text));
		if (error)
			return error;
		text = stop + 1;
	}
	if (script->steps)
		return 0;
	words.line += !words.line;
	words.word[0] = (struct word){ .column = 1 };
	return words_complain(&words, words.word,
			      "expected a statement: the script has none");
}

int script_read(struct script *script, const char *text, size_t length)
{
	size_t lines = 1;

	*script = (struct script){ .process_count = 1 };
	script->processes[0] = "parent";
	for (size_t i = 0; i < length; i++)
		lines += text[i] == '\n';
	script->statements = calloc(lines, sizeof(*script->statements));
	/* Each byte may be a word with its end, and once more as source. */
	script->arena = malloc(3 * length + lines + 1);
	if (!script->statements || !script->arena)
		return -ENOMEM;
	return read_lines(script, text, length);
}

void script_free(struct script *script)
{
	free(script->statements);
	free(script->arena);
	*script = (struct script){ .count = 0 };
}
