/* record_sketch.c - about how many distinct pages, in a kilobyte */
/* SPDX-License-Identifier: MIT */
#include "server/record_sketch.h"

#define REGISTER_BITS 10

void sketch_add(uint8_t *sketch, uint64_t hash)
{
	uint64_t rest = hash >> REGISTER_BITS;
	/* Leading zeros of the 54 bits that are left, and one. */
	int rank = rest ? __builtin_clzll(rest) - REGISTER_BITS + 1
			: 64 - REGISTER_BITS + 1;
	uint8_t *place = &sketch[hash % SKETCH_REGISTERS];

	if (*place < rank)
		*place = (uint8_t)rank;
}

void sketch_merge(uint8_t *sketch, const uint8_t *other)
{
	for (uint32_t i = 0; i < SKETCH_REGISTERS; i++)
		if (sketch[i] < other[i])
			sketch[i] = other[i];
}

/*
 * So many have to be drawn, on the average, until only that many registers are
 * empty: the collector's problem.  Better than the other while they are few.
 */
static double count_few(uint32_t empty)
{
	double drawn = 0;

	for (uint32_t i = empty + 1; i <= SKETCH_REGISTERS; i++)
		drawn += (double)SKETCH_REGISTERS / i;
	return drawn;
}

double sketch_count(const uint8_t *sketch)
{
	const double registers = SKETCH_REGISTERS;
	double sum = 0, count;
	uint32_t empty = 0;

	for (uint32_t i = 0; i < SKETCH_REGISTERS; i++) {
		sum += 1 / (double)(UINT64_C(1) << sketch[i]);
		empty += sketch[i] == 0;
	}
	count = 0.7213 / (1 + 1.079 / registers) * registers * registers / sum;
	return count <= 2.5 * registers && empty ? count_few(empty) : count;
}
