/* explain_verbs.c - the statements of a script, one by one */
/* SPDX-License-Identifier: MIT */
#include "explain_verbs.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define LENGTH "a length such as 4096 or 2p"
#define PLACE "an address: a mapping's name or 0x..., perhaps + or - a length"

uint32_t script_find(const char *const *names, size_t count, const char *name)
{
	for (uint32_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return SCRIPT_NOWHERE;
}

/* A name that is new, in one of the script's lists. */
static int add_name(struct words *words, const char **names, size_t *count,
		    size_t most, const struct word *word)
{
	if (script_find(names, *count, word->text) != SCRIPT_NOWHERE)
		return words_complain(words, word,
				      "expected a new name: there is a '%.40s' "
				      "already",
				      word->text);
	if (*count == most)
		return words_complain(words, word,
				      "there may be %zu names of this kind",
				      most);
	names[(*count)++] = word->text;
	return 0;
}

/* ---- what statements are made of ---- */

static int read_place(struct words *words, struct place *place)
{
	struct script *script = words->script;
	const struct word *word = words_look(words);
	int error = 0;

	*place = (struct place){ .mapping = SCRIPT_NOWHERE };
	if (word->kind == WORD_NAME) {
		place->mapping = script_find(script->mappings,
					     script->mapping_count, word->text);
		if (place->mapping == SCRIPT_NOWHERE)
			return words_complain(words, word,
					      "expected " PLACE
					      ": no line above "
					      "maps '%.40s'",
					      word->text);
		words->next++;
	} else {
		error = words_size(words, PLACE, &place->base);
	}
	while (!error) {
		bool minus = words_take(words, "-");
		uint64_t size = 0;

		if (!minus && !words_take(words, "+"))
			break;
		error = words_size(words, LENGTH, &size);
		place->base += minus ? -size : size;
	}
	return error;
}

static int read_range(struct words *words, struct statement *statement)
{
	int error = read_place(words, &statement->place);

	return error ? error : words_size(words, LENGTH, &statement->length);
}

/* "rw": letters, each once; "none". */
static bool is_rights(const char *text, int *prot)
{
	static const char letters[] = "rwx";
	static const int bits[] = { PROT_READ, PROT_WRITE, PROT_EXEC };
	int found = 0;

	*prot = PROT_NONE;
	if (strcmp(text, "none") == 0)
		return true;
	for (; *text; text++) {
		const char *letter = strchr(letters, *text);

		if (!letter || found & bits[letter - letters])
			return false;
		found |= bits[letter - letters];
	}
	*prot = found;
	return found != 0;
}

static int read_rights(struct words *words, int *prot)
{
	const struct word *word = words_look(words);

	if (word->kind != WORD_NAME || !is_rights(word->text, prot))
		return words_expected(words,
				      "rights such as r, rw, rx or none");
	words->next++;
	return 0;
}

static int read_file_name(struct words *words, uint32_t *file)
{
	struct script *script = words->script;
	const struct word *word = words_look(words);

	*file = SCRIPT_NOWHERE;
	if (word->kind == WORD_NAME)
		*file = script_find(script->files, script->file_count,
				    word->text);
	if (*file == SCRIPT_NOWHERE)
		return words_expected(words,
				      "a file that a line above has made");
	words->next++;
	return 0;
}

/* ---- the statements ---- */

static int read_file(struct words *words, struct statement *statement)
{
	struct script *script = words->script;
	const struct word *name;
	int error = words_name(words, "the name of a file", &name);

	if (!error &&
	    (strchr(name->text, '/') || name->text[0] == '.' ||
	     name->length > 60 || strcmp(name->text, "anonymous") == 0))
		return words_complain(words, name,
				      "expected a short name without a /, and "
				      "not 'anonymous'");
	if (!error)
		error = add_name(words, script->files, &script->file_count,
				 SCRIPT_FILES, name);
	if (!error)
		error = words_text(words, statement);
	if (error)
		return error;
	statement->target = (uint32_t)script->file_count - 1;
	statement->length = statement->text_length;
	if (words_take(words, "size"))
		error = words_size(words, LENGTH, &statement->length);
	statement->readonly = words_take(words, "readonly");
	return error;
}

static int read_map_option(struct words *words, struct statement *statement)
{
	const struct word *word = words_look(words);
	int flag;

	if (words_take(words, "at"))
		return read_place(words, &statement->place);
	if (words_take(words, "pages")) {
		int error = words_size(words, "a number of pages",
				       &statement->length);

		if (!error && statement->length > INT64_MAX / SCRIPT_PAGE)
			return words_complain(words, word, "too many pages");
		statement->length *= SCRIPT_PAGE;
		return error;
	}
	if (words_take(words, "length"))
		return words_size(words, LENGTH, &statement->length);
	if (words_take(words, "offset"))
		return words_size(words, LENGTH, &statement->offset);
	if (word->kind != WORD_NAME ||
	    !named_value_find(named_map_flags, word->text, &flag))
		return words_expected(words,
				      "at, pages, length, offset or a flag "
				      "such as fixed");
	statement->flags |= flag;
	words->next++;
	return 0;
}

static int read_sharing(struct words *words, struct statement *statement)
{
	if (words_take(words, "private"))
		statement->flags |= MAP_PRIVATE;
	else if (words_take(words, "shared"))
		statement->flags |= MAP_SHARED;
	else
		return words_expected(words, "private or shared");
	return read_rights(words, &statement->prot);
}

static int read_source(struct words *words, struct statement *statement)
{
	if (!words_take(words, "anonymous"))
		return read_file_name(words, &statement->file);
	statement->flags |= MAP_ANONYMOUS;
	return 0;
}

/* Behind "NAME = map". */
static int read_map(struct words *words, struct statement *statement)
{
	int error = read_source(words, statement);

	if (!error)
		error = read_sharing(words, statement);
	statement->length = UINT64_MAX;
	while (!error && words_look(words)->kind != WORD_END)
		error = read_map_option(words, statement);
	if (!error && statement->length == UINT64_MAX &&
	    statement->file == SCRIPT_NOWHERE)
		return words_expected(words, "pages or length: anonymous "
					     "memory has none of its own");
	return error;
}

static int read_read(struct words *words, struct statement *statement)
{
	const struct word *word;
	int error = read_place(words, &statement->place);

	statement->length = 1;
	word = words_look(words);
	if (!error && word->kind != WORD_END)
		error = words_size(words, LENGTH, &statement->length);
	if (!error && statement->length > SCRIPT_BYTES)
		return words_complain(words, word,
				      "expected at most %d bytes to read",
				      SCRIPT_BYTES);
	return error;
}

static int read_write(struct words *words, struct statement *statement)
{
	int error = read_place(words, &statement->place);

	statement->length = 1; /* page */
	if (!error && words_look(words)->kind == WORD_NUMBER)
		error = words_size(words, LENGTH, &statement->length);
	return error ? error : words_text(words, statement);
}

static int read_touch(struct words *words, struct statement *statement)
{
	int error = read_place(words, &statement->place);

	statement->length = 1;
	if (!error && words_look(words)->kind != WORD_END)
		error = words_size(words, LENGTH, &statement->length);
	return error;
}

static int read_fetch(struct words *words, struct statement *statement)
{
	statement->length = 1;
	return read_place(words, &statement->place);
}

static int read_protect(struct words *words, struct statement *statement)
{
	int error = read_range(words, statement);

	return error ? error : read_rights(words, &statement->prot);
}

static int read_remap(struct words *words, struct statement *statement)
{
	int error = read_range(words, statement);

	if (!error)
		error = words_size(words, LENGTH, &statement->new_length);
	while (!error && words_look(words)->kind != WORD_END) {
		if (words_take(words, "maymove"))
			statement->flags |= MREMAP_MAYMOVE;
		else if (words_take(words, "dontunmap"))
			statement->flags |= MREMAP_DONTUNMAP;
		else if (words_take(words, "fixed"))
			statement->flags |= MREMAP_FIXED;
		else if (words_take(words, "at"))
			error = read_place(words, &statement->to);
		else
			return words_expected(words,
					      "maymove, dontunmap, fixed or "
					      "at");
	}
	return error;
}

static int read_advise(struct words *words, struct statement *statement)
{
	int error = read_range(words, statement);
	const struct word *word = words_look(words);

	if (error)
		return error;
	if (word->kind != WORD_NAME ||
	    !named_value_find(named_advice, word->text, &statement->advice))
		return words_expected(words, "an advice such as dontneed or "
					     "willneed");
	words->next++;
	return 0;
}

static int read_lock(struct words *words, struct statement *statement)
{
	int error = read_range(words, statement);

	if (!error && words_take(words, "onfault"))
		statement->flags = MLOCK_ONFAULT;
	return error;
}

static int read_sync(struct words *words, struct statement *statement)
{
	int error = read_range(words, statement);

	statement->flags = words_take(words, "async") ? MS_ASYNC : MS_SYNC;
	if (!error && words_take(words, "invalidate"))
		statement->flags |= MS_INVALIDATE;
	return error;
}

static int read_resize(struct words *words, struct statement *statement)
{
	int error = read_file_name(words, &statement->target);

	return error ? error : words_size(words, LENGTH, &statement->length);
}

static int read_fork(struct words *words, struct statement *statement)
{
	struct script *script = words->script;
	const struct word *name;
	int error = words_name(words, "the name of a process", &name);

	if (!error)
		error = add_name(words, script->processes,
				 &script->process_count, SCRIPT_PROCESSES,
				 name);
	statement->target = (uint32_t)script->process_count - 1;
	return error;
}

static int read_expect(struct words *words, struct statement *statement)
{
	const struct word *word = words_look(words);

	if (words->script->steps == 0)
		return words_complain(words, word,
				      "expected a statement before, that has a "
				      "result");
	if (word->kind == WORD_TEXT) {
		statement->expectation = EXPECT_BYTES;
		return words_text(words, statement);
	}
	if (words_take(words, "ok"))
		return 0;
	if (word->kind == WORD_NAME &&
	    named_value_find(named_errors, word->text, &statement->number))
		statement->expectation = EXPECT_ERROR;
	else if (word->kind == WORD_NAME &&
		 named_value_find(named_signals, word->text,
				  &statement->number))
		statement->expectation = EXPECT_SIGNAL;
	else
		return words_expected(words, "a text in quotes, ok, an error "
					     "such as ENOMEM, SIGSEGV or "
					     "SIGBUS");
	words->next++;
	return 0;
}

static const struct verb {
	const char *name;
	enum statement_kind kind;
	int (*read)(struct words *words, struct statement *statement);
} verbs[] = {
	{ "file", STATEMENT_FILE, read_file },
	{ "read", STATEMENT_READ, read_read },
	{ "write", STATEMENT_WRITE, read_write },
	{ "touch", STATEMENT_TOUCH, read_touch },
	{ "fetch", STATEMENT_FETCH, read_fetch },
	{ "protect", STATEMENT_PROTECT, read_protect },
	{ "unmap", STATEMENT_UNMAP, read_range },
	{ "remap", STATEMENT_REMAP, read_remap },
	{ "advise", STATEMENT_ADVISE, read_advise },
	{ "lock", STATEMENT_LOCK, read_lock },
	{ "unlock", STATEMENT_UNLOCK, read_range },
	{ "sync", STATEMENT_SYNC, read_sync },
	{ "resize", STATEMENT_RESIZE, read_resize },
	{ "fork", STATEMENT_FORK, read_fork },
	{ "say", STATEMENT_SAY, words_text },
	{ "expect", STATEMENT_EXPECT, read_expect },
};

int verb_read_assignment(struct words *words, struct statement *statement)
{
	struct script *script = words->script;
	const struct word *name = words_look(words);
	int error;

	words->next += 2;
	if (!words_take(words, "map"))
		return words_expected(words, "map");
	statement->kind = STATEMENT_MAP;
	error = read_map(words, statement);
	if (error)
		return error;
	statement->target = script_find(script->mappings, script->mapping_count,
					name->text);
	if (statement->target != SCRIPT_NOWHERE)
		return 0; /* from here on it means the new one */
	statement->target = (uint32_t)script->mapping_count;
	return add_name(words, script->mappings, &script->mapping_count,
			SCRIPT_MAPPINGS, name);
}

int verb_read(struct words *words, struct statement *statement)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (words_take(words, verbs[i].name)) {
			statement->kind = verbs[i].kind;
			return verbs[i].read(words, statement);
		}
	return words_expected(words, "a statement such as read, unmap or "
				     "NAME = map");
}
