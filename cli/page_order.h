/* page_order.h - the numbers below a count, each once, in random order */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_PAGE_ORDER_H
#define QUIRE_CLI_PAGE_ORDER_H

#include <stdint.h>

struct page_order {
	uint64_t count;
	unsigned int half_bits;
};

void page_order_init(struct page_order *order, uint64_t count);

/* The number at position, which is below count.  The same in every run. */
uint64_t page_order_at(const struct page_order *order, uint64_t position);

#endif
