/* bitmap.c - a set of numbers with a fast search for the next one */
/* SPDX-License-Identifier: MIT */
#include "base/bitmap.h"

#include "base/check.h"

#define WORD_SHIFT 6
#define WORD_BITS (UINT64_C(1) << WORD_SHIFT)

static uint64_t words_for(uint64_t bits)
{
	return bits / WORD_BITS + (bits % WORD_BITS != 0);
}

size_t bitmap_bytes(uint64_t bits)
{
	uint64_t words = words_for(bits);
	uint64_t total = words;

	while (words > 1) {
		words = words_for(words);
		total += words;
	}
	return (size_t)(total * sizeof(uint64_t));
}

void bitmap_init(struct bitmap *bitmap, uint64_t bits, void *zeroed)
{
	uint64_t words = words_for(bits);
	uint64_t *next = zeroed;

	bitmap->bits = bits;
	bitmap->levels = 0;
	while (words > 0) {
		check(bitmap->levels < BITMAP_LEVELS, "bitmap too large");
		bitmap->level[bitmap->levels++] = next;
		next += words;
		words = words > 1 ? words_for(words) : 0;
	}
}

size_t bitmap_member_bytes(uint64_t members)
{
	return (size_t)(words_for(members) * sizeof(uint64_t));
}

void bitmap_restore(struct bitmap *bitmap, uint64_t members)
{
	uint64_t words = words_for(members);

	if (members % WORD_BITS)
		bitmap->level[0][words - 1] &=
			(UINT64_C(1) << members % WORD_BITS) - 1;
	for (unsigned i = 1; i < bitmap->levels; i++) {
		for (uint64_t at = 0; at < words; at++)
			if (bitmap->level[i - 1][at])
				bitmap->level[i][at / WORD_BITS] |=
					UINT64_C(1) << at % WORD_BITS;
		words = words_for(words);
	}
}

void bitmap_set(struct bitmap *bitmap, uint64_t bit)
{
	debug_check(bit < bitmap->bits, "bit in its bitmap");
	for (unsigned i = 0; i < bitmap->levels; i++) {
		uint64_t *word = &bitmap->level[i][bit >> WORD_SHIFT];
		uint64_t old = *word;

		*word = old | UINT64_C(1) << bit % WORD_BITS;
		if (old)
			return; /* the levels above know already */
		bit >>= WORD_SHIFT;
	}
}

void bitmap_clear(struct bitmap *bitmap, uint64_t bit)
{
	debug_check(bit < bitmap->bits, "bit in its bitmap");
	/* Not even a load of more than needed: a clear word stays untouched. */
	if (!bitmap_test(bitmap, bit))
		return;
	for (unsigned i = 0; i < bitmap->levels; i++) {
		uint64_t *word = &bitmap->level[i][bit >> WORD_SHIFT];

		*word &= ~(UINT64_C(1) << bit % WORD_BITS);
		if (*word)
			return;
		bit >>= WORD_SHIFT;
	}
}

bool bitmap_test(const struct bitmap *bitmap, uint64_t bit)
{
	debug_check(bit < bitmap->bits, "bit in its bitmap");
	return bitmap->level[0][bit >> WORD_SHIFT] >> bit % WORD_BITS & 1;
}

/* The first set bit >= from in from's own word of level, or BITMAP_NONE. */
static uint64_t next_in_word(const struct bitmap *bitmap, unsigned level,
			     uint64_t from)
{
	uint64_t word = bitmap->level[level][from >> WORD_SHIFT];

	word &= UINT64_MAX << from % WORD_BITS;
	if (!word)
		return BITMAP_NONE;
	return (from & ~(WORD_BITS - 1)) + (uint64_t)__builtin_ctzll(word);
}

/* Down from a set bit of level to the first member under it. */
static uint64_t descend(const struct bitmap *bitmap, unsigned level,
			uint64_t bit)
{
	while (level > 0)
		bit = next_in_word(bitmap, --level, bit << WORD_SHIFT);
	return bit;
}

uint64_t bitmap_next(const struct bitmap *bitmap, uint64_t from)
{
	uint64_t bits = bitmap->bits;

	/* At each level: the rest of this word, else the words after it. */
	for (unsigned i = 0; i < bitmap->levels && from < bits; i++) {
		uint64_t bit = next_in_word(bitmap, i, from);

		if (bit != BITMAP_NONE)
			return descend(bitmap, i, bit);
		from = (from >> WORD_SHIFT) + 1;
		bits = words_for(bits);
	}
	return BITMAP_NONE;
}
