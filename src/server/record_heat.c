/* record_heat.c - bins of offset and time that grow coarser */
/* SPDX-License-Identifier: MIT */
#include "server/record_heat.h"

#include "server/record_sketch.h"

#include <string.h>

static void count_up(uint32_t *bin, uint64_t more)
{
	*bin = more < UINT32_MAX - *bin ? *bin + (uint32_t)more : UINT32_MAX;
}

static void merge_rows(uint32_t *row, const uint32_t *other)
{
	for (unsigned i = 0; i < RECORD_OFFSETS; i++)
		count_up(&row[i], other[i]);
}

/* Bins 2n and 2n + 1 become bin n. */
static void merge_times(uint32_t map[RECORD_TIMES][RECORD_OFFSETS])
{
	const unsigned half = RECORD_TIMES / 2;

	merge_rows(map[0], map[1]);
	for (unsigned i = 1; i < half; i++) {
		memcpy(map[i], map[2 * i], sizeof(map[i]));
		merge_rows(map[i], map[2 * i + 1]);
	}
	memset(map[half], 0, half * sizeof(map[0]));
}

static void merge_sketches(uint8_t sketch[RECORD_TIMES][SKETCH_REGISTERS])
{
	const unsigned half = RECORD_TIMES / 2;

	sketch_merge(sketch[0], sketch[1]);
	for (unsigned i = 1; i < half; i++) {
		memcpy(sketch[i], sketch[2 * i], sizeof(sketch[i]));
		sketch_merge(sketch[i], sketch[2 * i + 1]);
	}
	memset(sketch[half], 0, half * sizeof(sketch[0]));
}

void heat_reach_time(struct record_file *file, uint64_t time_ns)
{
	while (time_ns >> file->time_shift >= RECORD_TIMES) {
		for (unsigned kind = 0; kind < RECORD_KINDS; kind++)
			if (file->total[kind])
				merge_times(file->heat[kind]);
		merge_sketches(file->sketch);
		file->time_shift++;
	}
}

static void merge_offsets(uint32_t *row)
{
	const unsigned half = RECORD_OFFSETS / 2;

	for (unsigned i = 0; i < half; i++) {
		uint32_t sum = row[2 * i];

		count_up(&sum, row[2 * i + 1]);
		row[i] = sum;
	}
	memset(&row[half], 0, half * sizeof(row[0]));
}

void heat_reach_pages(struct record_file *file, uint64_t pages)
{
	if (file->pages < pages)
		file->pages = pages;
	while (pages && (pages - 1) >> file->offset_shift >= RECORD_OFFSETS) {
		for (unsigned kind = 0; kind < RECORD_KINDS; kind++)
			for (unsigned i = 0;
			     file->total[kind] && i < RECORD_TIMES; i++)
				merge_offsets(file->heat[kind][i]);
		file->offset_shift++;
	}
}

void heat_add(struct record_file *file, const struct record_event *event)
{
	uint64_t time = event->time_ns >> file->time_shift;
	uint32_t *row = file->heat[event->what][time];
	uint64_t index = event->index, end = index + event->count;

	while (index < end) {
		uint64_t bin = index >> file->offset_shift;
		uint64_t next = (bin + 1) << file->offset_shift;

		if (next > end)
			next = end;
		count_up(&row[bin], next - index);
		index = next;
	}
	file->total[event->what] += event->count;
}
