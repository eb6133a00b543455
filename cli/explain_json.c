/* explain_json.c - a story as JSON */
/* SPDX-License-Identifier: MIT */
#include "explain_show.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Bytes as a script writes them, without the quotes. */
static void put_bytes(struct json *json, const char *name, const void *bytes,
		      size_t length)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return;
	bytes_print(stream, bytes, length);
	if (fclose(stream) == 0) {
		text[size - 1] = '\0';
		json_string(json, name, text + 1);
	}
	free(text);
}

static void put_address(struct json *json, const char *name, uint64_t address)
{
	char text[24];

	snprintf(text, sizeof(text), "%jx", (uintmax_t)address);
	json_string(json, name, text);
}

static void put_glimpse(struct json *json, const char *name,
			const struct glimpse *glimpse)
{
	if (glimpse->known)
		put_bytes(json, name, glimpse->bytes, glimpse->length);
}

static void put_prot(struct json *json, int prot)
{
	char text[4] = { prot & PROT_READ ? 'r' : '-',
			 prot & PROT_WRITE ? 'w' : '-',
			 prot & PROT_EXEC ? 'x' : '-', 0 };

	json_string(json, "rights", text);
}

static void put_page(struct json *json, const struct page_picture *page)
{
	json_object_begin(json, NULL);
	put_address(json, "address", page->address);
	json_string(json, "source", picture_source_name(page->page.source));
	if (page->page.source != QUIRE_SOURCE_NONE) {
		put_prot(json, page->page.prot);
		json_boolean(json, "accessed", page->page.accessed);
		json_boolean(json, "stored", page->page.stored);
	}
	if (page->page.source == QUIRE_SOURCE_OBJECT)
		json_integer(json, "index", page->page.index);
	if (page->page.source == QUIRE_SOURCE_PRIVATE)
		json_integer(json, "holders", page->page.holders);
	if (*picture_page_state(page))
		json_string(json, "state", picture_page_state(page));
	json_boolean(json, "changed", page->changed);
	json_integer(json, "at", page->at);
	put_glimpse(json, "bytes", &page->glimpse);
	json_object_end(json);
}

static void put_area(struct json *json, const struct area_picture *area)
{
	json_object_begin(json, NULL);
	put_address(json, "start", area->start);
	put_address(json, "end", area->end);
	json_integer(json, "pages",
		     (area->end - area->start) / QUIRE_PAGE_SIZE);
	json_string(json, "rights", area->rights);
	json_string(json, "object", area->object);
	json_integer(json, "offset", area->offset);
	json_string(json, "names", area->names);
	json_integer(json, "depth", area->depth);
	json_boolean(json, "changed", area->changed);
	json_array_begin(json, "table");
	for (size_t i = 0; i < area->page_count; i++)
		put_page(json, &area->pages[i]);
	json_array_end(json);
	json_integer(json, "more_pages", area->more_pages);
	json_object_end(json);
}

static void put_node(struct json *json, const struct node_picture *node)
{
	json_object_begin(json, NULL);
	put_address(json, "start", node->start);
	put_address(json, "end", node->end);
	json_integer(json, "depth", node->depth);
	json_integer(json, "widest_gap", node->gap_pages);
	json_object_end(json);
}

static void put_spaces(struct json *json, const struct script *script,
		       const struct picture *picture)
{
	json_array_begin(json, "processes");
	for (size_t i = 0; i < script->process_count; i++) {
		const struct space_picture *space = &picture->spaces[i];

		if (!space->there)
			continue;
		json_object_begin(json, NULL);
		json_string(json, "name", script->processes[i]);
		json_array_begin(json, "areas");
		for (size_t j = 0; j < space->area_count; j++)
			put_area(json, &space->areas[j]);
		json_array_end(json);
		json_array_begin(json, "nodes");
		for (size_t j = 0; j < space->node_count; j++)
			put_node(json, &space->nodes[j]);
		json_array_end(json);
		json_object_end(json);
	}
	json_array_end(json);
}

static void put_cached(struct json *json, const struct cached_picture *page)
{
	json_object_begin(json, NULL);
	json_integer(json, "index", page->index);
	json_string(json, "state", picture_state_name(page->state));
	json_integer(json, "at", page->at);
	put_glimpse(json, "cache", &page->cache);
	put_glimpse(json, "file", &page->file);
	json_boolean(json, "differs", page->differs);
	json_boolean(json, "changed", page->changed);
	json_object_end(json);
}

static void put_files(struct json *json, const struct script *script,
		      const struct picture *picture)
{
	json_array_begin(json, "files");
	for (size_t i = 0; i < script->file_count; i++) {
		const struct file_picture *file = &picture->files[i];

		if (!file->there)
			continue;
		json_object_begin(json, NULL);
		json_string(json, "name", script->files[i]);
		json_integer(json, "size", file->size);
		json_array_begin(json, "pages");
		for (size_t j = 0; j < file->page_count; j++)
			put_cached(json, &file->pages[j]);
		json_array_end(json);
		json_integer(json, "more_pages", file->more_pages);
		json_object_end(json);
	}
	json_array_end(json);
}

static void put_memory(struct json *json, const struct quire_statistics *now)
{
	json_object_begin(json, "memory");
	json_integer(json, "budget", now->budget / QUIRE_PAGE_SIZE);
	json_integer(json, "resident", now->resident / QUIRE_PAGE_SIZE);
	json_integer(json, "dirty", now->dirty / QUIRE_PAGE_SIZE);
	json_integer(json, "read", now->pages_read);
	json_integer(json, "written", now->pages_written);
	json_integer(json, "evicted", now->evictions);
	json_object_end(json);
}

static void put_outcome(struct json *json, const char *name,
			const struct statement *statement,
			const struct outcome *outcome)
{
	char *text = outcome_text(statement, outcome);

	json_object_begin(json, name);
	json_string(json, "text", text ? text : "");
	json_boolean(json, "good", outcome_good(outcome));
	json_integer(json, "error", (uint64_t)outcome->error);
	json_integer(json, "signal", (uint64_t)outcome->signal);
	if (outcome->length)
		put_bytes(json, "bytes", outcome->bytes, outcome->length);
	json_object_end(json);
	free(text);
}

static void put_says(struct json *json, const struct script *script,
		     const struct step *step)
{
	json_array_begin(json, "says");
	for (size_t i = step->first; i < step->does; i++)
		if (script->statements[i].kind == STATEMENT_SAY)
			json_string(json, NULL, script->statements[i].text);
	json_array_end(json);
}

static void put_expectations(struct json *json, const struct script *script,
			     const struct step *step)
{
	json_array_begin(json, "expectations");
	for (size_t i = step->does + 1; i < step->end; i++) {
		const struct statement *expected = &script->statements[i];

		json_object_begin(json, NULL);
		json_string(json, "source", expected->source);
		json_boolean(json, "holds", step->disappointed != expected);
		json_object_end(json);
		if (step->disappointed == expected)
			break;
	}
	json_array_end(json);
}

static void put_stations(struct json *json, const struct stations *stations)
{
	json_array_begin(json, "stations");
	for (size_t i = 0; i < stations->count; i++) {
		json_object_begin(json, NULL);
		json_string(json, "station", stations->list[i].name);
		json_string(json, "line", stations->list[i].line);
		json_object_end(json);
	}
	json_array_end(json);
}

static void put_step(struct json *json, const struct story *story,
		     const struct step *step)
{
	const struct script *script = story->script;
	const struct statement *statement = &script->statements[step->does];

	json_object_begin(json, NULL);
	json_integer(json, "step", step->number);
	json_integer(json, "line", statement->line);
	json_string(json, "process", script->processes[statement->process]);
	json_string(json, "source", statement->source);
	put_says(json, script, step);
	put_stations(json, &step->stations);
	put_outcome(json, "result", statement, &step->outcome);
	if (step->compared) {
		put_outcome(json, "kernel", statement, &step->kernel);
		json_boolean(json, "agrees", step->agrees);
	}
	put_expectations(json, script, step);
	put_spaces(json, script, &step->picture);
	put_files(json, script, &step->picture);
	put_memory(json, &step->picture.statistics);
	json_object_end(json);
}

void story_json(const struct story *story, FILE *stream)
{
	const struct script *script = story->script;
	struct json json = { .stream = stream };

	json_object_begin(&json, NULL);
	json_string(&json, "title",
		    script->title ? script->title : story->name);
	json_string(&json, "introduction",
		    script->introduction ? script->introduction : "");
	json_boolean(&json, "checked", story->check);
	json_boolean(&json, "agrees", story->agrees);
	json_boolean(&json, "holds", story->held);
	json_array_begin(&json, "steps");
	for (size_t i = 0; i < story->count; i++)
		put_step(&json, story, &story->steps[i]);
	json_array_end(&json);
	json_object_end(&json);
}
