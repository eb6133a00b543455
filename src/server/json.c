/* json.c - what a run did, as JSON: docs/schema/run-statistics.json */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "server/figures.h"

#define FORMAT_VERSION 1 /* of the schema */

#define COUNT(json, counts, name) json_integer(json, #name, (counts)->name)

static void write_engine(struct json *json,
			 const struct quire_statistics *engine)
{
	json_object_begin(json, "engine");
	COUNT(json, engine, budget);
	COUNT(json, engine, resident);
	COUNT(json, engine, resident_peak);
	COUNT(json, engine, dirty);
	COUNT(json, engine, reads_in_flight);
	COUNT(json, engine, reads_in_flight_peak);
	COUNT(json, engine, traps);
	COUNT(json, engine, write_traps);
	COUNT(json, engine, hits);
	COUNT(json, engine, misses);
	COUNT(json, engine, parked);
	COUNT(json, engine, reads);
	COUNT(json, engine, pages_read);
	COUNT(json, engine, pages_ahead);
	COUNT(json, engine, pages_ahead_unused);
	COUNT(json, engine, read_errors);
	COUNT(json, engine, writes);
	COUNT(json, engine, pages_written);
	COUNT(json, engine, write_errors);
	COUNT(json, engine, flushes);
	COUNT(json, engine, evictions);
	COUNT(json, engine, throttled);
	COUNT(json, engine, starved);
	COUNT(json, engine, refused);
	json_object_end(json);
}

static void write_clients(struct json *json, const struct server_facts *facts)
{
	json_object_begin(json, "clients");
	json_integer(json, "now", facts->clients);
	json_integer(json, "ever", facts->clients_ever);
	json_integer(json, "peak", facts->clients_peak);
	json_integer(json, "refused_requests", facts->refused);
	json_object_end(json);
}

static void write_file(struct json *json, const struct file_facts *file)
{
	const struct file_counts *counts = &file->counts;

	json_object_begin(json, NULL);
	json_string(json, "path", file->path);
	json_integer(json, "device", file->device);
	json_integer(json, "inode", file->inode);
	json_boolean(json, "bound", file->bound);
	json_integer(json, "size", file->size);
	json_integer(json, "mapped", file->mapped);
	json_integer(json, "mapped_peak", file->mapped_peak);
	json_integer(json, "resident", counts->resident << PAGE_SHIFT);
	json_integer(json, "resident_peak",
		     counts->resident_peak << PAGE_SHIFT);
	json_integer(json, "traps", figure_traps(file));
	COUNT(json, counts, hits);
	COUNT(json, counts, misses);
	COUNT(json, counts, reads);
	COUNT(json, counts, pages_read);
	json_number(json, "read_amplification", figure_amplification(file));
	COUNT(json, counts, writes);
	COUNT(json, counts, pages_written);
	COUNT(json, counts, evictions);
	COUNT(json, counts, stalled_ns);
	json_object_end(json);
}

static void write_notes(struct json *json, const struct figures *figures)
{
	json_array_begin(json, "notes");
	for (size_t i = 0; i < figures->note_count; i++) {
		json_object_begin(json, NULL);
		json_string(json, "text", figures->notes[i].text);
		json_integer(json, "times", figures->notes[i].times);
		json_object_end(json);
	}
	json_array_end(json);
}

void figures_write_json(const struct figures *figures, FILE *stream)
{
	struct json json = { .stream = stream };

	json_object_begin(&json, NULL);
	json_integer(&json, "version", FORMAT_VERSION);
	json_integer(&json, "budget", figures->engine.budget);
	json_integer(&json, "resident_peak", figures->engine.resident_peak);
	json_integer(&json, "page_size", PAGE_SIZE);
	write_clients(&json, &figures->clients);
	json_array_begin(&json, "files");
	for (size_t i = 0; i < figures->file_count; i++)
		write_file(&json, &figures->files[i]);
	json_array_end(&json);
	write_notes(&json, figures);
	write_engine(&json, &figures->engine);
	json_object_end(&json);
}

int server_json(struct server *server, FILE *stream)
{
	struct figures figures;
	int error = figures_gather(server, &figures);

	if (!error)
		figures_write_json(&figures, stream);
	figures_free(&figures);
	return error;
}
