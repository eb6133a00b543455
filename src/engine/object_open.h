/* object_open.h - what a URI names becomes an object */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_ENGINE_OBJECT_OPEN_H
#define QUIRE_ENGINE_OBJECT_OPEN_H

#include "engine/engine.h"

#include <sys/stat.h>
#include <sys/vfs.h>

/*
 * Every function that opens begins so: checks the process and what the caller
 * gave (NULL: nothing), and fills in the defaults.
 */
int object_open_begin(const struct quire *quire,
		      const struct quire_object_options *given,
		      struct quire_object_options *options);

/* ---- object_flags.c ---- */

/* -EINVAL: flags, huge_shift or hooks that there are not. */
int object_check_flags(const struct quire_object_options *options);

/* What of a file does not change while it is open, asked for once. */
struct opened_file {
	const char *name;
	int fd;
	struct stat status;        /* but its size does: store_size() */
	struct statfs file_system; /* zeros: not known */
};

/* It can be mapped; or -EISDIR, -ENODEV, with a sentence. */
int object_check_kind(const struct opened_file *file);
/* HANDLE_... of what its file system and its seals say. */
uint32_t object_flags_of_file(const struct opened_file *file);
/* Gives a new handle what its opener asked for.  -ENOMEM. */
int handle_set_options(struct quire_object *handle,
		       const struct quire_object_options *options);
void handle_forget_options(struct quire_object *handle);

/* ---- object_open.c, object_create.c ---- */

/* -EINVAL and its sentence: uri is none, whatever there is.  Opens nothing. */
int object_check_uri(const char *uri);
/* An object over a store, which is taken over, also when this fails.
 * identity: of a file, or NULL. */
int object_over_store(struct quire *quire, const char *name,
		      const struct stat *identity, uint64_t size,
		      struct store *store,
		      const struct quire_object_options *options,
		      struct quire_object **handle);
/* The same over a pager; what it may grow to is object_capacity_for(). */
int object_over_pager(struct quire *quire, const char *name, uint64_t size,
		      struct pager *pager,
		      const struct quire_object_options *options,
		      struct quire_object **handle);
uint64_t object_capacity_for(const struct quire_object_options *options,
			     uint64_t size);
/* An object over an open file; the descriptor is taken over. */
int object_over_file(struct quire *quire, const char *name, int fd,
		     bool writable, const struct quire_object_options *options,
		     struct quire_object **handle);
/* Scratch: memory within the budget, an unlinked file beyond it. */
int object_over_swap(struct quire *quire, const char *name, uint64_t size,
		     const struct quire_object_options *options,
		     struct quire_object **handle);
/*
 * Scratch of most_pages pages, and always as long as it may grow to: for the
 * slots of private pages.  Fewer where addresses are short.  Memory and swap
 * file are as large as what is used of it.  -ENOMEM, or the swap file's error.
 */
int object_over_slots(struct quire *quire, uint64_t most_pages,
		      struct quire_object **handle);
/* Bytes kept in memory outside the budget. */
int object_over_memory(struct quire *quire, const char *name, uint64_t size,
		       const struct quire_object_options *options,
		       struct quire_object **handle);

#endif
