/* explain_files.h - the scratch files of a script */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_EXPLAIN_FILES_H
#define QUIRE_CLI_EXPLAIN_FILES_H

#include "explain_script.h"

#define SCRATCH_PATH 512 /* of a path */

struct scratch {
	char directory[SCRATCH_PATH / 2]; /* "": there is none */
	int descriptors[SCRIPT_FILES]; /* to look at them; -1: not made yet */
	char paths[2 * SCRIPT_FILES][SCRATCH_PATH]; /* to be removed */
	size_t count;
};

/* A directory in $TMPDIR, or /var/tmp.  All say what went wrong, and return 0
 * or a negative errno. */
int scratch_open(struct scratch *scratch);
/* Removes all. */
void scratch_close(struct scratch *scratch);

/*
 * Makes the file that the statement says, and one like it for the kernel.
 * path: SCRIPT_BYTES long, gets the first one's.
 */
int scratch_make(struct scratch *scratch, const struct script *script,
		 const struct statement *statement, char *path);
void scratch_path(const struct scratch *scratch, const struct script *script,
		  uint32_t file, bool kernel, char *path);

#endif
