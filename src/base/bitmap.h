/* bitmap.h - a set of numbers with a fast search for the next one */
/* SPDX-License-Identifier: MIT */
/*
 * Levels of 64-bit words: bit i of a level says that word i of the level
 * below is not zero.  The memory is the caller's, zeroed, and may be mapped
 * without reserve: an empty stretch is never touched.  Not thread safe.
 */
#ifndef QUIRE_BASE_BITMAP_H
#define QUIRE_BASE_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BITMAP_LEVELS 7
#define BITMAP_NONE UINT64_MAX
/* It has no more bits. */
#define BITMAP_MOST (UINT64_C(1) << (6 * BITMAP_LEVELS))

struct bitmap {
	uint64_t *level[BITMAP_LEVELS]; /* level[0] holds the members */
	unsigned levels;
	uint64_t bits;
};

size_t bitmap_bytes(uint64_t bits);
void bitmap_init(struct bitmap *bitmap, uint64_t bits, void *zeroed);
/*
 * The memory was another bitmap's of as many bits, whose owner is gone in the
 * midst of something.  Those members stay that are below members: the caller
 * has zeroed all the memory behind their bitmap_member_bytes().
 */
void bitmap_restore(struct bitmap *bitmap, uint64_t members);
size_t bitmap_member_bytes(uint64_t members);
void bitmap_set(struct bitmap *bitmap, uint64_t bit);
void bitmap_clear(struct bitmap *bitmap, uint64_t bit);
bool bitmap_test(const struct bitmap *bitmap, uint64_t bit);
/* The first member >= from, or BITMAP_NONE. */
uint64_t bitmap_next(const struct bitmap *bitmap, uint64_t from);

#endif
