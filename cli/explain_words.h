/* explain_words.h - a line of a script as words, and what each means */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_EXPLAIN_WORDS_H
#define QUIRE_CLI_EXPLAIN_WORDS_H

#include "explain_script.h"

#define WORDS_MOST 32

enum word_kind {
	WORD_NAME,   /* data.txt, private */
	WORD_NUMBER, /* 12, 4p, 0x1000 */
	WORD_TEXT,   /* "hello\n", without the quotes, decoded */
	WORD_SIGN,   /* = + - : */
	WORD_END,    /* behind the last */
};

struct word {
	enum word_kind kind;
	unsigned int column;
	const char *text;
	size_t length;
};

/* A line, and how far it was read. */
struct words {
	struct script *script;
	unsigned int line;
	struct word word[WORDS_MOST + 1];
	unsigned int next;
};

/* Cuts [text, text+length) into words.  0 or -EINVAL. */
int words_cut(struct words *words, const char *text, size_t length);

/* A copy in the script's arena, which has room for all of the script. */
const char *script_keep(struct script *script, const char *text, size_t length);

/* "expected WHAT, not 'word'", at the next word; returns -EINVAL. */
int words_expected(struct words *words, const char *what);
__attribute__((format(printf, 3, 4))) int words_complain(
	struct words *words, const struct word *word, const char *format, ...);

const struct word *words_look(const struct words *words);
/* True, and the word is taken: the next one is this name, or this sign. */
bool words_take(struct words *words, const char *text);

/* All: 0 and the value taken, or -EINVAL. */
int words_name(struct words *words, const char *what, const struct word **word);
int words_text(struct words *words, struct statement *statement);
int words_size(struct words *words, const char *what, uint64_t *size);
int words_end(struct words *words);

/* A value that has a name: of a table whose last name is NULL. */
struct named_value {
	const char *name;
	int value;
};

/* False: no such name. */
bool named_value_find(const struct named_value *table, const char *name,
		      int *value);
/* The name of a value; "?" if it has none. */
const char *named_value_name(const struct named_value *table, int value);

extern const struct named_value named_advice[];
extern const struct named_value named_errors[];
extern const struct named_value named_map_flags[];
extern const struct named_value named_signals[];

#endif
