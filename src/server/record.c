/* record.c - what a run did to its files, in memory of fixed size */
/* SPDX-License-Identifier: MIT */
#include "server/record.h"

#include "os/memory.h"
#include "server/record_distance.h"
#include "server/record_heat.h"
#include "server/record_sketch.h"

#include <string.h>

/* A page of a file as one number. */
#define FILE_BITS 40

struct recorder {
	struct lock lock;  /* LOCK_RANK_RECORD: of all that follows */
	uint64_t start_ns; /* [I] */
	uint32_t count;    /* of files, without the rest */
	uint32_t last;     /* the file that was found last */
	bool has_rest;
	uint64_t mappings; /* all that there were */
	struct record_mapping mapping[RECORD_MAPPINGS];
	struct distances distances;
	struct record_file file[RECORD_FILES + 1]; /* the last: the rest */
};

int recorder_create(struct recorder **recorder)
{
	void *memory;
	int error = memory_map(sizeof(**recorder), &memory);

	if (error)
		return error;
	*recorder = memory;
	lock_init(&(*recorder)->lock, LOCK_RANK_RECORD);
	distances_init(&(*recorder)->distances);
	(*recorder)->start_ns = clock_now_ns();
	return 0;
}

void recorder_destroy(struct recorder *recorder)
{
	if (!recorder)
		return;
	lock_finish(&recorder->lock);
	memory_unmap(recorder, sizeof(*recorder));
}

/* ---- which file ---- */

/* The end of a long name tells more than its beginning. */
static void name_copy(char *to, const char *name)
{
	size_t length = strlen(name);

	if (length < RECORD_NAME) {
		memcpy(to, name, length + 1);
		return;
	}
	memcpy(to, "...", 3);
	memcpy(to + 3, name + length - (RECORD_NAME - 4), RECORD_NAME - 3);
}

static bool is_file(const struct record_file *file,
		    const struct object_identity *identity)
{
	if (file->device != identity->device || file->inode != identity->inode)
		return false;
	return identity->inode ||
	       !strncmp(file->name, identity->name, RECORD_NAME - 1);
}

static struct record_file *rest(struct recorder *recorder)
{
	struct record_file *file = &recorder->file[RECORD_FILES];

	if (!recorder->has_rest) {
		recorder->has_rest = true;
		file->time_shift = HEAT_FIRST_SHIFT;
		name_copy(file->name, "other files");
	}
	return file;
}

/* Its record; a new one, if there is room. */
static struct record_file *file_of(struct recorder *recorder,
				   const struct object_identity *identity)
{
	struct record_file *file = &recorder->file[recorder->last];

	if (recorder->count && is_file(file, identity))
		return file;
	for (uint32_t i = 0; i < recorder->count; i++) {
		if (!is_file(&recorder->file[i], identity))
			continue;
		recorder->last = i;
		return &recorder->file[i];
	}
	if (recorder->count == RECORD_FILES)
		return rest(recorder);
	recorder->last = recorder->count++;
	file = &recorder->file[recorder->last];
	file->device = identity->device;
	file->inode = identity->inode;
	file->time_shift = HEAT_FIRST_SHIFT;
	name_copy(file->name, identity->name);
	return file;
}

static bool is_rest(const struct recorder *recorder,
		    const struct record_file *file)
{
	return file == &recorder->file[RECORD_FILES];
}

/* ---- what happened ---- */

/* The same for a page however often its file is opened. */
static uint64_t page_hash(const struct recorder *recorder,
			  const struct record_file *file,
			  const struct object_identity *identity,
			  uint64_t index)
{
	uint64_t number = (uint64_t)(file - recorder->file);

	if (is_rest(recorder, file))
		number = distance_hash(identity->inode ^
				       distance_hash(identity->device)) |
			 UINT64_C(1) << 23;
	return distance_hash(index + (number << FILE_BITS));
}

static void refer(struct recorder *recorder, struct record_file *file,
		  const struct object_identity *identity,
		  const struct record_event *event)
{
	uint8_t *sketch = file->sketch[event->time_ns >> file->time_shift];

	for (uint64_t i = 0; i < event->count; i++) {
		uint64_t hash =
			page_hash(recorder, file, identity, event->index + i);

		sketch_add(sketch, hash);
		distances_refer(&recorder->distances, hash);
	}
}

static void note(struct recorder *recorder, struct record_file *file,
		 const struct object_identity *identity,
		 const struct record_event *event)
{
	heat_reach_time(file, event->time_ns);
	if (is_rest(recorder, file)) {
		file->total[event->what] += event->count;
	} else {
		heat_reach_pages(file, event->index + event->count);
		heat_add(file, event);
	}
	if (event->what == OBJECT_READ || event->what == OBJECT_TOUCHED)
		refer(recorder, file, identity, event);
}

void recorder_note(struct recorder *recorder,
		   const struct object_identity *identity,
		   const struct record_event *event)
{
	lock_take(&recorder->lock);
	note(recorder, file_of(recorder, identity), identity, event);
	lock_drop(&recorder->lock);
}

static unsigned stall_bin(uint64_t ns)
{
	uint64_t us = ns / 1000;
	unsigned bin = us ? 64 - (unsigned)__builtin_clzll(us) : 0;

	return bin < RECORD_STALLS ? bin : RECORD_STALLS - 1;
}

void recorder_note_stall(struct recorder *recorder,
			 const struct object_identity *identity, uint64_t ns)
{
	struct record_file *file;

	lock_take(&recorder->lock);
	file = file_of(recorder, identity);
	file->stalls++;
	file->stalled_ns += ns;
	file->stall[stall_bin(ns)]++;
	lock_drop(&recorder->lock);
}

void recorder_note_mapping(struct recorder *recorder,
			   const struct object_identity *identity,
			   const struct record_mapping *mapping)
{
	uint64_t now = clock_now_ns() - recorder->start_ns;
	struct record_mapping *place;

	lock_take(&recorder->lock);
	if (recorder->mappings < RECORD_MAPPINGS) {
		place = &recorder->mapping[recorder->mappings];
		*place = *mapping;
		place->file = (uint32_t)(file_of(recorder, identity) -
					 recorder->file);
		place->start_ns = now;
	}
	recorder->mappings++;
	lock_drop(&recorder->lock);
}

/* ---- of objects, now ---- */

void recorder_record(void *context, struct object *object, uint64_t index,
		     uint64_t count, enum object_record what)
{
	struct recorder *recorder = context;
	const struct record_event event = {
		.index = index,
		.count = count,
		.what = what,
		.time_ns = clock_now_ns() - recorder->start_ns,
	};

	recorder_note(recorder, object_identity(object), &event);
}

void recorder_stalled(void *context, struct object *object, uint64_t ns)
{
	recorder_note_stall(context, object_identity(object), ns);
}

void recorder_mapped(struct recorder *recorder, struct object *object,
		     const struct record_mapping *mapping)
{
	recorder_note_mapping(recorder, object_identity(object), mapping);
}

/* ---- what was recorded ---- */

static struct record_file *file_at(struct recorder *recorder, uint32_t number)
{
	if (number < recorder->count)
		return &recorder->file[number];
	if (number == recorder->count && recorder->has_rest)
		return &recorder->file[RECORD_FILES];
	return NULL;
}

void recorder_hold(struct recorder *recorder)
{
	unsigned shift = HEAT_FIRST_SHIFT;
	struct record_file *file;

	lock_take(&recorder->lock);
	for (uint32_t i = 0; (file = file_at(recorder, i)); i++)
		if (shift < file->time_shift)
			shift = file->time_shift;
	for (uint32_t i = 0; (file = file_at(recorder, i)); i++)
		heat_reach_time(file, ((uint64_t)RECORD_TIMES << shift) - 1);
}

void recorder_let_go(struct recorder *recorder)
{
	lock_drop(&recorder->lock);
}

uint64_t recorder_elapsed_ns(const struct recorder *recorder)
{
	return clock_now_ns() - recorder->start_ns;
}

const struct record_file *recorder_file(const struct recorder *recorder,
					uint32_t number)
{
	if (number < recorder->count)
		return &recorder->file[number];
	return number == recorder->count && recorder->has_rest
		       ? &recorder->file[RECORD_FILES]
		       : NULL;
}

bool recorder_is_rest(const struct recorder *recorder, uint32_t number)
{
	return number == recorder->count;
}

double recorder_working_set(const struct record_file *file, unsigned time)
{
	return sketch_count(file->sketch[time]);
}

const struct record_mapping *recorder_mapping(const struct recorder *recorder,
					      uint32_t number)
{
	uint64_t kept = recorder->mappings < RECORD_MAPPINGS
				? recorder->mappings
				: RECORD_MAPPINGS;

	return number < kept ? &recorder->mapping[number] : NULL;
}

uint64_t recorder_mappings_lost(const struct recorder *recorder)
{
	return recorder->mappings > RECORD_MAPPINGS
		       ? recorder->mappings - RECORD_MAPPINGS
		       : 0;
}

const struct distances *recorder_distances(const struct recorder *recorder)
{
	return &recorder->distances;
}
