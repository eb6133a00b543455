/* page_order.c - the numbers below a count, each once, in random order */
/* SPDX-License-Identifier: MIT */
/*
 * A table would cost eight bytes a page.  A Feistel network is a permutation
 * of [0, 4^half_bits) whatever its round function is; a number that falls
 * outside [0, count) is sent through again until it falls inside, and as the
 * network permutes, no two positions can end at the same number.
 */
#include "page_order.h"

#define ROUNDS 4 /* below four the order shows patterns */

static uint64_t mix(uint64_t value, unsigned int round)
{
	value += (round + 1) * UINT64_C(0x9e3779b97f4a7c15);
	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

static uint64_t network(const struct page_order *order, uint64_t number)
{
	uint64_t mask = (UINT64_C(1) << order->half_bits) - 1;
	uint64_t left = number >> order->half_bits;
	uint64_t right = number & mask;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		uint64_t next = left ^ (mix(right, round) & mask);

		left = right;
		right = next;
	}
	return left << order->half_bits | right;
}

void page_order_init(struct page_order *order, uint64_t count)
{
	order->count = count;
	order->half_bits = 1;
	while (order->half_bits < 31 &&
	       UINT64_C(1) << 2 * order->half_bits < count)
		order->half_bits++;
}

uint64_t page_order_at(const struct page_order *order, uint64_t position)
{
	do
		position = network(order, position);
	while (position >= order->count);
	return position;
}
