/* faulty_script.c - the language of faults: parsing, matching, counting */
/* SPDX-License-Identifier: MIT */
#include "store/faulty_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STATEMENT_BYTES 160
#define DELAY_MAX_MS UINT64_C(3600000)
#define BLANKS " \t\r\n"

/* A statement on its way from text, word by word. */
struct reader {
	char text[STATEMENT_BYTES]; /* cut into words by strtok_r() */
	char *rest;
	unsigned number;   /* of the statement, from 1 */
	const char *whole; /* of the statement; not ended by a zero */
	int whole_length;
};

static const struct {
	const char *name;
	int number;
} error_names[] = {
	{ "EACCES", EACCES },
	{ "EAGAIN", EAGAIN },
	{ "EBADF", EBADF },
	{ "EBUSY", EBUSY },
	{ "ECONNRESET", ECONNRESET },
	{ "EDQUOT", EDQUOT },
	{ "EFBIG", EFBIG },
	{ "EILSEQ", EILSEQ },
	{ "EINTR", EINTR },
	{ "EINVAL", EINVAL },
	{ "EIO", EIO },
	{ "ENODATA", ENODATA },
	{ "ENODEV", ENODEV },
	{ "ENOLINK", ENOLINK },
	{ "ENOMEM", ENOMEM },
	{ "ENOSPC", ENOSPC },
	{ "ENOTCONN", ENOTCONN },
	{ "ENXIO", ENXIO },
	{ "EOPNOTSUPP", EOPNOTSUPP },
	{ "EPERM", EPERM },
	{ "EPIPE", EPIPE },
	{ "EREMOTEIO", EREMOTEIO },
	{ "EROFS", EROFS },
	{ "ESTALE", ESTALE },
	{ "ETIMEDOUT", ETIMEDOUT },
};

static const struct {
	const char *name;
	unsigned operations;
} operation_names[] = {
	{ "read", 1u << STORE_READ },
	{ "write", 1u << STORE_WRITE },
	{ "flush", 1u << STORE_FLUSH },
	{ "any", 1u << STORE_READ | 1u << STORE_WRITE | 1u << STORE_FLUSH },
};

/* Conditions that a statement has had. */
enum {
	SEEN_EVERY = 1,
	SEEN_AFTER = 2,
	SEEN_TIMES = 4
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* -EINVAL, having said which statement is wrong and why. */
static int refuse(const struct reader *reader, const char *why,
		  const char *word)
{
	return error_say(-EINVAL, "fault statement %u, \"%.*s\": %s%s%s",
			 reader->number, reader->whole_length, reader->whole,
			 why, word ? ": " : "", word ? word : "");
}

static char *next_word(struct reader *reader)
{
	return strtok_r(NULL, BLANKS, &reader->rest);
}

static int read_operation(struct reader *reader, const char *word,
			  struct faulty_statement *statement)
{
	for (unsigned i = 0; i < COUNT_OF(operation_names); i++) {
		if (strcmp(word, operation_names[i].name) == 0) {
			statement->operations = operation_names[i].operations;
			return 0;
		}
	}
	return refuse(reader, "not read, write, flush or any", word);
}

static int read_range(struct reader *reader, char *word,
		      struct faulty_statement *statement)
{
	char *dash = strchr(word, '-');
	int error;

	if (!dash)
		return refuse(reader, "not a range, a condition or \"do\"",
			      word);
	if (statement->ranged)
		return refuse(reader, "a second range", word);
	*dash = '\0';
	error = size_parse(word, &statement->from);
	if (!error)
		error = size_parse(dash + 1, &statement->to);
	*dash = '-';
	if (error || statement->from >= statement->to)
		return refuse(reader, "not a range of bytes", word);
	statement->ranged = true;
	return 0;
}

/* The next word, a number with an optional K, M, G or T. */
static int read_number(struct reader *reader, const char *of, uint64_t *number)
{
	const char *word = next_word(reader);

	if (!word)
		return refuse(reader, "a number is missing after", of);
	if (size_parse(word, number))
		return refuse(reader, "not a number", word);
	return 0;
}

/* every N, after N, times N; only after may be 0. */
static int read_condition(struct reader *reader, const char *word,
			  uint64_t *value, unsigned *seen, unsigned bit)
{
	int error;

	if (*seen & bit)
		return refuse(reader, "said twice", word);
	*seen |= bit;
	error = read_number(reader, word, value);
	if (!error && *value == 0 && bit != SEEN_AFTER)
		return refuse(reader, "must be at least 1", word);
	return error;
}

/* Everything between the operation and "do". */
static int read_conditions(struct reader *reader,
			   struct faulty_statement *statement)
{
	unsigned seen = 0;
	char *word;
	int error = 0;

	while (!error && (word = next_word(reader))) {
		if (strcmp(word, "do") == 0)
			return 0;
		if (strcmp(word, "every") == 0)
			error = read_condition(reader, word, &statement->every,
					       &seen, SEEN_EVERY);
		else if (strcmp(word, "after") == 0)
			error = read_condition(reader, word, &statement->after,
					       &seen, SEEN_AFTER);
		else if (strcmp(word, "times") == 0)
			error = read_condition(reader, word, &statement->times,
					       &seen, SEEN_TIMES);
		else
			error = read_range(reader, word, statement);
	}
	return error ? error : refuse(reader, "\"do\" is missing", NULL);
}

static int read_errno(struct reader *reader, uint64_t *number)
{
	const char *word = next_word(reader);

	if (!word)
		return refuse(reader, "the error's name is missing", NULL);
	for (unsigned i = 0; i < COUNT_OF(error_names); i++) {
		if (strcmp(word, error_names[i].name) == 0) {
			*number = (uint64_t)error_names[i].number;
			return 0;
		}
	}
	return refuse(reader, "not an error that a store can have", word);
}

static int read_delay(struct reader *reader, uint64_t *milliseconds)
{
	int error = read_number(reader, "delay", milliseconds);

	if (!error && *milliseconds > DELAY_MAX_MS)
		return refuse(reader, "longer than an hour", "delay");
	return error;
}

static int read_action(struct reader *reader,
		       struct faulty_statement *statement)
{
	const char *word = next_word(reader);

	if (!word)
		return refuse(reader, "the action is missing", NULL);
	if (strcmp(word, "fail") == 0) {
		statement->action = FAULTY_FAIL;
		return read_errno(reader, &statement->amount);
	}
	if (strcmp(word, "delay") == 0) {
		statement->action = FAULTY_DELAY;
		return read_delay(reader, &statement->amount);
	}
	if (strcmp(word, "short") == 0) {
		statement->action = FAULTY_SHORT;
		return read_number(reader, "short", &statement->amount);
	}
	if (strcmp(word, "lose") == 0)
		statement->action = FAULTY_LOSE;
	else if (strcmp(word, "hold") == 0)
		statement->action = FAULTY_HOLD;
	else
		return refuse(reader, "not fail, delay, short, lose or hold",
			      word);
	return 0;
}

/* A flush moves no bytes; what speaks of bytes leaves it out. */
static int leave_flush_out(struct reader *reader,
			   struct faulty_statement *statement)
{
	if (statement->ranged || statement->action == FAULTY_SHORT)
		statement->operations &= ~(1u << STORE_FLUSH);
	if (statement->operations == 0)
		return refuse(reader, "a flush moves no bytes", NULL);
	return 0;
}

static int read_statement(struct reader *reader, char *first,
			  struct faulty_statement *statement)
{
	int error;

	*statement = (struct faulty_statement){
		.every = 1,
		.times = UINT64_MAX,
	};
	error = read_operation(reader, first, statement);
	if (!error)
		error = read_conditions(reader, statement);
	if (!error)
		error = read_action(reader, statement);
	if (!error)
		error = leave_flush_out(reader, statement);
	if (!error && (first = next_word(reader)))
		error = refuse(reader, "too much after the action", first);
	return error;
}

/* An empty statement is skipped. */
static int add_statement(struct reader *reader, struct faulty_script *script)
{
	char *first;

	if (reader->whole_length >= STATEMENT_BYTES)
		return refuse(reader, "too long", NULL);
	memcpy(reader->text, reader->whole, (size_t)reader->whole_length);
	reader->text[reader->whole_length] = '\0';
	first = strtok_r(reader->text, BLANKS, &reader->rest);
	if (!first)
		return 0;
	if (script->count == FAULTY_STATEMENTS)
		return refuse(reader, "too many statements", NULL);
	return read_statement(reader, first,
			      &script->statements[script->count++]);
}

int faulty_script_parse(const char *text, struct faulty_script *script)
{
	struct reader reader = { .number = 0 };
	int error = 0;

	script->count = 0;
	while (text && *text && !error) {
		size_t length = strcspn(text, ";");

		/* Enough to see that it is too long, and to quote it. */
		reader.whole_length = length < STATEMENT_BYTES
					      ? (int)length
					      : STATEMENT_BYTES;
		reader.whole = text;
		reader.number++;
		error = add_statement(&reader, script);
		text += length;
		text += *text == ';';
	}
	return error;
}

static bool describes(const struct faulty_statement *statement,
		      const struct store_io *io)
{
	if (!(statement->operations & 1u << io->operation))
		return false;
	if (!statement->ranged)
		return true;
	return io->step_offset < statement->to &&
	       io->step_offset + step_length(io) > statement->from;
}

/* The statement describes the operation at hand: is it this one's turn? */
static bool is_due(struct faulty_statement *statement)
{
	uint64_t matched = ++statement->matched;

	if (matched <= statement->after)
		return false;
	if ((matched - statement->after) % statement->every != 0)
		return false;
	if (statement->applied >= statement->times)
		return false;
	statement->applied++;
	return true;
}

enum faulty_action faulty_script_decide(struct faulty_script *script,
					const struct store_io *io,
					uint64_t *amount)
{
	for (unsigned i = 0; i < script->count; i++) {
		struct faulty_statement *statement = &script->statements[i];

		if (describes(statement, io) && is_due(statement)) {
			*amount = statement->amount;
			return statement->action;
		}
	}
	return FAULTY_PASS;
}
