/* table.c - which of this process's addresses are taken */
/* SPDX-License-Identifier: MIT */
#include "table.h"

#include "raw.h"

#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

static void *memory_get(size_t size)
{
	long got = raw(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return raw_failed(got) ? NULL : (void *)got;
}

static void memory_put(void *memory, size_t size)
{
	if (memory)
		raw(SYS_munmap, memory, size);
}

/* Doubled until wanted of them fit. */
static int grow(void **memory, size_t *capacity, size_t wanted, size_t each)
{
	size_t more = *capacity ? *capacity : 128;
	void *bigger;

	if (wanted <= *capacity)
		return 0;
	while (more < wanted)
		more *= 2;
	bigger = memory_get(more * each);
	if (!bigger)
		return -ENOMEM;
	if (*memory)
		memcpy(bigger, *memory, *capacity * each);
	memory_put(*memory, *capacity * each);
	*memory = bigger;
	*capacity = more;
	return 0;
}

static void set_bounds(struct table *table)
{
	uintptr_t lowest = 0;
	uintptr_t highest = 0;

	if (table->count) {
		lowest = table->range[0].start;
		highest = table->range[table->count - 1].end;
	}
	/* relaxed: whoever asks about ranges of other threads knows of them
	 * by ways of his own, which order these stores, too */
	atomic_store_explicit(&table->lowest, lowest, memory_order_relaxed);
	atomic_store_explicit(&table->highest, highest, memory_order_relaxed);
}

bool table_may_overlap(const struct table *table, uintptr_t start,
		       uintptr_t end)
{
	/* relaxed: see set_bounds() */
	return start < atomic_load_explicit(&table->highest,
					    memory_order_relaxed) &&
	       end > atomic_load_explicit(&table->lowest, memory_order_relaxed);
}

/* Of the first range that ends behind address; count if there is none. */
static size_t index_of(const struct table *table, uintptr_t address)
{
	size_t low = 0;
	size_t high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->range[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct range *at_index(const struct table *table, size_t index,
			      uintptr_t end)
{
	if (index >= table->count || table->range[index].start >= end)
		return NULL;
	return &table->range[index];
}

struct range *table_find(const struct table *table, uintptr_t start,
			 uintptr_t end)
{
	return at_index(table, index_of(table, start), end);
}

struct range *table_next(const struct table *table, const struct range *range,
			 uintptr_t end)
{
	return at_index(table, (size_t)(range - table->range) + 1, end);
}

int table_reserve(struct table *table, size_t more)
{
	void *memory = table->range;
	int error = grow(&memory, &table->capacity, table->count + more,
			 sizeof(*table->range));

	table->range = memory;
	return error;
}

static bool is_free(const struct table_file *file)
{
	return file->ranges == 0 && file->holds == 0;
}

/* A free place; -ENOMEM. */
static long file_place(struct table *table)
{
	void *memory = table->file;
	int error;

	for (size_t i = 0; i < table->file_count; i++) {
		if (is_free(&table->file[i]))
			return (long)i;
	}
	error = grow(&memory, &table->file_capacity, table->file_count + 1,
		     sizeof(*table->file));
	table->file = memory;
	if (error)
		return error;
	return (long)table->file_count++;
}

static int file_name(struct table_file *file, const char *path)
{
	size_t length = strnlen(path, PATH_MAX) + 1;

	file->path = memory_get(length);
	if (!file->path)
		return -ENOMEM;
	memcpy(file->path, path, length - 1);
	file->path_size = length;
	return 0;
}

long table_hold(struct table *table, const struct table_file *file)
{
	long place;

	for (size_t i = 0; i < table->file_count; i++) {
		if (table->file[i].id == file->id &&
		    !is_free(&table->file[i])) {
			table->file[i].holds++;
			return (long)i;
		}
	}
	place = file_place(table);
	if (place < 0)
		return place;
	table->file[place] = *file;
	table->file[place].ranges = 0;
	table->file[place].holds = 0;
	if (file_name(&table->file[place], file->path))
		return -ENOMEM;
	table->file[place].holds = 1;
	return place;
}

static void file_end(struct table_file *file)
{
	memory_put(file->path, file->path_size);
	memset(file, 0, sizeof(*file));
}

static void range_leaves(struct table *table, const struct range *range)
{
	struct table_file *file = &table->file[range->file];

	if (--file->ranges == 0 && file->holds == 0)
		file_end(file);
}

static void put_at(struct table *table, size_t index, struct range range)
{
	memmove(&table->range[index + 1], &table->range[index],
		(table->count - index) * sizeof(range));
	table->range[index] = range;
	table->count++;
	table->file[range.file].ranges++;
}

void table_insert(struct table *table, struct range range)
{
	put_at(table, index_of(table, range.start), range);
	set_bounds(table);
}

/* The hole is in the middle: what is behind it becomes a range of its own. */
static void split(struct table *table, size_t index, uintptr_t start,
		  uintptr_t end)
{
	struct range behind = table->range[index];

	behind.offset += end - behind.start;
	behind.start = end;
	table->range[index].end = start;
	put_at(table, index + 1, behind);
}

void table_remove(struct table *table, uintptr_t start, uintptr_t end)
{
	size_t first = index_of(table, start);
	struct range *range = at_index(table, first, end);
	size_t last;

	if (range && range->start < start && range->end > end) {
		split(table, first, start, end);
		return;
	}
	if (range && range->start < start) {
		range->end = start;
		first++;
	}
	for (last = first; last < table->count; last++) {
		range = &table->range[last];
		if (range->end > end)
			break;
		range_leaves(table, range);
	}
	range = at_index(table, last, end);
	if (range) {
		range->offset += end - range->start;
		range->start = end;
	}
	memmove(&table->range[first], &table->range[last],
		(table->count - last) * sizeof(*range));
	table->count -= last - first;
	set_bounds(table);
}

size_t table_ranges_in(const struct table *table, uintptr_t start,
		       uintptr_t end)
{
	size_t count = 0;

	for (struct range *range = table_find(table, start, end); range;
	     range = table_next(table, range, end))
		count++;
	return count;
}

/* As if [from, +length) were all that there is of it, and at to. */
static struct range shifted(struct range range, uintptr_t from, size_t length,
			    uintptr_t to)
{
	if (range.start < from) {
		range.offset += from - range.start;
		range.start = from;
	}
	if (range.end > from + length)
		range.end = from + length;
	range.start += to - from;
	range.end += to - from;
	return range;
}

void table_move(struct table *table, uintptr_t from, size_t length,
		uintptr_t to, bool keep)
{
	size_t count = table_ranges_in(table, from, from + length);
	/* at the far end of the memory, which the caller has reserved */
	struct range *moved = table->range + table->capacity - count;
	struct range *range = table_find(table, from, from + length);

	for (size_t i = 0; i < count; i++) {
		moved[i] = shifted(range[i], from, length, to);
		table->file[moved[i].file].ranges++; /* it stays meanwhile */
	}
	if (!keep)
		table_remove(table, from, from + length);
	table_remove(table, to, to + length);
	for (size_t i = 0; i < count; i++) {
		table_insert(table, moved[i]);
		table->file[moved[i].file].ranges--;
	}
}

void table_stretch(struct table *table, struct range *range, uintptr_t end)
{
	range->end = end;
	set_bounds(table);
}

bool table_take_unused(struct table *table, uint64_t *id, uint32_t *holds)
{
	for (size_t i = 0; i < table->file_count; i++) {
		struct table_file *file = &table->file[i];

		if (file->ranges == 0 && file->holds > 0) {
			*id = file->id;
			*holds = file->holds;
			file_end(file);
			return true;
		}
	}
	return false;
}

void table_forget_holds(struct table *table)
{
	for (size_t i = 0; i < table->file_count; i++)
		table->file[i].holds = 0;
}
