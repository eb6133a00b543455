/* page_tools.h - pages that are in memory, without an object */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_PAGE_TOOLS_H
#define QUIRE_TESTS_PAGE_TOOLS_H

#include "page/cache.h"

#include "unit/unit.h"

/* Charged, and with this word. */
static inline void put_pages(struct page_table *table, uint64_t index,
			     uint64_t count, uint64_t word)
{
	uint64_t sequence;

	assert_int_equal(cache_charge(table->cache, table, index, count,
				      &sequence),
			 count);
	for (uint64_t i = 0; i < count; i++)
		atomic_store(page_table_word(table, index + i), word);
}

#endif
