/* explain_picture.h - what spaces, page tables, cache and files look like */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_EXPLAIN_PICTURE_H
#define QUIRE_CLI_EXPLAIN_PICTURE_H

#include "explain_engine.h"

#define PICTURE_BYTES 16 /* of a page that are shown */
#define PICTURE_PAGES 32 /* of a mapping or file that are shown */

/* Some bytes of a page. */
struct glimpse {
	bool known;
	unsigned int length; /* fewer than PICTURE_BYTES at a file's end */
	unsigned char bytes[PICTURE_BYTES];
};

struct page_picture {
	uint64_t address;
	struct quire_page page;
	bool swapped;
	bool changed;    /* since the step before */
	unsigned int at; /* where in the page the glimpse begins */
	struct glimpse glimpse;
};

struct area_picture {
	uint64_t start, end;
	char rights[5];
	uint64_t offset;
	char *object;       /* "" for anonymous memory */
	char *names;        /* of the script's mappings that begin here */
	unsigned int depth; /* in the tree; nodes alone are above it */
	bool changed;
	struct page_picture *pages;
	size_t page_count;
	uint64_t more_pages; /* that are not shown */
};

/* Of the tree: from its first area to its last. */
struct node_picture {
	uint64_t start, end;
	unsigned int depth; /* 0: the root */
	uint64_t gap_pages; /* the widest between two areas */
};

struct space_picture {
	bool there;   /* it has been forked */
	bool changed; /* since the step before, in anything that is shown */
	struct area_picture *areas; /* by address */
	size_t area_count;
	struct node_picture *nodes; /* by address, each before those below */
	size_t node_count;
};

struct cached_picture {
	uint64_t index;
	enum quire_page_state state;
	bool changed;
	bool differs; /* the cache from the file, somewhere in the page */
	unsigned int at;
	struct glimpse cache, file;
};

struct file_picture {
	bool there;
	uint64_t size;
	struct cached_picture *pages;
	size_t page_count;
	uint64_t more_pages;
};

struct picture {
	struct space_picture spaces[SCRIPT_PROCESSES];
	struct file_picture files[SCRIPT_FILES];
	struct quire_statistics statistics;
};

/* What a picture is of. */
struct scene {
	struct engine *engine;
	const struct script *script;
	const char *directory;     /* of the files, in names that are shown */
	const uint64_t *addresses; /* of the script's mappings */
	const bool *mapped;        /* whether each has been */
	const int *descriptors;    /* of the files, past the kernel's cache */
};

/* before: NULL for the first.  0 or a negative errno. */
int picture_take(const struct scene *scene, const struct picture *before,
		 struct picture *picture);
void picture_free(struct picture *picture);

/* "clean", "dirty", "swapped" ... */
const char *picture_state_name(enum quire_page_state state);
/* The state of what an entry shows; "" if it shows nothing that has one. */
const char *picture_page_state(const struct page_picture *page);
const char *picture_source_name(enum quire_page_source source);

/* A space as its tree: parsed from QUIRE_REPORT_TREE (explain_tree.c). */
int space_picture_areas(const struct scene *scene, uint32_t process,
			struct space_picture *space);

#endif
