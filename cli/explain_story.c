/* explain_story.c - a script is run, step by step */
/* SPDX-License-Identifier: MIT */
#include "explain_story.h"

#include "cli.h"
#include "explain_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* All that a run needs. */
struct run {
	struct story *story;
	struct engine engine;
	struct kernel kernel;
	struct scratch scratch;
	uint64_t addresses[SCRIPT_MAPPINGS];
	uint64_t lengths[SCRIPT_FILES]; /* of the files, for mappings */
	bool mapped[SCRIPT_MAPPINGS];
};

static int out_of_memory(void)
{
	fail("out of memory");
	return -ENOMEM;
}

static int stop(const struct run *run, const struct statement *statement,
		const char *why)
{
	fail("%s, line %u, column %u: %s", run->story->name, statement->line,
	     statement->column, why);
	return -EINVAL;
}

/* ---- names become numbers ---- */

static int resolve(const struct run *run, const struct statement *statement,
		   const struct place *place, uint64_t *address)
{
	*address = place->base;
	if (place->mapping == SCRIPT_NOWHERE)
		return 0;
	if (!run->mapped[place->mapping])
		return stop(run, statement,
			    "the mapping that this names could not be made");
	*address += run->addresses[place->mapping];
	return 0;
}

/* As long as its file, if nothing was said. */
static uint64_t length_of(const struct run *run,
			  const struct statement *statement)
{
	if (statement->kind == STATEMENT_MAP && statement->length == UINT64_MAX)
		return run->lengths[statement->file];
	return statement->length;
}

static int make_operation(const struct run *run,
			  const struct statement *statement,
			  struct operation *operation)
{
	int error;

	memset(operation, 0, sizeof(*operation));
	operation->kind = statement->kind;
	operation->process = statement->process;
	operation->target = statement->target;
	operation->file = statement->file;
	operation->length = length_of(run, statement);
	operation->new_length = statement->new_length;
	operation->offset = statement->offset;
	operation->prot = statement->prot;
	operation->flags = statement->flags;
	operation->advice = statement->advice;
	operation->readonly = statement->readonly;
	operation->text_length = (uint32_t)statement->text_length;
	if (statement->kind == STATEMENT_WRITE)
		memcpy(operation->text, statement->text,
		       statement->text_length);
	error = resolve(run, statement, &statement->place, &operation->address);
	return error ? error
		     : resolve(run, statement, &statement->to, &operation->to);
}

/* ---- a step ---- */

static int make_file(struct run *run, const struct statement *statement,
		     struct operation *operation)
{
	run->lengths[statement->target] = statement->length;
	return scratch_make(&run->scratch, run->story->script, statement,
			    operation->text);
}

static void remember(struct run *run, const struct statement *statement,
		     const struct outcome *outcome)
{
	if (statement->kind == STATEMENT_MAP) {
		run->mapped[statement->target] = outcome_good(outcome);
		run->addresses[statement->target] = outcome->address;
	}
	if (!outcome_good(outcome))
		return;
	if (statement->kind == STATEMENT_RESIZE)
		run->lengths[statement->target] = statement->length;
	/* The name goes with the bytes. */
	if (statement->kind == STATEMENT_REMAP &&
	    statement->place.mapping != SCRIPT_NOWHERE &&
	    !statement->place.base)
		run->addresses[statement->place.mapping] = outcome->address;
}

static int compare(struct run *run, struct operation *operation,
		   struct step *step)
{
	const struct statement *statement =
		&run->story->script->statements[step->does];
	int error;

	if (operation->kind == STATEMENT_FILE)
		scratch_path(&run->scratch, run->story->script,
			     statement->target, true, operation->text);
	error = kernel_do(&run->kernel, operation, &step->outcome,
			  &step->kernel);
	if (error)
		return stop(run, statement,
			    "the kernel's process did not survive this");
	step->compared = true;
	step->agrees = kernel_agrees(&step->outcome, &step->kernel);
	if (!step->agrees)
		run->story->agrees = false;
	return 0;
}

static bool holds(const struct statement *expected,
		  const struct outcome *outcome)
{
	switch (expected->expectation) {
	case EXPECT_SUCCESS:
		return outcome_good(outcome);
	case EXPECT_BYTES:
		return outcome_good(outcome) &&
		       outcome->length == expected->text_length &&
		       memcmp(outcome->bytes, expected->text,
			      outcome->length) == 0;
	case EXPECT_ERROR:
		return outcome->error == expected->number;
	case EXPECT_SIGNAL:
		return outcome->signal == expected->number;
	}
	return false;
}

static void look_at_expectations(struct story *story, struct step *step)
{
	for (size_t i = step->does + 1; i < step->end; i++)
		if (story->held &&
		    !holds(&story->script->statements[i], &step->outcome)) {
			step->disappointed = &story->script->statements[i];
			story->held = false;
		}
}

static int take_picture(struct run *run, struct step *step)
{
	const struct scene scene = {
		.engine = &run->engine,
		.script = run->story->script,
		.directory = run->scratch.directory,
		.addresses = run->addresses,
		.mapped = run->mapped,
		.descriptors = run->scratch.descriptors,
	};
	int error = picture_take(&scene,
				 step->number > 1 ? &step[-1].picture : NULL,
				 &step->picture);

	return error || run->engine.out_of_memory ? out_of_memory() : 0;
}

static int do_step(struct run *run, struct step *step)
{
	static struct operation operation;
	const struct statement *statement =
		&run->story->script->statements[step->does];
	int error = make_operation(run, statement, &operation);

	if (!error && statement->kind == STATEMENT_FILE)
		error = make_file(run, statement, &operation);
	if (error)
		return error;
	explain_engine_do(&run->engine, &operation, &step->outcome);
	step->stations = run->engine.stations;
	run->engine.stations = (struct stations){ .count = 0 };
	if (run->kernel.count)
		error = compare(run, &operation, step);
	remember(run, statement, &step->outcome);
	if (!error)
		error = take_picture(run, step);
	stations_free(&run->engine.stations); /* of looking */
	look_at_expectations(run->story, step);
	return error;
}

/* Says before a step belong to it, expectations behind it, too. */
static void find_step(const struct script *script, size_t first,
		      struct step *step)
{
	step->first = first;
	step->does = first;
	while (!statement_is_step(&script->statements[step->does]))
		step->does++;
	step->end = step->does + 1;
	while (step->end < script->count &&
	       script->statements[step->end].kind == STATEMENT_EXPECT)
		step->end++;
}

static int do_steps(struct run *run, story_function *told, void *context)
{
	struct story *story = run->story;
	size_t next = 0;
	int error = 0;

	while (!error && story->held && story->count < story->script->steps) {
		struct step *step = &story->steps[story->count++];

		step->number = story->count;
		find_step(story->script, next, step);
		next = step->end;
		error = do_step(run, step);
		if (!error)
			error = told(context, story, step);
	}
	return error;
}

/* ---- all of it ---- */

static int run_engine(struct run *run, story_function *told, void *context)
{
	const struct script *script = run->story->script;
	int error = explain_engine_open(&run->engine, script->budget,
					run->scratch.directory);

	if (error)
		return error;
	error = do_steps(run, told, context);
	if (explain_engine_close(&run->engine, EXIT_SUCCESS) && !error)
		error = -EIO;
	return error;
}

int story_run(struct story *story, story_function *told, void *context)
{
	struct run *run = calloc(1, sizeof(*run));
	int error;

	story->agrees = true;
	story->held = true;
	story->steps = calloc(story->script->steps, sizeof(*story->steps));
	if (!run || !story->steps) {
		free(run);
		return out_of_memory();
	}
	run->story = story;
	error = scratch_open(&run->scratch);
	if (!error && story->check)
		error = kernel_start(&run->kernel,
				     story->script->process_count);
	if (!error)
		error = run_engine(run, told, context);
	kernel_stop(&run->kernel);
	scratch_close(&run->scratch);
	free(run);
	return error;
}

void story_free(struct story *story)
{
	for (size_t i = 0; i < story->count; i++) {
		stations_free(&story->steps[i].stations);
		picture_free(&story->steps[i].picture);
	}
	free(story->steps);
	story->steps = NULL;
	story->count = 0;
}
