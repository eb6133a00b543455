/* shrink.c - fewer and simpler operations that still differ */
/* SPDX-License-Identifier: MIT */
/*
 * Delta debugging: leaves out half of the steps, then quarters, and so on down
 * to single ones, as long as what is left still differs; then tries simpler
 * arguments one by one; and all of it again while something was gained.
 */
#include "model/judge/shrink.h"

#include "model/judge/isolate.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MOST_ATTEMPTS 4000
#define ATTEMPTS_OF_HANG 50 /* what one counts for that takes so long */
/* Whether something happens can depend on threads. */
#define TRIES 3

/* A sequence that ends takes far less. */
#define PATIENCE_S 10

struct attempt {
	struct trial *trial;
	const struct op *ops;
	size_t count;
	bool forks;
};

static void attempt_body(void *argument)
{
	const struct attempt *attempt = argument;

	trial_run(attempt->trial, attempt->ops, attempt->count, attempt->forks);
}

size_t shrink_try(struct trial *trial, const struct op *ops, size_t count,
		  bool forks)
{
	struct attempt attempt = { trial, ops, count, forks };
	enum isolated how;
	int signal;

	how = isolate(attempt_body, &attempt, PATIENCE_S, true, &signal);
	if (how == ISOLATED_DONE)
		return trial->agreed;
	trial_crashed(trial, how == ISOLATED_CRASHED ? CRASHED : HUNG, signal);
	return trial->agreed < count ? trial->agreed : count - 1;
}

struct shrinking {
	struct trial *trial;
	struct op *ops;
	size_t count;
	bool forks;
	unsigned attempts;
	struct finding finding;
	struct op *other; /* room for an attempt */
};

/* Of the same sort: a smaller sequence may well find something else. */
static bool is_same_finding(const struct finding *one,
			    const struct finding *two)
{
	return one->what == two->what && one->executor == two->executor &&
	       one->kind == two->kind;
}

/* What comes after the step that differs is left out at once. */
static bool still_differs(struct shrinking *shrinking, const struct op *ops,
			  size_t count)
{
	size_t agreed;

	if (shrinking->attempts >= MOST_ATTEMPTS || count == 0)
		return false;
	shrinking->attempts +=
		shrinking->finding.what == HUNG ? ATTEMPTS_OF_HANG : 1;
	agreed = shrink_try(shrinking->trial, ops, count, shrinking->forks);
	if (agreed == count ||
	    !is_same_finding(&shrinking->trial->finding, &shrinking->finding))
		return false;
	memmove(shrinking->ops, ops, (agreed + 1) * sizeof(*ops));
	shrinking->count = agreed + 1;
	return true;
}

static bool without(struct shrinking *shrinking, size_t first, size_t length)
{
	size_t rest = shrinking->count - first - length;

	memcpy(shrinking->other, shrinking->ops, first * sizeof(struct op));
	memcpy(shrinking->other + first, shrinking->ops + first + length,
	       rest * sizeof(struct op));
	return still_differs(shrinking, shrinking->other, first + rest);
}

static bool leave_out(struct shrinking *shrinking)
{
	size_t before = shrinking->count;

	for (size_t length = (before + 1) / 2; length > 0; length /= 2) {
		size_t first = shrinking->count;

		while (first > 0) {
			first = first > length ? first - length : 0;
			if (first + length <= shrinking->count &&
			    without(shrinking, first, length) &&
			    first > shrinking->count)
				first = shrinking->count;
		}
	}
	return shrinking->count < before;
}

/* ---- simpler arguments ---- */

static void without_look(struct op *op)
{
	op->look = false;
}

static void with_look(struct op *op)
{
	op->look = true;
}

static void one_page(struct op *op)
{
	if (op->length > PAGE && op->kind != OP_FORK)
		op->length = PAGE;
}

static void half(struct op *op)
{
	if (op->length > PAGE && op->kind != OP_FORK)
		op->length = (op->length / 2 + PAGE - 1) / PAGE * PAGE;
}

static void no_offset(struct op *op)
{
	op->offset = 0;
}

static void first_file(struct op *op)
{
	if (op->file != NO_FILE)
		op->file = 0;
}

static void no_file(struct op *op)
{
	if (op->kind == OP_MMAP && (op->flags & MAP_ANONYMOUS))
		op->file = NO_FILE;
}

static void anonymous(struct op *op)
{
	if (op->kind == OP_MMAP) {
		op->flags |= MAP_ANONYMOUS;
		op->file = NO_FILE;
		op->offset = 0;
	}
}

static void plain_prot(struct op *op)
{
	if (op->kind == OP_MMAP || op->kind == OP_MPROTECT)
		op->prot = PROT_READ | PROT_WRITE;
}

static void read_prot(struct op *op)
{
	if (op->kind == OP_MMAP || op->kind == OP_MPROTECT)
		op->prot = PROT_READ;
}

static void plain_flags(struct op *op)
{
	if (op->kind == OP_MMAP)
		op->flags = MAP_PRIVATE | MAP_FIXED |
			    (op->flags & MAP_ANONYMOUS);
}

static void fixed(struct op *op)
{
	if (op->kind == OP_MMAP)
		op->flags = (op->flags & ~MAP_FIXED_NOREPLACE) | MAP_FIXED;
}

static void as_load(struct op *op)
{
	if (op->kind != OP_STORE && op->kind != OP_FETCH)
		return;
	op->kind = OP_LOAD;
	op->value = 0;
}

static void at_page_start(struct op *op)
{
	op->address &= ~(PAGE - 1);
}

static void first_process(struct op *op)
{
	op->process = 0;
}

static void same_length(struct op *op)
{
	if (op->kind == OP_MREMAP)
		op->new_length = op->length;
}

static void one_new_page(struct op *op)
{
	if (op->kind == OP_MREMAP && op->new_length > PAGE)
		op->new_length = PAGE;
}

static unsigned prot_cost(const struct op *op)
{
	if (op->prot == (PROT_READ | PROT_WRITE))
		return 0;
	return op->prot == PROT_READ ? 1 : 2;
}

/* What is simpler costs less: no change is undone by another. */
static uint64_t cost(const struct op *op)
{
	const int free_flags = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS;
	uint64_t sum = prot_cost(op) + op->look + 2 * (uint64_t)op->process;

	sum += (op->length + op->new_length) / PAGE;
	sum += op->address % PAGE ? 2 : 0;
	sum += op->offset ? 1 : 0;
	sum += op->kind != OP_LOAD;
	if (op->file != NO_FILE)
		sum += op->file == 0 ? 1 : 2;
	if (op->kind == OP_MMAP)
		sum += 4 * (uint64_t)__builtin_popcount(
				   (unsigned)(op->flags & ~free_flags));
	if (op->kind == OP_MMAP && (op->flags & MAP_TYPE) != MAP_PRIVATE)
		sum++;
	return sum;
}

static bool try_change(struct shrinking *shrinking, size_t index,
		       void (*change)(struct op *))
{
	struct op changed = shrinking->ops[index];

	change(&changed);
	if (cost(&changed) >= cost(&shrinking->ops[index]))
		return false;
	memcpy(shrinking->other, shrinking->ops,
	       shrinking->count * sizeof(struct op));
	shrinking->other[index] = changed;
	return still_differs(shrinking, shrinking->other, shrinking->count);
}

/* One flag after the other is cleared. */
static bool clear_flags(struct shrinking *shrinking, size_t index)
{
	bool gained = false;

	for (int bit = 4; bit < 31 && index < shrinking->count; bit++) {
		struct op *ops = shrinking->other;

		if (shrinking->ops[index].kind != OP_MMAP ||
		    !(shrinking->ops[index].flags & 1 << bit))
			continue;
		memcpy(ops, shrinking->ops,
		       shrinking->count * sizeof(struct op));
		ops[index].flags &= ~(1 << bit);
		gained |= still_differs(shrinking, ops, shrinking->count);
	}
	return gained;
}

static bool simplify(struct shrinking *shrinking)
{
	static void (*const changes[])(struct op *) = {
		without_look, first_process, plain_flags, fixed,
		anonymous,    no_file,       first_file,  no_offset,
		one_page,     half,          plain_prot,  read_prot,
		as_load,      at_page_start, same_length, one_new_page,
	};
	bool gained = false;

	for (size_t i = 0; i < shrinking->count; i++) {
		for (size_t j = 0; j < sizeof(changes) / sizeof(changes[0]) &&
				   i < shrinking->count;
		     j++)
			gained |= try_change(shrinking, i, changes[j]);
		if (i < shrinking->count)
			gained |= clear_flags(shrinking, i);
	}
	return gained;
}

/* Looking after each step shows where it begins. */
static void look_early(struct shrinking *shrinking)
{
	memcpy(shrinking->other, shrinking->ops,
	       shrinking->count * sizeof(struct op));
	for (size_t i = 0; i < shrinking->count; i++)
		with_look(&shrinking->other[i]);
	still_differs(shrinking, shrinking->other, shrinking->count);
}

size_t shrink(struct trial *trial, struct op *ops, size_t count, bool forks)
{
	struct shrinking shrinking = { .trial = trial,
				       .ops = ops,
				       .count = count,
				       .forks = forks,
				       .finding = trial->finding };
	bool differs = false, gained = true;

	shrinking.other = calloc(count, sizeof(*ops));
	if (!shrinking.other)
		die("no memory");
	for (int i = 0; i < TRIES && !differs; i++)
		differs = still_differs(&shrinking, ops, count);
	if (differs) {
		look_early(&shrinking);
		/* Simpler ones change what a step does, so both are tried
		 * until neither gains anything. */
		while (gained && shrinking.attempts < MOST_ATTEMPTS) {
			gained = leave_out(&shrinking);
			gained |= simplify(&shrinking);
		}
	}
	free(shrinking.other);
	return shrinking.count;
}
