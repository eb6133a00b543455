/* object_open.h - what a URI names becomes an object */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_ENGINE_OBJECT_OPEN_H
#define QUIRE_ENGINE_OBJECT_OPEN_H

#include "engine/engine.h"

#include <sys/stat.h>

/*
 * Every function that opens begins so: checks the process and what the caller
 * gave (NULL: nothing), and fills in the defaults.
 */
int object_open_begin(const struct quire *quire,
		      const struct quire_object_options *given,
		      struct quire_object_options *options);

/* An object over a store, which is taken over, also when this fails.
 * identity: of a file, or NULL. */
int object_over_store(struct quire *quire, const char *name,
		      const struct stat *identity, uint64_t size,
		      struct store *store,
		      const struct quire_object_options *options,
		      struct quire_object **handle);
/* An object over an open file; the descriptor is taken over. */
int object_over_file(struct quire *quire, const char *name, int fd,
		     bool writable, const struct quire_object_options *options,
		     struct quire_object **handle);
/* Scratch: memory within the budget, an unlinked file beyond it. */
int object_over_swap(struct quire *quire, const char *name, uint64_t size,
		     const struct quire_object_options *options,
		     struct quire_object **handle);
/* Bytes kept in memory outside the budget. */
int object_over_memory(struct quire *quire, const char *name, uint64_t size,
		       const struct quire_object_options *options,
		       struct quire_object **handle);

#endif
