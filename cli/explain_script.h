/* explain_script.h - a script of `quire explain`, read and checked */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_EXPLAIN_SCRIPT_H
#define QUIRE_CLI_EXPLAIN_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRIPT_PAGE 4096u
#define SCRIPT_FILES 16
#define SCRIPT_MAPPINGS 64
#define SCRIPT_PROCESSES 8
#define SCRIPT_BYTES 4096 /* of a text, or of a read, at most */
#define SCRIPT_NOWHERE UINT32_MAX

enum statement_kind {
	STATEMENT_FILE,
	STATEMENT_MAP,
	STATEMENT_READ,
	STATEMENT_WRITE,
	STATEMENT_TOUCH,
	STATEMENT_FETCH,
	STATEMENT_PROTECT,
	STATEMENT_UNMAP,
	STATEMENT_REMAP,
	STATEMENT_ADVISE,
	STATEMENT_LOCK,
	STATEMENT_UNLOCK,
	STATEMENT_SYNC,
	STATEMENT_RESIZE,
	STATEMENT_FORK,
	STATEMENT_SAY,    /* no step: belongs to the next one */
	STATEMENT_EXPECT, /* no step: belongs to the one before */
};

/* An address: of a mapping by its name, or a number. */
struct place {
	uint32_t mapping; /* SCRIPT_NOWHERE: base is all there is */
	uint64_t base;    /* added to the mapping's address */
};

enum expectation {
	EXPECT_SUCCESS,
	EXPECT_BYTES,
	EXPECT_ERROR,
	EXPECT_SIGNAL,
};

struct statement {
	enum statement_kind kind;
	unsigned int line;
	unsigned int column;
	const char *source; /* as written, without comment and blanks around */
	uint32_t process;
	uint32_t target; /* the mapping, file or process that it makes, or the
			    file that it resizes */
	uint32_t file;   /* that is mapped; SCRIPT_NOWHERE: none */
	struct place place;
	struct place to; /* of a remap */
	uint64_t length;
	uint64_t new_length;
	uint64_t offset;
	int prot;
	int flags;
	int advice;
	bool readonly; /* a file */
	const char *text;
	size_t text_length;
	enum expectation expectation;
	int number; /* of the error or signal that is expected */
};

struct script {
	struct statement *statements;
	size_t count;
	size_t steps;    /* of these, but for says and expectations */
	uint64_t budget; /* bytes; 0: not said */
	const char *title;
	const char *introduction;
	const char *files[SCRIPT_FILES];
	const char *mappings[SCRIPT_MAPPINGS];
	const char *processes[SCRIPT_PROCESSES]; /* the first: "parent" */
	size_t file_count, mapping_count, process_count;
	char *arena; /* all the texts */
	size_t arena_used;
	/* What was wrong, when it could not be read. */
	unsigned int line;
	unsigned int column;
	char complaint[200];
};

/*
 * 0; -EINVAL: the script is wrong, and script->line, ->column and ->complaint
 * say so; -ENOMEM.  script_free() in each case.
 */
int script_read(struct script *script, const char *text, size_t length);
void script_free(struct script *script);

static inline bool statement_is_step(const struct statement *statement)
{
	return statement->kind != STATEMENT_SAY &&
	       statement->kind != STATEMENT_EXPECT;
}

#endif
