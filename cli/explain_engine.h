/* explain_engine.h - does the steps of a script on spaces of the library's */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_EXPLAIN_ENGINE_H
#define QUIRE_CLI_EXPLAIN_ENGINE_H

#include "explain_operation.h"

#include <pthread.h>
#include <quire/quire.h>

struct station {
	char *name;
	char *line;
};

struct stations {
	struct station *list;
	size_t count;
};

struct engine {
	struct quire *quire;
	uint64_t budget; /* bytes; 0: the default */
	struct quire_space *spaces[SCRIPT_PROCESSES]; /* NULL: not forked yet */
	struct quire_object *files[SCRIPT_FILES];     /* NULL: not made yet */
	pthread_t thread;
	struct stations stations; /* of the step that is under way */
	bool out_of_memory;       /* a station is missing */
};

/* Says what went wrong; 0 or a negative errno.  directory: for swap. */
int explain_engine_open(struct engine *engine, uint64_t budget,
			const char *directory);
/* Returns status, or EXIT_FAILURE with a sentence. */
int explain_engine_close(struct engine *engine, int status);

/* The stations passed are in engine->stations, the caller's to free. */
void explain_engine_do(struct engine *engine, const struct operation *operation,
		       struct outcome *outcome);

void stations_free(struct stations *stations);

#endif
