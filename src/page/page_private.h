/* page_private.h - what the files of page/ share */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PAGE_PAGE_PRIVATE_H
#define QUIRE_PAGE_PAGE_PRIVATE_H

#include "page/cache.h"

/* Gives the memory of a chapter without charged pages back; cache's lock. */
void page_table_release(struct page_table *table, uint64_t chapter);

#endif
