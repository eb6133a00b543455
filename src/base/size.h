/* size.h - sizes as people write them */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_BASE_SIZE_H
#define QUIRE_BASE_SIZE_H

#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE (UINT64_C(1) << PAGE_SHIFT)
#define PAGE_MASK (PAGE_SIZE - 1)

static inline uint64_t page_round_down(uint64_t bytes)
{
	return bytes & ~PAGE_MASK;
}

/* bytes must be at most 2^64 - 4096. */
static inline uint64_t page_round_up(uint64_t bytes)
{
	return (bytes + PAGE_MASK) & ~PAGE_MASK;
}

/* "64M": a number with an optional K, M, G, T (powers of 1024).  0, -EINVAL,
 * -ERANGE. */
int size_parse(const char *text, uint64_t *bytes);

#endif
