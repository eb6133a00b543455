/* trial.c - the same operations on several executors, compared step by step */
/* SPDX-License-Identifier: MIT */
#include "model/judge/trial.h"

#include "model/judge/compare.h"
#include "model/judge/differences.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* Newer than the headers that this is built with. */
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif

/* ---- what is not done at all ---- */

/* What becomes of bytes that are stored to a shared page behind its file's
 * end is nobody's promise. */
static bool stores_past_end(struct trial *trial, const struct op *op)
{
	if (op->kind != OP_STORE)
		return false;
	trial_read_maps(trial, op->process);
	for (size_t i = 0; i < trial->line_count; i++) {
		const struct maps_line *line = &trial->lines[i];
		uint64_t offset = line->offset + (op->address - line->start);

		if (op->address < line->start || op->address >= line->end ||
		    line->rights[3] != 's')
			continue;
		for (unsigned body = 0; body < BODIES; body++)
			if (!strcmp(line->name, body_label(body)) &&
			    offset + 8 > trial->size[body] &&
			    offset < (trial->size[body] | (PAGE - 1)) + 1)
				return true;
	}
	return false;
}

static unsigned alive_count(const struct trial *trial)
{
	unsigned count = 0;

	for (unsigned i = 0; i < PROCESSES; i++)
		count += trial->alive[i];
	return count;
}

/* What is listed as not to be done in one sequence. */
static bool is_apart(struct trial *trial, const struct op *op)
{
	enum limit_kind limit;
	uint64_t *met;

	if (op->kind == OP_LIMIT) {
		trial->limited[op->flags] |= !trial->unlimited[op->flags];
		return trial->unlimited[op->flags];
	}
	limit = differences_apart(op, &met);
	if (limit == LIMITS)
		return false;
	trial->unlimited[limit] |= !trial->limited[limit];
	*met += trial->limited[limit];
	return trial->limited[limit];
}

static bool is_pageout(const struct op *op)
{
	return op->kind == OP_MADVISE && op->flags == MADV_PAGEOUT;
}

bool trial_is_void(struct trial *trial, const struct op *op)
{
	if (!trial->alive[op->process])
		return true;
	if (op->kind == OP_FORK)
		return op->length >= PROCESSES || trial->used[op->length];
	if (op->kind == OP_EXIT)
		return alive_count(trial) < 2;
	/* The kernel looks whether it may even if there is nothing to do. */
	if (op->kind == OP_RESIZE)
		return trial->size[file_body(op->file)] == op->length;
	/* What may be dropped then, is or is not. */
	if (is_pageout(op))
		return trial->droppable;
	return is_apart(trial, op) || stores_past_end(trial, op);
}

/* ---- steps ---- */

void trial_read_maps(struct trial *trial, unsigned process)
{
	struct executor *leader = trial->executor[0];

	leader->ops->maps(leader, process, trial->maps);
	trial->line_count = maps_parse(trial->maps, trial->lines);
}

/*
 * Who does not place within the window by himself gets the leader's place.
 * False: there was none, and he is not asked.
 */
static bool follow(const struct op *op, const struct outcome *led,
		   struct op *own)
{
	*own = *op;
	if (!op_is_placed_freely(op))
		return true;
	if (led->result == -1)
		return led->error != ENOMEM;
	if (op->kind == OP_MMAP && (uint64_t)led->result != op->address) {
		own->address = (uint64_t)led->result;
		own->flags |= MAP_FIXED;
	} else if (op->kind == OP_MREMAP &&
		   (uint64_t)led->result != op->address) {
		own->new_address = (uint64_t)led->result;
		own->flags |= MREMAP_FIXED;
	}
	return true;
}

static bool execute(struct trial *trial, const struct op *op,
		    struct outcome *led)
{
	trial->executor[0]->ops->execute(trial->executor[0], op, led);
	for (unsigned i = 1; i < trial->running; i++) {
		struct executor *executor = trial->executor[i];
		struct outcome outcome;
		struct op own = *op;

		if (!executor->ops->places && !follow(op, led, &own))
			continue;
		executor->ops->execute(executor, &own, &outcome);
		if (!compare_outcomes(trial, i, op, led, &outcome))
			return false;
	}
	return true;
}

static void keep_account(struct trial *trial, const struct op *op,
			 const struct outcome *led)
{
	if (led->result < 0)
		return;
	if (op->kind == OP_RESIZE)
		trial->size[file_body(op->file)] = op->length;
	if (op->kind == OP_EXIT)
		trial->alive[op->process] = false;
	if (op->kind == OP_MMAP && (op->flags & MAP_TYPE) == MAP_DROPPABLE)
		trial->droppable = true;
	if (op->kind == OP_FORK) {
		trial->alive[op->length] = true;
		trial->used[op->length] = true;
	}
}

static bool look_at_all(struct trial *trial)
{
	for (unsigned i = 0; i < PROCESSES; i++)
		if (trial->alive[i] &&
		    (!compare_maps(trial, i) || !compare_bytes(trial, i)))
			return false;
	return true;
}

bool trial_step(struct trial *trial, const struct op *op)
{
	struct outcome *led = &trial->led;

	if (trial->over || trial_is_void(trial, op))
		return true;
	trial->finding.kind = op->kind;
	trial->paged_out |= is_pageout(op);
	trial->last = *op;
	if (!execute(trial, op, led))
		return false;
	keep_account(trial, op, led);
	if (trial->over)
		return true;
	if (op->look || op->kind == OP_FORK)
		return look_at_all(trial);
	return !trial->alive[op->process] || compare_maps(trial, op->process);
}

bool trial_look(struct trial *trial)
{
	return trial->over || look_at_all(trial);
}

/* ---- sequences ---- */

void trial_begin(struct trial *trial, bool forks)
{
	trial->running = 0;
	for (unsigned i = 0; i < trial->executors; i++)
		if (!forks || trial->executor[i]->ops->can_fork)
			trial->running = i + 1;
	for (unsigned i = 0; i < trial->running; i++)
		trial->executor[i]->ops->begin(trial->executor[i]);
	memset(trial->alive, 0, sizeof(trial->alive));
	memset(trial->used, 0, sizeof(trial->used));
	memset(trial->limited, 0, sizeof(trial->limited));
	memset(trial->unlimited, 0, sizeof(trial->unlimited));
	trial->alive[0] = true;
	trial->used[0] = true;
	for (unsigned i = 0; i < BODIES; i++)
		trial->size[i] = body_size(i);
	trial->paged_out = false;
	trial->droppable = false;
	trial->over = false;
	trial->agreed = 0;
	memset(&trial->finding, 0, sizeof(trial->finding));
	memset(&trial->last, 0, sizeof(trial->last));
	memset(&trial->led, 0, sizeof(trial->led));
	trial->words[0] = '\0';
}

void trial_end(struct trial *trial)
{
	for (unsigned i = 0; i < trial->running; i++)
		trial->executor[i]->ops->end(trial->executor[i]);
}

void trial_run(struct trial *trial, const struct op *ops, size_t count,
	       bool forks)
{
	trial_begin(trial, forks);
	while (trial->agreed < count && trial_step(trial, &ops[trial->agreed]))
		trial->agreed++;
	if (trial->agreed == count && count > 0 && !trial_look(trial))
		trial->agreed--;
	trial_end(trial);
}

void trial_crashed(struct trial *trial, enum what_differs what, int signal)
{
	trial->finding.what = what;
	trial->finding.executor = 0;
	if (what == HUNG)
		snprintf(trial->words, MOST_WORDS,
			 "the process did not go on\n");
	else if (signal)
		snprintf(trial->words, MOST_WORDS,
			 "the process ended by signal %d\n", signal);
	else
		snprintf(trial->words, MOST_WORDS,
			 "the process ended, as a sanitizer ends one\n");
	for (unsigned i = 0; i < trial->executors; i++)
		trial->executor[i]->ops->abandon(trial->executor[i]);
}
