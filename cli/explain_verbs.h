/* explain_verbs.h - the statements of a script, one by one */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_EXPLAIN_VERBS_H
#define QUIRE_CLI_EXPLAIN_VERBS_H

#include "explain_words.h"

/* "unmap a 1p": sets what the statement does.  0 or -EINVAL. */
int verb_read(struct words *words, struct statement *statement);
/* "NAME = map ...": the name is known behind this line only. */
int verb_read_assignment(struct words *words, struct statement *statement);

/* SCRIPT_NOWHERE: it is not among them. */
uint32_t script_find(const char *const *names, size_t count, const char *name);

#endif
