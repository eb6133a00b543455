/* differences.c - docs/differences.md, parsed and matched */
/* SPDX-License-Identifier: MIT */
#include "model/judge/differences.h"

#include "model/judge/executor.h"
#include "model/judge/files.h"
#include "model/judge/isolate.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define MOST_ENTRIES 64
#define MOST_LINE 1024
#define ANY (-1)
#define NOT_SAID (-2)
/* Signals stand beside errnos. */
#define SIGNAL_BASE 10000

enum match_kind {
	MATCH_RESULT,
	MATCH_TEXT,
	MATCH_VALUE,
	MATCH_APART,
};

struct entry {
	char heading[16]; /* "D1" */
	enum match_kind kind;
	char executor[8]; /* "" is any */
	uint32_t ops;     /* a bit each; 0 is any */
	int kernel;
	int quire;
	int flags;
	int prot;
	int advice;
	char file[24];
	bool small_budget;
	bool after_failure;
	bool after_pageout;
	bool any_offset;
	enum join join;
	enum limit_kind limit;
	uint64_t met;
};

static struct entry *entries; /* shared with children, who count */
static size_t entry_count;

/* ---- reading ---- */

struct place {
	const char *path;
	unsigned line;
};

static void check_known(const struct place *place, bool known, const char *what,
			const char *word, size_t length)
{
	if (!known)
		die("%s:%u: no such %s: %.*s", place->path, place->line, what,
		    (int)length, word);
}

static int parse_answer(const struct place *place, const char *word,
			size_t length)
{
	int error;

	if (length == 2 && !strncmp(word, "ok", 2))
		return 0;
	if (length == 3 && !strncmp(word, "any", 3))
		return ANY;
	if (length == 6 && !strncmp(word, "SIGBUS", 6))
		return SIGNAL_BASE + SIGBUS;
	if (length == 7 && !strncmp(word, "SIGSEGV", 7))
		return SIGNAL_BASE + SIGSEGV;
	error = errno_by_name(word, length);
	check_known(place, error > 0, "answer", word, length);
	return error;
}

/* Parts of word between separators, one after the other. */
static bool next_part(const char **word, size_t *length, char separator,
		      const char **part, size_t *part_length)
{
	const char *end;

	if (*length == 0)
		return false;
	end = memchr(*word, separator, *length);
	*part = *word;
	*part_length = end ? (size_t)(end - *word) : *length;
	*word += *part_length + (end != NULL);
	*length -= *part_length + (end != NULL);
	return true;
}

static uint32_t parse_ops(const struct place *place, const char *word,
			  size_t length)
{
	uint32_t ops = 0;
	const char *part;
	size_t part_length;

	while (next_part(&word, &length, ',', &part, &part_length)) {
		int kind = op_by_name(part, part_length);

		check_known(place, kind >= 0, "op", part, part_length);
		ops |= 1u << kind;
	}
	return ops;
}

static int parse_flags(const struct place *place, const char *word,
		       size_t length)
{
	int flags = 0;
	const char *part;
	size_t part_length;

	while (next_part(&word, &length, '|', &part, &part_length)) {
		int flag = flag_by_name(part, part_length);

		check_known(place, flag >= 0, "flag", part, part_length);
		flags |= flag;
	}
	return flags;
}

static void parse_word(const struct place *place, char *to, size_t size,
		       const char *word, size_t length)
{
	check_known(place, length < size, "name", word, length);
	memcpy(to, word, length);
	to[length] = '\0';
}

static enum join parse_join(const struct place *place, const char *word,
			    size_t length)
{
	if (length == 7 && !strncmp(word, "private", 7))
		return JOIN_PRIVATE;
	if (length == 3 && !strncmp(word, "any", 3))
		return JOIN_ANY;
	check_known(place, length == 3 && !strncmp(word, "all", 3), "join",
		    word, length);
	return JOIN_ALL;
}

static bool key_is(const char *key, size_t length, const char *name)
{
	return strlen(name) == length && !strncmp(key, name, length);
}

static void parse_pair(const struct place *place, struct entry *entry,
		       const char *pair, size_t length)
{
	const char *equals = memchr(pair, '=', length);
	size_t key = equals ? (size_t)(equals - pair) : length;
	const char *value = pair + key + 1;
	size_t size = equals ? length - key - 1 : 0;

	check_known(place, size > 0, "pair", pair, length);
	if (key_is(pair, key, "executor")) {
		parse_word(place, entry->executor, sizeof(entry->executor),
			   value, size);
	} else if (key_is(pair, key, "op")) {
		entry->ops = parse_ops(place, value, size);
	} else if (key_is(pair, key, "kernel")) {
		entry->kernel = parse_answer(place, value, size);
	} else if (key_is(pair, key, "quire")) {
		entry->quire = parse_answer(place, value, size);
	} else if (key_is(pair, key, "flags")) {
		entry->flags = parse_flags(place, value, size);
	} else if (key_is(pair, key, "prot")) {
		entry->prot = parse_flags(place, value, size);
	} else if (key_is(pair, key, "advice")) {
		entry->advice = advice_by_name(value, size);
		check_known(place, entry->advice >= 0, "advice", value, size);
	} else if (key_is(pair, key, "file")) {
		parse_word(place, entry->file, sizeof(entry->file), value,
			   size);
		check_known(place, body_exists(entry->file), "file", value,
			    size);
	} else if (key_is(pair, key, "limit")) {
		entry->limit = limit_by_name(value, size);
		check_known(place, entry->limit < LIMITS, "limit", value, size);
	} else if (key_is(pair, key, "join")) {
		entry->join = parse_join(place, value, size);
	} else if (key_is(pair, length, "offset=any")) {
		entry->any_offset = true;
	} else if (key_is(pair, length, "after=pageout")) {
		entry->after_pageout = true;
	} else if (key_is(pair, length, "after=failure")) {
		entry->after_failure = true;
	} else {
		check_known(place, key_is(pair, length, "budget=small"), "key",
			    pair, length);
		entry->small_budget = true;
	}
}

/* Each kind says what it is about, or it would allow everything. */
static void check_entry(const struct place *place, const struct entry *entry)
{
	bool complete = false;

	if (!entry->heading[0])
		die("%s:%u: a match outside of an entry", place->path,
		    place->line);
	switch (entry->kind) {
	case MATCH_RESULT:
		complete = entry->ops && entry->kernel != NOT_SAID &&
			   entry->quire != NOT_SAID;
		break;
	case MATCH_TEXT:
		if (entry->any_offset) {
			complete = entry->file[0];
			break;
		}
		complete = entry->join != JOIN_NONE &&
			   (entry->join != JOIN_ANY || entry->after_failure);
		break;
	case MATCH_VALUE:
		complete = entry->ops != 0;
		break;
	case MATCH_APART:
		complete = entry->ops != 0 && entry->limit < LIMITS;
		break;
	}
	if (!complete)
		die("%s:%u: %s does not say what it matches", place->path,
		    place->line, entry->heading);
}

static void parse_match(const struct place *place, const char *heading,
			const char *text, size_t length)
{
	struct entry *entry = &entries[entry_count];
	const char *part;
	size_t part_length;

	if (entry_count == MOST_ENTRIES)
		die("%s:%u: too many entries", place->path, place->line);
	memset(entry, 0, sizeof(*entry));
	snprintf(entry->heading, sizeof(entry->heading), "%s", heading);
	entry->kernel = NOT_SAID;
	entry->quire = NOT_SAID;
	entry->advice = NOT_SAID;
	entry->limit = LIMITS;
	while (next_part(&text, &length, ' ', &part, &part_length)) {
		if (key_is(part, part_length, "text"))
			entry->kind = MATCH_TEXT;
		else if (key_is(part, part_length, "value"))
			entry->kind = MATCH_VALUE;
		else if (key_is(part, part_length, "apart"))
			entry->kind = MATCH_APART;
		else if (part_length)
			parse_pair(place, entry, part, part_length);
	}
	check_entry(place, entry);
	entry_count++;
}

/* "## D12: a title" -> "D12" */
static void parse_heading(const struct place *place, const char *line,
			  char *heading, size_t size)
{
	size_t length = strspn(line + 4, "0123456789") + 1;

	if (length < 2 || length >= size || line[3 + length] != ':')
		die("%s:%u: not a heading '## D1: ...': %s", place->path,
		    place->line, line);
	snprintf(heading, size, "%.*s", (int)length, line + 3);
}

static void parse_line(const struct place *place, const char *line,
		       char *heading, size_t size)
{
	static const char mark[] = "`match:";
	const char *end;

	if (!strncmp(line, "## D", 4)) {
		parse_heading(place, line, heading, size);
		return;
	}
	if (!strncmp(line, "## ", 3)) {
		heading[0] = '\0';
		return;
	}
	if (strncmp(line, mark, sizeof(mark) - 1))
		return;
	line += sizeof(mark) - 1;
	end = strchr(line, '`');
	if (!end)
		die("%s:%u: the match has no end", place->path, place->line);
	parse_match(place, heading, line, (size_t)(end - line));
}

void differences_read(const char *path)
{
	struct place place = { .path = path };
	char line[MOST_LINE];
	char heading[16] = "";
	FILE *stream;

	if (!entries)
		entries = isolate_memory(MOST_ENTRIES * sizeof(*entries));
	stream = fopen(path, "r");
	if (!stream)
		die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), stream)) {
		place.line++;
		line[strcspn(line, "\n")] = '\0';
		parse_line(&place, line, heading, sizeof(heading));
	}
	fclose(stream);
}

/* ---- matching ---- */

static int answer_of(const struct outcome *outcome)
{
	if (outcome->signal)
		return SIGNAL_BASE + outcome->signal;
	return outcome->result == -1 ? outcome->error : 0;
}

static bool side_fits(const struct entry *entry, const struct match_side *side)
{
	return (!entry->executor[0] ||
		!strcmp(entry->executor, side->executor)) &&
	       (!entry->small_budget || side->small_budget) &&
	       (!entry->after_pageout || side->paged_out);
}

static bool op_fits(const struct entry *entry, const struct op *op)
{
	if (entry->ops && !(entry->ops & 1u << op->kind))
		return false;
	if ((op->flags & entry->flags) != entry->flags ||
	    (op->prot & entry->prot) != entry->prot)
		return false;
	if (entry->advice != NOT_SAID &&
	    (op->kind != OP_MADVISE || op->flags != entry->advice))
		return false;
	return !entry->file[0] ||
	       (op->file < HANDLES &&
		!strcmp(entry->file, body_label(file_body(op->file))));
}

bool differences_allow(const struct match_side *side, const struct op *op,
		       const struct outcome *kernel,
		       const struct outcome *quire)
{
	for (size_t i = 0; i < entry_count; i++) {
		struct entry *entry = &entries[i];

		if (entry->kind != MATCH_RESULT || !side_fits(entry, side) ||
		    !op_fits(entry, op))
			continue;
		if ((entry->kernel != ANY &&
		     entry->kernel != answer_of(kernel)) ||
		    (entry->quire != ANY && entry->quire != answer_of(quire)))
			continue;
		entry->met++;
		return true;
	}
	return false;
}

bool differences_allow_value(const struct match_side *side, const struct op *op,
			     bool own)
{
	for (size_t i = 0; i < entry_count; i++) {
		struct entry *entry = &entries[i];

		if (entry->kind == MATCH_VALUE && side_fits(entry, side) &&
		    op_fits(entry, op) &&
		    (!own || entry->small_budget || entry->after_pageout)) {
			entry->met++;
			return true;
		}
	}
	return false;
}

struct join_rule differences_join(const struct match_side *side,
				  const struct op *op, bool failed)
{
	struct join_rule rule = { .join = JOIN_NONE };

	for (size_t i = 0; i < entry_count; i++) {
		struct entry *entry = &entries[i];

		if (entry->kind != MATCH_TEXT || !side_fits(entry, side) ||
		    (entry->after_failure && !failed) || !op_fits(entry, op) ||
		    entry->join <= rule.join)
			continue;
		rule.join = entry->join;
		rule.parts = entry->after_failure;
		rule.met = &entry->met;
	}
	return rule;
}

bool differences_ignore_offset(const struct match_side *side, const char *name)
{
	for (size_t i = 0; i < entry_count; i++) {
		struct entry *entry = &entries[i];

		if (entry->kind == MATCH_TEXT && entry->any_offset &&
		    side_fits(entry, side) && !strcmp(entry->file, name)) {
			entry->met++;
			return true;
		}
	}
	return false;
}

enum limit_kind differences_apart(const struct op *op, uint64_t **met)
{
	for (size_t i = 0; i < entry_count; i++) {
		struct entry *entry = &entries[i];

		if (entry->kind == MATCH_APART && op_fits(entry, op)) {
			*met = &entry->met;
			return entry->limit;
		}
	}
	return LIMITS;
}

uint64_t differences_print(FILE *stream)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < entry_count; i++) {
		sum += entries[i].met;
		if (entries[i].met)
			fprintf(stream, "%s: met %llu times\n",
				entries[i].heading,
				(unsigned long long)entries[i].met);
	}
	return sum;
}
