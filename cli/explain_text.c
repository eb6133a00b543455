/* explain_text.c - a story as text, for a terminal or a pipe */
/* SPDX-License-Identifier: MIT */
#include "explain_show.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 78

const char *paper_colour(const struct paper *paper, const char *code)
{
	static const struct {
		const char *code, *text;
	} colours[] = {
		{ COLOUR_BOLD, "\033[1m" },     { COLOUR_FAINT, "\033[2m" },
		{ COLOUR_BAD, "\033[31m" },     { COLOUR_GOOD, "\033[32m" },
		{ COLOUR_CHANGED, "\033[33m" }, { COLOUR_TITLE, "\033[36m" },
		{ COLOUR_END, "\033[0m" },
	};

	for (size_t i = 0;
	     paper->colour && i < sizeof(colours) / sizeof(colours[0]); i++)
		if (strcmp(colours[i].code, code) == 0)
			return colours[i].text;
	return "";
}

__attribute__((format(printf, 3, 4))) static void print_in(
	const struct paper *paper, const char *code, const char *format, ...)
{
	va_list arguments;

	fputs(paper_colour(paper, code), paper->stream);
	va_start(arguments, format);
	vfprintf(paper->stream, format, arguments);
	va_end(arguments);
	fputs(paper_colour(paper, COLOUR_END), paper->stream);
}

/* Words, wrapped; each line begins with two blanks. */
static void print_prose(const struct paper *paper, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t length = strcspn(text, " \n");

		if (column && column + 1 + length > WIDTH) {
			fputc('\n', paper->stream);
			column = 0;
		}
		fputs(column ? " " : "  ", paper->stream);
		fwrite(text, 1, length, paper->stream);
		column += length + (column ? 1 : 2);
		text += length;
		if (*text)
			text++;
	}
	fputc('\n', paper->stream);
}

static void print_rule(const struct paper *paper, size_t used)
{
	const char *dash = paper->unicode ? "─" : "-";

	while (used++ < WIDTH)
		fputs(dash, paper->stream);
	fputc('\n', paper->stream);
}

void paper_begin(const struct paper *paper, const struct script *script)
{
	if (script->title) {
		print_in(paper, COLOUR_BOLD, "%s", script->title);
		fputs("\n\n", paper->stream);
	}
	if (script->introduction) {
		print_prose(paper, script->introduction);
		fputc('\n', paper->stream);
	}
}

static void print_heading(const struct paper *paper, const struct story *story,
			  const struct step *step)
{
	int used;

	fputs(paper_colour(paper, COLOUR_TITLE), paper->stream);
	used = fprintf(paper->stream, "step %zu of %zu ", step->number,
		       story->script->steps);
	print_rule(paper, (size_t)used);
	fputs(paper_colour(paper, COLOUR_END), paper->stream);
}

static void print_says(const struct paper *paper, const struct story *story,
		       const struct step *step)
{
	for (size_t i = step->first; i < step->does; i++)
		if (story->script->statements[i].kind == STATEMENT_SAY)
			print_prose(paper, story->script->statements[i].text);
}

static void print_stations(const struct paper *paper, const struct step *step)
{
	if (!step->stations.count)
		return;
	fputs("  stations\n", paper->stream);
	for (size_t i = 0; i < step->stations.count; i++)
		fprintf(paper->stream, "    %-18s %s\n",
			step->stations.list[i].name,
			step->stations.list[i].line);
}

static void print_outcome(const struct paper *paper,
			  const struct statement *statement,
			  const struct outcome *outcome)
{
	char *text = outcome_text(statement, outcome);

	print_in(paper, outcome_good(outcome) ? COLOUR_GOOD : COLOUR_CHANGED,
		 "%s", text ? text : "?");
	free(text);
}

static void print_result(const struct paper *paper, const struct story *story,
			 const struct step *step)
{
	const struct statement *statement =
		&story->script->statements[step->does];

	fputs("  result  ", paper->stream);
	print_outcome(paper, statement, &step->outcome);
	fputc('\n', paper->stream);
	if (step->compared && !step->agrees) {
		print_in(paper, COLOUR_BAD, "  kernel  DIFFERS: ");
		print_outcome(paper, statement, &step->kernel);
		fputc('\n', paper->stream);
	} else if (step->compared) {
		fprintf(paper->stream, "  kernel  %s\n",
			step->kernel.skipped ? "not tried" : "the same");
	}
	for (size_t i = step->does + 1; i < step->end; i++) {
		const struct statement *expected =
			&story->script->statements[i];
		bool bad = step->disappointed == expected;

		print_in(paper, bad ? COLOUR_BAD : COLOUR_FAINT, "  %s  %s",
			 bad ? "WRONG " : "holds ", expected->source);
		fputc('\n', paper->stream);
		if (bad)
			break;
	}
}

void paper_step(const struct paper *paper, const struct story *story,
		const struct step *step)
{
	const struct statement *statement =
		&story->script->statements[step->does];

	print_heading(paper, story, step);
	print_says(paper, story, step);
	print_in(paper, COLOUR_BOLD, "  > %s", statement->source);
	fputc('\n', paper->stream);
	print_stations(paper, step);
	print_result(paper, story, step);
	fputc('\n', paper->stream);
	paper_picture(paper, story->script, &step->picture);
	fputc('\n', paper->stream);
}

void paper_end(const struct paper *paper, const struct story *story)
{
	print_rule(paper, 0);
	if (story->check)
		print_in(paper, story->agrees ? COLOUR_GOOD : COLOUR_BAD,
			 story->agrees ? "The kernel agrees in every step.\n"
				       : "The kernel DIFFERS.\n");
	if (!story->held)
		print_in(paper, COLOUR_BAD,
			 "An expectation did not hold: the script ends "
			 "here.\n");
}
