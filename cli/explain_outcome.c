/* explain_outcome.c - what came of a step, in words */
/* SPDX-License-Identifier: MIT */
#include "explain_story.h"
#include "explain_words.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

void bytes_print(FILE *stream, const void *bytes, size_t length)
{
	const unsigned char *byte = bytes;

	fputc('"', stream);
	for (size_t i = 0; i < length; i++)
		if (byte[i] == '"' || byte[i] == '\\')
			fprintf(stream, "\\%c", byte[i]);
		else if (byte[i] < 0x80 && isprint(byte[i]))
			fputc(byte[i], stream);
		else if (byte[i] == '\n')
			fputs("\\n", stream);
		else if (byte[i] == 0)
			fputs("\\0", stream);
		else
			fprintf(stream, "\\x%02x", byte[i]);
	fputc('"', stream);
}

static const char *code_name(int signal, int code)
{
	if (signal == SIGBUS && code == BUS_ADRERR)
		return "BUS_ADRERR: past the end of the object";
	if (signal == SIGSEGV && code == SEGV_MAPERR)
		return "SEGV_MAPERR: nothing is mapped there";
	if (signal == SIGSEGV && code == SEGV_ACCERR)
		return "SEGV_ACCERR: the mapping does not allow it";
	return "another reason";
}

static void print_success(FILE *stream, const struct statement *statement,
			  const struct outcome *outcome)
{
	if (statement->kind == STATEMENT_READ) {
		bytes_print(stream, outcome->bytes, outcome->length);
		return;
	}
	fputs("ok", stream);
	if (statement->kind == STATEMENT_MAP ||
	    statement->kind == STATEMENT_REMAP)
		fprintf(stream, ", at 0x%jx", (uintmax_t)outcome->address);
}

char *outcome_text(const struct statement *statement,
		   const struct outcome *outcome)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	if (outcome->skipped)
		fputs("not tried", stream);
	else if (outcome->signal)
		fprintf(stream, "%s at 0x%jx (%s)",
			named_value_name(named_signals, outcome->signal),
			(uintmax_t)outcome->signal_address,
			code_name(outcome->signal, outcome->signal_code));
	else if (outcome->error)
		fprintf(stream, "%s: %s",
			named_value_name(named_errors, outcome->error),
			strerror(outcome->error));
	else
		print_success(stream, statement, outcome);
	return fclose(stream) ? NULL : text;
}
