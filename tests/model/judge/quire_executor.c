/* quire_executor.c - the library as executor: soft spaces, or the host's */
/* SPDX-License-Identifier: MIT */
#include "model/judge/access.h"
#include "model/judge/executor.h"
#include "model/judge/files.h"
#include "model/judge/maps.h"

#include "unit/trap_choice.h"

#include <quire/quire.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define MOST_FILE_BYTES (2 * PAGE)

struct quire_executor {
	struct executor executor;
	bool soft;
	uint64_t budget;
	struct quire *quire;
	struct quire_space *space[PROCESSES];
	struct file_set files;
	struct quire_object *object[HANDLES];
};

static struct quire_executor *own(struct executor *executor)
{
	return (struct quire_executor *)executor;
}

static void *pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

/* ---- sequences ---- */

/* 0 or a count stays; what is negative is an error. */
static int64_t negative_is_error(int64_t result)
{
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

static int64_t set_limit(struct quire_space *space, const struct op *op)
{
	static const enum quire_limit limits[LIMITS] = {
		QUIRE_LIMIT_ADDRESS_SPACE, QUIRE_LIMIT_DATA, QUIRE_LIMIT_LOCKED,
		QUIRE_LIMIT_STACK
	};

	uint64_t value = op->length == NO_LIMIT ? UINT64_MAX
						: op->length * PAGE;

	if (op->flags == LIMIT_LOCKED && op->length == NO_LIMIT)
		value = LOCKED_PAGES * PAGE;
	return negative_is_error(
		quire_space_set_limit(space, limits[op->flags], value));
}

static void open_engine(struct quire_executor *library)
{
	struct quire_options options = {
		.size = sizeof(options),
		.budget = library->budget,
		.flags = QUIRE_NO_REPORT,
		.trap = chosen_trap(),
	};

	if (quire_open(&options, &library->quire))
		die("no engine: %s", quire_strerror_last());
}

static void open_objects(struct quire_executor *library)
{
	if (!files_make(&library->files))
		die("the files cannot be made");
	for (unsigned i = 0; i < HANDLES; i++) {
		int error;

		library->object[i] = NULL;
		if (!file_exists(i))
			continue;
		error = quire_object_open_fd(library->quire,
					     library->files.handle[i], NULL,
					     &library->object[i]);
		if (error)
			die("%s: %s", file_label(i), quire_strerror_last());
	}
}

static struct quire_space *create_space(struct quire_executor *library)
{
	const struct quire_space_options options = {
		.size = sizeof(options),
		.base = WINDOW,
		.arena = WINDOW,
		.arena_end = WINDOW_END,
	};
	struct quire_space *space;

	if (!library->soft)
		return quire_host_space(library->quire);
	if (quire_space_create(library->quire, &options, &space))
		die("no space: %s", quire_strerror_last());
	return space;
}

static void quire_begin(struct executor *executor)
{
	const struct op no_locked_limit = { .flags = LIMIT_LOCKED,
					    .length = NO_LIMIT };
	struct quire_executor *library = own(executor);

	open_engine(library);
	open_objects(library);
	memset(library->space, 0, sizeof(library->space));
	library->space[0] = create_space(library);
	set_limit(library->space[0], &no_locked_limit);
}

static void close_space(struct quire_executor *library, unsigned process)
{
	if (library->soft)
		quire_space_close(library->space[process]);
	else
		quire_munmap(library->space[process], pointer(WINDOW),
			     WINDOW_PAGES * PAGE);
	library->space[process] = NULL;
}

static void quire_end(struct executor *executor)
{
	struct quire_executor *library = own(executor);
	int error;

	if (!library->quire)
		return;
	for (unsigned i = 0; i < PROCESSES; i++)
		if (library->space[i])
			close_space(library, i);
	for (unsigned i = 0; i < HANDLES; i++)
		quire_object_close(library->object[i]);
	error = quire_close(library->quire);
	if (error == -EBUSY)
		die("the engine does not end: %s", quire_strerror_last());
	library->quire = NULL;
	files_close(&library->files);
}

/* ---- operations ---- */

static struct quire_object *object_of(const struct quire_executor *library,
				      const struct op *op)
{
	return op->file < HANDLES ? library->object[op->file] : NULL;
}

static int64_t write_file(struct quire_executor *library, const struct op *op)
{
	uint64_t words[MOST_FILE_BYTES / 8];

	for (size_t i = 0; i < MOST_FILE_BYTES / 8; i++)
		words[i] = op->value;
	return negative_is_error(quire_object_pwrite(
		object_of(library, op), words, op->length, op->offset));
}

static int64_t read_file(struct quire_executor *library, const struct op *op,
			 struct outcome *outcome)
{
	unsigned char bytes[MOST_FILE_BYTES];
	ssize_t got = quire_object_pread(object_of(library, op), bytes,
					 op->length, op->offset);

	if (got > 0)
		outcome->value = hash_bytes(bytes, (size_t)got);
	return negative_is_error(got);
}

static int64_t ask_core(struct quire_space *space, const struct op *op,
			struct outcome *outcome)
{
	unsigned char vector[WINDOW_PAGES + 1] = { 0 };
	int result =
		quire_mincore(space, pointer(op->address), op->length, vector);

	if (!result)
		outcome->value = vector_bits(vector);
	return result;
}

static int64_t fork_space(struct quire_executor *library, const struct op *op)
{
	int error = quire_space_fork(library->space[op->process],
				     &library->space[op->length]);

	return error ? negative_is_error(error) : (int64_t)op->length;
}

static void access_by(struct quire_executor *library, const struct op *op,
		      struct outcome *outcome)
{
	struct quire_space *space = library->space[op->process];
	struct access access = { .kind = op->kind,
				 .address = op->address,
				 .value = op->value };
	struct quire_fault_report report = { .error = 0 };
	int error;

	if (library->soft)
		error = quire_access(space,
				     op->kind == OP_LOAD    ? QUIRE_LOAD
				     : op->kind == OP_STORE ? QUIRE_STORE
							    : QUIRE_FETCH,
				     pointer(op->address), &access.value,
				     sizeof(access.value), &report);
	else
		error = quire_guard(space, access_body, &access, &report);
	outcome->result = error ? -1 : 0;
	outcome->error = -error;
	outcome->signal = report.signal;
	outcome->code = report.code;
	outcome->fault_address = (uint64_t)(uintptr_t)report.address;
	if (op->kind == OP_LOAD && !error)
		outcome->value = access.value;
}

static int64_t call(struct quire_executor *library, const struct op *op)
{
	struct quire_space *space = library->space[op->process];
	void *start = pointer(op->address);

	switch (op->kind) {
	case OP_MMAP:
		return (int64_t)(intptr_t)quire_mmap(
			space, start, op->length, op->prot, op->flags,
			op->flags & MAP_ANONYMOUS ? NULL
						  : object_of(library, op),
			(off_t)op->offset);
	case OP_MUNMAP:
		return quire_munmap(space, start, op->length);
	case OP_MPROTECT:
		return quire_mprotect(space, start, op->length, op->prot);
	case OP_MREMAP:
		return (int64_t)(intptr_t)quire_mremap(
			space, start, op->length, op->new_length, op->flags,
			pointer(op->new_address));
	case OP_MSYNC:
		return quire_msync(space, start, op->length, op->flags);
	case OP_MADVISE:
		return quire_madvise(space, start, op->length, op->flags);
	case OP_MLOCK:
		return quire_mlock(space, start, op->length);
	case OP_MLOCK2:
		return quire_mlock2(space, start, op->length,
				    (unsigned)op->flags);
	default:
		return quire_munlock(space, start, op->length);
	}
}

static int64_t call_other(struct quire_executor *library, const struct op *op,
			  struct outcome *outcome)
{
	struct quire_space *space = library->space[op->process];

	switch (op->kind) {
	case OP_MLOCKALL:
		return quire_mlockall(space, op->flags);
	case OP_MUNLOCKALL:
		return quire_munlockall(space);
	case OP_MINCORE:
		return ask_core(space, op, outcome);
	case OP_RESIZE:
		return negative_is_error(quire_object_resize(
			object_of(library, op), op->length));
	case OP_PWRITE:
		return write_file(library, op);
	case OP_PREAD:
		return read_file(library, op, outcome);
	case OP_FORK:
		return fork_space(library, op);
	case OP_EXIT:
		close_space(library, op->process);
		return 0;
	case OP_LIMIT:
		return set_limit(space, op);
	default:
		return call(library, op);
	}
}

static void quire_execute(struct executor *executor, const struct op *op,
			  struct outcome *outcome)
{
	memset(outcome, 0, sizeof(*outcome));
	if (op->kind == OP_LOAD || op->kind == OP_STORE ||
	    op->kind == OP_FETCH) {
		access_by(own(executor), op, outcome);
		return;
	}
	errno = 0;
	outcome->result = call_other(own(executor), op, outcome);
	outcome->error = outcome->result == -1 ? errno : 0;
}

/* ---- looking ---- */

static void add_lines(const struct file_set *files, char *line, char *text)
{
	size_t used = 0;

	while (*line) {
		char *end = strchr(line, '\n');
		uint64_t start = strtoull(line, NULL, 16);

		if (end)
			*end = '\0';
		if (start >= WINDOW && start < WINDOW_END)
			used += maps_add_line(files, line, text + used,
					      MAPS_BYTES - used);
		line = end ? end + 1 : line + strlen(line);
	}
}

static void quire_maps(struct executor *executor, unsigned process, char *text)
{
	struct quire_executor *library = own(executor);
	char raw[2 * MAPS_BYTES] = "";
	FILE *stream = fmemopen(raw, sizeof(raw) - 1, "w");

	if (!stream || quire_space_report(library->space[process],
					  QUIRE_REPORT_MAPS, stream))
		die("no report: %s", quire_strerror_last());
	fclose(stream);
	text[0] = '\0';
	add_lines(&library->files, raw, text);
}

static void quire_look(struct executor *executor, unsigned process,
		       struct page_look *pages)
{
	struct quire_space *space = own(executor)->space[process];
	uint64_t bytes[PAGE / 8];

	for (uint64_t i = 0; i < WINDOW_PAGES; i++) {
		int error;

		if (!pages[i].wanted)
			continue;
		error = quire_peek(space, pointer(WINDOW + i * PAGE), bytes,
				   PAGE);
		if (error)
			pages[i].signal = error == -EFAULT ? SIGSEGV : SIGBUS;
		else
			look_at_bytes(&pages[i], bytes);
	}
}

/* All there was went with the process. */
static void quire_abandon(struct executor *executor)
{
	(void)executor;
}

static void quire_destroy(struct executor *executor)
{
	quire_end(executor);
	free(own(executor));
}

static const struct executor_ops soft_ops = {
	.name = "soft",
	.can_fork = true,
	.places = true,
	.begin = quire_begin,
	.end = quire_end,
	.execute = quire_execute,
	.maps = quire_maps,
	.look = quire_look,
	.abandon = quire_abandon,
	.destroy = quire_destroy,
};

static const struct executor_ops host_ops = {
	.name = "host",
	.begin = quire_begin,
	.end = quire_end,
	.execute = quire_execute,
	.maps = quire_maps,
	.look = quire_look,
	.abandon = quire_abandon,
	.destroy = quire_destroy,
};

/* Some ways of being open are no objects at all: nobody maps those. */
static void leave_out_unopenable(struct quire_executor *library)
{
	struct file_set files;

	files_make(&files);
	open_engine(library);
	for (unsigned i = 0; i < HANDLES; i++) {
		struct quire_object *object;

		if (!file_exists(i))
			continue;
		if (quire_object_open_fd(library->quire, files.handle[i], NULL,
					 &object)) {
			printf("%s is left out: %s\n", file_label(i),
			       quire_strerror_last());
			file_leave_out(i);
		} else {
			quire_object_close(object);
		}
	}
	quire_close(library->quire);
	library->quire = NULL;
	files_close(&files);
}

struct executor *quire_executor_create(bool soft, uint64_t budget_pages)
{
	struct quire_executor *library = calloc(1, sizeof(*library));

	if (!library)
		die("no memory");
	library->executor.ops = soft ? &soft_ops : &host_ops;
	library->soft = soft;
	library->budget = budget_pages * PAGE;
	leave_out_unopenable(library);
	return &library->executor;
}
