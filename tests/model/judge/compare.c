/* compare.c - two executors say the same, or a listed difference */
/* SPDX-License-Identifier: MIT */
#include "model/judge/compare.h"

#include "model/judge/differences.h"

#include <stdarg.h>
#include <string.h>

static const char *name_of(const struct trial *trial, unsigned index)
{
	return trial->executor[index]->ops->name;
}

static struct match_side side_of(const struct trial *trial, unsigned index)
{
	return (struct match_side){
		.executor = name_of(trial, index),
		.small_budget = trial->small_budget,
		.paged_out = trial->paged_out,
	};
}

__attribute__((format(printf, 2, 3))) static void say(struct trial *trial,
						      const char *format, ...)
{
	size_t used = strlen(trial->words);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(trial->words + used, MOST_WORDS - used, format, arguments);
	va_end(arguments);
}

/* What differs, and between whom. */
static void find(struct trial *trial, enum what_differs what, unsigned index)
{
	trial->finding.what = what;
	trial->finding.executor = index;
}

static void say_maps(struct trial *trial, unsigned index, unsigned process)
{
	char text[MAPS_BYTES];

	trial_read_maps(trial, process);
	say(trial, "maps of %s:\n%s", name_of(trial, 0), trial->maps);
	trial->executor[index]->ops->maps(trial->executor[index], process,
					  text);
	say(trial, "maps of %s:\n%s", name_of(trial, index), text);
}

/* ---- outcomes ---- */

static void say_outcome(struct trial *trial, unsigned index,
			const struct op *op, const struct outcome *outcome)
{
	char text[256] = "";
	FILE *stream = fmemopen(text, sizeof(text), "w");

	outcome_print(op, outcome, stream);
	fclose(stream);
	say(trial, "  %s: %s", name_of(trial, index), text);
}

static bool same_answer(const struct outcome *one, const struct outcome *two)
{
	if (one->signal || two->signal)
		return one->signal == two->signal && one->code == two->code &&
		       one->fault_address == two->fault_address;
	return one->result == two->result && one->error == two->error;
}

/* The bits of mincore's range that are of private anonymous memory. */
static uint64_t anonymous_bits(struct trial *trial, const struct op *op)
{
	uint64_t bits = 0;

	trial_read_maps(trial, op->process);
	for (size_t i = 0; i < trial->line_count; i++) {
		const struct maps_line *line = &trial->lines[i];

		if (strcmp(line->name, "anonymous"))
			continue;
		for (uint64_t at = line->start; at < line->end; at += PAGE)
			if (at >= op->address && at < op->address + op->length)
				bits |= UINT64_C(1)
					<< (at - op->address) / PAGE;
	}
	return bits;
}

/* A bit that tells of anonymous memory differs, or one that means nothing. */
static bool differs_in_own_memory(struct trial *trial, const struct op *op,
				  uint64_t differs)
{
	return differs & (anonymous_bits(trial, op) | UINT64_C(1) << 63);
}

static bool same_value(struct trial *trial, const struct match_side *side,
		       const struct op *op, uint64_t differs)
{
	bool own;

	if (!differs)
		return true;
	own = op->kind != OP_MINCORE ||
	      differs_in_own_memory(trial, op, differs);
	return differences_allow_value(side, op, own);
}

bool compare_outcomes(struct trial *trial, unsigned index, const struct op *op,
		      const struct outcome *led, const struct outcome *outcome)
{
	struct match_side side = side_of(trial, index);

	if (same_answer(led, outcome)) {
		if (same_value(trial, &side, op, led->value ^ outcome->value))
			return true;
	} else if (differences_allow(&side, op, led, outcome)) {
		if (led->result != outcome->result)
			trial->over = true;
		return true;
	}
	find(trial, ANSWERS_DIFFER, index);
	say(trial, "they answer:\n");
	say_outcome(trial, 0, op, led);
	say_outcome(trial, index, op, outcome);
	say_maps(trial, index, op->process);
	return false;
}

/* ---- maps ---- */

static void join(enum join how, struct maps_line *lines, size_t *count)
{
	if (how == JOIN_PRIVATE || how == JOIN_ALL)
		*count = maps_join(lines, *count, how == JOIN_PRIVATE);
}

static void forget_offsets(const struct match_side *side,
			   struct maps_line *lines, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (differences_ignore_offset(side, lines[i].name))
			lines[i].offset = ANY_OFFSET;
}

static bool same_lines(const struct maps_line *one, const struct maps_line *two)
{
	bool counts = strcmp(one->name, "anonymous") != 0;

	return one->start == two->start && one->end == two->end &&
	       (!counts || one->offset == two->offset) &&
	       !strcmp(one->rights, two->rights) &&
	       !strcmp(one->name, two->name);
}

/* Whether they are the same once lines are joined that may be. */
static bool same_when_joined(struct trial *trial, unsigned index,
			     const char *text)
{
	static struct maps_line one[MAPS_LINES], two[MAPS_LINES];
	struct match_side side = side_of(trial, index);
	struct join_rule rule =
		differences_join(&side, &trial->last, trial->led.result == -1);
	size_t first = maps_parse(trial->maps, one);
	size_t second = maps_parse(text, two);
	bool same;

	forget_offsets(&side, one, first);
	forget_offsets(&side, two, second);
	join(rule.join, one, &first);
	join(rule.join, two, &second);
	same = first == second;
	for (size_t i = 0; same && i < first; i++)
		same = same_lines(&one[i], &two[i]);
	same |= rule.join == JOIN_ANY;
	if (same && rule.join != JOIN_NONE) {
		(*rule.met)++;
		trial->over |= rule.parts;
	}
	return same;
}

bool compare_maps(struct trial *trial, unsigned process)
{
	char text[MAPS_BYTES];

	trial_read_maps(trial, process);
	for (unsigned i = 1; i < trial->running; i++) {
		struct executor *executor = trial->executor[i];

		executor->ops->maps(executor, process, text);
		if (!strcmp(trial->maps, text) ||
		    same_when_joined(trial, i, text))
			continue;
		find(trial, MAPS_DIFFER, i);
		say(trial, "their maps differ (process %u):\n", process);
		say_maps(trial, i, process);
		return false;
	}
	return true;
}

/* ---- bytes ---- */

static void want_what_is_mapped(const struct trial *trial,
				struct page_look *pages)
{
	memset(pages, 0, WINDOW_PAGES * sizeof(*pages));
	for (size_t i = 0; i < trial->line_count; i++) {
		const struct maps_line *line = &trial->lines[i];

		if (!strncmp(line->rights, "---", 3))
			continue;
		for (uint64_t at = line->start; at < line->end; at += PAGE)
			pages[(at - WINDOW) / PAGE].wanted = true;
	}
}

static void say_page(struct trial *trial, unsigned index,
		     const struct page_look *page)
{
	if (page->signal)
		say(trial, "  %s: signal %d\n", name_of(trial, index),
		    page->signal);
	else
		say(trial, "  %s: 0x%llx 0x%llx ... (hash 0x%llx)\n",
		    name_of(trial, index), (unsigned long long)page->first[0],
		    (unsigned long long)page->first[1],
		    (unsigned long long)page->hash);
}

static bool same_pages(struct trial *trial, unsigned index, unsigned process,
		       const struct page_look *led,
		       const struct page_look *pages)
{
	for (uint64_t i = 0; i < WINDOW_PAGES; i++) {
		if (!led[i].wanted ||
		    (led[i].signal == pages[i].signal &&
		     (led[i].signal || led[i].hash == pages[i].hash)))
			continue;
		find(trial, BYTES_DIFFER, index);
		say(trial, "at(%llu) of process %u differs:\n",
		    (unsigned long long)i, process);
		say_page(trial, 0, &led[i]);
		say_page(trial, index, &pages[i]);
		say_maps(trial, index, process);
		return false;
	}
	return true;
}

bool compare_bytes(struct trial *trial, unsigned process)
{
	struct page_look led[WINDOW_PAGES], pages[WINDOW_PAGES];

	trial_read_maps(trial, process);
	want_what_is_mapped(trial, led);
	memcpy(pages, led, sizeof(pages));
	trial->executor[0]->ops->look(trial->executor[0], process, led);
	for (unsigned i = 1; i < trial->running; i++) {
		struct page_look own[WINDOW_PAGES];

		memcpy(own, pages, sizeof(own));
		trial->executor[i]->ops->look(trial->executor[i], process, own);
		if (!same_pages(trial, i, process, led, own))
			return false;
	}
	return true;
}
