/* table.c - the words and clusters of one object's pages */
/* SPDX-License-Identifier: MIT */
#include "os/memory.h"
#include "page/page_private.h"

#include <errno.h>

_Static_assert(CHAPTER_PAGES * sizeof(page_word) % PAGE_SIZE == 0 &&
		       (CHAPTER_PAGES / CLUSTER_PAGES) *
				       sizeof(struct cluster) ==
			       PAGE_SIZE,
	       "a chapter's words and clusters fill whole pages");

static uint64_t chapters_of(uint64_t pages)
{
	return (pages + CHAPTER_PAGES - 1) >> CHAPTER_SHIFT;
}

static size_t words_bytes(uint64_t pages)
{
	return chapters_of(pages) * CHAPTER_PAGES * sizeof(page_word);
}

static size_t clusters_bytes(uint64_t pages)
{
	return chapters_of(pages) * PAGE_SIZE;
}

static size_t chapters_bytes(uint64_t pages)
{
	return page_round_up(chapters_of(pages) * sizeof(uint32_t));
}

/* One mapping: words, clusters, chapters, what the owner wants. */
int page_table_init(struct page_table *table, struct cache *cache,
		    const struct page_owner_ops *owner, uint64_t pages,
		    size_t extra)
{
	void *memory;
	size_t bytes;
	int error;

	if (pages == 0)
		pages = 1;
	bytes = words_bytes(pages) + clusters_bytes(pages) +
		chapters_bytes(pages) + extra;
	error = memory_map(bytes, &memory);
	if (error)
		return error;
	table->cache = cache;
	table->owner = owner;
	table->pages = pages;
	table->bytes = bytes;
	table->words = memory;
	memory = (char *)memory + words_bytes(pages);
	table->clusters = memory;
	memory = (char *)memory + clusters_bytes(pages);
	table->chapters = memory;
	table->extra = (char *)memory + chapters_bytes(pages);
	table->charged = 0;
	table->ending = false;
	atomic_store(&table->announced, false);
	return 0;
}

void page_table_end(struct page_table *table)
{
	lock_take(&table->cache->lock);
	table->ending = true;
	lock_drop(&table->cache->lock);
}

void page_table_finish(struct page_table *table)
{
	lock_take(&table->cache->lock);
	check(table->charged == 0, "invariant 3: a table ends empty");
	lock_drop(&table->cache->lock);
	memory_unmap((void *)table->words, table->bytes);
}

/*
 * A reader who looks at a word meanwhile sees zero, which is ABSENT; nobody
 * changes a word of a page that is not charged, and charging needs the lock.
 */
void page_table_release(struct page_table *table, uint64_t chapter)
{
	memory_clear((void *)&table->words[chapter << CHAPTER_SHIFT],
		     CHAPTER_PAGES * sizeof(page_word));
	memory_clear(
		&table->clusters[chapter << (CHAPTER_SHIFT - CLUSTER_SHIFT)],
		PAGE_SIZE);
}

static uint64_t next_in_chapter(const struct page_table *table, uint64_t index)
{
	uint64_t end = ((index >> CHAPTER_SHIFT) + 1) << CHAPTER_SHIFT;

	if (table->chapters[index >> CHAPTER_SHIFT] == 0)
		return end;
	while (index < end &&
	       table->clusters[index >> CLUSTER_SHIFT].charged == 0)
		index = ((index >> CLUSTER_SHIFT) + 1) << CLUSTER_SHIFT;
	return index;
}

uint64_t page_table_next(struct page_table *table, uint64_t index)
{
	lock_take(&table->cache->lock);
	if (table->charged == 0)
		index = table->pages;
	while (index < table->pages) {
		uint64_t next = next_in_chapter(table, index);

		if (next == index)
			break;
		index = next;
	}
	lock_drop(&table->cache->lock);
	return index < table->pages ? index : table->pages;
}
