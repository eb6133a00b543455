/* report_data.c - what was recorded, as JSON for its page */
/* SPDX-License-Identifier: MIT */
#include "server/record_distance.h"
#include "server/report_html.h"

#include <errno.h>
#include <stdlib.h>

/* More would make a page of many megabytes. */
#define MAPS_MOST 16

static const char *const kind_names[RECORD_KINDS] = {
	[OBJECT_TOUCHED] = "touched",
	[OBJECT_READ] = "read",
	[OBJECT_WRITTEN] = "written",
	[OBJECT_EVICTED] = "evicted",
};

/* A string of pairs, as a map is mostly empty: how many bins are passed over,
 * what the next one has.  Row by row, a row for each bin of time. */
static int put_map(struct json *json, const char *name,
		   const uint32_t map[RECORD_TIMES][RECORD_OFFSETS])
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	unsigned passed = 0;

	if (!stream)
		return -ENOMEM;
	for (unsigned i = 0; i < RECORD_TIMES * RECORD_OFFSETS; i++) {
		uint32_t bin = map[i / RECORD_OFFSETS][i % RECORD_OFFSETS];

		if (!bin) {
			passed++;
			continue;
		}
		fprintf(stream, "%u %u ", passed, bin);
		passed = 0;
	}
	if (fclose(stream)) {
		free(text);
		return -ENOMEM;
	}
	json_string(json, name, text);
	free(text);
	return 0;
}

static int put_maps(struct json *json, const struct record_file *file)
{
	int error = 0;

	json_object_begin(json, "maps");
	for (unsigned kind = 0; kind < RECORD_KINDS && !error; kind++)
		error = put_map(json, kind_names[kind], file->heat[kind]);
	json_object_end(json);
	return error;
}

static uint64_t activity(const struct record_file *file)
{
	uint64_t pages = 0;

	for (unsigned kind = 0; kind < RECORD_KINDS; kind++)
		pages += file->total[kind];
	return pages;
}

/* Fewer than MAPS_MOST files have more to show. */
static bool has_map(const struct recorder *recorder, uint32_t number)
{
	uint64_t own = activity(recorder_file(recorder, number));
	const struct record_file *file;
	unsigned busier = 0;

	if (recorder_is_rest(recorder, number) || !own)
		return false;
	for (uint32_t i = 0; (file = recorder_file(recorder, i)); i++)
		busier += !recorder_is_rest(recorder, i) &&
			  (activity(file) > own ||
			   (activity(file) == own && i < number));
	return busier < MAPS_MOST;
}

static void put_working_set(struct json *json, const struct record_file *file)
{
	json_array_begin(json, "working_set");
	for (unsigned time = 0; time < RECORD_TIMES; time++)
		json_integer(
			json, NULL,
			(uint64_t)(recorder_working_set(file, time) + 0.5));
	json_array_end(json);
}

static void put_stalls(struct json *json, const struct record_file *file)
{
	json_integer(json, "stalls", file->stalls);
	json_integer(json, "stalled_ns", file->stalled_ns);
	json_array_begin(json, "stall");
	for (unsigned bin = 0; bin < RECORD_STALLS; bin++)
		json_integer(json, NULL, file->stall[bin]);
	json_array_end(json);
}

static int put_file(struct json *json, const struct recorder *recorder,
		    uint32_t number)
{
	const struct record_file *file = recorder_file(recorder, number);
	int error = 0;

	json_object_begin(json, NULL);
	json_string(json, "name", file->name);
	json_boolean(json, "rest", recorder_is_rest(recorder, number));
	json_integer(json, "pages", file->pages);
	for (unsigned kind = 0; kind < RECORD_KINDS; kind++)
		json_integer(json, kind_names[kind], file->total[kind]);
	put_stalls(json, file);
	put_working_set(json, file);
	json_integer(json, "bin_pages", UINT64_C(1) << file->offset_shift);
	if (has_map(recorder, number))
		error = put_maps(json, file);
	json_object_end(json);
	return error;
}

static int put_files(struct json *json, const struct recorder *recorder)
{
	const struct record_file *first = recorder_file(recorder, 0);
	int error = 0;

	json_integer(json, "bin_ns",
		     UINT64_C(1) << (first ? first->time_shift : 0));
	json_integer(json, "offsets", RECORD_OFFSETS);
	json_array_begin(json, "files");
	for (uint32_t i = 0; recorder_file(recorder, i) && !error; i++)
		error = put_file(json, recorder, i);
	json_array_end(json);
	return error;
}

static void put_point(struct json *json, const struct report_point *point)
{
	json_object_begin(json, NULL);
	json_integer(json, "pages", point->pages);
	json_number(json, "least", point->least);
	json_number(json, "guess", point->guess);
	if (point->most >= 0)
		json_number(json, "most", point->most);
	json_boolean(json, "marked", point->marked);
	json_object_end(json);
}

static void put_curve(struct json *json, const struct recorder *recorder,
		      uint64_t budget)
{
	const struct distances *distances = recorder_distances(recorder);
	struct report_point points[REPORT_POINTS];
	unsigned count = report_curve(recorder, budget, points);

	json_object_begin(json, "curve");
	json_integer(json, "references", distances->references);
	json_number(json, "distinct", distances_distinct(distances));
	json_number(json, "share", distances_share(distances));
	json_array_begin(json, "points");
	for (unsigned i = 0; i < count; i++)
		put_point(json, &points[i]);
	json_array_end(json);
	json_object_end(json);
}

static void put_mapping(struct json *json, const struct record_mapping *mapping)
{
	char place[40];

	/* As text: a browser's numbers end at 2^53. */
	snprintf(place, sizeof(place), "%llx-%llx",
		 (unsigned long long)mapping->address,
		 (unsigned long long)(mapping->address + mapping->length));
	json_object_begin(json, NULL);
	json_integer(json, "file", mapping->file);
	json_integer(json, "pid", (uint64_t)mapping->pid);
	json_integer(json, "start_ns", mapping->start_ns);
	json_string(json, "place", place);
	json_integer(json, "length", mapping->length);
	json_integer(json, "offset", mapping->offset);
	json_boolean(json, "shared", mapping->shared);
	json_boolean(json, "writable", mapping->writable);
	json_object_end(json);
}

static void put_mappings(struct json *json, const struct recorder *recorder)
{
	const struct record_mapping *mapping;

	json_integer(json, "mappings_lost", recorder_mappings_lost(recorder));
	json_array_begin(json, "mappings");
	for (uint32_t i = 0; (mapping = recorder_mapping(recorder, i)); i++)
		put_mapping(json, mapping);
	json_array_end(json);
}

int report_json(struct recorder *recorder, const struct report_facts *facts,
		FILE *stream)
{
	struct json json = { .stream = stream };
	int error;

	recorder_hold(recorder);
	json_object_begin(&json, NULL);
	json_string(&json, "program", facts->program);
	json_string(&json, "version", QUIRE_VERSION);
	json_integer(&json, "budget", facts->budget);
	json_integer(&json, "resident_peak", facts->resident_peak);
	json_integer(&json, "traps", facts->traps);
	json_integer(&json, "duration_ns", facts->duration_ns);
	error = put_files(&json, recorder);
	put_curve(&json, recorder, facts->budget);
	put_mappings(&json, recorder);
	json_object_end(&json);
	recorder_let_go(recorder);
	return error ? error : ferror(stream) ? -EIO : 0;
}
