/* mapped.h - an engine, and objects mapped whole, as the commands use them */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_MAPPED_H
#define QUIRE_CLI_MAPPED_H

#include <quire/quire.h>

struct mapped {
	struct quire *quire;
	struct quire_object *object;
	unsigned char *address; /* NULL: not mapped, or empty */
	uint64_t length;        /* bytes */
};

/* All three say what went wrong, and return 0 or a negative errno. */
int engine_open(uint64_t budget, struct quire **quire);
int mapped_open(struct quire *quire, const char *uri, struct mapped *mapped);
int mapped_map(struct mapped *mapped, int prot);

/* Returns status, or EXIT_FAILURE with a sentence when closing fails. */
int mapped_close(struct mapped *mapped, int status);
int engine_close(struct quire *quire, int status);

/* The sentence behind the library's last error on this thread. */
const char *sentence(int error);

/* The file that uri names, or NULL: it names something else. */
const char *uri_path(const char *uri);

/*
 * Copies through a page of its own, so that it never needs two mapped pages
 * at once: a budget of one page is enough.  *copied gets the bytes that
 * arrived, all of them unless an error is returned.
 */
int mapped_copy(struct quire *quire, void *to, const void *from, size_t length,
		size_t *copied);

#endif
