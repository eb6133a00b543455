/* inside.h - what only the library's inside can tell: a VMA's look-up */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_BENCH_INSIDE_H
#define QUIRE_BENCH_INSIDE_H

#include <quire/quire.h>
#include <stdint.h>

struct finds {
	uint64_t count;
	/* The address of a look-up by its number. */
	uint64_t (*address)(const void *context, uint64_t number);
	const void *context;
};

struct found {
	uint64_t found;
	double ns;       /* each */
	double hit_rate; /* of the VMA that was found last */
};

/* space_find() for each, under one read hold of the space's lock. */
void inside_find(struct quire_space *space, const struct finds *finds,
		 struct found *found);

#endif
