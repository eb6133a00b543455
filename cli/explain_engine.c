/* explain_engine.c - does the steps of a script on spaces of the library's */
/* SPDX-License-Identifier: MIT */
/*
 * The same script shows the same every time.  So nothing is read ahead, the
 * flusher does not come by itself, and before an access that would find no
 * room all dirty pages are sent home: those that leave are then the same ones.
 */
#include "explain_engine.h"

#include "cli.h"
#include "mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* Where free ranges are found: addresses that are short to read, and free in
 * a process of the kernel's as well. */
#define ARENA 0x10000000u
#define ARENA_END 0x20000000u
#define FLUSH_INTERVAL_MS 3600000
#define ROOM_PAGES \
	2 /* an access takes: a page, and the one it is copied from */

static void *pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

/* ---- stations ---- */

static void add_station(struct engine *engine, const char *name,
			const char *line)
{
	struct stations *stations = &engine->stations;
	struct station *list =
		realloc(stations->list, (stations->count + 1) * sizeof(*list));
	struct station new = { strdup(name), strdup(line) };

	if (list)
		stations->list = list;
	if (!list || !new.name || !new.line) {
		free(new.name);
		free(new.line);
		engine->out_of_memory = true;
		return;
	}
	list[stations->count++] = new;
}

void stations_free(struct stations *stations)
{
	for (size_t i = 0; i < stations->count; i++) {
		free(stations->list[i].name);
		free(stations->list[i].line);
	}
	free(stations->list);
	*stations = (struct stations){ .count = 0 };
}

/* Only of the thread that does the steps: the others' order is chance. */
static void on_trace(void *context, const char *station, const char *line)
{
	struct engine *engine = context;

	if (pthread_equal(pthread_self(), engine->thread))
		add_station(engine, station, line);
}

/* ---- begin and end ---- */

int explain_engine_open(struct engine *engine, uint64_t budget,
			const char *directory)
{
	struct quire_options options = {
		.size = sizeof(options),
		.budget = budget,
		.dirty_percent = 100,
		.flush_interval_ms = FLUSH_INTERVAL_MS,
		.flags = QUIRE_NO_REPORT,
		.swap_directory = directory,
		.log_level = QUIRE_LOG_ERROR,
		.trace = on_trace,
		.trace_context = engine,
	};
	struct quire_space_options space = {
		.size = sizeof(space),
		.arena = ARENA,
		.arena_end = ARENA_END,
	};
	int error;

	*engine = (struct engine){ .budget = budget };
	engine->thread = pthread_self();
	error = quire_open(&options, &engine->quire);
	if (!error)
		error = quire_space_create(engine->quire, &space,
					   &engine->spaces[0]);
	if (error) {
		fail("%s", sentence(error));
		if (engine->quire)
			quire_close(engine->quire);
	}
	stations_free(&engine->stations);
	return error;
}

int explain_engine_close(struct engine *engine, int status)
{
	for (size_t i = 0; i < SCRIPT_PROCESSES; i++)
		quire_space_close(engine->spaces[i]);
	for (size_t i = 0; i < SCRIPT_FILES; i++) {
		int error = quire_object_close(engine->files[i]);

		if (error)
			status = fail("%s", sentence(error));
	}
	status = engine_close(engine->quire, status);
	stations_free(&engine->stations);
	return status;
}

/* ---- accesses ---- */

/* What was started ahead of need has come. */
static void settle(struct engine *engine)
{
	const struct timespec moment = { .tv_nsec = 100000 };
	struct quire_statistics now = { .size = sizeof(now) };

	while (quire_get_statistics(engine->quire, &now) == 0 &&
	       now.reads_in_flight)
		nanosleep(&moment, NULL);
}

static bool object_dirty(struct quire_object *object)
{
	unsigned char states[64];
	uint64_t size = object ? quire_object_size(object) : 0;

	for (uint64_t at = 0; at < size;
	     at += sizeof(states) * QUIRE_PAGE_SIZE) {
		if (quire_object_pages(object, at,
				       sizeof(states) * QUIRE_PAGE_SIZE,
				       states))
			return false;
		if (memchr(states, QUIRE_PAGE_DIRTY, sizeof(states)))
			return true;
	}
	return false;
}

/* Half of the bound is dirty: the flusher would begin with the files. */
static bool flusher_near(struct engine *engine,
			 const struct quire_statistics *now)
{
	if (2 * (now->dirty + ROOM_PAGES * QUIRE_PAGE_SIZE) < now->budget)
		return false;
	for (size_t i = 0; i < SCRIPT_FILES; i++)
		if (object_dirty(engine->files[i]))
			return true;
	return false;
}

static void make_room(struct engine *engine)
{
	struct quire_statistics now = { .size = sizeof(now) };
	char line[100];

	if (!engine->budget || quire_get_statistics(engine->quire, &now) ||
	    !now.dirty ||
	    (now.resident + ROOM_PAGES * QUIRE_PAGE_SIZE <= now.budget &&
	     !flusher_near(engine, &now)))
		return;
	snprintf(line, sizeof(line),
		 "%ju of %ju pages are taken; dirty ones, %ju, are written",
		 (uintmax_t)now.resident / QUIRE_PAGE_SIZE,
		 (uintmax_t)now.budget / QUIRE_PAGE_SIZE,
		 (uintmax_t)now.dirty / QUIRE_PAGE_SIZE);
	add_station(engine, "room is short", line);
	quire_flush(engine->quire);
}

struct access {
	uint64_t address;
	char *bytes;
	size_t length;
};

static bool access_once(struct engine *engine,
			const struct operation *operation,
			const struct access *access, struct outcome *outcome)
{
	static const enum quire_access kinds[] = {
		[STATEMENT_READ] = QUIRE_LOAD,
		[STATEMENT_TOUCH] = QUIRE_LOAD,
		[STATEMENT_WRITE] = QUIRE_STORE,
		[STATEMENT_FETCH] = QUIRE_FETCH,
	};
	struct quire_fault_report report;
	int error;

	make_room(engine);
	error = quire_access(engine->spaces[operation->process],
			     kinds[operation->kind], pointer(access->address),
			     access->bytes, access->length, &report);
	settle(engine);
	if (!error)
		return true;
	outcome->signal = report.signal;
	outcome->signal_code = report.code;
	outcome->signal_address = (uint64_t)(uintptr_t)report.address;
	if (!report.signal)
		outcome->error = -error;
	return false;
}

static void do_read(struct engine *engine, const struct operation *operation,
		    struct outcome *outcome)
{
	uint64_t done = 0;

	while (done < operation->length) {
		const struct access access = {
			operation->address + done,
			outcome->bytes + done,
			operation_chunk(operation, operation->address, done),
		};

		if (!access_once(engine, operation, &access, outcome))
			return;
		done += access.length;
	}
	outcome->length = (uint32_t)done;
}

/* The same bytes at the beginning of the range, and of each page of it. */
static void do_each_page(struct engine *engine,
			 const struct operation *operation, char *bytes,
			 size_t length, struct outcome *outcome)
{
	for (uint64_t done = 0; done < operation->length;
	     done += operation_chunk(operation, operation->address, done)) {
		const struct access access = { operation->address + done, bytes,
					       length };

		if (!access_once(engine, operation, &access, outcome))
			return;
	}
}

/* ---- calls ---- */

static int do_file(struct engine *engine, const struct operation *operation)
{
	const struct quire_object_options options = {
		.size = sizeof(options),
		.readahead = QUIRE_PAGE_SIZE,
	};

	return -quire_object_open(engine->quire, operation->text,
				  operation->readonly ? O_RDONLY : O_RDWR,
				  &options, &engine->files[operation->target]);
}

static int mapped_at(const void *address, struct outcome *outcome)
{
	if (address == MAP_FAILED)
		return errno;
	outcome->address = (uint64_t)(uintptr_t)address;
	return 0;
}

static int do_map(struct engine *engine, const struct operation *operation,
		  struct outcome *outcome)
{
	struct quire_object *file = operation->file == SCRIPT_NOWHERE
					    ? NULL
					    : engine->files[operation->file];

	make_room(engine);
	return mapped_at(quire_mmap(engine->spaces[operation->process],
				    pointer(operation->address),
				    operation->length, operation->prot,
				    operation->flags, file,
				    (off_t)operation->offset),
			 outcome);
}

static int do_fork(struct engine *engine, const struct operation *operation)
{
	return -quire_space_fork(engine->spaces[operation->process],
				 &engine->spaces[operation->target]);
}

static int error_of(int result)
{
	return result ? errno : 0;
}

static int do_range(struct engine *engine, const struct operation *operation)
{
	struct quire_space *space = engine->spaces[operation->process];
	void *address = pointer(operation->address);
	size_t length = operation->length;

	switch (operation->kind) {
	case STATEMENT_PROTECT:
		return error_of(quire_mprotect(space, address, length,
					       operation->prot));
	case STATEMENT_UNMAP:
		return error_of(quire_munmap(space, address, length));
	case STATEMENT_ADVISE:
		return error_of(quire_madvise(space, address, length,
					      operation->advice));
	case STATEMENT_LOCK:
		make_room(engine);
		return error_of(quire_mlock2(space, address, length,
					     (unsigned)operation->flags));
	case STATEMENT_UNLOCK:
		return error_of(quire_munlock(space, address, length));
	case STATEMENT_SYNC:
	default:
		return error_of(
			quire_msync(space, address, length, operation->flags));
	}
}

static int do_call(struct engine *engine, const struct operation *operation,
		   struct outcome *outcome)
{
	struct quire_space *space = engine->spaces[operation->process];

	switch (operation->kind) {
	case STATEMENT_FILE:
		return do_file(engine, operation);
	case STATEMENT_MAP:
		return do_map(engine, operation, outcome);
	case STATEMENT_REMAP:
		return mapped_at(
			quire_mremap(space, pointer(operation->address),
				     operation->length, operation->new_length,
				     operation->flags, pointer(operation->to)),
			outcome);
	case STATEMENT_RESIZE:
		return -quire_object_resize(engine->files[operation->target],
					    operation->length);
	case STATEMENT_FORK:
		return do_fork(engine, operation);
	default:
		return do_range(engine, operation);
	}
}

void explain_engine_do(struct engine *engine, const struct operation *operation,
		       struct outcome *outcome)
{
	char bytes[SCRIPT_BYTES];

	memset(outcome, 0, sizeof(*outcome));
	switch (operation->kind) {
	case STATEMENT_READ:
		do_read(engine, operation, outcome);
		break;
	case STATEMENT_WRITE:
		memcpy(bytes, operation->text, operation->text_length);
		do_each_page(engine, operation, bytes, operation->text_length,
			     outcome);
		break;
	case STATEMENT_TOUCH:
	case STATEMENT_FETCH:
		do_each_page(engine, operation, bytes, 1, outcome);
		break;
	default:
		outcome->error = do_call(engine, operation, outcome);
		settle(engine);
		break;
	}
}
