/* explain_story.h - a script that was run: its steps, and what each showed */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_EXPLAIN_STORY_H
#define QUIRE_CLI_EXPLAIN_STORY_H

#include "explain_kernel.h"
#include "explain_picture.h"

struct step {
	size_t number; /* from 1 on */
	size_t first;  /* statement: says before it begin here */
	size_t does;   /* the statement that is the step */
	size_t end;    /* behind its last expectation */
	struct outcome outcome;
	bool compared; /* with the kernel, of which this came: */
	struct outcome kernel;
	bool agrees;
	const struct statement *disappointed; /* the expectation that did not
						 hold; NULL: none */
	struct stations stations;
	struct picture picture; /* after it */
};

struct story {
	const struct script *script;
	const char *name; /* of the script, for messages */
	struct step *steps;
	size_t count; /* of those that were done */
	bool check;
	bool agrees;
	bool held; /* every expectation */
};

/* Called after each step; a value other than 0 ends the story. */
typedef int story_function(void *context, const struct story *story,
			   const struct step *step);

/*
 * Runs the script.  0: to its end, or to the first expectation that did not
 * hold (story->held).  Else says what went wrong, and returns a negative errno
 * or what told said.  story_free() in each case.
 */
int story_run(struct story *story, story_function *told, void *context);
void story_free(struct story *story);

/* "ok", "ENOMEM: Cannot allocate memory", "SIGBUS (BUS_ADRERR) at 0x...", the
 * bytes that were read.  To be freed; NULL: no memory. */
char *outcome_text(const struct statement *statement,
		   const struct outcome *outcome);
/* Bytes as a text between quotes that a script would take. */
void bytes_print(FILE *stream, const void *bytes, size_t length);

#endif
